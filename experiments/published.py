"""A published descriptor beside the networks that come with the code: DesDis-32.

    python experiments/published.py --weights desdis-32.npz
    python experiments/published.py --weights desdis-32.npz --dataset sequences:PATH --split a

Liu and Dong, Descriptor Distillation, IJCV 2024, have published the weights, learned from clean
patches; they are not part of this project. It is scored on clean, noisy and denoised patches of the
test scenes. Nothing is trained or chosen. The table goes to `report/measured/published.json`.
"""

from pathlib import Path
from zipfile import BadZipFile

import common
import keras
import numpy as np
from keras import layers

from helpers import benchmark
from helpers.common import files
from helpers.common.errors import InputError
from helpers.common.provenance import provenance
from helpers.dataset import PatchStore
from helpers.evaluation import scoring
from helpers.networks.blocks import macs, patch_input
from helpers.networks.pipeline import join
from helpers.settings import profile
from helpers.training import runs

# Names of the published file: convolution, batch normalisation; and the convolution's stride.
LAYERS = (
    ("layer1.1", "layer1.2", 2),
    ("layer2.0", "layer2.1", 2),
    ("layer3.0", "layer3.1", 2),
    ("layer3.3", "layer3.4", 1),
)
LAST = ("desc.1", "desc.2")
TITLES = {
    "clean": "DesDis-32, of clean patches",
    "noisy": "DesDis-32",
    "denoised": "DesDis-32 behind the pretrained denoiser",
}


def desdis(weights: Path | str) -> keras.Model:
    """The published network: (B, 32, 32, 1) grey levels 0..255 -> (B, 128) of unit length.

    Args:
        weights: npz file with arrays in PyTorch's layout (filters, channels, rows, columns).

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        with np.load(weights, allow_pickle=False) as file:
            return _desdis(dict(file))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{weights} does not hold the weights of DesDis-32 ({error}).") from error


def _desdis(arrays: dict[str, np.ndarray]) -> keras.Model:
    patch = patch_input()
    x = layers.Rescaling(1 / 255)(patch)
    x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, epsilon=1e-5)(x)
    for convolution, norm, stride in LAYERS:
        x = layers.ZeroPadding2D(1)(x)  # "same" would pad the ends only where it strides
        x = layers.ReLU()(_conv_norm(x, arrays, convolution, norm, stride))
    x = layers.Reshape((128,))(_conv_norm(x, arrays, *LAST, 1))
    return keras.Model(patch, layers.UnitNormalization()(x), name="desdis")


def _conv_norm(x, arrays: dict[str, np.ndarray], convolution: str, norm: str, stride: int):
    kernel = arrays[f"{convolution}.weight"].transpose(2, 3, 1, 0)
    bias = arrays.get(f"{convolution}.bias")
    layer = layers.Conv2D(
        kernel.shape[-1], kernel.shape[:2], strides=stride, use_bias=bias is not None
    )
    x = layer(x)
    layer.set_weights([kernel] if bias is None else [kernel, bias])
    normalise = layers.BatchNormalization(center=False, scale=False, epsilon=1e-5)
    x = normalise(x)
    normalise.set_weights([arrays[f"{norm}.running_{what}"] for what in ("mean", "var")])
    return x


def run(network: keras.Model, store: PatchStore, pairs: int) -> dict:
    """The table: scores of the test scenes on clean, noisy and denoised patches."""
    denoised = join(runs.load_network(runs.pretrained("denoiser")), network)
    ways = {"clean": (network, True), "noisy": (network, False), "denoised": (denoised, False)}
    tasks, scenes = scoring.make_tasks(store, pairs), store.parts["test"]
    rows = {}
    for name, (model, clean) in ways.items():
        descriptors = dict(scoring.describe(model, store, scenes, clean))
        scores = benchmark.evaluate(descriptors, tasks).to_json()
        rows[name] = {"title": TITLES[name], **{key: scores[key] for key in common.DETAILS}}
        rows[name]["macs"] = macs(model)
    return {"pairs": pairs, "provenance": provenance(), "rows": rows}


def main(words: list[str] | None = None) -> None:
    parser = common.parser(__doc__, "published.json")
    parser.add_argument("--weights", required=True, help="the published desdis-32.npz")
    options = parser.parse_args(words)
    network, base = desdis(options.weights), profile(options.profile)
    store = common.open_data(options, base)
    table = common.head(store, "test", base) | run(network, store, base.pairs)
    files.write_json(options.json, table)
    common.show(table["rows"].values())


if __name__ == "__main__":
    main()
