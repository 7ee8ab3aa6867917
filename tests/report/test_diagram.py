"""The diagram says of every network what the network is."""

import keras
import numpy as np
import pytest

from helpers.common import paths
from helpers.networks.blocks import patch_input
from helpers.networks.denoisers import DENOISERS, residual_unet, shallow_unet, without_noise
from helpers.networks.descriptors import DESCRIPTORS, hardnet, l2net
from helpers.report import diagram, figures


def test_a_residual_unet_is_blocks_between_resolutions_with_three_ways_around():
    stages, skips = diagram.read_network(residual_unet(width=4))
    assert [(stage.side, stage.channels) for stage in stages] == [
        (32, 4), (32, 4), (16, 8), (16, 8), (8, 16), (8, 16), (8, 16),
        (16, 8), (16, 8), (32, 4), (32, 4), (32, 1),
    ]  # fmt: skip
    blocks = [stage for stage in stages if stage.kind == "residual block"]
    assert len(blocks) == 6 and {block.label for block in blocks} == {"2×3²"}
    around = [(skip.start, skip.end, skip.sign) for skip in skips]
    assert around == [(3, 7, "+"), (1, 9, "+"), (-1, 11, "−")]


def test_the_baselines_unet_concatenates():
    stages, skips = diagram.read_network(shallow_unet())
    assert [stage.label for stage in stages] == ["3²", "2²↓2", "3²", "↑2", "2²", "3²", "3²"]
    assert [(skip.start, skip.end, skip.sign) for skip in skips] == [(0, 4, "c")]


def test_a_way_around_everything_is_no_block_even_where_no_resolution_changes():
    noisy = noise = patch_input()
    for _ in range(3):
        noise = keras.layers.Conv2D(1, 3, padding="same")(noise)
    stages, skips = diagram.read_network(keras.Model(noisy, without_noise(noisy, noise)))
    assert [stage.kind for stage in stages] == ["convolution"] * 3
    assert [(skip.start, skip.end, skip.sign) for skip in skips] == [(-1, 2, "−")]


def test_widths_and_strides_of_a_descriptor_are_those_of_its_settings():
    stages, skips = diagram.read_network(hardnet(width=6))
    assert not skips and stages[0].kind == "normalisation"
    assert [stage.shape for stage in stages[1:]] == [
        "32²·6", "32²·6", "16²·12", "16²·12", "8²·24", "8²·24", "128",
    ]  # fmt: skip
    labels = ["3²", "3²", "3²↓2", "3²", "3²↓2", "3²", "8²"]
    assert [stage.label for stage in stages[1:]] == labels


@pytest.mark.parametrize("make", [*DENOISERS.values(), *DESCRIPTORS.values()])
def test_every_network_is_read_to_its_end(make):
    network = make()
    stages, skips = diagram.read_network(network)
    assert stages[-1].channels == network.output_shape[-1]
    assert {stage.kind for stage in stages} <= set(diagram.KINDS)
    assert all(-1 <= skip.start < skip.end < len(stages) for skip in skips)


def test_a_title_tells_parameters_and_cost():
    title = diagram.describe_network(shallow_unet())
    assert title == "shallow U-Net, 59,777 parameters, 57.5 M multiply-adds"
    patch = patch_input()
    mine = keras.Model(patch, patch, name="mine_8")
    assert diagram.describe_network(mine).startswith("mine, 0 parameters")


@pytest.fixture(scope="module")
def pipeline():
    rng = np.random.default_rng(0)
    networks = {"improved": [residual_unet(4), hardnet(4)], "baseline": [l2net()]}
    patches = rng.integers(0, 256, (3, 32, 32))
    vectors = {"improved": np.eye(3, 128), "baseline": np.eye(3, 128) * 2}
    figure = diagram.plot_pipeline(networks, patches, {"improved": 255 - patches[0]}, vectors)
    figure.draw_without_rendering()
    return figure, patches


def test_every_network_has_a_row_and_every_stage_a_box_within_the_width(pipeline):
    figure, _ = pipeline
    assert figure.get_figwidth() == figures.TEXT_WIDTH
    assert [len(axis.patches) for axis in figure.axes] == [12, 8, 7]
    corners = np.concatenate([box.get_corners() for axis in figure.axes for box in axis.patches])
    assert corners[:, 0].min() > 0 and corners[:, 0].max() < figures.TEXT_WIDTH


def test_a_row_begins_with_what_the_network_in_front_gives(pipeline):
    figure, patches = pipeline
    first, second, alone = (axis.images[0].get_array() for axis in figure.axes)
    np.testing.assert_array_equal(first, patches[0])
    np.testing.assert_array_equal(second, 255 - patches[0])
    np.testing.assert_array_equal(alone, patches[0])


def test_distances_are_those_of_the_vectors(pipeline):
    figure, _ = pipeline
    texts = [[text.get_text() for text in axis.texts] for axis in figure.axes]
    assert [row.count("1.41") for row in texts] == [0, 2, 0]
    assert [row.count("2.83") for row in texts] == [0, 0, 2]
    assert [row.count("128") for row in texts] == [0, 2, 2]  # the last convolution, the vector


def test_no_two_texts_overlap(pipeline):
    figure, _ = pipeline
    texts = [text for axis in figure.axes for text in axis.texts if text.get_text()]
    boxes = [text.get_window_extent() for text in [*texts, *figure.legends[0].texts]]
    touching = [
        (a, b)
        for i, a in enumerate(boxes)
        for b in boxes[:i]
        if a.padded(-1).overlaps(b.padded(-1))
    ]
    assert not touching


def test_saving_moves_nothing(pipeline, tmp_path, monkeypatch):
    figure, _ = pipeline
    monkeypatch.setattr(paths, "FIGURES", tmp_path)
    before = [axis.get_position().bounds for axis in figure.axes]
    figures.save(figure, "pipeline")  # as PNG, then as PDF
    figure.draw_without_rendering()
    assert [axis.get_position().bounds for axis in figure.axes] == before
