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
        self.lengths, self.choices, self.values = lengths or {}, dict(choices), {}
        if lengths:
            scene = next(iter(lengths))
            self.choices = {"scene": list(lengths)} | self.choices
            self.values = {"scene": scene, "point": lengths[scene] // 2}
        self.values |= {name: values[0] for name, values in self.choices.items()} | (first or {})
        # A shorter scene moves the point as well, and so asks twice for the same picture.
        self.picture = lru_cache(1)(lambda **values: stacked(draw(**values)))
        self.shown = self.picture(**self.values)

    def controls(self) -> Any:
        """An ipywidgets box: the controls, and below them the picture that follows them."""
        import ipywidgets as widgets  # not everyone has it, and not every picture needs it

        layout = widgets.Layout(max_width="99%", align_self="flex-start")  # else it is stretched
        image = widgets.Image(value=self.shown, layout=layout)
        moved: dict[str, Any] = {}
        for name, value in self.values.items():
            look = {"value": value, "description": name}
            if name in self.choices:
                moved[name] = widgets.Dropdown(options=self.choices[name], **look)
                continue
            look["continuous_update"] = False  # only where the slider comes to rest
            look["layout"] = widgets.Layout(width="30em")  # else a pixel is several points
            moved[name] = slider = widgets.IntSlider(max=max(self.lengths.values()), **look)
            last = {scene: length - 1 for scene, length in self.lengths.items()}
            widgets.dlink((moved["scene"], "value"), (slider, "max"), last.get)

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
    if max(lengths.values()) > POOL:
        print(f"Shown and searched are the first {POOL} points of each scene.")
    lengths = {scene: min(length, POOL) for scene, length in lengths.items()}

    def draw(scene: str, point: int, strip: str, approach: str) -> list[Figure]:
        place = (scene, point, strip)
        return [networks.denoised(*place), networks.nearest(*place, approach)]

    choices = {"strip": STRIPS[1:], "approach": list(runs)}
    return Explorer(draw, choices, lengths, {"strip": "t1", "approach": list(runs)[-1]})


def trained(profile: Any, store: PatchStore, pretrained: bool = False) -> dict:
    """The approaches whose networks are trained: approach -> run folders of the two networks.

    Args:
        profile: the settings of all approaches.
        pretrained: take the networks that come with the code for the improved ones.
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
        patches = getattr(self.store, kind)[self.store.scenes[scene], STRIPS.index(strip)]
        return patches[:POOL]

    def _answers(self, approach: str, role: str, scene: str, strip: str) -> np.ndarray:
        """Of a denoiser (N, 32, 32, 1), of a descriptor, with what is in front of it, (N, D)."""
        from helpers.networks.pipeline import predict_patches

        run = dict(zip(self.load, self.runs[approach], strict=True))[role]
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
