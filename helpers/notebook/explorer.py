"""Pictures with controls: pick a scene, a point or a trial, and see it.

In a live notebook such a picture comes with its controls. Where nobody can move them (executed
copies, their HTML, no ipywidgets) the same call shows the picture of its first values.
"""

import importlib.util
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
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

DPI = 160  # of the pictures, as of every figure in a notebook
NEAREST = 8  # neighbours that are shown
POOL = 500  # points of a scene that are searched: one batch, described in a second or two


class Explorer:
    """A picture that follows its controls; a notebook shows it by itself when a cell ends with it.

    Args:
        draw: takes the value of every control by its name, returns the figures that are shown
            below one another.
        choices: name of a control -> what can be chosen, of numbers a range.
        first: first values of controls that do not begin with their first choice.
    """

    def __init__(
        self, draw: Callable[..., Sequence[Figure]], choices: Mapping[str, Sequence], **first: Any
    ):
        self.choices = choices
        self.values = {name: values[0] for name, values in choices.items()} | first
        self.picture = lru_cache(1)(lambda **values: stacked(draw(**values)))
        self.shown = self.picture(**self.values)

    def controls(self) -> Any:
        """An ipywidgets box: the controls, and below them the picture that follows them."""
        import ipywidgets as widgets  # not everyone has it, and not every picture needs it

        layout = widgets.Layout(max_width="99%", align_self="flex-start")  # else it is stretched
        image = widgets.Image(value=self.shown, layout=layout)
        wide = widgets.Layout(width="30em")  # else a pixel is several points
        moved: dict[str, Any] = {}
        for name, values in self.choices.items():
            look = {"value": self.values[name], "description": name}
            if isinstance(values, range):  # which is followed once the slider comes to rest
                look |= {"max": values[-1], "continuous_update": False, "layout": wide}
                moved[name] = widgets.IntSlider(**look)
            else:
                moved[name] = widgets.Dropdown(options=values, **look)

        def follow(_: dict[str, Any]) -> None:
            image.value = self.picture(**{name: control.value for name, control in moved.items()})

        for control in moved.values():
            control.observe(follow, "value")
        return widgets.VBox([*moved.values(), image])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        # The picture stays beside the controls, for exports of the notebook.
        live = self.controls()._repr_mimebundle_() if somebody_watches() else {}
        name = f"<Explorer of {', '.join(self.values)}>"
        return live | {"text/plain": name, "image/png": self.shown}


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
        figure.savefig(file := io.BytesIO(), format="png", dpi=DPI)
        pictures.append(Image.open(file))
    tops = [0, *accumulate(picture.height for picture in pictures)]
    sheet = Image.new("RGB", (max(picture.width for picture in pictures), tops[-1]), "white")
    for picture, top in zip(pictures, tops, strict=False):
        sheet.paste(picture, (0, top))
    sheet.save(file := io.BytesIO(), "png")
    return file.getvalue()


# --- what can be explored ------------------------------------------------------------------------


def _points(lengths: Mapping[str, int]) -> tuple[dict[str, Sequence], int]:
    """The controls of a scene and of a point, and a point in the middle of the first scene.

    In a scene that is shorter than the longest one, later points stand for its last.
    """
    choices = {"scene": list(lengths), "point": range(max(lengths.values()))}
    return choices, lengths[choices["scene"][0]] // 2


def strips(store: PatchStore, part: str) -> Explorer:
    """Any point of the scenes of a part in its 16 strips, clean above noisy."""
    lengths = store.lengths(part)

    def draw(scene: str, point: int) -> list[Figure]:
        first = store.scenes[scene].start
        return [figures.plot_strips(store, first + min(point, lengths[scene] - 1))]

    choices, middle = _points(lengths)
    return Explorer(draw, choices, point=middle)


def trials(table: pd.DataFrame) -> Explorer | str:
    """The losses of any trial of a search that was trained to its end, the best one first.

    A sentence where all trials were trained by workers on other machines. `table` is from
    `search.trials_table`.
    """
    complete = table[table["state"] == "complete"].sort_values("loss", kind="stable")
    runs = {f"trial {row.trial}": paths.RUNS / row.run for row in complete.itertuples()}
    runs = {trial: run for trial, run in runs.items() if run.is_dir()}
    if not runs:
        return "The run folders of the trials are on other machines."
    return Explorer(lambda trial: [figures.plot_losses({trial: runs[trial]})], {"trial": [*runs]})


def neighbours(
    store: PatchStore, runs: Mapping[str, tuple[Path, Path]], part: str = "validation"
) -> Explorer:
    """Any point of a scene: how its patch is denoised, and what its descriptor is nearest to.

    The `ref` patch of the point is the query; the noisy patches of one strip of its scene are
    searched, and the right one is framed. Above, the right one as each denoiser leaves it.

    Args:
        runs: approach -> run folders of its networks, as `trained` gives; InputError if none.
        part: whose scenes can be picked; those of "test" where it has none.
    """
    if not runs:
        raise InputError("There is no approach to look at: train one (notebook 2 or 4) first.")
    networks = _Networks(store, runs)
    lengths = store.lengths(part) or store.lengths("test")
    if max(lengths.values()) > POOL:
        print(f"Shown and searched are the first {POOL} points of each scene.")
    lengths = {scene: min(length, POOL) for scene, length in lengths.items()}

    def draw(scene: str, point: int, strip: str, approach: str) -> list[Figure]:
        place = (scene, min(point, lengths[scene] - 1), strip)
        return [networks.denoised(*place), networks.nearest(*place, approach)]

    choices, middle = _points(lengths)
    choices |= {"strip": STRIPS[1:], "approach": list(runs)}
    return Explorer(draw, choices, point=middle, strip="t1", approach=list(runs)[-1])


def trained(profile: Any, store: PatchStore, pretrained: bool = False) -> dict:
    """The approaches whose networks are trained: approach -> run folders of the two networks.

    `pretrained` takes the networks that come with the code for the improved ones.
    """
    from helpers.evaluation.scoring import find_runs

    found = {}
    for approach in profile.approaches:
        with suppress(InputError):  # not trained yet
            found[approach] = find_runs(profile, approach, store, pretrained)
    return found


class _Networks:
    """The networks of the approaches, each loaded when it is first asked for, and their answers.

    Keras is imported here only: it takes seconds, and pictures of strips have no use for it.
    """

    def __init__(self, store: PatchStore, runs: Mapping[str, tuple[Path, Path]]):
        from helpers.training.runs import load_network, load_pipeline

        self.store, self.runs, self.answers = store, runs, cache(self._answers)
        self.load = {"denoiser": cache(load_network), "descriptor": cache(load_pipeline)}

    def patches(self, kind: str, scene: str, strip: str) -> np.ndarray:
        """The first POOL "noisy" or "clean" patches of a strip, uint8 (N, 32, 32)."""
        return getattr(self.store, kind)[self.store.scenes[scene], STRIPS.index(strip)][:POOL]

    def _answers(self, approach: str, role: str, scene: str, strip: str) -> np.ndarray:
        """Of a denoiser (N, 32, 32, 1), of a descriptor, with what is in front of it, (N, D)."""
        from helpers.networks.pipeline import predict_patches

        run = self.runs[approach][role == "descriptor"]
        return predict_patches(self.load[role](run), self.patches("noisy", scene, strip))

    def denoised(self, scene: str, point: int, strip: str) -> Figure:
        noisy, clean = (self.patches(kind, scene, strip)[[point]] for kind in ("noisy", "clean"))
        answers = {one: self.answers(one, "denoiser", scene, strip) for one in self.runs}
        estimates = {one: np.clip(all_[[point], ..., 0], 0, 255) for one, all_ in answers.items()}
        return figures.plot_denoising(noisy, estimates, clean, [strip])

    def nearest(self, scene: str, point: int, strip: str, approach: str) -> Figure:
        from helpers.evaluation.samples import neighbours_of

        reference, pool = (self.patches("noisy", scene, one) for one in ("ref", strip))
        vectors = [self.answers(approach, "descriptor", scene, one) for one in ("ref", strip)]
        found = {approach: neighbours_of([(point, vectors, pool)], NEAREST)}
        return figures.plot_neighbours(reference[[point]], pool[[point]], found)
