"""The networks that come with the code: trains, packs and scores them.

    python experiments/pretrained.py --dataset photographs+sequences:PATH --tested sequences:PATH

Takes about two hours on two cores; finished trainings are loaded, interrupted ones gone on with.
The training scenes of `--dataset` teach the improved approach. Its two runs are packed as
`helpers/training/pretrained`, with `measured.json`, their scores on the test scenes of `--tested`
and of the photographs, and `data.json`, which scenes taught and which were scored; both by ids. The
old folder stays until the new one is whole.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import common

from helpers.benchmark.layout import LEVELS
from helpers.common import files
from helpers.common.errors import InputError
from helpers.dataset import Choice, PatchStore, find_source, open_dataset
from helpers.evaluation import scoring
from helpers.settings import TrainingSettings, profile
from helpers.training import runs

LONG = profile("long")
PACKED = ("checksums.json", "history.csv", "model.keras", "outcome.json", "settings.json")
LARGEST = 10e6  # bytes in all: every clone and every installed package carries them
TITLES = {  # of the datasets that are scored
    "genuine_480": "genuine, 480 points a scene",
    "genuine": "genuine, all points",
    "photographs": "photographs",
}
SCORES = (*common.SCORES, "intervals", "decided_by", "provenance")
DENOISER = {"network": "residual_unet", "network_options": {"width": 8}}
# What the search of the profile `coursework` found on the photographs, its learning rate rounded.
FOUND = {
    "learning_rate": 0.005,
    "network_options": {"width": 24, "dropout": 0.0},
    "loss_options": {"level_weights": [0.5, 1, 1.5]},
}


def trainings() -> tuple[TrainingSettings, TrainingSettings]:
    """Settings of the denoiser and the descriptor: the profile `long`, to a chosen end."""
    denoiser, descriptor = LONG.trainings("improved")
    denoiser = replace(denoiser, epochs=1.0, most_items=0, **DENOISER)
    return denoiser, replace(descriptor, epochs=28.0, most_items=0, patience=0, **FOUND)


def make(
    settings: tuple[TrainingSettings, TrainingSettings],
    learned: PatchStore,
    tested: dict[str, PatchStore],
    pairs: int = LONG.pairs,
) -> dict:
    """Trains both networks, scores them, and puts them in the place of those before.

    Args:
        settings: of the denoiser and of the descriptor behind it.
        learned: its training scenes teach both.
        tested: what is scored by its id in TITLES; only their test scenes are looked at.
        pairs: verification pairs of each kind.

    Returns:
        What is in `measured.json`: scores by dataset and kind of patches.

    Raises:
        InputError: the packed networks are too large, a training cannot be done, or the place
            cannot be written.
    """
    both, seed = common.train_both(settings, learned), settings[1].seed
    facts = {name: {"title": TITLES[name], **_facts(tested[name], seed, "test")} for name in tested}
    taught = _facts(learned, seed, "train", "validation", "test")
    with TemporaryDirectory() as scratch:  # not beside the code, whose commit the scores name
        packed = Path(scratch) / "pretrained"
        with patch.object(runs, "PRETRAINED", packed):  # so that the packed ones are scored
            pack(*both, packed)
            files.write_json(packed / "data.json", {"trained_on": taught, "tested_on": facts})
            measured = measure(runs.pretrained(), tested, pairs)
        files.write_json(packed / "measured.json", measured)
        put_in_place(packed, runs.PRETRAINED)
    return measured


def pack(denoiser_run: Path, descriptor_run: Path, folder: Path) -> None:
    """Copies what is needed of two finished runs into `folder`, which is `runs.PRETRAINED`.

    Raises:
        InputError: together they have more than `LARGEST` bytes.
    """
    for role, run in (("denoiser", denoiser_run), ("descriptor", descriptor_run)):
        (folder / role).mkdir(parents=True)
        for name in PACKED:
            shutil.copyfile(run / name, folder / role / name)
        runs.seal(folder / role)
    described = files.read_json(folder / "descriptor" / "settings.json")
    described["denoiser"] = runs.pretrained_name("denoiser")
    files.write_json(folder / "descriptor" / "settings.json", described)
    runs.seal(folder / "descriptor")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > LARGEST:
        raise InputError(
            f"{descriptor_run} with its denoiser has {size / 1e6:.1f} MB and may have "
            f"{LARGEST / 1e6:.0f}: choose narrower networks."
        )


def measure(run: Path, tested: dict[str, PatchStore], pairs: int) -> dict:
    """Scores of a descriptor's run on the noisy and on the clean test patches of each store."""
    rows = {}
    for name, store in tested.items():
        for kind in ("noisy", "clean"):
            scores = scoring.score_run(run, store, pairs, clean=kind == "clean")
            rows[f"{name}_{kind}"] = {
                "title": f"{TITLES[name]}, {kind} test patches",
                **{key: scores[key] for key in SCORES},
                "matching": {level: scores["matching"][level] for level in LEVELS},
                "points": scores["tasks"]["points"],
            }
    return rows


def _facts(store: PatchStore, seed: int, *parts: str) -> dict:
    """What taught or was scored: name, split, and points by scene, without any path."""
    scenes = {part: store.lengths(part) for part in parts}
    points = {part: sum(lengths.values()) for part, lengths in scenes.items()}
    return {**scoring.dataset_of(store), "seed": seed, "points": points, "scenes": scenes}


def put_in_place(packed: Path, target: Path) -> None:
    """Puts a copy of a folder in the place of `target`, which stays as it is if copying fails.

    What a kill between the last two lines leaves is in the repository.

    Raises:
        InputError: the place cannot be written.
    """
    with files.atomic_path(target) as temporary:
        shutil.copytree(packed, temporary)
        shutil.rmtree(target, ignore_errors=True)  # a folder replaces an empty one only


def open_tested(source: str, split: str) -> dict[str, PatchStore]:
    """Stores of the test scenes: those of `source`, at few and at all points, and photographs."""
    scenes = find_source(source, Choice(split, seed=LONG.seed)).parts["test"]
    choice = {"seed": LONG.seed, "split": split, "scenes": scenes}
    return {
        "genuine_480": open_dataset(source, points_per_scene=480, **choice),
        "genuine": open_dataset(source, points_per_scene=None, **choice),
        "photographs": open_dataset("photographs", seed=LONG.seed, points_per_scene=700),
    }


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True, help="teaches; as in `make report DATASET=`")
    parser.add_argument("--tested", required=True, help="genuine scenes, such as sequences:PATH")
    parser.add_argument("--split", default="a", help="of the genuine scenes")
    options = parser.parse_args(words)
    tested = open_tested(options.tested, options.split)  # first: a wrong path must not cost hours
    learned = open_dataset(options.dataset, seed=LONG.seed, split=options.split)
    common.show(make(trainings(), learned, tested).values())


if __name__ == "__main__":
    main()
