from dataclasses import FrozenInstanceError, replace

import pytest

from helpers import settings
from helpers.common.errors import InputError


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(InputError, match="'huge': choose one of smoke, coursework, long, full"):
        settings.profile("huge")


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        settings.profile("smoke").baseline_denoiser.batch = 1


@pytest.mark.parametrize("profile", settings.PROFILES.values(), ids=lambda profile: profile.name)
def test_networks_losses_and_optimisers_of_the_baseline_are_the_courseworks(profile):
    denoiser, descriptor = profile.trainings("baseline")
    assert (denoiser.network, denoiser.loss) == ("shallow_unet", "mean_absolute_error")
    assert (denoiser.batch, denoiser.optimizer, denoiser.learning_rate) == (50, "nesterov", 1e-5)
    assert (descriptor.network, descriptor.loss, descriptor.batch) == ("l2net", "triplet", 50)
    assert (descriptor.optimizer, descriptor.learning_rate) == ("sgd", 0.1)
    assert not (denoiser.redraw or denoiser.augment)


def test_the_full_profile_has_the_courseworks_epoch_and_triplets():
    denoiser, descriptor = settings.profile("full").trainings("baseline")
    assert denoiser.epochs == descriptor.epochs == 1
    assert descriptor.triplets == 100_000
    assert descriptor.validation_batches * descriptor.batch == 10_000


@pytest.mark.parametrize("profile", settings.PROFILES.values(), ids=lambda profile: profile.name)
def test_every_training_is_named_after_its_place(profile):
    for approach in settings.APPROACHES:
        names = [training.name for training in profile.trainings(approach)]
        assert names == [f"{approach}-denoiser", f"{approach}-descriptor"]


@pytest.mark.parametrize("name", ["improved", "search", "name", "../x"])
def test_a_further_approach_has_a_name_of_its_own(name):
    pair = settings.SMOKE.trainings("improved")
    with pytest.raises(InputError):
        replace(settings.SMOKE, others={name: pair})
    assert replace(settings.SMOKE, others={"third": pair}).approaches[-1] == "third"
