"""The diagram says of every network what the network is."""

import keras
import numpy as np
import pytest

from helpers.networks.blocks import patch_input
from helpers.networks.denoisers import DENOISERS, dncnn, residual_unet, shallow_unet
from helpers.networks.descriptors import DESCRIPTORS, hardnet, l2net
from helpers.report import diagram, figures


def test_a_residual_unet_is_blocks_between_resolutions_with_three_ways_around():
    stages, skips = diagram.read_network(residual_unet(width=4))
    assert [(stage.side, stage.channels) for stage in stages] == [
        (32, 4), (32, 4), (16, 8), (16, 8), (8, 16), (8, 16), (8, 16),
        (16, 8), (16, 8), (32, 4), (32, 4), (32, 1),
    ]  # fmt: skip
    blocks = [stage for stage in stages if stage.kind == "residual block"]
    assert len(blocks) == 6 and {block.label for block in blocks} == {"3²\n×2"}
    around = [(skip.start, skip.end, skip.sign) for skip in skips]
    assert around == [(3, 7, "+"), (1, 9, "+"), (-1, 11, "−")]


def test_the_baselines_unet_concatenates():
    stages, skips = diagram.read_network(shallow_unet())
    assert [stage.label for stage in stages] == ["3²", "2²\n↓2", "3²", "↑2", "2²", "3²", "3²"]
    assert [(skip.start, skip.end, skip.sign) for skip in skips] == [(0, 4, "c")]


def test_a_way_around_everything_is_no_block_even_where_no_resolution_changes():
    stages, skips = diagram.read_network(dncnn(depth=3))
    assert [stage.kind for stage in stages] == ["convolution"] * 3
    assert [(skip.start, skip.end, skip.sign) for skip in skips] == [(-1, 2, "−")]


def test_widths_and_strides_of_a_descriptor_are_those_of_its_settings():
    stages, skips = diagram.read_network(hardnet(width=6))
    assert not skips and stages[0].kind == "normalisation"
    assert [stage.channels for stage in stages[1:]] == [6, 6, 12, 12, 24, 24, 128]
    assert [stage.side for stage in stages[1:]] == [32, 32, 16, 16, 8, 8, 1]
    assert [stage.label for stage in stages[1:]] == [
        "3²", "3²", "3²\n↓2", "3²", "3²\n↓2", "3²", "8²",
    ]  # fmt: skip


@pytest.mark.parametrize("make", [*DENOISERS.values(), *DESCRIPTORS.values()])
def test_every_network_is_read_to_its_end(make):
    network = make()
    stages, skips = diagram.read_network(network)
    assert stages[-1].channels == network.output_shape[-1]
    assert {stage.kind for stage in stages} <= set(diagram.KINDS)
    assert all(-1 <= skip.start < skip.end < len(stages) for skip in skips)
    assert all(skip.sign in diagram.SIGNS.values() for skip in skips)


def test_a_title_tells_parameters_and_cost():
    assert diagram.describe_network(shallow_unet()) == (
        "shallow U-Net\n59,777 parameters, 57.5 M multiply-adds"
    )
    patch = patch_input()
    assert diagram.describe_network(keras.Model(patch, patch, name="mine_8")).startswith("mine\n0 ")


@pytest.fixture
def pipeline():
    rng = np.random.default_rng(0)
    networks = {"improved": [residual_unet(4), hardnet(4)], "baseline": [l2net()]}
    patches = rng.integers(0, 256, (3, 32, 32))
    vectors = {"improved": np.eye(3, 128), "baseline": np.eye(3, 128) * 2}
    return diagram.plot_pipeline(networks, patches, {"improved": patches[0]}, vectors)


def test_every_box_lies_within_the_width_of_the_text(pipeline):
    (axis,) = pipeline.axes
    assert pipeline.get_figwidth() == figures.TEXT_WIDTH
    corners = np.concatenate([box.get_xy() for box in axis.patches])
    assert corners.min() > 0 and corners[:, 0].max() < figures.TEXT_WIDTH
    assert len(axis.patches) == 3 * (12 + 8 + 7)  # three faces of each stage


def test_distances_and_lengths_are_those_of_the_vectors(pipeline):
    (axis,) = pipeline.axes
    texts = [text.get_text() for text in axis.texts]
    assert texts.count("its point\n1.41") == 1 and texts.count("its point\n2.83") == 1
    assert texts.count("unit\nlength") == 1  # HardNet's, not L2-Net's
    assert texts.count("128") == 4  # what the last convolution gives, and the vector


def test_no_two_texts_of_a_row_overlap(pipeline):
    pipeline.draw_without_rendering()
    (axis,) = pipeline.axes
    boxes = [text.get_window_extent() for text in axis.texts if text.get_text()]
    touching = [
        (a, b)
        for i, a in enumerate(boxes)
        for b in boxes[:i]
        if a.padded(-1).overlaps(b.padded(-1))
    ]
    assert not touching
