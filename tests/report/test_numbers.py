import re

import pytest

from helpers.common import files, paths
from helpers.common.errors import InputError
from helpers.report import latex, numbers, readme


def test_flatten_joins_names_by_dots_and_keeps_lists():
    nested = {"improved": {"S": 0.5, "intervals": {"S": [0.4, 0.6]}}, "seed": 1}
    assert numbers.flatten(nested) == {
        "improved.S": 0.5, "improved.intervals.S": [0.4, 0.6], "seed": 1,
    }  # fmt: skip


def test_recipes_of_joined_datasets_become_numbers_one_by_one(home):
    recipe = {"joined": [{"seed": 1, "sigma": {"easy": 25.5}}, {"seed": 2}]}
    flat = numbers.flatten({"recipe": recipe})
    assert flat == {
        "recipe.joined.0.seed": 1,
        "recipe.joined.0.sigma.easy": 25.5,
        "recipe.joined.1.seed": 2,
    }
    numbers.write_numbers(flat)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("improved.S", 0.56789, "0.568"),
        ("improved.intervals.S", [0.1, 0.25], "[0.100, 0.250]"),
        ("improved.R", None, "--"),
        ("outcome.x.minutes", 3.14159, "3.1"),
        ("outcome.x.patches_per_second", 1386.4, "1,386"),
        ("outcome.x.trainable_parameters", 1336032, "1,336,032"),
        ("settings.x.learning_rate", 1e-5, r"\ensuremath{10^{-5}}"),
        ("settings.x.learning_rate", 3e-5, r"\ensuremath{3\times 10^{-5}}"),
        ("settings.x.learning_rate", 0.002, "0.002"),
        ("settings.x.epochs", 1.0, "1"),
        ("settings.x.redraw", True, "yes"),
        ("settings.x.seed", 20181, "20181"),
        ("noise.easy", 25.5, "25.5"),
        ("denoising.noisy.easy", 13.456, "13.46"),
        ("dataset.fingerprint", "0123456789abcdef", "0123456789ab"),
        ("dataset.name", "my_scenes & 50%", r"my\_scenes \& 50\%"),
        ("improved.tasks.sequences", ["v_a", "i_b"], r"v\_a, i\_b"),
    ],
)
def test_value_is_formatted_by_its_name_and_kind(name, value, text):
    assert numbers.format_value(name, value) == text


def test_comparison_is_in_words_that_follow_from_the_numbers(scores):
    words = numbers.compare(scores(0.5), scores(0.6))
    assert words["word"]["S"] == "above"
    assert words["difference"]["S"] == "+0.100"
    assert words["intervals"]["S"] == "do not overlap"
    assert numbers.compare(scores(0.6), scores(0.595))["word"]["M"] == "below"
    assert numbers.compare(scores(0.6), scores(0.595))["intervals"]["M"] == "overlap"
    assert numbers.compare(scores(0.6), scores(0.6))["word"]["V"] == "equal to"


def test_comparison_with_a_missing_score_says_so(scores):
    unknown = scores(0.5) | {"R": None, "intervals": dict.fromkeys("VMRS")}
    words = numbers.compare(unknown, scores(0))
    assert words["word"]["R"] == "not comparable with"
    assert words["difference"]["R"] is None
    assert words["intervals"]["R"] == "are not known"


def test_name_that_latex_cannot_look_up_is_refused(home):
    with pytest.raises(InputError, match="'a b' may hold letters"):
        numbers.write_numbers({"a b": 1})
    assert not paths.GENERATED.exists()


# --- runs and measured tables --------------------------------------------------------------------


def edit(path, **values) -> None:
    files.write_json(path, files.read_json(path) | values)


@pytest.fixture
def runs(tmp_path, write_runs):
    return write_runs(tmp_path / "runs")


MACS = 115_081_216  # of both networks of a made-up pipeline
INFERENCE = {
    "rows": {name: {"milliseconds": 1.5, "macs": MACS} for name in ("baseline", "improved")}
}


def test_a_pipeline_costs_what_its_networks_cost(runs):
    assert numbers.pipeline_costs(numbers.read_runs(runs), INFERENCE)["baseline"] == {
        "parameters": 119_554, "macs": MACS, "minutes": 1.0, "milliseconds": 1.5,
    }  # fmt: skip


def test_a_descriptor_without_a_denoiser_in_front_costs_itself_alone(runs):
    run = runs["improved-descriptor"] / "settings.json"
    edit(run, settings=files.read_json(run)["settings"] | {"joining": "direct"})
    assert (
        numbers.pipeline_costs(numbers.read_runs(runs), INFERENCE)["improved"]["macs"] == MACS / 2
    )


def test_a_pipeline_is_timed_by_one_of_as_many_macs_alone(runs):
    edit(runs["improved-denoiser"] / "outcome.json", macs=5)
    assert (
        numbers.pipeline_costs(numbers.read_runs(runs), INFERENCE)["improved"]["milliseconds"]
        is None
    )


def test_provenance_is_that_of_the_runs_and_shows_where_they_differ(runs, scores):
    edit(runs["improved-denoiser"] / "settings.json", device="gpu:0")
    found = numbers.runs_provenance(numbers.read_runs(runs), {"baseline": scores(0.5)})
    assert found["dataset"] == "made_up" and found["seed"] == "1" and found["keras"] == "3.15"
    assert found["device"] == "cpu; gpu:0"


def test_rows_of_measured_tables_are_asked_for_by_their_ids(runs, scores):
    training = {**scores(0.5), "trainings": [{"steps": 10}, {"steps": 20}]}
    measured = {
        "ablation": {"points": 100, "rows": {"wide": {"title": "twice as wide", "S": 0.7}}},
        "seeds": {
            "rows": {"early_stopped": {"trainings": [training]}, "improved": {"trainings": [1, 2]}}
        },
        "depth": {"trials": 2, "rows": [{"number": 0}]},
        "frontier": {"rows": {"quick": {"S": 0.6, "trainings": [training], "settings": [{}]}}},
    }
    pair = {"baseline": scores(0.4), "improved": scores(0.6)}
    found = numbers.collect_numbers(pair, numbers.read_runs(runs), measured)
    assert found["ablation.points"] == 100 and found["ablation.wide.S"] == 0.7
    assert found["seeds.early_stopped.S"] == 0.5  # one training: its scores and its networks
    assert found["seeds.early_stopped.descriptor.steps"] == 20
    assert not any(name.startswith(("seeds.improved", "depth.0")) for name in found)
    assert found["depth.trials"] == 2
    assert [name for name in found if name.startswith("frontier")] == ["frontier.quick.S"]


@pytest.mark.parametrize(("rate", "same"), [(0.1, True), (0.2, False)])
def test_repeated_trainings_are_compared_with_the_settings_of_the_report(runs, scores, rate, same):
    read = numbers.read_runs(runs)
    own = [read["settings"][f"improved-{role}"]["settings"] for role in ("denoiser", "descriptor")]
    repeated = [
        one | {"role": role, "seed": 7, "learning_rate": one["learning_rate"] * rate / 0.1}
        for one, role in zip(own, ("denoiser", "descriptor"), strict=True)
    ]
    seeds = {"settings": {"improved": repeated}, "rows": {}}
    pair = {"baseline": scores(0.4), "improved": scores(0.6)}
    found = numbers.collect_numbers(pair, read, {"seeds": seeds})
    assert found["seeds.same_settings"] is same


# --- from a run folder into the report -----------------------------------------------------------


@pytest.fixture
def reported(home, runs, write_report):
    """Writes the report's parts anew, and reads them with README and text: name -> text."""

    def report() -> dict[str, str]:
        write_report(runs)
        made = {path.stem: path.read_text() for path in paths.GENERATED.glob("*.tex")}
        text = latex.source_text(paths.REPORT_SOURCES / "report.tex")
        flat = files.read_json(paths.GENERATED / "numbers.json")
        return {**made, "text": expanded(text), "readme": readme.results_block(flat)}

    return report


def expanded(text: str) -> str:
    r"""The text with generated parts and numbers in place of \input and \result."""
    text = re.sub(
        r"\\input\{(generated/.+?)\}", lambda m: (paths.REPORT / f"{m[1]}.tex").read_text(), text
    )
    numbers = (paths.GENERATED / "numbers.tex").read_text()
    known = dict(re.findall(r"^\\@namedef\{result@(.+?)\}\{(.*)\}$", numbers, re.MULTILINE))
    for _ in range(2):  # a phrase may ask for numbers
        text = re.sub(r"\\result\{([^}#]+)\}", lambda name: known.get(name[1], name[0]), text)
    return text


def between(start: str, end: str, text: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def test_an_edited_score_reaches_text_tables_and_readme(reported, runs):
    assert not any("0.988" in text or "0.912" in text for text in reported().values())
    edit(runs["improved-descriptor"] / "scores.json", V=0.98765, S=0.91234)
    after = reported()
    assert r"\@namedef{result@improved.S}{0.912}" in after["numbers"]
    assert "0.912" in after["summary"] and "0.912" in after["comparison"]
    assert re.search(r"^\| improved .*0\.988.*0\.912", after["readme"], re.MULTILINE)
    assert "0.988" in between(r"\begin{abstract}", r"\end{abstract}", after["text"])
    results = between(r"\section{Results}", r"\section", after["text"])
    assert "0.988" in results and "+0.512" in results  # 0.912 - 0.4: compare.difference.S


def test_an_edited_outcome_reaches_text_tables_and_readme(reported, runs):
    edit(runs["baseline-denoiser"] / "outcome.json", minutes=77.77, macs=123_400_000)
    after = reported()
    assert r"\@namedef{result@outcome.baseline-denoiser.minutes}{77.8}" in after["numbers"]
    assert re.search(r"^baseline-denoiser .*123\.4 .*77\.8", after["networks"], re.MULTILINE)
    assert re.search(r"^\| baseline .* 180\.9 \|$", after["readme"], re.MULTILINE)  # both networks


def test_the_notebook_writes_every_number_that_the_text_asks_for(reported):
    assert set(re.findall(r"\\result\{([^}#]+)\}", reported()["text"])) == set()


def test_a_report_of_three_approaches_with_notes_and_warnings_asks_for_nothing_that_is_missing(
    home, tmp_path, write_runs, write_report
):
    runs = write_runs(tmp_path / "three", mine_v2=0.7)
    edit(runs["mine_v2-descriptor"] / "scores.json", warnings=["Ties made this score."])
    write_report(runs, notes=["left out: 1 scene in no part of split a (i_x)."])
    text = expanded(latex.source_text(paths.REPORT_SOURCES / "report.tex"))
    assert set(re.findall(r"\\result\{([^}#]+)\}", text)) == set()
    assert r"left out: 1 scene in no part of split a (i\_x)." in text
    assert "mine\\_v2*: Ties made this score." in text and "my\\_network" in text
    assert "mine\\_v2*" in (paths.GENERATED / "comparison.tex").read_text()
