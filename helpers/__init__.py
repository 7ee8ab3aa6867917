"""N-HPatches coursework: from noisy patches to benchmark tables, one room a folder or file."""

import os

# TensorFlow greets with eight lines, which end in a red box in notebooks.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
