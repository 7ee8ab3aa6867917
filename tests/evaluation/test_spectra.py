"""Spectra of what denoisers leave: against white noise, a wave, and Parseval's theorem."""

import numpy as np
import pytest

from helpers.evaluation import spectra


@pytest.fixture
def clean():
    return np.random.default_rng(0).integers(0, 256, (40, 16, 32, 32)).astype(np.uint8)


@pytest.fixture
def noise():
    return np.random.default_rng(1).normal(0, 20, (40, 16, 32, 32))


def test_powers_add_up_to_the_mean_squared_error(clean, noise):
    noise[:, 0] = 1e6  # `ref` does not count
    frequencies, powers = spectra.error_power(clean, {"noisy": clean + noise})
    assert frequencies.shape == (32, 32) and frequencies[0, 0] == 0
    assert frequencies.max() == pytest.approx(np.sqrt(0.5))
    window = np.outer(np.hanning(32), np.hanning(32)) ** 2
    expected = np.average(noise[:, 1:] ** 2, axis=(0, 1)) * window / window.mean()
    assert powers["noisy"].sum() == pytest.approx(expected.mean())


def test_of_white_noise_halved_a_quarter_of_the_power_is_left_at_each_frequency(clean, noise):
    estimates = {"noisy": clean + noise, "baseline": clean + noise / 2}
    power = spectra.error_power(clean, estimates)
    frequencies, left = spectra.by_ring(*power)
    assert frequencies.tolist() == [k / 32 for k in range(17)]
    assert list(left) == ["baseline"]
    np.testing.assert_allclose(left["baseline"], 0.25)
    bands = spectra.by_band(*power)
    assert bands == {"baseline": pytest.approx(dict.fromkeys(spectra.BANDS, 25.0))}


@pytest.mark.parametrize("cycles, band", [(2, "low"), (6, "middle"), (12, "high")])
def test_a_wave_that_is_left_shows_at_its_frequency_only(cycles, band, clean, noise):
    wave = 20 * np.sin(2 * np.pi * cycles * np.arange(32) / 32)
    estimates = {"noisy": clean + noise, "improved": clean + wave}
    power = spectra.error_power(clean, estimates)
    _, left = spectra.by_ring(*power)
    assert left["improved"].argmax() == cycles
    bands = spectra.by_band(*power)["improved"]
    assert max(bands, key=bands.get) == band
    assert all(share < 0.05 * bands[band] for name, share in bands.items() if name != band)
