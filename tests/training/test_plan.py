"""How long a training is: by its epochs, or by what a profile allows at most."""

from dataclasses import replace

import pytest

from helpers import settings
from helpers.training.plan import Plan

PHOTOGRAPHS = {700: 5109, None: 5700}  # points that teach, by the points of each scene
GENUINE = {700: 42_000, None: 81_700}  # of N-HPatches, split a, without its validation scenes
NETWORKS = [(approach, role) for approach in settings.APPROACHES for role in (0, 1)]
LARGER = [profile for profile in settings.PROFILES.values() if profile.name != "smoke"]


def planned(one: settings.TrainingSettings, points: int) -> int:
    """Patches, triplets or points that a training sees where so many points teach."""
    items = {"DenoisingPairs": 16 * points, "Triplets": one.triplets, "Views": points}
    return Plan.of(one, items[one.batches] // one.batch).steps * one.batch


@pytest.mark.parametrize("profile", LARGER, ids=lambda profile: profile.name)
@pytest.mark.parametrize(("approach", "role"), NETWORKS)
def test_the_photographs_are_trained_on_for_all_epochs(profile, approach, role):
    one, points = profile.trainings(approach)[role], PHOTOGRAPHS[profile.points_per_scene]
    assert planned(one, points) == planned(replace(one, most_items=0), points)


@pytest.mark.parametrize(
    ("name", "most"), [("coursework", 100_000), ("long", 1_500_000), ("full", 1_310_000)]
)
def test_ten_times_the_points_do_not_take_ten_times_as_long(name, most):
    profile, points = settings.profile(name), GENUINE[settings.profile(name).points_per_scene]
    assert planned(profile.baseline_denoiser, points) <= most * 1.01
    for one in profile.trainings("improved"):
        assert planned(one, points) <= one.most_items * 1.1  # up to a whole interval more
        assert planned(replace(one, most_items=0), points) > 1.5 * one.most_items


def test_a_part_of_a_training_is_a_part_of_its_limit():
    whole = settings.COURSEWORK.improved_descriptor
    short = whole.shortened(0.5)
    assert planned(short, 42_000) == pytest.approx(0.5 * planned(whole, 42_000), rel=0.05)
    assert replace(whole, most_items=0).shortened(0.5).most_items == 0
