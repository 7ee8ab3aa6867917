"""The whole evaluation: degenerate input, pools, intervals, JSON."""

import dataclasses
import json
import tracemalloc

import numpy as np
import pytest

from helpers import benchmark
from helpers.benchmark.tables import results_text
from helpers.benchmark.workers import Resources

LENGTHS = {"v_one": 30, "i_two": 20, "v_three": 40}
NEVER = [2**31]


def described(rng=0, noise=0.5, size=8):
    rng = np.random.default_rng(rng)
    out = {}
    for name, points in LENGTHS.items():
        base = rng.standard_normal((points, size))
        views = base + noise * rng.standard_normal((16, points, size))
        out[name] = views.astype(np.float32)
    return out


@pytest.fixture(scope="module")
def tasks():
    return benchmark.generate_tasks(LENGTHS, pairs=400)


def test_perfect_descriptors_score_one(tasks):
    scores = benchmark.evaluate(described(noise=0), tasks, pools=[10, 20])
    assert (scores.M, scores.R) == (1, 1)
    assert all(kinds["intra"]["ap"] == 1 for kinds in scores.verification.scores.values())


@pytest.mark.parametrize("distance", ["L2", "L1"])
@pytest.mark.parametrize(
    "ways", [({"threads": 1}, {"threads": 2}), ({"memory": 1}, {"memory": 2**30})]
)
def test_threads_and_memory_do_not_change_the_scores(tasks, distance, ways):
    first, second = (
        benchmark.evaluate(described(), tasks, distance, resources=Resources(**way)).to_json()
        for way in ways
    )
    assert first == second


def test_order_of_pools_does_not_matter(tasks):
    first, second = (benchmark.evaluate(described(), tasks, pools=p) for p in ([50, 20], [20, 50]))
    assert first.to_json() == second.to_json()


def test_sequences_of_one_point_always_match(tasks):
    few = {name: each[:, :1] for name, each in described().items()}
    first = {kind: getattr(tasks, kind).copy() for kind in ("positive", "intra", "inter")}
    for rows in first.values():
        rows[:, [2, 5]] = 0
    zero = {kind: getattr(tasks, kind) * [1, 0] for kind in ("queries", "distractors")}
    scores = benchmark.evaluate(few, dataclasses.replace(tasks, **first, **zero), pools=[10])
    assert scores.M == 1


def test_too_few_pairs_for_the_imbalanced_protocol_score_zero(tasks):
    few = {kind: getattr(tasks, kind)[:4] for kind in ("positive", "intra", "inter")}
    scores = benchmark.evaluate(described(), dataclasses.replace(tasks, **few))
    assert scores.V == 0 and scores.verification.scores["easy"]["inter"]["auc"] > 0.5


def test_pools_larger_than_the_distractors_are_null_and_not_part_of_R(tasks):
    scores = benchmark.evaluate(described(), tasks, pools=[10, 60, 61])
    table = scores.to_json()["retrieval"]
    assert len(tasks.distractors) == 60
    assert table["easy"]["61"] is None and table["mean"]["60"] is not None
    levels = [table[level][pool] for level in benchmark.LEVELS for pool in ("10", "60")]
    assert np.mean(levels) == pytest.approx(scores.R, abs=1e-12)


def test_no_pool_at_all_leaves_R_and_S_out(tasks):
    scores = benchmark.evaluate(described(), tasks, pools=NEVER)
    assert scores.R is None and scores.S is None and scores.intervals["S"] is None
    assert scores.to_json()["retrieval"]["easy"] == {str(NEVER[0]): None}


def test_tasks_not_run_are_none(tasks):
    scores = benchmark.evaluate(described(), tasks, run=["matching"])
    assert scores.V is None and scores.R is None and scores.S is None
    assert scores.M is not None and scores.to_json()["verification"] is None


def test_json_is_plain_and_has_the_promised_keys(tasks):
    content = json.loads(json.dumps(benchmark.evaluate(described(), tasks).to_json()))
    assert set(content) >= {"verification", "matching", "retrieval", "V", "M", "R", "S"}
    assert content["tasks"]["points"] == 90
    assert set(content["matching"]["sequences"]["i_two"]) == set(benchmark.STRIPS[1:])
    assert set(content["verification"]["hard"]) == {"inter", "intra"}


def test_intervals_hold_the_scores_and_are_repeatable(tasks):
    first, second = (benchmark.evaluate(described(), tasks, pools=[20]) for _ in range(2))
    assert first.intervals == second.intervals
    for name, (low, high) in first.intervals.items():
        assert low <= getattr(first, name) <= high


def test_resampled_verification_with_every_sequence_once_is_V(tasks):
    verification = benchmark.evaluate(described(), tasks, run=["verification"]).verification
    assert verification.resampled(np.ones((1, 3)))[0] == pytest.approx(verification.value, abs=1e-3)


def test_constant_descriptors_are_unmasked(tasks):
    constant = {name: np.ones_like(each) for name, each in described().items()}
    with pytest.warns(UserWarning, match="with ties counted against, .*R 1.0000 is 0.0"):
        scores = benchmark.evaluate(constant, tasks, pools=[20, 50])
    optimistic, pessimistic = scores.R, scores.pessimistic
    assert optimistic == pytest.approx(1)
    assert pessimistic["R"] < 0.2 and pessimistic["M"] == 0


def test_a_descriptor_that_is_the_same_all_over_a_sequence_is_named(tasks):
    # No tie betrays it: retrieval leaves out the distractors of the query's own sequence.
    each = {name: np.full((16, n, 1), i) for i, (name, n) in enumerate(LENGTHS.items())}
    scores = benchmark.evaluate(each, tasks, pools=[20], run=["retrieval"])
    assert scores.R == 1 and scores.tie_warning is None
    assert "same descriptor" in scores.to_json()["warnings"][0]
    assert all(name in scores.warnings[0] for name in LENGTHS)


def test_one_sequence_is_scored_in_what_needs_no_second_one():
    alone = {"v_three": described(noise=0.5)["v_three"]}
    tasks = benchmark.generate_tasks({"v_three": 40}, pairs=400)
    scores = benchmark.evaluate(alone, tasks, pools=[20])
    assert scores.V is None and scores.S is None
    assert 0.3 < scores.M < 1 and 0.5 < scores.R < 1
    values = json.loads(json.dumps(scores.to_json()))
    assert values["verification"]["easy"]["inter"] == {"auc": None, "ap": None}
    assert values["verification"]["easy"]["intra"]["ap"] > 0.5
    assert "one sequence" in values["warnings"][0]
    rows = [line.split() for line in results_text("x", scores).splitlines()]
    assert next(row for row in rows if row[:1] == ["Easy"])[1] == "-"


def test_lists_for_fewer_points_than_are_described_are_told(tasks):
    fewer = benchmark.generate_tasks(dict.fromkeys(LENGTHS, 10), pairs=200)
    assert "fewer points" in benchmark.evaluate(described(), fewer, pools=[10]).warnings[0]


def test_missing_pools_are_said_and_sound_scores_say_nothing(tasks):
    assert benchmark.evaluate(described(), tasks, pools=[20]).warnings == []
    (said,) = benchmark.evaluate(described(), tasks, pools=[20, 61, 500]).warnings
    assert "no pools of 61, 500" in said and "60 distractors" in said


@pytest.mark.filterwarnings("ignore:Many distances are tied")  # of small numbers
@pytest.mark.parametrize("distance", ["L2", "L1"])
@pytest.mark.parametrize(("kind", "scale"), [(np.int8, 20), (np.int16, 8000), (np.int32, 8000)])
def test_whole_numbers_score_as_they_are(tasks, distance, kind, scale):
    short = {name: np.rint(scale * each).astype(kind) for name, each in described().items()}
    long = {name: np.float32(each) for name, each in short.items()}
    first, second = (
        benchmark.evaluate(each, tasks, distance, pools=[20]).to_json() for each in (short, long)
    )
    assert first == second


def test_whole_numbers_are_never_held_in_a_wider_type_all_at_once():
    rng = np.random.default_rng(0)
    each = {name: rng.integers(-9999, 9999, (16, 150, 1024), np.int16) for name in "abcd"}
    tasks = benchmark.generate_tasks(dict.fromkeys(each, 150), pairs=500)
    tracemalloc.start()
    benchmark.evaluate(each, tasks, pools=[50], samples=2, resources=Resources(memory=2**20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < sum(array.nbytes for array in each.values())  # float32 takes twice as much


def test_few_ties_give_no_warning(tasks):
    # One copied row in one of 45 strips.
    descriptors = described()
    descriptors["v_three"][3, 1] = descriptors["v_three"][3, 0]
    scores = benchmark.evaluate(descriptors, tasks, pools=[20])  # a warning would be an error
    assert 0 < scores.M - scores.pessimistic["M"] < 0.001


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_values_that_are_no_numbers_are_named(tasks, value):
    bad = described()
    bad["i_two"][7, 13, 2] = value
    with pytest.raises(benchmark.BenchmarkError, match="Sequence i_two, strip h2, row 13 has"):
        benchmark.evaluate(bad, tasks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("i_two"), r"Sequence i_two .* has no descriptors"),
        (lambda d: d.update(i_two=d["i_two"][:15]), r"i_two: shape \(15, 20, 8\)"),
        (
            lambda d: d.update(i_two=d["i_two"][..., :5]),
            r"v_one have 8 numbers but .* i_two 5",
        ),
    ],
)
def test_descriptors_of_the_wrong_shape_are_refused(tasks, change, message):
    bad = described()
    change(bad)
    with pytest.raises(benchmark.BenchmarkError, match=message):
        benchmark.evaluate(bad, tasks)


def test_task_row_past_a_strip_is_named_with_its_line(tasks):
    few = described()
    few["v_three"] = few["v_three"][:, :39]
    line = int(np.argmax((tasks.positive[:, 0] == 2) & (tasks.positive[:, 2] == 39))) + 2
    with pytest.raises(benchmark.BenchmarkError, match=f"verif_pos, line {line}: point 39"):
        benchmark.evaluate(few, tasks)


@pytest.mark.parametrize("options", [{"distance": "L3"}, {"pools": [5]}, {"pools": []}])
def test_unknown_distance_and_tiny_pools_are_refused(tasks, options):
    with pytest.raises(benchmark.BenchmarkError):
        benchmark.evaluate(described(), tasks, **options)


def test_whitening_without_training_sequences_is_refused():
    with pytest.raises(benchmark.BenchmarkError, match="the split has none"):
        benchmark.pca_power_law(described(), [], ["v_one"])
    with pytest.raises(benchmark.BenchmarkError, match="v_no has none"):
        benchmark.pca_power_law(described(), ["v_no"], ["v_one"])
    same = {name: np.ones_like(each) for name, each in described().items()}
    with pytest.raises(benchmark.BenchmarkError, match="that vary in more than 40%"):
        benchmark.pca_power_law(same, ["i_two"], ["v_one"])


def test_draws_of_scenes_without_any_query_do_not_count_as_zero():
    random = np.random.default_rng(0)
    points = random.normal(size=(60, 8))
    descriptors = {
        name: (points + 0.1 * random.normal(size=(16, 60, 8))).astype(np.float32) for name in "xy"
    }
    contrast = {"x": np.full(60, 50.0), "y": np.zeros(60)}  # none of y is textured enough
    tasks = benchmark.generate_tasks(dict.fromkeys("xy", 60), ref_std=contrast, pairs=2000)
    scores = benchmark.evaluate(descriptors, tasks, pools=[20])
    assert scores.R == 1 and scores.intervals["R"] == (1, 1)
