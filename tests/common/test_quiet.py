"""What is left out of stderr, in processes of their own: it is the system's stderr that counts."""

import os
import subprocess
import sys

from helpers.common import paths


def stderr_of(script: str) -> subprocess.CompletedProcess:
    without = {name: text for name, text in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    where = {"cwd": paths.ROOT, "env": without | {"KERAS_BACKEND": "tensorflow"}}
    return subprocess.run([sys.executable, "-c", script], **where, capture_output=True, text=True)


def test_importing_keras_and_tracing_many_networks_says_nothing():
    done = stderr_of(
        "import helpers, keras\n"
        "for _ in range(7):\n"
        "    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])\n"
        "    network.predict(keras.ops.ones((1, 1)), verbose=0)\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_said_later_is_shown_and_an_import_that_fails_says_why():
    assert stderr_of("import os, helpers, tensorflow; os.write(2, b'later')").stderr == "later"
    script = "import sys, helpers; sys.modules['numpy'] = None; import tensorflow"
    assert "import of numpy halted" in stderr_of(script).stderr
