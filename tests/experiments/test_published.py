"""The published descriptor: that its weights stand where they stood."""

import keras
import numpy as np
import published
import pytest
from scipy.signal import correlate

from helpers.common.errors import InputError

SHAPES = {
    "layer1.1": (3, 1, 3, 3),
    "layer2.0": (4, 3, 3, 3),
    "layer3.0": (5, 4, 3, 3),
    "layer3.3": (5, 5, 3, 3),
    "desc.1": (128, 5, 4, 4),
}


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    """Weights in PyTorch's layout, of fewer filters."""
    rng, found = np.random.default_rng(0), {}
    norms = [*(norm for _, norm, _ in published.LAYERS), published.LAST[1]]
    for (name, shape), norm in zip(SHAPES.items(), norms, strict=True):
        found[f"{name}.weight"] = rng.normal(size=shape)
        found[f"{norm}.running_mean"] = rng.normal(size=shape[0])
        found[f"{norm}.running_var"] = rng.uniform(1, 2, shape[0])
    return found | {"desc.1.bias": rng.normal(size=128)}


def by_hand(arrays: dict[str, np.ndarray], patch: np.ndarray) -> np.ndarray:
    """One patch (32, 32) -> (128,), with SciPy's correlation."""

    def normalised(x, norm):
        mean, variance = (arrays[f"{norm}.running_{what}"] for what in ("mean", "var"))
        return (x - mean[:, None, None]) / np.sqrt(variance + 1e-5)[:, None, None]

    def convolved(x, name):
        return np.stack([correlate(x, kernel, "valid")[0] for kernel in arrays[f"{name}.weight"]])

    x = patch[None] / 255
    x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    for name, norm, stride in published.LAYERS:
        x = convolved(np.pad(x, ((0, 0), (1, 1), (1, 1))), name)[:, ::stride, ::stride]
        x = np.maximum(normalised(x, norm), 0)
    x = convolved(x, "desc.1") + arrays["desc.1.bias"][:, None, None]
    x = normalised(x, "desc.2").ravel()
    return x / np.linalg.norm(x)


def test_it_gives_what_its_layers_give_by_hand(arrays, tmp_path):
    np.savez(tmp_path / "weights.npz", **arrays)
    patches = np.random.default_rng(1).integers(0, 256, (2, 32, 32))
    network = published.desdis(tmp_path / "weights.npz")
    answer = keras.ops.convert_to_numpy(network(patches[..., None].astype(np.float32)))
    wanted = [by_hand(arrays, patch) for patch in patches]
    np.testing.assert_allclose(answer, wanted, atol=1e-5)


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="does not hold the weights"):
        published.desdis(path)


def test_the_published_weights_fit(shared_data):
    network = published.desdis(shared_data / "published-descriptors" / "desdis-32.npz")
    assert round(published.macs(network) / 1e6, 1) == 5.1
