"""The diagram of the pipelines, drawn from the networks themselves.

`read_network` turns any network of `helpers.networks` into the stages and skips that are drawn, so
that other settings give another picture; no layer, shape or number is typed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import keras
import numpy as np
from keras import layers
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon

from helpers.networks.blocks import macs
from helpers.report.figures import ORANGE, SKY, TEXT_WIDTH, YELLOW, ReportFigure, style

KINDS = {  # of stages: colour and hatch, so that they differ in grey print as well
    "convolution": {"facecolor": SKY},
    "residual block": {"facecolor": ORANGE, "hatch": "/////"},
    "to a lower resolution": {"facecolor": "white"},
    "to a higher resolution": {"facecolor": YELLOW, "hatch": "....."},
    "normalisation": {"facecolor": "#555555"},
}
SIGNS = {"Add": "+", "Subtract": "−", "Concatenate": "c"}
CONVOLUTION = layers.Conv2D | layers.DepthwiseConv2D
GROWING = layers.Conv2DTranspose | layers.UpSampling2D
NAMES = {
    "shallow_unet": "shallow U-Net", "residual_unet": "residual U-Net", "dncnn": "DnCNN",
    "ffdnet": "FFDNet", "nafnet_tiny": "NAFNet", "l2net": "L2-Net", "hardnet": "HardNet",
    "hynet": "HyNet", "resnet_descriptor": "residual descriptor",
}  # fmt: skip


# --- reading a network ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """One box of the diagram: a layer or a residual block, and the shape of what it gives."""

    name: str  # of the layer, or of the block's last one
    kind: str  # one of KINDS
    label: str  # kernel, and by how much the resolution changes: "3²\n↓2"
    side: int  # of the feature map, in pixels
    channels: int


@dataclass(frozen=True)
class Skip:
    """A way around several stages: what leaves stage `start` is merged with what leaves `end`."""

    start: int  # index of a stage; -1 for the patch itself
    end: int
    sign: str  # how they are merged, one of SIGNS' values


def read_network(network: keras.Model) -> tuple[list[Stage], list[Skip]]:
    """Stages of a network in the order in which a patch passes them, and the ways around them.

    A branch that comes back at the resolution at which it left makes a residual block, which is one
    stage; one around a change of resolution, or one that starts at the patch itself, is a skip.

    Args:
        network: functional, (B, 32, 32, 1) -> anything.
    """
    path = _main_path(network)
    blocks, skips = _branches(path)
    stages, stage_of = [], []
    for place, operation in enumerate(path):
        around = [block for block in blocks if block[0] < place <= block[1]]
        if around and place == max(end for _, end in around):
            start = min(start for start, _ in around)
            stages.append(_block(path[start + 1 : place + 1]))
        elif not around and (kind := _kind(operation)):
            stages.append(Stage(operation.name, kind, _label(operation), *_shape(operation)))
        stage_of.append(len(stages) - 1)
    signs = [SIGNS.get(type(path[end]).__name__, "") for _, end in skips]
    return stages, [
        Skip(stage_of[start], stage_of[end], sign)
        for (start, end), sign in zip(skips, signs, strict=True)
    ]


def _main_path(network: keras.Model) -> list[Any]:
    """Operations from the patch to the output, by the longest way."""
    order = {operation: number for number, operation in enumerate(network.operations)}
    path = [_maker(network.outputs[0])]
    while parents := _parents(path[-1]):
        path.append(max(parents, key=order.__getitem__))
    return path[::-1]


def _maker(tensor: keras.KerasTensor) -> Any:
    return tensor._keras_history.operation


def _parents(operation: Any) -> list[Any]:
    made_by = [_maker(tensor) for tensor in keras.tree.flatten(operation.input)]
    return [parent for parent in made_by if parent is not operation]  # the input makes itself


def _branches(path: list[Any]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Where branches leave the path and come back to it: those of residual blocks, and skips."""
    blocks, skips = [], []
    for end, operation in enumerate(path):
        for parent in _parents(operation):
            start = path.index(parent) if parent in path else end
            if start < end - 1:
                far = start == 0 or any(isinstance(layer, GROWING) for layer in path[start:end])
                (skips if far else blocks).append((start, end))
    return blocks, skips


def _kind(operation: Any) -> str:
    """One of KINDS; "" for what is not drawn: activations, batch normalisation, dropout."""
    if isinstance(operation, GROWING):
        return "to a higher resolution"
    if isinstance(operation, layers.MaxPooling2D | layers.AveragePooling2D):
        return "to a lower resolution"
    if isinstance(operation, layers.Conv2D):
        return "to a lower resolution" if max(operation.strides) > 1 else "convolution"
    if isinstance(operation, layers.LayerNormalization):
        return "normalisation"
    return ""


def _block(inside: list[Any]) -> Stage:
    kernels = [_label(layer) for layer in inside if isinstance(layer, CONVOLUTION)]
    largest = max(kernels, default="")
    times = f"\n×{kernels.count(largest)}" if kernels.count(largest) > 1 else ""
    return Stage(inside[-1].name, "residual block", largest + times, *_shape(inside[-1]))


def _shape(operation: Any) -> tuple[int, int]:
    """Side and channels of what an operation gives."""
    return operation.output.shape[1], operation.output.shape[-1]


def _label(layer: Any) -> str:
    if isinstance(layer, layers.UpSampling2D):
        return f"↑{layer.size[0]}"
    size = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if size is None:
        return ""
    arrow = "↑" if isinstance(layer, GROWING) else "↓"
    step = f"\n{arrow}{layer.strides[0]}" if max(layer.strides) > 1 else ""
    return f"{size[0]}²{step}"


def describe_network(network: keras.Model) -> str:
    """Name, trainable parameters and multiply-adds of a network, in two lines."""
    name = re.sub(r"_\d+$", "", network.name)  # without the width
    parameters = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    cost = macs(network) / 1e6
    return f"{NAMES.get(name, name)}\n{parameters:,} parameters, {cost:.1f} M multiply-adds"


# --- drawing -------------------------------------------------------------------------------------

# Inches, as all coordinates of the drawing are.
TALL, THIN = 0.62, 0.34  # height of 32 pixels in the first row and in all others
TITLES, LANE, BELOW, LEGEND = 0.4, 0.07, 0.44, 0.17  # heights of what is around the boxes
NAME, GAP, END = 0.2, 0.09, 1.0  # widths: name of the row; air; vector and distances
STAGE, RUN, SIGN = 0.17, 0.37, 0.17  # least of a stage, of all stages of one shape, of a sign
THUMB = 0.27  # side of the patches that distances are measured to
DEPTH = np.array([0.1, 0.07])  # how far a box goes back, in its heights
SMALL = 6.5  # points


@style()
def plot_pipeline(
    networks: dict[str, Sequence[keras.Model]],
    patches: np.ndarray,
    denoised: dict[str, np.ndarray],
    vectors: dict[str, np.ndarray],
) -> Figure:
    """Every approach as one row: a patch, the networks that it passes, its vector, distances.

    Args:
        networks: approach -> its networks, the descriptor last; rows after the first are thin.
        patches: (3, 32, 32), grey levels 0..255: the noisy patch that is drawn, another patch of
            its point, and a patch of another point.
        denoised: approach -> (32, 32), what its denoiser makes of the noisy patch, if it has one.
        vectors: approach -> (3, D), descriptors of the three patches.
    """
    rows = [
        _Row(name, chain, TALL if number == 0 else THIN)
        for number, (name, chain) in enumerate(networks.items())
    ]
    total = sum(row.room for row in rows) + LEGEND
    figure = ReportFigure(figsize=(TEXT_WIDTH, total))
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, TEXT_WIDTH), ylim=(0, total))
    axis.axis("off")
    top = total
    for row in rows:
        top = row.place(axis, top)
        row.draw_networks([patches[0], *([denoised[row.name]] if row.name in denoised else [])])
        row.draw_distances(patches[1:], vectors[row.name])
    _draw_legend(axis, {stage.kind for row in rows for stages, _ in row.read for stage in stages})
    return figure


def _draw_legend(axis: Axes, kinds: set[str]) -> None:
    looks = {kind: look for kind, look in KINDS.items() if kind in kinds}
    handles = [Patch(ec="black", lw=0.5, label=kind, **look) for kind, look in looks.items()]
    axis.legend(
        handles=handles, loc="lower center", ncols=len(KINDS), fontsize=7, borderaxespad=0.1,
        columnspacing=1.4, handlelength=1.6,
    )  # fmt: skip


class _Row:
    """Draws one approach; everything lies around a line at the height `middle`."""

    def __init__(self, name: str, chain: Sequence[keras.Model], height: float):
        self.name, self.height = name, height
        self.read = [read_network(network) for network in chain]
        self.titles = [describe_network(network) for network in chain]
        is_unit = isinstance(chain[-1].layers[-1], layers.UnitNormalization)
        self.length = "unit\nlength" if is_unit else ""
        self.above = TITLES + LANE * max(len(skips) for _, skips in self.read)
        self.room = self.above + height + BELOW

    def place(self, axis: Axes, top: float) -> float:
        """Takes the row's place below `top` and returns where the next row begins."""
        self.axis, self.top = axis, top - self.above
        self.middle, self.bottom = self.top - self.height / 2, self.top - self.height
        look = {"rotation": 90, "va": "center", "weight": "bold", "fontsize": 8}
        self.write(0.09, self.middle, self.name, **look)
        return top - self.room

    def draw_networks(self, pictures: list[np.ndarray]) -> None:
        """Patches and networks from left to right, over the width that NAME and END leave."""
        side, rooms = min(self.height, 0.48), [_rooms(*network) for network in self.read]
        taken = NAME + len(pictures) * (side + GAP) + len(rooms) * 3 * GAP + END
        stretch = min((TEXT_WIDTH - taken) / sum(room.sum() for room in rooms), 1.3)
        x = NAME
        for number, (stages, skips) in enumerate(self.read):
            self.write(x, self.top + self.above - 0.03, self.titles[number], ha="left", fontsize=7)
            patch = x + side / 2, self.middle + side / 2
            if number < len(pictures):
                self.draw_image(pictures[number], (x, x + side), side, vmin=0, vmax=255)
                x += side + GAP
            edges = x + np.cumsum([0, *rooms[number].ravel() * stretch])
            middles = (edges[:-1] + edges[1:]) / 2
            self.draw_stages(stages, middles[::2])
            self.draw_skips(skips, middles[::2], middles[1::2], patch)
            is_last = number + 1 == len(rooms)
            x = TEXT_WIDTH - END if is_last else edges[-1] + 3 * GAP
            self.draw_arrow(edges[-1], x - 0.03)

    def draw_stages(self, stages: list[Stage], middles: np.ndarray) -> None:
        """Boxes and what stands below them: kernels, and the shape of neighbours that share it."""
        for stage, x in zip(stages, middles, strict=True):
            self.draw_box(stage, x)
            self.write(x, self.bottom - 0.04, stage.label)
        numbered = zip(stages, middles, strict=True)
        for shape, run in groupby(numbered, lambda pair: _shape_label(pair[0])):
            self.write(np.mean([x for _, x in run]), self.bottom - 0.29, shape)

    def draw_box(self, stage: Stage, x: float) -> None:
        """A box as high as the feature map, thicker for more channels, in parallel projection."""
        high, wide = max(self.height * stage.side / 32, 0.1), 0.02 * np.log2(1 + stage.channels)
        (left, low), (right, up) = (
            (x + sign * wide / 2, self.middle + sign * high / 2) for sign in (-1, 1)
        )
        a, b, c, d = np.array([(left, low), (right, low), (right, up), (left, up)])
        back = DEPTH * high
        top, flank = (d, c, c + back, d + back), (b, b + back, c + back, c)
        looks = {"fc": "#F5F5F5"}, {"fc": "#D5D5D5"}, KINDS[stage.kind]
        for outline, look in zip((top, flank, (a, b, c, d)), looks, strict=True):
            self.axis.add_patch(Polygon(outline, ec="black", lw=0.5, **look))

    def draw_skips(self, skips: list[Skip], middles, signs, patch: tuple[float, float]) -> None:
        """Ways around, the longer the higher; each ends in the sign that says how it is merged."""
        for lane, skip in enumerate(sorted(skips, key=lambda skip: skip.end - skip.start), 1):
            height = self.top + 0.04 + LANE * lane
            x, y = (middles[skip.start], self.middle) if skip.start >= 0 else patch
            corners = [x, x, signs[skip.end], signs[skip.end]], [y, height, height, self.middle]
            self.axis.plot(*corners, color="black", lw=0.7, zorder=0)
            ring = {"boxstyle": "circle,pad=0.1", "fc": "white", "lw": 0.5}
            self.write(signs[skip.end], self.middle, skip.sign, va="center", bbox=ring)

    def draw_distances(self, patches: np.ndarray, vectors: np.ndarray) -> None:
        """The vector of the noisy patch, and how far it is from those of two other patches."""
        x = TEXT_WIDTH - END
        self.draw_image(vectors[0][:, None], (x, x + 0.09), self.height)
        self.write(x + 0.045, self.bottom - 0.04, self.length)
        self.write(x + 0.045, self.bottom - 0.29, len(vectors[0]))
        self.draw_arrow(x + 0.12, x + 0.27)
        self.write(x + 0.3, self.top + self.above - 0.03, "distance to\na patch of", ha="left")
        for row, whose in enumerate(("its point", "another")):
            y = self.middle + (0.5 - row) * (THUMB + 0.05)
            self.draw_image(patches[row], (x + 0.3, x + 0.3 + THUMB), THUMB, y, vmin=0, vmax=255)
            distance = np.linalg.norm(vectors[row + 1] - vectors[0])
            text = f"{whose}\n{distance:.2f}"
            self.write(x + 0.33 + THUMB, y, text, ha="left", va="center")

    def draw_image(self, pixels, columns: tuple[float, float], height, middle=None, **look) -> None:
        """An image between two x coordinates, around the row's line or another one."""
        middle = self.middle if middle is None else middle
        extent = (*columns, middle - height / 2, middle + height / 2)
        self.axis.imshow(pixels, extent=extent, aspect="auto", **look)

    def draw_arrow(self, start: float, end: float) -> None:
        look = {"arrowstyle": "-|>", "lw": 0.8, "color": "black", "shrinkA": 0, "shrinkB": 0}
        self.axis.annotate("", (end, self.middle), (start, self.middle), arrowprops=look)

    def write(self, x: float, y: float, text: Any, **look: Any) -> None:
        look = {"ha": "center", "va": "top", "fontsize": SMALL, "linespacing": 1.1} | look
        self.axis.text(x, y, str(text), **look)


def _shape_label(stage: Stage) -> str:
    return f"{stage.side}²·{stage.channels}" if stage.side > 1 else str(stage.channels)


def _rooms(stages: list[Stage], skips: list[Skip]) -> np.ndarray:
    """Widths that each stage asks for, (stages, 2): for itself, and for a sign behind it."""
    merged = {skip.end for skip in skips}
    rooms = []
    for _, run in groupby(stages, _shape_label):
        count = len(list(run))
        rooms += [max(STAGE, RUN / count)] * count
    return np.array([(room, SIGN * (place in merged)) for place, room in enumerate(rooms)])
