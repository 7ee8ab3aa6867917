"""From names in the settings to networks, losses and optimisers."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from helpers.common.errors import InputError
from helpers.settings import SMOKE
from helpers.training import model

DENOISER, DESCRIPTOR = SMOKE.improved_denoiser, SMOKE.improved_descriptor
numbers = keras.ops.convert_to_numpy


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"network": "resnet"}, "no denoiser 'resnet': choose one of shallow_unet, residual_unet"),
        ({"network_options": {"witdh": 4}}, "half_unet has no option witdh: choose from width"),
        ({"loss": "l1"}, "no loss 'l1': choose one of mean_absolute_error, charbonnier"),
        ({"loss_options": {"margin": 1}}, "charbonnier has no option margin"),
        ({"assembly": "upside down"}, "no assembly 'upside down': choose one of plain"),
    ],
)
def test_a_setting_that_is_not_known_lists_the_known_ones(change, sentence):
    with pytest.raises(InputError, match=sentence):
        model.compiled(replace(DENOISER, **change), None, steps=4)


def test_options_reach_the_loss():
    none, wide = (model.make_loss(replace(DESCRIPTOR, loss_options=o)) for o in ({}, {"margin": 9}))
    views = np.eye(4, dtype="float32")[:, None].repeat(2, axis=1)
    assert numbers(wide(np.arange(4), views)) == pytest.approx(
        numbers(none(np.arange(4), views)) + 8, abs=0.5
    )


def test_a_cosine_rate_rises_over_a_twentieth_of_the_steps_and_falls_to_zero():
    settings = replace(DENOISER, learning_rate=1.0, schedule="cosine")
    optimizer = model.make_optimizer(settings, steps=100)
    rates = []
    for step in (0, 5, 100):
        optimizer.iterations.assign(step)
        rates.append(float(numbers(optimizer.learning_rate)))
    assert rates == pytest.approx([0.05, 1.0, 0.0], abs=1e-6)
