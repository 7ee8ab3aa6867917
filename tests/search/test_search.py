"""Searches: studies that are begun and gone on with, one worker, and the search of a profile."""

import json
import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna
import pytest

from helpers import benchmark, search, training
from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.dataset import with_fewer_points
from helpers.evaluation import scoring
from helpers.search import results, studies, trials
from helpers.search.search import pruner
from helpers.settings import SMOKE, SearchSettings
from helpers.training import runs
from tests.search.conftest import BASE, NAMED, RATES, SPACE, WEIGHTS, finished

BOTH = {name: SPACE[name] for name in ("learning_rate", "network_options.width")}

# --- what is tried


def test_the_first_trial_is_the_base_settings(look, make_trainer):
    train = make_trainer()
    look(train, 1, space=SPACE, base=replace(BASE, patience=20))
    assert train.settings == [replace(BASE, patience=20, approach="search")]


def test_a_trial_is_trained_to_its_end_unless_patience_is_searched(look, make_trainer):
    train = make_trainer()
    look(train, 1, base=replace(BASE, patience=4))
    assert train.settings[0].patience == 0


def test_the_same_seed_chooses_the_same_settings_and_another_one_others(look, make_trainer):
    chosen = []
    for number, seed in enumerate((1, 1, 2)):
        train = make_trainer()
        look(train, 12, name=f"study {number}", space=SPACE, seed=seed)
        chosen.append(train.settings)
    assert chosen[0] == chosen[1] and chosen[0] != chosen[2]


def test_the_seed_chooses_what_it_always_chose(look, make_trainer):
    """Drawn by trial, from `SeedSequence([seed, number])`: so studies can be made again."""
    train = make_trainer()
    look(train, 3)
    assert train.rates == pytest.approx([0.003, 0.00841265, 0.00765175], rel=1e-4)


def test_stopping_between_trials_changes_no_settings_and_adds_only_what_is_missing(
    look, make_trainer
):
    at_once, in_parts = make_trainer(), make_trainer()
    look(at_once, 14)
    for count, expected in ((3, 3), (11, 11), (14, 14), (5, 14)):
        assert finished(look(in_parts, count, name="in parts")) == expected
    assert in_parts.rates == at_once.rates and len(set(at_once.rates)) == 14


def test_settings_of_one_trial_are_drawn_independently(look, make_trainer):
    train = make_trainer()
    both = {"learning_rate": ("uniform", 0.001, 1.0), "weight_decay": ("uniform", 0.001, 1.0)}
    look(train, 4, space=both, base=replace(BASE, learning_rate=2.0, weight_decay=0.0))
    assert all(abs(one.learning_rate - one.weight_decay) > 1e-6 for one in train.settings)


def test_trials_after_the_random_ones_are_better(look, make_trainer):
    train = make_trainer()
    look(train, 30)
    losses = [abs(math.log10(rate) + 2) for rate in train.rates]
    assert sum(losses[20:]) / 10 < 0.5 * sum(losses[1:11]) / 10


def test_named_choices_reach_training_as_values(look, scored, make_trainer, storage):
    train, base = make_trainer(), replace(BASE, loss_options={"level_weights": (1, 1, 1)})
    study = look(train, 8, space=NAMED, base=base, **scored)
    found = [one.loss_options["level_weights"] for one in train.settings]
    names = search.trials_table(study)["loss_options.level_weights"].tolist()
    assert found == [WEIGHTS[name] for name in names]
    assert names[0] == "alike" and set(names) == set(WEIGHTS)
    best = results.best_settings(studies.begin_study("rates", storage, {}))
    rates = [abs(math.log10(rate) + 2) for rate in train.rates]
    assert best.loss_options["level_weights"] == found[rates.index(min(rates))]


# --- studies


def test_a_space_from_json_or_in_another_order_goes_on_with_the_study(look, scored, make_trainer):
    train = make_trainer()
    look(train, 2, space=NAMED | SPACE, **scored)
    look(train, 3, space=json.loads(json.dumps(NAMED | SPACE)), **scored)
    turned = {"loss_options.level_weights": ("choice", dict(reversed(WEIGHTS.items())))}
    study = look(train, 4, space=turned | SPACE, **scored)
    assert len(train.settings) == finished(study) == 4


def test_another_search_of_the_same_name_is_refused(look, make_trainer, tiny_store, monkeypatch):
    train = make_trainer()
    look(train, 1)
    for change, named in (
        ({"space": {"learning_rate": ("log", 1e-4, 2e-1)}}, "space"),
        ({"base": replace(BASE, batch=16)}, "settings"),
        ({"budget": 0.5}, "budget"),
        ({"seed": 2}, "seed"),
        ({"denoiser_run": Path("runs/denoiser-1")}, "denoiser"),
        ({"store": replace(tiny_store, fingerprint="other")}, "dataset"),
    ):
        with pytest.raises(InputError, match=f"other values of: {named}; choose a new name"):
            look(train, 2, **change)
    monkeypatch.setattr(runs, "TRAINING_CODE", ("settings.py",))
    with pytest.raises(InputError, match="other values of: code;"):
        look(train, 2)
    assert len(train.settings) == 1


@pytest.mark.parametrize(
    "change",
    [{"count": 0}, {"budget": 0.0}, {"budget": 1.5}, {"seed": -1}, {"space": {}}],
    ids=str,
)
def test_what_cannot_be_searched_is_refused_before_a_study_is_begun(look, make_trainer, change):
    train = make_trainer()
    with pytest.raises(InputError, match=r"(cannot be: give|name at least one).*[.]$"):
        look(train, **change)
    assert not (train.folder / "search.db").exists()


def test_a_storage_that_cannot_be_opened_is_named_without_its_password(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    wrong = ("database", "sqlite:////dev/null/x.db", f"sqlite:///{tmp_path}/file/x")
    for storage in (*wrong, "mysql+nosuchdriver://host/db"):
        with pytest.raises(InputError, match=r"cannot be used .*: give sqlite:///FILE"):
            studies.begin_study("rates", storage, {})
    assert studies.shown("postgresql://me:secret@host/x") == "postgresql://***"


# --- one worker


def test_a_training_worse_than_the_median_is_given_up_and_counts(look, make_trainer):
    def act(number, on_validation):
        for validation in range(4):
            on_validation([9.0] + [float(number)] * (validation + 1))
            seen.append((number, validation))

    seen = []
    study = look(make_trainer(act), 7, base=replace(BASE, validations=4))
    table = search.trials_table(study)
    assert table["state"].tolist() == ["complete"] * 5 + ["pruned"] * 2
    assert (5, 0) in seen and (5, 1) not in seen  # the first quarter is let be
    assert finished(study) == 7 and table["loss"].notna().sum() == 5


def test_a_training_at_its_last_validation_is_not_given_up(look, make_trainer):
    train = make_trainer(lambda number, report: report([9.0, float(number), float(number)]))
    study = look(train, 7, base=replace(BASE, validations=2))
    assert set(search.trials_table(study)["state"]) == {"complete"}


def test_a_score_lets_every_training_end():
    assert isinstance(pruner(BASE, "validation_error"), optuna.pruners.NopPruner)


def test_a_validation_loss_of_nan_gives_a_trial_up(look, make_trainer):
    train = make_trainer(lambda number, report: report([1.0, math.nan if number == 1 else 1.0]))
    study = look(train, 3)
    assert search.trials_table(study)["state"].tolist() == ["complete", "pruned", "complete"]


def test_a_training_that_goes_on_reports_what_it_had_reached_before(look, make_trainer):
    study = look(make_trainer(lambda _, report: report([3.0, 2.0, 1.0])), 1)
    assert study.trials[0].intermediate_values == {1: 2.0, 2: 1.0}


# --- the search of a profile


@pytest.fixture
def profile(monkeypatch, tmp_path, scored):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    base = replace(BASE, loss_options={"level_weights": [1, 1, 1]}, joining="direct")
    wanted = SearchSettings(trials=6, budget=0.5, points_per_scene=4, space=NAMED)
    return replace(SMOKE, improved_descriptor=base, search=wanted)


def test_a_profile_gets_the_winner_of_its_own_search(profile, tiny_store, make_trainer, capsys):
    assert search.with_winner(profile, tiny_store) is profile
    assert "settings of the profile; no search has left" in capsys.readouterr().out
    train = make_trainer()
    study, winner = search.search_improved(profile, tiny_store, train=train)
    found = search.with_winner(profile, tiny_store)
    assert found.improved_descriptor == results.best_settings(study) == search.read_winner(winner)
    assert replace(found, improved_descriptor=profile.improved_descriptor) == profile
    assert capsys.readouterr().out.splitlines()[-1].startswith("Improved descriptor: settings of")
    assert found.improved_descriptor.epochs == BASE.epochs == 2 * train.settings[0].epochs
    assert {len(store.rows("train")) for store in train.stores} == {8}  # of two scenes


def test_a_damaged_winner_of_a_profile_is_mended_by_its_search(profile, tiny_store, make_trainer):
    train = make_trainer()
    _, winner = search.search_improved(profile, tiny_store, train=train)
    before = winner.read_bytes()
    winner.write_bytes(before[:100])
    with pytest.raises(InputError, match="search again with the same options, which trains"):
        search.with_winner(profile, tiny_store)
    search.search_improved(profile, tiny_store, train=train)
    assert winner.read_bytes() == before and len(train.settings) == 6


def test_what_another_network_does_not_take_is_not_searched_and_said(
    profile, tiny_store, make_trainer, capsys
):
    base = replace(profile.improved_descriptor, network="l2net", network_options={})
    other = replace(profile, improved_descriptor=base, search=replace(profile.search, space=BOTH))
    study, winner = search.search_improved(other, tiny_store, train=make_trainer())
    assert (
        "Not searched: network_options.width; l2net has no such option" in capsys.readouterr().out
    )
    assert set(study.best_params) == {"learning_rate"} == set(search.space_of(other))
    assert winner == search.winner_path(other, tiny_store)


def test_a_profile_that_wants_more_trials_goes_on_with_its_search(
    profile, tiny_store, make_trainer
):
    train = make_trainer()
    _, winner = search.search_improved(profile, tiny_store, train=train)
    more = replace(profile, search=replace(profile.search, trials=8))
    study, again = search.search_improved(more, tiny_store, train=train)
    assert again == winner and len(train.settings) == finished(study) == 8


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"seed": 2},
        {"search": {"budget": 1.0}},
        {"search": {"points_per_scene": None}},
        {"search": {"space": RATES}},
        {"improved_descriptor": {"batch": 16}},
        {"improved_descriptor": {"joining": "frozen"}},
    ],
    ids=str,
)
def test_another_search_has_another_winner(profile, tiny_store, change):
    nested = {
        name: replace(getattr(profile, name), **value) if isinstance(value, dict) else value
        for name, value in change.items()
    }
    other = replace(profile, **nested)
    assert search.winner_path(other, tiny_store) != search.winner_path(profile, tiny_store)


def test_other_data_or_another_denoiser_in_front_have_another_winner(profile, tiny_store):
    fewer = with_fewer_points(tiny_store, 3)
    assert search.winner_path(profile, tiny_store) != search.winner_path(profile, fewer)
    frozen = replace(profile, improved_descriptor=replace(BASE, joining="frozen"))
    other = replace(frozen, improved_denoiser=replace(frozen.improved_denoiser, batch=16))
    assert search.winner_path(frozen, tiny_store) != search.winner_path(other, tiny_store)
    without = replace(profile, improved_denoiser=other.improved_denoiser)  # joined "direct"
    assert search.winner_path(profile, tiny_store) == search.winner_path(without, tiny_store)


@pytest.mark.parametrize("options", [{}, {"level_weights": [3, 2, 1]}], ids=str)
def test_trial_0_must_be_the_profiles_own_settings(profile, tiny_store, make_trainer, options):
    base = replace(profile.improved_descriptor, loss_options=options)
    other = replace(profile, improved_descriptor=base)
    with pytest.raises(InputError, match=r"has no value of loss_options\.level_weights that"):
        search.search_improved(other, tiny_store, train=make_trainer())
    assert not paths.RUNS.exists()


def test_the_storage_of_a_profiles_search_can_be_chosen(profile, tiny_store, make_trainer, storage):
    train = make_trainer()
    study, winner = search.search_improved(profile, tiny_store, storage=storage, train=train)
    assert finished(studies.begin_study(winner.stem, storage, {})) == finished(study) == 6
    assert [path.name for path in winner.parent.iterdir()] == [winner.name]


# --- with real trainings


def test_real_trainings_are_searched_given_up_and_loaded(tiny_store, tmp_path, monkeypatch):
    def look(name, rate, **changes):
        space = {"learning_rate": ("choice", [rate])}
        objective = search.Objective(replace(base, **changes), space, tiny_store, budget=0.5)
        return search.search(name, objective, 1, f"sqlite:///{tmp_path / 'search.db'}")

    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    base = replace(SMOKE.improved_denoiser, batch=16, epochs=1, redraw=False)
    trained = look("good", base.learning_rate)
    given_up = look("hopeless", 1000.0, optimizer="sgd")
    assert search.trials_table(trained)["state"].tolist() == ["complete"]
    assert search.trials_table(given_up)["state"].tolist() == ["pruned"]

    run = runs.find_run(replace(base, approach="search", epochs=0.5, patience=0), tiny_store)
    assert [path for path in paths.RUNS.iterdir() if path.is_dir()] == [run]  # no .unfinished
    assert trained.best_value == files.read_json(run / "outcome.json")["kept_validation_loss"]
    assert set(trained.trials[0].intermediate_values) == {1, 2}

    before = (run / "outcome.json").stat().st_mtime_ns
    assert look("again", base.learning_rate).best_value == trained.best_value
    assert (run / "outcome.json").stat().st_mtime_ns == before  # not trained again


def test_data_that_fit_no_settings_end_the_search(tiny_store, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    objective = search.Objective(replace(SMOKE.improved_descriptor, batch=4096), RATES, tiny_store)
    storage = f"sqlite:///{tmp_path / 'search.db'}"
    with pytest.raises(InputError, match="less than one batch"):
        search.search("large", objective, 2, storage)
    assert finished(studies.begin_study("large", storage, {})) == 0


def test_the_validation_error_is_that_of_the_validation_scenes(tiny_store, tmp_path, monkeypatch):
    settings = replace(BASE, joining="direct")
    run, pairs = tmp_path / "run", 200
    files.write_json(run / "settings.json", runs.describe_run(settings, tiny_store))
    training.make_network(settings).save(run / "model.keras")
    monkeypatch.setattr(trials, "PAIRS", pairs)
    descriptors = dict(scoring.describe(runs.load_network(run), tiny_store, ("i_1", "v_1")))
    tasks = scoring.make_tasks(tiny_store, pairs, part="validation")
    scores = benchmark.evaluate(descriptors, tasks)
    assert scores.R is None  # 24 points fill no pool
    error = trials.validation_error(run, tiny_store)
    assert error == pytest.approx(1 - (scores.V + scores.M) / 2)

    monkeypatch.setattr(benchmark, "evaluate", partial(benchmark.evaluate, pools=(10,)))
    error = 1 - benchmark.evaluate(descriptors, tasks).S
    assert trials.validation_error(run, tiny_store) == pytest.approx(error)
    assert 0 < error < 1
