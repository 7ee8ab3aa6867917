import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.benchmark.layout import LEVELS, POOLS
from helpers.common import paths
from helpers.report import tables
from helpers.report.rounding import (
    BASELINE,
    IMPROVED,
    Spread,
    best_cells,
    decimals_of,
    escape,
    format_cells,
    format_number,
    to_tabular,
)


def scores(value: float, pools=("100", "500")) -> dict:
    """Scores that are all `value`; pools beyond `pools` are missing."""
    retrieval = {
        row: {str(k): value if str(k) in pools else None for k in POOLS}
        for row in (*LEVELS, "mean")
    }
    cell = {"auc": value, "ap": value}
    return {
        "verification": {level: {"inter": dict(cell), "intra": dict(cell)} for level in LEVELS},
        "retrieval": retrieval,
        "matching": {**dict.fromkeys((*LEVELS, "mean"), value), "sequences": {}},
        **dict.fromkeys("VMRS", value),
        "intervals": {key: [value - 0.1, value + 0.1] for key in "VMRS"},
    }


PAIR = {"baseline": scores(0.5), "improved": scores(0.6)}


def test_verification_table_puts_every_score_in_its_cell():
    baseline, improved = scores(0.5), scores(0.6)
    improved["verification"]["hard"]["intra"] = {"auc": 0.71, "ap": 0.72}
    frame = tables.verification_table(baseline=baseline, improved=improved)
    assert list(frame.index) == ["Easy", "Hard", "Tough"]
    assert frame.at["Hard", (IMPROVED, "Balanced [AUC]", "Intra")] == 0.71
    assert frame.at["Hard", (IMPROVED, "Imbalanced [mAP]", "Intra")] == 0.72
    assert frame.at["Hard", (BASELINE, "Imbalanced [mAP]", "Intra")] == 0.5


def test_missing_pools_are_dashes_and_never_numbers():
    tabular = to_tabular(tables.retrieval_table(**PAIR))
    easy = next(line for line in tabular.splitlines() if line.startswith("Easy"))
    better = [r"\textbf{0.600}"] * 2
    expected = ["Easy", "0.500", "0.500", *["--"] * 5, *better, *["--"] * 5]
    assert easy.removesuffix(r" \\").split(" & ") == expected


def test_pool_that_the_scores_do_not_list_is_missing():
    baseline = scores(0.5)
    for row in baseline["retrieval"].values():
        del row["20000"]
    cells = format_cells(tables.retrieval_table(baseline=baseline, improved=scores(0.6)))
    assert cells.at["Mean", (BASELINE, "20,000")] == "–"


def test_the_better_of_a_pair_is_bold_before_rounding():
    frame = tables.matching_table(baseline=scores(0.50001), improved=scores(0.50002))
    best = best_cells(frame)
    assert best[IMPROVED].all(axis=None) and not best[BASELINE].any(axis=None)


def test_both_are_bold_on_a_tie():
    assert best_cells(tables.matching_table(baseline=scores(0.5), improved=scores(0.5))).all(
        axis=None
    )


def test_no_cell_is_bold_where_one_of_a_pair_is_missing():
    frame = tables.retrieval_table(
        baseline=scores(0.5, pools=("100", "500")), improved=scores(0.6, pools=("100",))
    )
    assert not best_cells(frame)[[(BASELINE, "500"), (IMPROVED, "500")]].any(axis=None)


def test_matching_table_is_a_single_row_as_in_the_interim_report():
    frame = tables.matching_table(**PAIR)
    assert frame.shape == (1, 8)
    assert [column[1] for column in frame.columns[:4]] == ["Easy", "Hard", "Tough", "Mean"]


def test_summary_shows_intervals_and_the_interim_reports_own_figures():
    cells = format_cells(tables.summary_table(**PAIR))
    assert cells.at["Mean S", (BASELINE, "95 % interval")] == "[0.400, 0.600]"
    published = cells["Interim report", "on genuine N-HPatches"]
    assert list(published) == ["0.701", "0.107", "0.357", "0.388"]


def test_summary_of_scores_that_could_not_be_computed_shows_dashes():
    lacking = scores(0.5) | {"R": None, "S": None, "intervals": dict.fromkeys("VMRS")}
    cells = format_cells(tables.summary_table(baseline=lacking, improved=scores(0.6)))
    assert cells.at["Retrieval R", (BASELINE, "Score")] == "–"
    assert cells.at["Verification V", (BASELINE, "95 % interval")] == "–"


def test_networks_table_rounds_each_column_for_its_kind():
    outcome = {
        "trainable_parameters": 59777,
        "macs": 57_540_608,
        "epochs": 1.0,
        "minutes": 2.345,
        "patches_per_second": 1386.4,
    }
    frame = tables.networks_table({"Baseline denoiser": outcome, "Other": {}})
    cells = format_cells(frame)
    assert list(cells.loc["Baseline denoiser"]) == ["59,777", "57.5", "1.0", "2.3", "1,386"]
    assert list(cells.loc["Other"]) == ["–"] * 5


def test_dataset_table_sums_its_parts():
    part = {"scenes": 2, "points": 1000, "patches": 16000}
    frame = tables.dataset_table({"parts": {"train": part, "test": part}})
    assert list(format_cells(frame).loc["All"]) == ["4", "2,000", "32,000"]


def test_denoising_errors_are_means_over_the_strips_of_a_level():
    clean = np.full((2, 16, 4, 4), 100, np.uint8)
    noisy = clean.copy()
    noisy[:, 1] -= 5  # one of five easy strips
    errors = tables.denoising_errors(clean, {"noisy": noisy})
    assert errors == {"noisy": {"ref": 0.0, "easy": 1.0, "hard": 0.0, "tough": 0.0}}


def test_lower_error_is_the_bold_one():
    errors = {"noisy": {"easy": 9.0}, "baseline": {"easy": 3.0}, "improved": {"easy": 4.0}}
    frame = tables.denoising_table(errors)
    assert r"Easy & 9.00 & \textbf{3.00} & 4.00" in to_tabular(frame)


def test_correlations_are_a_row_a_scene_and_a_column_a_level():
    found = {"v_a": {"easy": 0.8, "tough": 0.4}, "i_b": {"easy": 0.7, "tough": 0.3}}
    table = tables.correlation_table(found)
    assert list(table.columns) == ["Easy", "Tough"] and table.at["i_b", "Tough"] == 0.3


def test_provenance_is_a_row_a_fact_and_shortens_the_fingerprint():
    frame = tables.provenance_table({"seed": 1, "keras": "3.15", "fingerprint": "f" * 64})
    facts = {"seed": "1", "keras": "3.15", "fingerprint": "f" * 12}
    assert frame["Value"].to_dict() == facts


def test_headings_are_grouped_over_rules():
    lines = to_tabular(tables.summary_table(**PAIR)).splitlines()
    groups = next(number for number, line in enumerate(lines) if "Baseline approach" in line)
    assert lines[groups].count(r"\multicolumn{2}{c}") == 2
    assert lines[groups + 1] == r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}\cmidrule(lr){6-6}"
    assert lines[groups + 2].startswith(r"Task & Score & 95 \% interval & Score")


def test_two_levels_of_groups_have_rules_of_their_own():
    tabular = to_tabular(tables.verification_table(**PAIR))
    assert r"\cmidrule(lr){2-5}\cmidrule(lr){6-9}" in tabular
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}\cmidrule(lr){6-7}\cmidrule(lr){8-9}" in tabular


def test_headings_and_titles_are_escaped():
    row = {"title": "a_b & c", "macs": 1}
    tabular = to_tabular(tables.networks_table({"one": row}))
    assert r"a\_b \& c & --" in tabular


def test_special_characters_are_escaped():
    assert escape(r"50 % of a_b & {c} \d – ~^#$") == (
        r"50 \% of a\_b \& \{c\} \textbackslash{}d -- \textasciitilde{}\textasciicircum{}\#\$"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(1336032, "1,336,032"), (0.12345, "0.123"), (None, "–"), (float("nan"), "–"), ("a", "a"),
     (np.int64(5000), "5,000"), ((0.1, 0.25), "[0.100, 0.250]")],
)  # fmt: skip
def test_numbers_are_formatted_by_their_kind(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("name", "decimals"),
    [("improved.S", 3), ("outcome.improved-denoiser.minutes", 1), ("denoising.noisy.easy", 2),
     ("Network.Minutes", 1), ("MAE.Noisy input", 2), ("Noise.5,000", 3)],
)  # fmt: skip
def test_sentences_and_tables_have_their_decimals_by_the_same_rule(name, decimals):
    assert decimals_of(name) == decimals


def test_written_table_is_the_tabular(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "GENERATED", tmp_path / "generated")
    frame = tables.matching_table(**PAIR)
    path = tables.write_table(frame, "matching")
    assert path == tmp_path / "generated" / "matching.tex"
    assert path.read_text() == to_tabular(frame)


def test_notebook_shows_the_same_bold_and_dashes():
    html = tables.show(tables.retrieval_table(**PAIR)).to_html()
    assert "font-weight: bold" in html and "–" in html and "0.600" in html


HOSTILE = st.sampled_from(["<img src=x onerror=alert(1)>", "<script>", "</td>", "&lt;", "]]>"])


@settings(max_examples=60, deadline=None)
@given(st.lists(HOSTILE | st.text(max_size=9), max_size=4).map("".join))
def test_names_are_text_and_no_html(name):
    name = f"i_{name}"
    frame = pd.DataFrame({name: [name]}, index=[f"{name}0"]).rename_axis(index=f"{name}1")
    tags, texts = set(), []
    page = HTMLParser()
    page.handle_starttag = lambda tag, _: tags.add(tag)
    page.handle_data = texts.append
    page.feed(tables.show(frame).to_html())
    assert tags == {"style", "table", "thead", "tbody", "tr", "th", "td"}
    assert [text for text in texts[1:] if text.strip()] == [f"{name}1", name, f"{name}0", name]


@pytest.mark.parametrize(
    "table",
    [
        tables.verification_table,
        tables.retrieval_table,
        tables.matching_table,
        tables.summary_table,
    ],
)
def test_a_third_approach_has_its_place(table):
    frame = table(**PAIR, mine_v2=scores(0.71))
    tabular = to_tabular(frame)
    assert "0.500" in tabular and "0.710" in tabular and r"mine\_v2" in tabular
    assert not re.search(r"\\textbf\{0\.[56]", tabular)


def test_scores_with_a_warning_are_marked_and_the_warning_stands_below():
    tied = scores(0.5) | {"warnings": ["Ties <b>made</b> this score."]}
    for frame in (
        tables.matching_table(baseline=tied, improved=scores(0.4)),
        tables.matching_table(baseline=tied, improved=scores(0.4), mine=scores(0.3)),
        tables.comparison_table({"improved": tied, "baseline": scores(0.4)}),
    ):
        page, tabular = tables.show(frame).to_html(), to_tabular(frame)
        assert re.search(r"\w\*: Ties &lt;b&gt;made", page)
        assert re.search(r"(?:approach|line|improved)\*", page)
        assert tabular.count("*}") + tabular.count("* ") + tabular.count("*,") >= 1
    assert (
        best_cells(tables.matching_table(baseline=tied, improved=scores(0.4))).sum(axis=None) == 4
    )


def test_what_holds_for_all_rows_is_said_once_and_marks_none():
    few = {"warnings": ["There are few distractors."]}
    tied = {"warnings": [*few["warnings"], "Ties made this score."]}
    rows = {"baseline": scores(0.5) | few, "improved": scores(0.6) | tied}
    frame = tables.comparison_table(rows)
    said = ["all: There are few distractors.", "improved*: Ties made this score."]
    assert frame.attrs["notes"] == said
    assert list(frame.index) == ["baseline", "improved*"]


def test_notebook_shows_plain_headings():
    errors = tables.denoising_errors(np.zeros((1, 16, 4, 4)), {"noisy": np.ones((1, 16, 4, 4))})
    html = tables.show(tables.denoising_table(errors)).to_html()
    assert ">Noisy input<" in html and "(" not in re.sub(r"<style.*?</style>", "", html, flags=re.S)


def test_the_comparison_has_a_row_for_each_descriptor():
    row = {"V": 0.5, "M": 0.25, "R": None, "S": None, "intervals": {"S": None}}
    rows = {"raw": row | {"title": "raw pixels"}, "RootSIFT": row | {"V": 0.75}}
    frame = tables.comparison_table(rows)
    assert list(frame.index) == ["raw pixels", "RootSIFT"] and frame.at["RootSIFT", "V"] == 0.75
    assert format_cells(frame).at["raw pixels", "R"] == "–"


def test_the_comparison_shows_the_costs_that_are_known_in_their_units():
    rows = dict.fromkeys(("RootSIFT", "baseline"), scores(0.5))
    cost = {"parameters": 1_395_809, "macs": 96_583_680, "milliseconds": None}
    cells = format_cells(tables.comparison_table(rows, {"baseline": cost}))
    assert list(cells.columns)[5:] == ["Parameters [k]", "Multiply-adds [M]"]
    assert list(cells.loc["baseline"])[5:] == ["1,396", "96.6"]
    assert list(cells.loc["RootSIFT"])[5:] == ["–", "–"]


def test_the_ablation_has_its_start_first_and_then_the_best_first():
    row = {"V": 0.5, "M": 0.5, "R": 0.5, "S": 0.5, "minutes": 1.25, "macs": 10_108_928}
    rows = {"start": row, "bad": row | {"S": 0.4, "title": "worse"}, "good": row | {"S": 0.6}}
    frame = tables.ablation_table({"rows": rows})
    assert list(frame.index) == ["start", "good", "worse"]
    assert format_cells(frame).at["worse", "Multiply-adds [M]"] == "10.1"


def test_the_search_shows_its_finished_trials_the_best_first():
    row = {"number": 0, "depth": 1, "width": 8, "learning_rate": 0.00251, "macs": 10**6}
    row["validation_loss"] = 0.5
    better = row | {"number": 2, "width": 12, "validation_loss": 0.25}  # as deep
    frame = tables.search_table({"rows": [row, row | {"validation_loss": None}, better]})
    assert list(frame.index) == ["2", "0"] and frame.index.name == "Trial"
    assert list(format_cells(frame).iloc[0]) == ["1", "12", "1.0", "0.0025", "0.250"]
    assert "<td" in tables.show(frame).to_html()


def trained(seed: int, value: float | None) -> dict:
    return {"seed": seed, **dict.fromkeys("VMRS", value)}


def test_the_frontier_begins_with_the_cheapest_and_tells_gaps_with_their_errors():
    row = {**dict.fromkeys("VMRS", 0.5), "milliseconds": 0.1, "denoiser": "none"}
    rows = {
        "today": row | {"macs": 30e6, "descriptor": "HardNet 24", "gap": 0.0, "gap_error": None},
        "quick": row | {"macs": 5.1e6, "descriptor": "DesDis 32", "gap": -0.01, "gap_error": 0.002},
    }
    cells = format_cells(tables.frontier_table({"rows": rows}))
    assert list(cells.index) == ["DesDis 32", "HardNet 24"]
    assert list(cells["Gap"]) == ["-0.010 ± 0.002", "0.000"]
    assert list(cells["Multiply-adds [M]"]) == ["5.1", "30.0"]


def test_several_trainings_are_their_mean_and_sample_deviation():
    runs = [trained(seed, value) for seed, value in enumerate((0.4, 0.5, 0.6))]
    frame = tables.seeds_table({"rows": {"baseline": {"trainings": runs}}})
    assert frame.at["baseline", "S"] == Spread(pytest.approx(0.5), pytest.approx(0.1))
    assert list(format_cells(frame).loc["baseline"]) == ["3", *["0.500 ± 0.100"] * 4]


def test_one_training_shows_its_score_alone():
    frame = tables.seeds_table({"rows": {"improved": {"trainings": [trained(1, 0.7)]}}})
    assert list(format_cells(frame).loc["improved"]) == ["1", *["0.700"] * 4]


def test_trainings_of_which_one_has_no_score_show_a_dash():
    runs = [trained(1, 0.7), trained(2, None)]
    frame = tables.seeds_table({"rows": {"improved": {"trainings": runs}}})
    assert list(format_cells(frame).loc["improved"]) == ["2", *["–"] * 4]


def test_levels_are_means_over_trainings_with_the_improved_approach_last():
    other = scores(0.4)
    other["verification"]["hard"] = {"inter": {"auc": 1, "ap": 0.8}, "intra": {"auc": 1, "ap": 0.4}}
    other["retrieval"]["tough"] = dict.fromkeys(other["retrieval"]["tough"])
    rows = {
        "baseline": {"trainings": [scores(0.5), other]},
        "improved": {"trainings": [scores(0.7)]},
        "early_stopped": {"title": "longer", "trainings": [scores(0.6)]},
    }
    frame = tables.levels_table({"rows": rows})
    assert list(frame.index) == ["baseline", "longer", "improved"]
    assert frame.at["baseline", ("V", "Hard")] == pytest.approx((0.5 + 0.6) / 2)
    assert frame.at["baseline", ("M", "Easy")] == pytest.approx(0.45)
    assert frame.at["longer", ("R", "Easy")] == pytest.approx(0.6)  # of two pools, others missing
    assert format_cells(frame).at["baseline", ("R", "Tough")] == "–"
    lines = to_tabular(frame).splitlines()
    assert any(line.count(r"\multicolumn{3}{c}") == 3 for line in lines)


def test_plus_minus_is_written_for_latex():
    runs = [trained(1, 0.4), trained(2, 0.4)]
    frame = tables.seeds_table({"rows": {"baseline": {"trainings": runs}}})
    assert r"baseline & 2 & 0.400 $\pm$ 0.000 &" in to_tabular(frame)
    assert "0.400 ± 0.000" in tables.show(frame).to_html()


def test_inference_shows_what_a_patch_costs_and_in_which_batches():
    row = {"milliseconds": 0.0512, "low": 0.05, "high": 0.0623}
    network = row | {"macs": 57_540_608, "parameters": 59777}
    rows = {"baseline_denoiser": network | {"title": "baseline denoiser"}, "RootSIFT": row}
    frame = tables.inference_table({"rows": rows, "batch": 256})
    cells = format_cells(frame)
    times = ["0.051", "[0.050, 0.062]"]
    assert list(cells.loc["baseline denoiser"]) == ["59,777", "57.5", *times]
    assert list(cells.loc["RootSIFT"]) == ["–", "–", *times]
    assert frame.index.name == "Network, batches of 256"
