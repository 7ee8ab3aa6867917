"""Scripts find what lies beside them; so do tests of it."""

import sys

from helpers.common import paths

sys.path.insert(0, str(paths.ROOT / "experiments"))
