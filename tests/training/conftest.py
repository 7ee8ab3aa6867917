"""Tiny networks that tests of training can choose by name."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for what lies here and is no test


@pytest.fixture(scope="module")
def tiny_networks():
    from tiny_networks import NETWORKS

    from helpers.training.registry import networks

    with pytest.MonkeyPatch.context() as patch:
        for role, network in NETWORKS.items():
            patch.setitem(networks(role), network.__name__, network)
        yield
