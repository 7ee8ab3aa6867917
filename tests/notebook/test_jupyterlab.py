"""A notebook as a learner meets it: in JupyterLab, in a real browser, in the smoke profile."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from nbconvert import HTMLExporter

from helpers.common import paths

playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright, which drives a browser, is not installed"
)

pytestmark = pytest.mark.browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 600  # seconds for one step, of which none takes a minute on an idle machine
POLLING = 300  # milliseconds between looks at the page, which share the cores with the kernel

# What the page is asked, in JavaScript: JupyterLab hands out its models as `jupyterapp`.
READY = """() => globalThis.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status
    === "idle" """
# A cell gets its number when it is done; after an error the cells below are not run.
DONE = """() => {
    const cells = jupyterapp.shell.currentWidget.content.model.toJSON().cells
        .filter(cell => cell.cell_type === "code");
    const failed = cell => cell.outputs.some(output => output.output_type === "error");
    return cells.every(cell => cell.execution_count !== null) || cells.some(failed);
}"""
SAVE = "() => jupyterapp.shell.currentWidget.context.save()"
# Cells out of sight need not be part of the page.
SCROLL_TO = "number => jupyterapp.shell.currentWidget.content.scrollToItem(number)"
SHOWS_IMAGE = """number => jupyterapp.shell.currentWidget.content.widgets[number].node
    .querySelector(".jp-OutputArea img")?.naturalWidth > 0"""
PIXELS = """image => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL();
}"""


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.skip(f"none of the browsers {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as control:
        started = control.chromium.launch(executable_path=found, timeout=1000 * PATIENCE)
        yield started
        started.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a copy of the notebooks in the smallest profile."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(paths.NOTEBOOKS, folder / "notebooks")
    for path in (folder / "notebooks").glob("[0-9]_*"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r'(PROFILE = \\?")coursework', r"\1smoke", text), encoding="utf-8")
        os.utime(path, (1e9, 1e9))  # of a pair, jupytext would take the newer one
    return folder


@pytest.fixture(scope="module")
def lab(browser, home, photographs_folder):
    """The address of a JupyterLab that runs for the tests of this file."""
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "jupyter"}
    places |= {"JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython", "NHPATCHES_HOME": "."}
    environment = os.environ | {name: str(home / place) for name, place in places.items()}
    environment["NHPATCHES_DATA"] = str(photographs_folder)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += ["--ServerApp.port=0", "--IdentityProvider.token=smoke", "--expose-app-in-browser"]
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            command, cwd=home / "notebooks", env=environment, stdout=log, stderr=log
        )
        try:
            yield address(server, home)
        finally:
            stop(server)


def address(server, home) -> str:
    """Waits until the server answers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        for path in (home / "runtime").glob("jpserver-*.json"):
            try:
                url = json.loads(path.read_text())["url"]
                with urllib.request.urlopen(f"{url}api/status?token=smoke", timeout=60):
                    return url
            except (OSError, ValueError):  # not yet
                pass
        time.sleep(0.2)
    raise AssertionError((home / "log").read_text())


def stop(server) -> None:
    server.terminate()  # it ends its kernels first
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def page(browser, lab):
    """Notebook 1, opened and run to its end."""
    with browser.new_page(viewport={"width": 1400, "height": 1000}) as page:
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(f"{lab}lab/tree/1_dataset.ipynb?token=smoke")
        page.wait_for_function(READY)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_function(DONE, polling=POLLING)
        yield page


@pytest.fixture(scope="module")
def notebook(page, home):
    """The notebook with its outputs, as JupyterLab saves it."""
    page.evaluate(SAVE)
    return nbformat.read(home / "notebooks" / "1_dataset.ipynb", as_version=4)


@pytest.fixture(scope="module")
def cells(notebook):
    return notebook.cells


@pytest.fixture
def explored(page, cells):
    """The picture that follows the controls."""
    (number,) = [i for i, cell in enumerate(cells) if "explorer.strips(" in cell.source]
    page.evaluate(SCROLL_TO, number)
    page.wait_for_function(SHOWS_IMAGE, arg=number)
    return page.locator("img.widget-image")


def outputs_of(cells) -> list:
    return [output for cell in cells for output in cell.get("outputs", [])]


def pictures_of(cells) -> list:
    return [output for output in outputs_of(cells) if "image/png" in output.get("data", {})]


def wait_for_another(page, image, before: str) -> None:
    changed = f"([image, before]) => image.naturalWidth > 0 && ({PIXELS})(image) !== before"
    page.wait_for_function(changed, arg=[image.element_handle(), before], polling=POLLING)


@pytest.mark.deep
def test_no_cell_shows_an_error_or_a_warning(cells):
    outputs = outputs_of(cells)
    assert outputs and not [o for o in outputs if o.output_type == "error"]
    said = "".join(o.text for o in outputs if o.get("name") == "stderr")
    assert "Warning" not in said and "Error" not in said


@pytest.mark.deep
def test_figures_are_shown_as_images(page, cells):
    numbers = [i for i, cell in enumerate(cells) if pictures_of([cell])]
    assert len(numbers) >= 3
    for number in numbers:
        page.evaluate(SCROLL_TO, number)
        page.wait_for_function(SHOWS_IMAGE, arg=number)


@pytest.mark.deep
def test_what_jupyterlab_saves_exports_with_every_picture(notebook):
    html, _ = HTMLExporter().from_notebook_node(notebook)
    for picture in pictures_of(notebook.cells):
        assert picture.data["image/png"].replace("\n", "") in html.replace("\n", "")


@pytest.mark.deep
def test_another_scene_gives_another_picture(page, explored):
    before = explored.evaluate(PIXELS)
    page.get_by_label("scene").select_option(index=1)
    wait_for_another(page, explored, before)


def test_moving_the_slider_gives_another_picture(page, explored):
    before = explored.evaluate(PIXELS)
    page.locator(".noUi-handle").press("ArrowRight")
    wait_for_another(page, explored, before)
