"""Training: settings and a dataset in, one run folder with weights and history out."""

from helpers.common.provenance import require_backend
from helpers.training.batches import make_batches
from helpers.training.loop import train
from helpers.training.model import make_network
from helpers.training.runs import load_network, load_pipeline

__all__ = ["load_network", "load_pipeline", "make_batches", "make_network", "train"]

require_backend()  # for notebooks and scripts, too
