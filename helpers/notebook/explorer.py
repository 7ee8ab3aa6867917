"""Pictures with controls: pick a scene, a point or a trial, and see it.

In a live notebook such a picture comes with its controls. Where nobody can move them (executed
copies, their HTML and PDF, no ipywidgets) the same call shows the picture of its first values.
"""

import importlib.util
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
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
        self.draw, self.lengths = draw, dict(lengths or {})
        self.choices = {name: list(values) for name, values in choices.items()}
        self.values: dict[str, Any] = {}
        if self.lengths:
            scene, length = next(iter(self.lengths.items()))
            self.values = {"scene": scene, "point": length // 2}
        self.values |= {name: values[0] for name, values in self.choices.items()}
        self.values |= first or {}
        self.shown = self.picture()

    def picture(self) -> bytes:
        """The picture of the present values as PNG."""
        return stacked(self.draw(**self.values))

    def controls(self) -> Any:
        """An ipywidgets box: the controls, and below them the picture that follows them."""
        import ipywidgets as widgets  # not everyone has it, and not every picture needs it

        layout = widgets.Layout(max_width="99%", align_self="flex-start")  # else it is stretched
        image = widgets.Image(value=self.shown, layout=layout)
        moved = self._scene_and_point(widgets) if self.lengths else {}
        for name, values in self.choices.items():
            moved[name] = widgets.Dropdown(
                options=values, value=self.values[name], description=name
            )

        def follow(change: dict[str, Any]) -> None:
            chosen = {name: control.value for name, control in moved.items()}
            if chosen != self.values:  # a shorter scene moves the point as well, and calls twice
                self.values = chosen
                image.value = self.shown = self.picture()

        for control in moved.values():
            control.observe(follow, "value")
        return widgets.VBox([*moved.values(), image])

    def _scene_and_point(self, widgets: Any) -> dict[str, Any]:
        scene = widgets.Dropdown(
            options=list(self.lengths), value=self.values["scene"], description="scene"
        )
        point = widgets.IntSlider(
            value=self.values["point"],
            max=self.lengths[scene.value] - 1,
            continuous_update=False,  # only where the slider comes to rest
            description="point",
            layout=widgets.Layout(width="30em"),  # else one pixel moves it by several points
        )
        scene.observe(lambda change: setattr(point, "max", self.lengths[change.new] - 1), "value")
        return {"scene": scene, "point": point}

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
    pictures = []
    for figure in drawn:
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DPI)
        pictures.append(Image.open(file))
    width, height = max(p.width for p in pictures), sum(p.height for p in pictures)
    sheet, top = Image.new("RGB", (width, height), "white"), 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    file = io.BytesIO()
    sheet.save(file, "png")
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
    """The networks of the approaches, each loaded when it is first asked for and then kept.

    Keras is imported here only: it takes seconds, and pictures of strips have no use for it.
    """

    def __init__(self, store: PatchStore, runs: Mapping[str, tuple[Path, Path]]):
        from helpers.networks.pipeline import predict_patches
        from helpers.training.runs import load_network, load_pipeline

        self.store, self.approaches = store, list(runs)
        self._predict = predict_patches
        self._denoiser = cache(lambda approach: load_network(runs[approach][0]))
        self._pipeline = cache(lambda approach: load_pipeline(runs[approach][1]))
        self.vectors = cache(self._vectors)

    def patches(self, scene: str, strip: str) -> np.ndarray:
        """Noisy patches of a strip, uint8 (N, 32, 32), at most the first POOL of the scene."""
        return self.store.noisy[self.store.scenes[scene], STRIPS.index(strip)][:POOL]

    def denoise(self, approach: str, patch: np.ndarray) -> np.ndarray:
        """One patch (32, 32) as the denoiser of an approach leaves it, grey levels 0..255."""
        denoised = self._denoiser(approach).predict_on_batch(patch[None, ..., None] * np.float32(1))
        return np.clip(np.asarray(denoised)[0, ..., 0], 0, 255)

    def _vectors(self, approach: str, scene: str, strip: str) -> np.ndarray:
        return self._predict(self._pipeline(approach), self.patches(scene, strip))


def _denoised(networks: _Networks, scene: str, point: int, strip: str) -> Figure:
    noisy = networks.patches(scene, strip)[point]
    clean = networks.store.clean[networks.store.scenes[scene], STRIPS.index(strip)][point]
    estimates = {a: networks.denoise(a, noisy)[None] for a in networks.approaches}
    return figures.plot_denoising(noisy[None], estimates, clean[None], [strip])


def _nearest(networks: _Networks, scene: str, point: int, strip: str, approach: str) -> Figure:
    query = networks.vectors(approach, scene, "ref")[point]
    distances = np.linalg.norm(networks.vectors(approach, scene, strip) - query, axis=1)
    order = np.argsort(distances, kind="stable")
    pool, nearest = networks.patches(scene, strip), order[:NEAREST]
    rank = 1 + np.flatnonzero(order == point)
    return figures.plot_neighbours(
        networks.patches(scene, "ref")[[point]],
        pool[[point]],
        {approach: (pool[nearest][None], (nearest == point)[None], rank)},
    )
