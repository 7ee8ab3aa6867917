"""What is left out of stderr, in processes of their own: it is the system's stderr that counts."""

import os
import signal
import subprocess
import sys

import pytest

from helpers.common import paths

GREETED = "W0000 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be"


def stderr_of(script: str) -> subprocess.CompletedProcess:
    without = {name: text for name, text in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    where = {"cwd": paths.ROOT, "env": without | {"KERAS_BACKEND": "tensorflow"}}
    return subprocess.run(
        [sys.executable, "-c", script], **where, capture_output=True, text=True, errors="replace"
    )


def test_importing_keras_and_tracing_many_networks_says_nothing():
    done = stderr_of(
        "import helpers, keras\n"
        "for _ in range(7):\n"
        "    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])\n"
        "    network.predict(keras.ops.ones((1, 1)), verbose=0)\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("end", "status"),
    [("", 0), ("raise ValueError('real')", 1), ("os.abort()", -signal.SIGABRT)],
)
def test_all_but_the_greeting_is_passed_on_even_if_the_process_dies(end, status):
    done = stderr_of(
        "import os, sys\n"
        "from helpers.common.quiet import without_greeting\n"
        "print('before', file=sys.stderr)\n"
        "with without_greeting():\n"
        f"    os.write(2, b'{GREETED}\\n')\n"
        "    os.write(2, b'a real error \\xff\\n')\n"
        "    print('a warning', file=sys.stderr)\n"
        f"    {end}\n"
        "os.write(2, b'behind\\n')\n"
    )
    assert done.returncode == status
    lines = [line for line in done.stderr.splitlines() if "  File" not in line]
    assert lines[:3] == ["before", "a real error \ufffd", "a warning"]
    assert lines[-1] == {0: "behind", 1: "ValueError: real"}.get(status, "a warning")


def test_without_grep_everything_is_shown():
    done = stderr_of(
        "import os\n"
        "from helpers.common.quiet import without_greeting\n"
        "os.environ['PATH'] = ''\n"
        "with without_greeting():\n"
        f"    os.write(2, b'{GREETED}\\n')\n"
    )
    assert done.stderr == f"{GREETED}\n"
