"""The diagram of the pipelines, drawn from the networks themselves: nothing in it is typed."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from helpers.networks.blocks import macs
from helpers.report.figures.style import ORANGE, SKY, TEXT_WIDTH, YELLOW, ReportFigure, style

KINDS = {  # of stages, and their colours
    "convolution": SKY,
    "residual block": ORANGE,
    "to a lower resolution": "white",
    "to a higher resolution": YELLOW,
    "normalisation": "#BBBBBB",
}
SIGNS = {layers.Add: "+", layers.Subtract: "−", layers.Concatenate: "c"}
CONVOLUTION = layers.Conv2D | layers.DepthwiseConv2D
GROWING = layers.Conv2DTranspose | layers.UpSampling2D
POOLING = layers.MaxPooling2D | layers.AveragePooling2D
NAMES = {
    "shallow_unet": "shallow U-Net", "residual_unet": "residual U-Net", "l2net": "L2-Net",
    "half_unet": "half-resolution U-Net", "hardnet": "HardNet",
}  # fmt: skip


# --- reading a network ---------------------------------------------------------------------------


class Stage(NamedTuple):
    """One box of the diagram: a layer or a residual block, and the shape of what it gives."""

    kind: str  # one of KINDS
    label: str  # kernel, and by how much the resolution changes: "3²↓2"
    side: int  # of the feature map, in pixels
    channels: int

    @property
    def shape(self) -> str:
        return f"{self.side}²·{self.channels}" if self.side > 1 else str(self.channels)


class Skip(NamedTuple):
    """A way around several stages: what leaves stage `start` is merged with what leaves `end`."""

    start: int  # index of a stage; -1 for the patch itself
    end: int
    sign: str  # how they are merged, one of SIGNS' values


def read_network(network: keras.Model) -> tuple[list[Stage], list[Skip]]:
    """Stages of a network in the order in which a patch passes them, and the ways around them.

    A branch that comes back at the resolution at which it left makes a residual block, which is one
    stage; one around a change of resolution, or one that starts at the patch itself, is a skip.
    """
    stages, skips, made_by = [], [], {}  # id of a tensor -> index of the stage that gives it
    for layer in network.operations:
        if type(layer) in SIGNS:
            start = min(made_by[id(tensor)] for tensor in layer.input)
            inside = stages[start + 1 :]
            if start < 0 or any(stage.kind == "to a higher resolution" for stage in inside):
                skips.append(Skip(start, len(stages) - 1, SIGNS[type(layer)]))
            else:
                stages[start + 1 :] = [_block(inside)]
        elif stage := _stage(layer):
            stages.append(stage)
        for tensor in keras.tree.flatten(layer.output):
            made_by[id(tensor)] = len(stages) - 1
    return stages, skips


def _stage(layer: Any) -> Stage | None:
    """The box of a layer; None for what is not drawn: activations, batch normalisation, dropout."""
    if not isinstance(layer, CONVOLUTION | POOLING | GROWING | layers.LayerNormalization):
        return None
    shape = layer.output.shape[1], layer.output.shape[-1]
    if isinstance(layer, layers.LayerNormalization):
        return Stage("normalisation", "", *shape)
    size = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    kernel = f"{size[0]}²" if size else ""
    step = max(layer.size if isinstance(layer, layers.UpSampling2D) else layer.strides)
    if isinstance(layer, GROWING):
        return Stage("to a higher resolution", f"{kernel}↑{step}", *shape)
    if step > 1:
        return Stage("to a lower resolution", f"{kernel}↓{step}", *shape)
    return Stage("convolution", kernel, *shape)


def _block(inside: list[Stage]) -> Stage:
    """All of them as one; its label tells the largest kernel and how often it comes."""
    kernels = [stage.label for stage in inside if stage.kind == "convolution"]
    largest = max(kernels, default="")
    times = f"{kernels.count(largest)}×" if kernels.count(largest) > 1 else ""
    return inside[-1]._replace(kind="residual block", label=times + largest)


def describe_network(network: keras.Model) -> str:
    """Name, trainable parameters and multiply-adds of a network."""
    name = re.sub(r"_\d+$", "", network.name)  # without the width
    parameters = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    costs = f"{parameters:,} parameters, {macs(network) / 1e6:.1f} M multiply-adds"
    return f"{NAMES.get(name, name)}, {costs}"


# --- drawing -------------------------------------------------------------------------------------

# Inches, as all coordinates of the drawing are; the way of a patch runs at y = 0.
SIDE, TITLE, LANE, BELOW, LEGEND = 0.32, 0.15, 0.06, 0.18, 0.18  # heights; SIDE is a patch's
LEFT, GAP, SIGN, END = 0.03, 0.14, 0.17, 1.75  # widths; END: vector and distances
CENTRED = {"ha": "center", "va": "center_baseline"}


@style()
def plot_pipeline(
    networks: dict[str, Sequence[keras.Model]],
    patches: np.ndarray,
    denoised: dict[str, np.ndarray],
    vectors: dict[str, np.ndarray],
) -> Figure:
    """One row a network: what goes in, its stages, what comes out; behind descriptors, distances.

    Args:
        networks: approach -> its networks, the descriptor last.
        patches: (3, 32, 32), grey levels: a noisy patch, another of its point, one of another.
        denoised: approach -> (32, 32), what its denoiser makes of the noisy patch, if it has one.
        vectors: approach -> (3, D), descriptors of the three patches.
    """
    rows = [(name, net, *read_network(net)) for name, nets in networks.items() for net in nets]
    above = [SIDE / 2 + LANE * (len(skips) + bool(skips)) + TITLE for *_, skips in rows]
    heights = [high + SIDE / 2 + BELOW for high in above]
    total = sum(heights) + LEGEND
    figure = ReportFigure(figsize=(TEXT_WIDTH, total), layout="none")
    place = {"left": 0, "right": 1, "top": 1, "bottom": LEGEND / total, "hspace": 0}
    axes = figure.subplots(len(rows), squeeze=False, height_ratios=heights, gridspec_kw=place)
    for axis, high, row in zip(axes[:, 0], above, rows, strict=True):
        name, network, stages, skips = row
        axis.set(xlim=(0, TEXT_WIDTH), ylim=(-SIDE / 2 - BELOW, high), autoscale_on=False)
        axis.axis("off")
        axis.text(LEFT, high - 0.02, f"{name}: {describe_network(network)}", va="top")
        _draw_image(axis, patches[0] if network is networks[name][0] else denoised[name], LEFT)
        if network is networks[name][-1]:
            _draw_network(axis, stages, skips, TEXT_WIDTH - END)
            _draw_distances(axis, patches[1:], vectors[name])
        else:
            _draw_network(axis, stages, skips, TEXT_WIDTH - LEFT - SIDE)
            _draw_image(axis, denoised[name], TEXT_WIDTH - LEFT - SIDE)
    drawn = {stage.kind for _, _, stages, _ in rows for stage in stages}
    looks = {kind: colour for kind, colour in KINDS.items() if kind in drawn}
    boxes = [Patch(fc=look, ec="black", lw=0.5, label=kind) for kind, look in looks.items()]
    look = {"ncols": len(boxes), "borderaxespad": 0.1, "columnspacing": 1.3, "handlelength": 1.6}
    figure.legend(handles=boxes, loc="lower center", **look)
    return figure


def _draw_network(axis: Axes, stages: list[Stage], skips: list[Skip], end: float) -> None:
    """Boxes over the way from the patch at the left to `end`; below them the shapes."""
    start, merged = LEFT + SIDE + GAP, [skip.end for skip in skips]
    pitch = (end - GAP - start - SIGN * len(skips)) / len(stages)
    before = [sum(place < number for place in merged) for number in range(len(stages))]
    centres = start + pitch * (np.arange(len(stages)) + 0.5) + SIGN * np.array(before)
    _draw_arrow(axis, start - GAP, end)
    for stage, x in zip(stages, centres, strict=True):
        width, height = min(0.9 * pitch, SIDE), max(SIDE * stage.side / 32, 0.14)
        look = {"fc": KINDS[stage.kind], "ec": "black", "lw": 0.5}
        axis.add_patch(Rectangle((x - width / 2, -height / 2), width, height, **look))
        axis.text(x, 0, stage.label, fontsize=min(8, 27 * width), **CENTRED)
    for shape, run in groupby(zip(stages, centres, strict=True), lambda pair: pair[0].shape):
        _write_below(axis, np.mean([x for _, x in run]), shape)
    for lane, skip in enumerate(sorted(skips, key=lambda skip: skip.end - skip.start), 1):
        x = centres[skip.start] if skip.start >= 0 else LEFT + SIDE / 2
        back, high = centres[skip.end] + (pitch + SIGN) / 2, SIDE / 2 + LANE * lane
        axis.plot([x, x, back, back], [0, high, high, 0], "black", lw=0.7, zorder=-1)
        ring = {"boxstyle": "circle,pad=0.1", "fc": "white", "lw": 0.5}
        axis.text(back, 0, skip.sign, fontsize=7, bbox=ring, **CENTRED)


def _draw_distances(axis: Axes, patches: np.ndarray, vectors: np.ndarray) -> None:
    """The vector of the patch, and how far it is from those of two other patches."""
    x = TEXT_WIDTH - END
    _draw_image(axis, vectors[0][:, None], x, width=0.1, vmin=None, vmax=None)
    _write_below(axis, x + 0.05, str(len(vectors[0])))
    _draw_arrow(axis, x + 0.12, x + 0.72)
    axis.text(x + 0.4, 0.05, "distance", ha="center")
    for number, whose in enumerate(("its point", "another")):
        left = x + 0.78 + 0.55 * number
        _draw_image(axis, patches[number], left)
        axis.text(left + SIDE / 2, SIDE / 2 + 0.03, whose, ha="center")
        distance = np.linalg.norm(vectors[number + 1] - vectors[0])
        _write_below(axis, left + SIDE / 2, f"{distance:.2f}")


def _draw_image(axis: Axes, pixels: np.ndarray, x: float, width=SIDE, vmin=0, vmax=255) -> None:
    extent = x, x + width, -SIDE / 2, SIDE / 2
    axis.imshow(pixels, extent=extent, aspect="auto", vmin=vmin, vmax=vmax)


def _draw_arrow(axis: Axes, start: float, end: float) -> None:
    look = {"arrowstyle": "-|>", "lw": 0.8, "color": "black", "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", (end - 0.03, 0), (start, 0), arrowprops=look, zorder=0)


def _write_below(axis: Axes, x: float, text: str) -> None:
    axis.text(x, -SIDE / 2 - 0.02, text, ha="center", va="top")
