"""How much the scores move with the seed of training, and how far the baseline comes in the end.

    python experiments/seeds.py                                 # three hours on two cores
    python experiments/seeds.py --dataset sequences:PATH --split a --rows baseline improved

Trains both approaches with several seeds, the improved one also without what the search has found,
and the baseline until its descriptor stops early. All are scored on the test scenes; nothing is
chosen by these scores. Finished trainings, those of `make report` among them, are loaded. The
report draws `report/measured/seeds.json`; rows that are there already are kept if they are of the
same data and settings.
"""

from dataclasses import asdict, replace
from pathlib import Path

import common

from helpers import search
from helpers.common import files
from helpers.common.errors import InputError
from helpers.common.keys import code_key
from helpers.common.provenance import provenance
from helpers.dataset import PatchStore
from helpers.evaluation import scoring
from helpers.settings import APPROACHES, Profile, TrainingSettings, profile
from helpers.training.runs import TRAINING_CODE

SEEDS = (1, 2, 3)
ROWS = ("baseline", "improved", "defaults", "early_stopped")
TITLES = common.TITLES | {"defaults": "improved, without the search"}
# The denoiser trains as long as in the profile `long`, at the end of which its loss falls slowly.
# The validation loss of the descriptor jumps, hence the patience.
PATIENT = {"epochs": 30, "most_items": 0, "validations": 60, "patience": 15}
OUTCOME = ("epochs", "steps", "patches", "minutes", "stopped", "kept_step", "kept_validation_loss")


def run(base: Profile, store: PatchStore, rows: list[str], seeds: list[int], target: Path) -> dict:
    """Trains and scores what is missing, and writes the table to `target` after each.

    Raises:
        InputError: `target` is of other data, settings or code.
    """
    settings = {name: [asdict(one) for one in base.trainings(name)] for name in APPROACHES}
    table = common.head(store, "test", base) | {"pairs": base.pairs}
    table |= {"code": code_key(*TRAINING_CODE), "settings": settings}
    table["rows"] = common.rows_before(target, table)
    if table["rows"] is None:
        raise InputError(f"{target} is of other data, settings or code: delete it or name another.")
    for seed in seeds:
        for name in rows:
            row = table["rows"].get(name, {"title": TITLES[name], "trainings": []})
            known = {made["seed"] for made in row["trainings"]}
            if seed in known or (name == "early_stopped" and known):
                continue  # one is enough: it takes more than an hour
            print(f"--- {row['title']}, seed {seed}", flush=True)
            row["trainings"].append(measure(base, store, name, seed))
            table["rows"][name] = row
            files.write_json(target, table)
    return table


def measure(base: Profile, store: PatchStore, name: str, seed: int) -> dict:
    """Trains both networks of a row with a seed, and scores them on the test scenes."""
    runs = common.train_both(trainings(base, name, seed), store)
    scores = scoring.score_run(runs[1], store, base.pairs)
    outcomes = [files.read_json(folder / "outcome.json") for folder in runs]
    return {"seed": seed, **{key: scores[key] for key in common.DETAILS}} | {
        "runs": [folder.name for folder in runs],
        "trainings": [{key: outcome[key] for key in OUTCOME} for outcome in outcomes],
        "provenance": provenance(),
    }


def trainings(base: Profile, name: str, seed: int) -> list[TrainingSettings]:
    """Settings of the denoiser and the descriptor of a row."""
    if name == "defaults":  # what the search of the profile began with
        base, name = profile(base.name), "improved"
    found = base.trainings("improved" if name == "improved" else "baseline")
    if name == "early_stopped":
        denoiser, descriptor = found
        long, _ = profile("long").trainings("baseline")
        how = {key: getattr(long, key) for key in PATIENT}
        found = replace(denoiser, **how), replace(descriptor, **PATIENT)
    return [replace(settings, seed=seed) for settings in found]


def main(words: list[str] | None = None) -> None:
    parser = common.parser(__doc__, "seeds.json")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    options = parser.parse_args(words)
    base = profile(options.profile)
    store = common.open_data(options, base)
    base = search.with_winner(base, store)
    table = run(base, store, options.rows, options.seeds, options.json)
    for row in table["rows"].values():
        title = f"{row['title']}, seed"
        common.show(made | {"title": f"{title} {made['seed']}"} for made in row["trainings"])


if __name__ == "__main__":
    main()
