"""Which spatial frequencies of the noise a denoiser leaves in the patches.

What is wrong with a patch after denoising is noise that is still there and detail that is gone;
neither can be told from the other here, so both count.
"""

import numpy as np

# Cycles a pixel. A pixel grid holds no more than 0.5 along its axes.
BANDS = {"low": (0.0, 0.125), "middle": (0.125, 0.25), "high": (0.25, 0.5)}


def error_power(
    clean: np.ndarray, estimates: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Power of the error of each estimate of `samples.denoise_sample` at each frequency.

    Returns:
        frequencies: (32, 32) distance from frequency zero in cycles a pixel.
        powers: name -> (32, 32) squared grey levels, mean over points and noisy strips, which sum
            to the mean squared error under a window that falls to zero at the edges of the patch:
            those would pass for high frequencies.
    """
    side = clean.shape[-1]
    window = np.outer(np.hanning(side), np.hanning(side))
    window /= np.sqrt(np.mean(window**2))
    along = np.fft.fftfreq(side)
    powers = {name: np.zeros((side, side)) for name in estimates}
    strips = range(1, clean.shape[1])  # all but `ref`, which has no noise; one by one for memory
    for name, patches in estimates.items():
        for strip in strips:
            error = patches[:, strip].astype(np.float64) - clean[:, strip]
            spectrum = np.fft.fft2(error * window) / side**2
            powers[name] += np.mean(np.abs(spectrum) ** 2, axis=0) / len(strips)
    return np.hypot(along, along[:, None]), powers


def by_ring(
    frequencies: np.ndarray, powers: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What is left of the noise's power, by frequency in any direction, from `error_power`.

    Returns:
        Frequencies (17,), 0 to 0.5 cycles a pixel; name -> share of the power of "noisy" (17,).
    """
    side = len(frequencies)
    rings = np.rint(frequencies * side).astype(int).ravel()
    count = side // 2 + 1  # the corners of the square, above 0.5, are left out
    sums = {name: np.bincount(rings, power.ravel())[:count] for name, power in powers.items()}
    noise = sums.pop("noisy")
    return np.arange(count) / side, {name: power / noise for name, power in sums.items()}


def by_band(frequencies: np.ndarray, powers: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """What is left of the noise's power in each of `BANDS`, in percent, from `error_power`.

    Returns:
        name -> {"low", "middle", "high"} -> percent of the power of "noisy", JSON-able.
    """
    left = {name: {} for name in powers if name != "noisy"}
    for band, (low, high) in BANDS.items():
        mask = (frequencies >= low) & (frequencies < high)
        for name, shares in left.items():
            shares[band] = float(100 * powers[name][mask].sum() / powers["noisy"][mask].sum())
    return left
