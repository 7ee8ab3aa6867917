"""Pictures with controls: pick a scene, a point or a trial, and see it.

In a live notebook such a picture comes with its controls. Where nobody can move them (executed
copies, their HTML and PDF, no ipywidgets) the same call shows the picture of its first values.
"""

import importlib.util
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from IPython import get_ipython
from matplotlib.figure import Figure
from PIL import Image

from helpers.benchmark.layout import STRIPS
from helpers.common import paths
from helpers.common.errors import InputError
from helpers.dataset.store import PatchStore
from helpers.report import figures

WIDGET = "application/vnd.jupyter.widget-view+json"
DPI = 160  # of the pictures, as of every figure in a notebook
NEAREST = 8  # neighbours that are shown
POOL = 500  # points of a scene that are searched: one batch, described in a second or two


class Explorer:
    """A picture that follows its controls; a notebook shows it by itself when a cell ends with it.

    Args:
        draw: takes the value of every control by its name, returns the figures that are shown
            below one another.
        choices: name of a control -> what can be chosen.
        lengths: scene -> number of its points, for pictures with the controls "scene" and "point".
        first: name of a control -> its first value, where that is not the first choice (of points:
            the one in the middle).
    """

    def __init__(
        self,
        draw: Callable[..., Sequence[Figure]],
        choices: Mapping[str, Sequence[str]],
        lengths: Mapping[str, int] | None = None,
        first: Mapping[str, Any] | None = None,
    ):
        self.draw, self.lengths, self.values = draw, dict(lengths or {}), {}
        self.choices = {name: list(values) for name, values in choices.items()}
        if self.lengths:
            self.choices = {"scene": list(self.lengths)} | self.choices
            scene = self.choices["scene"][0]
            self.values = {"scene": scene, "point": self.lengths[scene] // 2}
        self.values |= {name: values[0] for name, values in self.choices.items()} | (first or {})
        self.shown = self.picture()

    def picture(self) -> bytes:
        """The picture of the present values as PNG."""
        return stacked(self.draw(**self.values))

    def controls(self) -> Any:
        """An ipywidgets box: the controls, and below them the picture that follows them."""
        import ipywidgets as widgets  # not everyone has it, and not every picture needs it

        layout = widgets.Layout(max_width="99%", align_self="flex-start")  # else it is stretched
        image = widgets.Image(value=self.shown, layout=layout)
        moved = {name: self._control(widgets, name) for name in self.values}

        def follow(change: dict[str, Any]) -> None:
            if change["owner"] is moved.get("scene") and "point" in moved:
                moved["point"].max = self.lengths[change["new"]] - 1
            chosen = {name: control.value for name, control in moved.items()}
            if chosen != self.values:  # a shorter scene moves the point as well, and calls twice
                self.values = chosen
                image.value = self.shown = self.picture()

        for control in moved.values():
            control.observe(follow, "value")
        return widgets.VBox([*moved.values(), image])

    def _control(self, widgets: Any, name: str) -> Any:
        look: dict[str, Any] = {"value": self.values[name], "description": name}
        if name in self.choices:
            return widgets.Dropdown(options=self.choices[name], **look)
        return widgets.IntSlider(
            max=self.lengths[self.values["scene"]] - 1,
            continuous_update=False,  # only where the slider comes to rest
            layout=widgets.Layout(width="30em"),  # else one pixel moves it by several points
            **look,
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        name = f"<Explorer of {', '.join(self.values)}>"
        bundle: dict[str, Any] = {"text/plain": name, "image/png": self.shown}
        if somebody_watches():  # the picture stays, for exports of the notebook
            model = self.controls().model_id
            bundle[WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": model}
        return bundle


def somebody_watches() -> bool:
    """Whether controls would find someone to move them.

    Programs that execute a notebook (papermill, nbconvert) tell its kernel that no question can be
    answered; front ends with a reader tell it the opposite.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is None or importlib.util.find_spec("ipywidgets") is None:
        return False
    return bool(kernel.get_parent().get("content", {}).get("allow_stdin"))


def stacked(drawn: Sequence[Figure]) -> bytes:
    """Figures below one another, as one PNG."""
    files = [io.BytesIO() for _ in drawn]
    for figure, file in zip(drawn, files, strict=True):
        figure.savefig(file, format="png", dpi=DPI)
    pictures = [Image.open(file) for file in files]
    tops = [0, *accumulate(picture.height for picture in pictures)]
    sheet = Image.new("RGB", (max(picture.width for picture in pictures), tops[-1]), "white")
    for picture, top in zip(pictures, tops, strict=False):
        sheet.paste(picture, (0, top))
    sheet.save(file := io.BytesIO(), "png")
    return file.getvalue()


# --- what can be explored ------------------------------------------------------------------------


def strips(store: PatchStore, part: str = "train") -> Explorer:
    """Any point in its 16 strips, clean above noisy.

    Args:
        part: whose scenes can be picked.
    """

    def draw(scene: str, point: int) -> list[Figure]:
        return [figures.plot_strips(store, store.scenes[scene].start + point)]

    return Explorer(draw, {}, store.lengths(part))


def trials(table: pd.DataFrame) -> Explorer | str:
    """The losses of any trial of a search that was trained to its end, the best one first.

    Args:
        table: from `search.trials_table`.

    Returns:
        A sentence where all trials were trained by workers on other machines.
    """
    complete = table[table["state"] == "complete"].sort_values("loss", kind="stable")
    runs = {f"trial {row.trial}": paths.RUNS / row.run for row in complete.itertuples()}
    runs = {trial: run for trial, run in runs.items() if run.is_dir()}
    if not runs:
        return "The run folders of the trials are on other machines."

    def draw(trial: str) -> list[Figure]:
        return [figures.plot_losses({trial: runs[trial]})]

    return Explorer(draw, {"trial": list(runs)})


def neighbours(
    store: PatchStore, runs: Mapping[str, tuple[Path, Path]], part: str = "validation"
) -> Explorer:
    """Any point of a scene: how its patch is denoised, and what its descriptor is nearest to.

    The `ref` patch of the point is the query; the noisy patches of one strip of its scene are
    searched, and the right one is framed. Above, the right one as each denoiser leaves it.

    Args:
        runs: approach -> run folders of its denoiser and of its descriptor, as `trained` gives.
        part: whose scenes can be picked; those of "test" where it has none.

    Raises:
        InputError: there is no approach.
    """
    if not runs:
        raise InputError("There is no approach to look at: train one (notebook 2 or 4) first.")
    networks = _Networks(store, runs)
    lengths = store.lengths(part) or store.lengths("test")
    lengths = {scene: min(length, POOL) for scene, length in lengths.items()}

    def draw(scene: str, point: int, strip: str, approach: str) -> list[Figure]:
        place = (scene, point, strip)
        return [_denoised(networks, *place), _nearest(networks, *place, approach)]

    choices = {"strip": STRIPS[1:], "approach": list(runs)}
    return Explorer(draw, choices, lengths, {"strip": "t1", "approach": list(runs)[-1]})


def trained(profile: Any, store: PatchStore, pretrained: bool = False) -> dict:
    """The approaches whose networks are trained: approach -> run folders of the two networks.

    Args:
        profile: the settings of both approaches.
        pretrained: take the networks that come with the code for the improved ones.
    """
    from helpers.evaluation.scoring import find_runs

    found = {}
    for approach in ("baseline", "improved"):
        with suppress(InputError):  # not trained yet
            found[approach] = find_runs(profile, approach, store, pretrained)
    return found


class _Networks:
    """The networks of the approaches, each loaded when it is first asked for, and their answers.

    Keras is imported here only: it takes seconds, and pictures of strips have no use for it.
    """

    def __init__(self, store: PatchStore, runs: Mapping[str, tuple[Path, Path]]):
        self.store, self.runs = store, runs
        self.network, self.answers = cache(self._network), cache(self._answers)

    def patches(self, kind: str, scene: str, strip: str) -> np.ndarray:
        """Patches of a strip, uint8 (N, 32, 32), at most the first POOL of the scene.

        Args:
            kind: "noisy" or "clean".
        """
        patches = getattr(self.store, kind)[self.store.scenes[scene], STRIPS.index(strip)]
        return patches[:POOL]

    def _network(self, approach: str, role: str) -> Any:
        from helpers.training.runs import load_network, load_pipeline

        denoiser_run, descriptor_run = self.runs[approach]
        return load_network(denoiser_run) if role == "denoiser" else load_pipeline(descriptor_run)

    def _answers(self, approach: str, role: str, scene: str, strip: str) -> np.ndarray:
        """Of a denoiser (N, 32, 32, 1), of a descriptor, with what is in front of it, (N, D)."""
        from helpers.networks.pipeline import predict_patches

        return predict_patches(self.network(approach, role), self.patches("noisy", scene, strip))


def _denoised(networks: _Networks, scene: str, point: int, strip: str) -> Figure:
    noisy, clean = (networks.patches(kind, scene, strip)[[point]] for kind in ("noisy", "clean"))
    answers = {a: networks.answers(a, "denoiser", scene, strip) for a in networks.runs}
    estimates = {a: np.clip(found[[point], ..., 0], 0, 255) for a, found in answers.items()}
    return figures.plot_denoising(noisy, estimates, clean, [strip])


def _nearest(networks: _Networks, scene: str, point: int, strip: str, approach: str) -> Figure:
    from helpers.evaluation.samples import neighbours_of

    reference, pool = (networks.patches("noisy", scene, one) for one in ("ref", strip))
    vectors = [networks.answers(approach, "descriptor", scene, one) for one in ("ref", strip)]
    found = neighbours_of(point, np.stack(vectors), pool, NEAREST)
    found = tuple(np.array(one)[None] for one in found)
    return figures.plot_neighbours(reference[[point]], pool[[point]], {approach: found})
