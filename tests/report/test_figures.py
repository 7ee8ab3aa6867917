import re
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.benchmark.layout import LEVELS
from helpers.common import paths
from helpers.common.errors import InputError
from helpers.report import figures


def scores(value: float) -> dict:
    pools = {"100": value, "500": value / 2, "5000": None}
    strips = {"e1": {"ap": value, "sr": value}, "h1": {"ap": value / 2, "sr": value}}
    return {
        "retrieval": dict.fromkeys((*LEVELS, "mean"), pools),
        "matching": {"sequences": {"v_one": strips, "i_two": strips}},
        **dict.fromkeys("VMRS", value),
        "intervals": {key: [value - 0.1, value + 0.1] for key in "VMRS"},
    }


PAIR = {"baseline": scores(0.4), "improved": scores(0.6)}


FRONTIER = {
    "today": {"descriptor": "HardNet 24", "denoiser": "residual U-Net 8"},
    "narrow": {"descriptor": "HardNet 16", "denoiser": "none"},
    "baseline": {"descriptor": "L2-Net", "denoiser": "shallow U-Net"},
}
for place, row in enumerate(FRONTIER.values(), start=1):
    row |= {"macs": place * 10**7, "milliseconds": place / 10, "S": 0.7 - place / 10}


def write_run(folder, steps=50, epochs=1.0, loss=2.0):
    folder.mkdir(parents=True)
    rows = [f"{step},{loss + 1 / step}" for step in range(1, steps + 1)]
    (folder / "steps.csv").write_text("step,loss\n" + "\n".join(rows) + "\n")
    places = np.linspace(0, steps, 6).astype(int)
    history = [f"{epochs * p / steps},{p},,{loss},0.1" for p in places]  # no loss before step 1
    header = "epoch,step,loss,validation_loss,learning_rate\n"
    (folder / "history.csv").write_text(header + "\n".join(history) + "\n")
    return folder


@pytest.fixture(scope="module")
def patches():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32)).astype(np.uint8)


def found(patches):
    """Three queries; the first approach finds the first one at rank 2, the second approach none."""
    correct = np.array([[False, True], [False, False], [False, False]])
    nearest = np.stack([patches, patches], axis=1)
    return {
        "baseline": (nearest, correct, np.array([2, 9, 1234])),
        "improved": (nearest, np.zeros_like(correct), np.array([3, 4, 5])),
    }


def matches():
    """Two images of different size and three points, two of which are matched rightly."""
    images = [np.full((40, 60), 90), np.full((50, 30), 160)]
    points = np.array([[10.0, 10], [20, 30], [50, 5]])
    return images, {"improved": (points, points / 2, np.array([True, False, True]))}


def pictures(patches) -> dict:
    """Every figure of patches and images, and its width."""
    rng = np.random.default_rng(0)
    strips = rng.integers(0, 256, (2, 16, 32, 32)).astype(np.uint8)
    regions = np.array([[60.0, 60, 20, 0.3], [90, 80, 15, 1.0]])
    look = [rng.integers(0, 256, (160, 160))] * 6, [np.eye(3)] * 5, regions
    store = SimpleNamespace(clean=strips, noisy=strips)
    denoising = figures.plot_denoising(patches, {"baseline": patches}, patches, LEVELS)
    return {
        "regions": (figures.plot_regions(*look), figures.TEXT_WIDTH),
        "strips": (figures.plot_strips(store, 1), figures.TEXT_WIDTH),
        "denoising": (denoising, figures.COLUMN_WIDTH),
        "neighbours": (
            figures.plot_neighbours(patches, patches, found(patches)),
            figures.TEXT_WIDTH,
        ),
        "matches": (figures.plot_matches(*matches()), figures.TEXT_WIDTH),
    }


def curves(folder) -> dict:
    """Every figure of numbers, and its width."""
    rng = np.random.default_rng(0)
    names = ("baseline", "improved")
    noise = {level: rng.normal(20, 2, 100) for level in LEVELS}
    runs = {name: write_run(folder / name) for name in names}
    found = {
        "noise": figures.plot_noise(noise, np.ones((32, 32))),
        "spectra": figures.plot_spectra(
            np.linspace(0, 0.5, 17), {name: rng.random(17) for name in names}
        ),
        "losses": figures.plot_losses(runs),
        "scores": figures.plot_scores(**PAIR),
        "sequences": figures.plot_sequences(**PAIR),
        "retrieval": figures.plot_retrieval(**PAIR),
        "frontier": figures.plot_frontier(FRONTIER),
        "distances": figures.plot_distances(dict.fromkeys(names, rng.random((2, 50)))),
    }
    return {name: (figure, figures.COLUMN_WIDTH) for name, figure in found.items()}


def test_figures_have_the_declared_width_and_embedded_truetype(patches, tmp_path, pdf_of):
    for name, (figure, expected) in (pictures(patches) | curves(tmp_path)).items():
        content = pdf_of(figure)
        width = float(re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", content)[1]) / 72
        assert width == pytest.approx(expected, abs=0.01), name
        assert b"/FontFile2" in content and b"/Type3" not in content, name


def test_same_figure_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "FIGURES", tmp_path)
    first = figures.save(figures.plot_scores(**PAIR), "a").read_bytes()
    assert (tmp_path / "a.png").is_file()
    assert figures.save(figures.plot_scores(**PAIR), "b").read_bytes() == first


def test_notebooks_get_a_picture_without_pyplot():
    bundle = figures.plot_scores(**PAIR)._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")


def test_the_frontier_has_a_colour_for_each_kind_and_no_fill_without_a_denoiser():
    macs, milliseconds = figures.plot_frontier(FRONTIER).axes
    first, second, third = macs.lines
    assert first.get_color() == second.get_color() != third.get_color()
    assert [line.get_mfc() == "white" for line in macs.lines] == [False, True, False]
    assert [*first.get_xdata(), *milliseconds.lines[2].get_xdata()] == [10, 0.3]
    assert [text.get_text() for text in macs.texts] == ["24", "16", "0.40↓"]
    assert macs.lines[2].get_ydata() == macs.get_ylim()[0]  # below all others


def test_losses_show_fractions_of_epochs_and_many_epochs(tmp_path):
    runs = {
        "baseline": write_run(tmp_path / "a", epochs=1.0),
        "half": write_run(tmp_path / "b", epochs=0.5),
        "improved": write_run(tmp_path / "c", steps=600, epochs=12.0),
    }
    titles = [axis.get_title() for axis in figures.plot_losses(runs).axes]
    assert titles == ["baseline, 1 epoch", "half, 0.5 epochs", "improved, 12 epochs"]


def test_losses_show_every_step_and_every_validation(tmp_path):
    axis = figures.plot_losses({"baseline": write_run(tmp_path / "a", steps=50)}).axes[0]
    raw, smooth, validation = axis.lines
    assert len(raw.get_xdata()) == len(smooth.get_xdata()) == 50
    assert list(validation.get_xdata()) == [0, 10, 20, 30, 40, 50]


def test_missing_history_is_named(tmp_path):
    run = write_run(tmp_path / "a")
    (run / "history.csv").unlink()
    with pytest.raises(InputError, match=r"history\.csv is missing: train"):
        figures.plot_losses({"baseline": run})


def test_history_without_its_columns_is_named(tmp_path):
    run = write_run(tmp_path / "a")
    (run / "steps.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"steps\.csv has no columns step, loss"):
        figures.plot_losses({"baseline": run})


def test_retrieval_draws_only_the_pools_there_are():
    axis = figures.plot_retrieval(**PAIR).axes[0]
    assert len(axis.lines) == 6
    assert all(list(line.get_xdata()) == [100, 500] for line in axis.lines)


def test_scores_that_are_missing_are_dashes():
    lacking = scores(0.4) | {"R": None, "intervals": dict.fromkeys("VMRS")}
    axis = figures.plot_scores(baseline=lacking, improved=scores(0.6)).axes[0]
    assert "–" in [text.get_text() for text in axis.texts]


def test_sequences_are_sorted_by_the_improved_approach():
    improved = scores(0.6)
    best = {"e1": {"ap": 0.9, "sr": 1.0}}
    improved["matching"] = {"sequences": {**improved["matching"]["sequences"], "v_one": best}}
    axis = figures.plot_sequences(baseline=scores(0.4), improved=improved).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["i_two", "v_one"]


@pytest.mark.parametrize(
    "plot", [figures.plot_scores, figures.plot_sequences, figures.plot_retrieval]
)
def test_every_approach_is_drawn_in_a_colour_of_its_own(plot, pdf_of):
    figure = plot(**PAIR, mine=scores(0.7), yours=scores(0.5))
    names = {text.get_text().partition(",")[0] for text in figure.legends[0].texts}
    assert names == {"baseline", "improved", "mine", "yours"}
    assert len(set(figures.colours_of(names).values())) == 4
    assert pdf_of(figure)


def test_the_name_of_a_scene_is_no_formula(pdf_of):
    named = scores(0.5)
    strips = named["matching"]["sequences"].values()
    named["matching"] = {"sequences": {r"i_$\oops$": next(iter(strips))}}
    assert pdf_of(figures.plot_sequences(baseline=named, improved=named))


def test_denoising_tells_the_signal_to_noise_ratio(patches):
    noisy = np.where(patches < 128, patches + 10, patches - 10)  # squared error 100
    (axis,) = figures.plot_denoising(noisy, {"improved": patches}, patches, LEVELS).axes
    ratios = [text.get_text() for text in axis.texts]
    assert ratios == ["28.1 dB", "inf dB"] * 3  # 10 log10(255^2 / 100); the clean one has none


def test_every_kept_region_is_drawn_and_the_chosen_ones_at_each_level():
    regions = np.array([[60.0, 60, 20, 0.3], [90, 80, 15, 1.0], [70, 90, 10, 2.0]])
    look = [np.zeros((160, 160), np.uint8)] * 6, [np.eye(3)] * 5, regions
    left, right = figures.plot_regions(*look, shown=2).axes
    assert "3 regions" in left.get_title()
    assert [len(squares.get_paths()) for squares in left.collections] == [3, 2]
    assert [len(squares.get_paths()) for squares in right.collections] == [2] * (1 + len(LEVELS))
    assert [squares.get_label() for squares in right.collections] == ["ref", *LEVELS]


def test_regions_that_reach_into_larger_ones_are_not_followed_into_the_other_image():
    regions = np.array([[60.0, 60, 20, 0], [75, 60, 10, 0], [110, 60, 15, 0]])
    look = [np.zeros((160, 160), np.uint8)] * 6, [np.eye(3)] * 5, regions
    _, right = figures.plot_regions(*look, shown=3).axes
    boxes = [square.get_extents() for square in right.collections[0].get_paths()]
    assert sorted((box.x0 + box.x1) / 2 for box in boxes) == pytest.approx([60, 110])


def test_retrieval_without_any_pool_says_so():
    none = {level: {"100": None} for level in (*LEVELS, "mean")}
    lacking = scores(0.5) | {"retrieval": none}
    (axis,) = figures.plot_retrieval(baseline=lacking, improved=lacking).axes
    assert "too few patches" in axis.texts[0].get_text()


def test_right_neighbours_are_framed_and_ranks_stand_behind_the_rows(patches):
    figure = figures.plot_neighbours(patches, patches, found(patches))
    assert [len(axis.patches) // 2 for axis in figure.axes] == [0, 1, 0]
    frame, place = figure.axes[1].patches[0], figure.axes[1].images[1].get_extent()
    assert frame.get_xy() == pytest.approx((place[0], place[3]))  # first row, second nearest
    ranks = [[label.get_text() for label in axis.get_yticklabels()] for axis in figure.axes]
    assert ranks[1] == ["rank\n2", "rank\n9", "rank\n1,234"]


def test_dark_neighbours_are_shown_in_their_own_grey_levels_and_other_patches_in_all(patches):
    dark = patches // 16
    figure = figures.plot_neighbours(dark, patches, found(patches))
    assert figure.axes[0].images[0].get_clim() == (dark[0].min(), dark[0].max())
    denoising = figures.plot_denoising(dark, {}, dark, LEVELS)
    assert denoising.axes[0].images[0].get_clim() == (0, 255)


def test_strips_stand_in_their_order_clean_above_noisy():
    strips = np.arange(2 * 16).reshape(2, 16, 1, 1) * np.ones((32, 32))
    store = SimpleNamespace(clean=strips, noisy=strips + 100)
    (axis,) = figures.plot_strips(store, 1).axes
    places = [(image.get_extent()[3], image.get_extent()[0]) for image in axis.images]
    values = [image.get_array()[0, 0] for image in axis.images]
    in_order = [value for _, value in sorted(zip(places, values, strict=True))]
    assert in_order == [*range(16, 32), *range(116, 132)]


def test_lines_of_matches_end_where_they_should_and_tell_right_from_wrong():
    (axis,) = figures.plot_matches(*matches()).axes
    assert axis.get_title() == "improved: 2 of 3 right"
    wrong, *right = axis.lines
    assert wrong.get_linestyle() != right[0].get_linestyle() and len(right) == 2
    beside = right[0].get_xydata()[1, 0] - 5
    np.testing.assert_allclose(right[0].get_xydata(), [[10, 10], [beside + 5, 5]])
    picture = axis.images[0].get_array()
    assert (picture[:40, :60] == 90).all() and (picture[:, int(beside) :] == 160).all()
    assert beside == picture.shape[1] - 30 and (picture[40:, :60] == 255).all()


def test_distances_tell_how_many_others_are_nearer_than_most_of_the_same_points():
    same, other = np.linspace(0, 1, 101), np.linspace(0.5, 2.5, 201)
    (axis,) = figures.plot_distances({"improved": (same, other)}).axes
    assert axis.lines[0].get_xdata()[0] == pytest.approx(0.95)
    assert axis.get_title().startswith("improved: 23% of others")  # 46 of 201
