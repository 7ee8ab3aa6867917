import re

import pytest

from helpers.common import files, paths
from helpers.networks.descriptors import BODIES
from helpers.report import latex, paragraphs


@pytest.fixture
def numbers():
    """The numbers that are committed, as if all that takes long had been measured, too."""
    committed = files.read_json(paths.ROOT / "report" / "generated" / "numbers.json")
    asked = paragraphs.LONG_IN_PLAN + (paths.TEXTS / "early-stopped.tex").read_text()
    long = dict.fromkeys(re.findall(r"seeds\.early_stopped\.[\w.]+", asked), 0.5)
    return committed | long | {"seeds.points": committed["dataset.parts.test.points"]}


def described(numbers: dict, name: str) -> str:
    return paragraphs.paragraphs(numbers | {"dataset.name": name})["dataset-description"]


@pytest.mark.parametrize(
    ("name", "said", "not_said"),
    [
        ("photographs", ["three detectors", "scikit-image"], ["The patches are those of"]),
        ("sequences", ["detectors of our own"], ["scikit-image", "strips"]),
        ("n-hpatches", ["strips of N-HPatches bring theirs"], ["scikit-image", "detectors"]),
        ("hpatches", ["The patches are those of"], ["of N-HPatches"]),
        (
            "photographs+sequences",
            ["only one photograph each", "detectors of our own"],
            ["three detectors", "strips"],
        ),
        ("my_hpatches", ["The patches are those of"], ["scikit-image", "strips", "detectors"]),
    ],
)
def test_the_description_follows_the_kinds_of_sources(numbers, name, said, not_said):
    text = described(numbers, name).replace("\n", " ")
    assert all(words in text for words in said)
    assert not any(words in text for words in not_said)


def test_only_the_photographs_are_called_a_stand_in(numbers):
    ours = paragraphs.phrases(numbers | {"dataset.name": "photographs"})
    others = paragraphs.phrases(numbers | {"dataset.name": "photographs+sequences"})
    assert "stand-in" in ours["stand_in"] and others["stand_in"] == ""
    assert "cannot be compared" in ours["comparable"] and "only with" in others["comparable"]


def test_a_split_is_named_unless_it_is_the_own_one(numbers):
    assert paragraphs.phrases(numbers | {"dataset.split": "its own"})["split"] == ""
    split = paragraphs.phrases(numbers | {"dataset.split": "a"})["split"]
    assert split == r" (split: \result{dataset.split})"


def test_genuine_data_alone_can_be_compared_with_the_interim_report(numbers):
    assert "same scenes" in paragraphs.phrases(numbers | {"dataset.name": "n-hpatches"})["interim"]
    assert "no yardstick" in paragraphs.phrases(numbers)["interim"]


@pytest.mark.parametrize(
    "change",
    [{"seeds.profile": "smoke"}, {"dataset.name": "sequences"}, {"dataset.parts.test.points": 5}],
)
def test_the_abstract_names_the_long_baseline_of_the_same_data_and_profile_alone(numbers, change):
    assert paragraphs.phrases(numbers)["early_stopped.abstract"]
    assert paragraphs.phrases(numbers | change)["early_stopped.abstract"] == ""


def test_noise_that_is_drawn_anew_is_said(numbers):
    name = "settings.improved-descriptor.redraw"
    assert "drawn anew" in paragraphs.phrases(numbers | {name: True})["improved"]
    assert "drawn anew" not in paragraphs.phrases(numbers | {name: False})["improved"]


def test_which_weights_were_kept_is_said(numbers):
    name = "settings.baseline-descriptor.patience"
    assert "last step" in paragraphs.phrases(numbers | {name: 0})["kept_weights"]
    assert "best validation loss" in paragraphs.phrases(numbers | {name: 5})["kept_weights"]


def test_what_was_not_measured_is_left_out(numbers):
    kept = {
        name: value
        for name, value in numbers.items()
        if "early_stopped" not in name and not name.startswith("matches.")
    }
    before, after = paragraphs.phrases(numbers), paragraphs.phrases(kept)
    assert {name for name in before if before[name] and not after[name]} == {
        "matches", "early_stopped.abstract", "early_stopped.plan", "early_stopped.genuine",
        "early_stopped.genuine_score",
    }  # fmt: skip
    texts = paragraphs.paragraphs(kept)
    assert texts["matches"] == texts["early-stopped"] == ""
    assert r"{matches}" in paragraphs.paragraphs(numbers)["matches"]


def test_a_network_that_the_report_does_not_know_is_called_as_in_the_settings(numbers):
    known = paragraphs.paragraphs(numbers)
    run = "settings.improved-descriptor"
    options = {name: value for name, value in numbers.items() if not name.startswith(f"{run}.n")}
    own = options | {f"{run}.network": "my_net", f"{run}.network_options.my_size": 3}
    assert "HardNet" in known["improved-descriptor"]
    text = paragraphs.paragraphs(own)["improved-descriptor"]
    assert "HardNet" not in text and rf"my size \result{{{run}.network_options.my_size}}" in text
    assert paragraphs.paragraphs(own)["improved-denoiser"] == known["improved-denoiser"]
    assert rf"\emph{{\result{{{run}.network}}}}" in paragraphs.phrases(own)["improved"]


def test_each_body_and_denoiser_that_can_be_chosen_has_its_words(numbers):
    bodies = [
        paragraphs.paragraphs(numbers | {"settings.improved-descriptor.network_options.body": body})
        for body in BODIES
    ]
    texts = {found["improved-descriptor"] for found in bodies}
    assert len(texts) == len(BODIES) and not any("BODY" in text for text in texts)
    denoisers = {
        name: paragraphs.paragraphs(numbers | {"settings.improved-denoiser.network": name})
        for name in ("residual_unet", "half_unet")
    }
    texts = [found["improved-denoiser"] for found in denoisers.values()]
    assert all("residual U-Net" in text for text in texts) and texts[0] != texts[1]


def test_what_was_left_out_and_warned_of_is_said(numbers):
    said = {"limits.notes": ["left out: i_a & b."], "limits.warnings": ["improved: ties."]}
    texts = paragraphs.paragraphs(numbers | said)
    assert r"left out: i\_a \& b." in texts["dataset-notes"]
    assert "improved: ties." in texts["warnings"]
    assert paragraphs.paragraphs(numbers | {"limits.warnings": []})["warnings"] == ""


def test_genuine_sequences_say_whether_their_networks_are_those_of_the_report(numbers):
    cost = numbers["genuine.macs.improved"] / 1e6
    assert paragraphs.phrases(numbers | {"cost.improved": cost})["genuine_networks"] == ""
    other = paragraphs.phrases(numbers | {"cost.improved": cost / 2})["genuine_networks"]
    assert r"\result{genuine.macs.improved}" in other


@pytest.mark.parametrize("same", [True, False])
def test_trainings_with_other_settings_are_told_from_those_of_the_report(numbers, same):
    said = paragraphs.phrases(numbers | {"seeds.same_settings": same})["seeds_settings"]
    assert ("settings that it had before" in said) is not same


def test_networks_that_cost_more_are_not_called_cheaper(numbers):
    assert "cheaper" in paragraphs.phrases(numbers)["size"]
    assert "cheaper" not in paragraphs.phrases(numbers | {"cost.improved": 1e6})["size"]


def test_the_text_asks_for_every_phrase_and_paragraph_and_for_no_other(numbers):
    text = latex.source_text(paths.REPORT_SOURCES / "report.tex")
    asked = set(re.findall(r"\\result\{phrase\.([^}]+)\}", text))
    assert asked == set(paragraphs.phrases(numbers))
    inputs = set(re.findall(r"\\input\{generated/([^}]+)\}", text))
    assert set(paragraphs.paragraphs(numbers)) <= inputs


def test_phrases_ask_for_numbers_that_there_are(numbers):
    texts = paragraphs.phrases(numbers) | paragraphs.paragraphs(numbers)
    asked = re.findall(r"\\result\{([^}]+)\}", "\n".join(texts.values()))
    assert asked and set(asked) <= set(numbers)


def test_the_report_has_no_conditions():
    text = latex.source_text(paths.REPORT_SOURCES / "report.tex")
    body = text[text.index(r"\begin{document}") :]
    assert re.findall(r"\\(?:if\w*|else|fi|when\w*|with\w+)\b", body) == []
