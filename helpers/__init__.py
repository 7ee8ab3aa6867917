"""N-HPatches coursework: from noisy patches to benchmark tables, one room a folder or file."""

import os
import sys

from helpers.common.quiet import QuietTensorFlow

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # the most of what TensorFlow says of itself
sys.meta_path.insert(0, QuietTensorFlow)  # the rest
