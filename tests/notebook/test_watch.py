"""What an executed notebook leaves, in its copy, its HTML and the terminal."""

import os
import tempfile
from html.parser import HTMLParser

import nbformat
import pytest

from helpers.common import paths
from helpers.common.errors import InputError
from helpers.notebook import execute

SAYING = """# %% tags=["parameters"]
PLACE = ""

# %%
import os, sys, time, warnings
from tqdm import tqdm
import pandas as pd
from helpers.report import tables

for _ in tqdm(range(3), desc="a bar"):
    time.sleep(0.01)
warnings.warn("our own warning")
print("The pretrained networks have learned from v_a", file=sys.stderr)
os.write(2, b"of a library\\n")

# %%
frame = pd.DataFrame({"<script>": ["<img src=x onerror=alert(1)>"]}, ["i_<script>"])
tables.show(frame)

# %%
frame

# %%
print("<img src=x onerror=alert(1)> <script>")
{"<script>": "<img src=x onerror=alert(1)>"}
"""


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    """A folder of notebooks of our own; executed copies go beside them."""
    folder = tmp_path_factory.mktemp("notebooks")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(paths, "NOTEBOOKS", folder)
        monkeypatch.setattr(paths, "EXECUTED", folder / "executed")
        yield folder


@pytest.fixture(scope="module")
def executed(notebooks):
    """A notebook that prints, warns and shows hostile names: its copy, and what was said."""
    (notebooks / "1_saying.py").write_text(SAYING)
    with pytest.MonkeyPatch.context() as monkeypatch, tempfile.TemporaryFile("w+") as terminal:
        monkeypatch.delenv("PYTEST_CURRENT_TEST")  # kernels leave the system's stderr alone then
        monkeypatch.setattr(execute.sys, "stdout", terminal)
        monkeypatch.setattr(execute.sys, "stderr", terminal)
        monkeypatch.setattr(tempfile, "tempdir", str(notebooks / ("long" * 30)))
        os.mkdir(tempfile.tempdir)  # too long for a socket
        (copy,) = execute.execute_all({"PLACE": "here"}, only="1")
        terminal.seek(0)
        said = terminal.read()
    (notebooks / "1_saying.py").unlink()
    return copy, said


@pytest.mark.parametrize("text", ["our own warning", "have learned from v_a", "of a library"])
def test_warnings_are_kept_and_shown_while_bars_are_not(executed, text):
    copy, said = executed
    outputs = [o for cell in nbformat.read(copy, 4).cells for o in cell.get("outputs", [])]
    kept = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert text in kept and text in said
    assert "a bar" not in kept + said


def test_names_are_no_html_in_the_page(executed):
    images, scripts = [], []
    page = HTMLParser()
    page.handle_starttag = lambda tag, attributes: (
        images.append(attributes) if tag == "img" else scripts.append(dict(attributes))
    )
    text = executed[0].with_suffix(".html").read_text()
    page.feed(text)
    assert not [one for one in images if ("src", "x") in one]
    body = text.partition("<body")[2]
    assert body.count("<script") == body.count("</script>") and "alert(1)&gt;" in body


def test_a_full_disk_is_one_sentence(notebooks, small_disk, monkeypatch):
    monkeypatch.setattr(paths, "EXECUTED", small_disk / "executed")
    (notebooks / "2_large.py").write_text("# %%\nprint('x' * 3_000_000)\n")
    with pytest.raises(InputError, match=r"2_large\.\w+ could not be written \(No space left"):
        execute.execute_all({}, only="2")
