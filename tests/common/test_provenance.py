"""What made a number; a backend that is not there is said before Keras looks for it."""

import pytest

from helpers.__main__ import main
from helpers.common import provenance
from helpers.common.errors import InputError


def test_a_backend_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setattr(provenance, "find_spec", lambda name: name == "jax" or None)
    with pytest.raises(InputError, match=r"'torch', which is not installed or no .*\(jax\)"):
        provenance.require_backend()


def test_an_unknown_backend_ends_the_command_line_with_a_sentence(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    assert main(["dataset"]) == 2
    assert "'theano', which is not installed or no backend of Keras" in capsys.readouterr().err


def test_an_older_keras_is_named_with_the_one_that_is_needed(monkeypatch, capsys):
    monkeypatch.setattr(provenance, "version", lambda name: "3.9.2")
    assert main(["dataset"]) == 2
    assert "Keras 3.13 or newer is needed, and 3.9.2 is installed" in capsys.readouterr().err


def test_the_backend_of_the_tests_is_there():
    provenance.require_backend()
