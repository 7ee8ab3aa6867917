"""Single changes to a cheap pipeline, by cross-validation over scenes.

    python experiments/changes.py                            # about two hours on two cores
    python experiments/changes.py --dataset photographs+sequences:PATH --split a --rows start four

All rows see as many patches behind the same denoiser, but for those that say otherwise. Test scenes
are not looked at. Interrupted and started again, it goes on where it was. The table goes to
`report/measured/changes.json`.
"""

from collections.abc import Mapping

import ablation
import common
import folds
import frontier
import ingredients  # noqa: F401, registers what rows name

from helpers.search import with_values
from helpers.settings import Profile, profile

SCENES = {"batches": "SceneViews"}
CHANGED = {"batches": "ChangedViews"}
WIDTH = "network_options.width"
ROWS: dict[str, tuple[str, Mapping]] = {
    "start": ("start", {}),
    "two": ("2 scenes a batch", {**SCENES, "batch_options.scenes": 2}),
    "four": ("4 scenes a batch", {**SCENES, "batch_options.scenes": 4}),
    "eight": ("8 scenes a batch", {**SCENES, "batch_options.scenes": 8}),
    "four_guarded": (
        "4 scenes a batch, likenesses kept apart",
        {**SCENES, "batch_options.scenes": 4, "batch_options.alike": 0.8},
    ),
    "larger": ("batches of 256", {"batch": 256}),
    "smaller": ("batches of 64", {"batch": 64}),
    "four_larger": ("4 scenes a batch of 256", {**SCENES, "batch_options.scenes": 4, "batch": 256}),
    "relit": ("each view relit", {**CHANGED, "batch_options.photometric": True}),
    "jittered": ("each view jittered", {**CHANGED, "batch_options.geometric": True}),
    "stored": ("noise as it was stored", {"redraw": False}),
    "two_views": ("two views of a level", {"batch_options.views_per_level": 2, "epochs": 4 / 7}),
    "along": ("denoiser learns along, still denoises", ablation.DENOISING),
    "halving": ("strided HardNet 16", {"network_options.body": "halving", WIDTH: 16}),
    "longer": ("twice as long", {"epochs": 2}),
}


def trainings(base: Profile, name: str, budget: float) -> folds.Trainings:
    """Settings of the denoiser and of the descriptor of a row."""
    denoiser, start = frontier.trainings(base, "quick", budget)
    changes = dict(ROWS[name][1])
    start = start.shortened(changes.pop("epochs", 1.0))  # a share of the start's
    return denoiser, with_values(start, changes)


def main(words: list[str] | None = None) -> None:
    options = folds.parser(__doc__, "changes.json", tuple(ROWS)).parse_args(words)
    base = profile(options.profile)
    rows = {n: (ROWS[n][0], trainings(base, n, options.budget)) for n in options.rows}
    table = folds.fill_table(base, common.open_data(options, base), rows, options)
    common.show(table["rows"].values())
    start = table["rows"].get("start", {"trainings": []})["trainings"]
    for row in table["rows"].values() if start else ():
        gap, error = folds.difference(row["trainings"], start)
        spread = "" if error is None else f" ± {error:.4f}"
        print(f"{row['title']:48s} {gap:+.4f}{spread} against the start")


if __name__ == "__main__":
    main()
