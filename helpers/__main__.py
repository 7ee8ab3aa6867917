"""The command line, for machines without a browser: `python -m helpers --help`."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from helpers import settings
from helpers.benchmark import BenchmarkError
from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.provenance import require_backend

DATA = ("profile", "dataset", "split", "scenes")
OWN_SEARCH = ("approach", "role", "space", "trials", "budget", "measure", "winner", "settings")
WINNER = "settings of a network in place of the profile's, as search --winner writes them"


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit status: 0, or 2 or 130 after a sentence."""
    try:
        options = _parser().parse_args(arguments)
        require_backend()
        options.command(options)
    except (InputError, BenchmarkError) as error:
        problem = str(error)
    except ModuleNotFoundError as error:
        problem = f"{error}: install it with `.venv/bin/pip install`."
    except OSError as error:  # of the benchmark's writers, which know no InputError
        if not error.filename:
            raise
        problem = f"{error.filename} cannot be used ({error.strerror}): choose another place."
    except KeyboardInterrupt:
        print("interrupted: the same command again goes on from there.", file=sys.stderr)
        return 130  # as shells say it
    else:
        return 0
    print(f"error: {problem}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    data = _data_options()

    def add(name: str, command, text: str):
        added = commands.add_parser(name, help=text, description=text, parents=[data])
        added.set_defaults(command=command)
        return added.add_argument

    about = "Build a dataset and say what is in it; write or fetch one; list what was built."
    dataset = add("dataset", _dataset, about)
    dataset("action", nargs="?", default="info", choices=("info", "write", "fetch", "list"))
    dataset("target", nargs="?", help="write: new folder; fetch: name of the dataset")
    dataset("--verify", action="store_true", help="check every stored patch")
    train = add("train", _train, "Train both networks of an approach.")
    train("approach", help=", ".join(settings.APPROACHES))
    train("--settings", type=Path, metavar="JSON", help=WINNER)
    about = "Work on a search for settings, beside any other workers."
    _search_options(add("search", _search, about))
    describe = add("describe", _describe, "Write the descriptors of a dataset's noisy patches.")
    describe("--run", type=Path, required=True, help="run folder of a descriptor, or `pretrained`")
    describe("--output", type=Path, required=True, metavar="FOLDER")
    describe("--format", choices=("npy", "csv"), default="npy")
    _part_options(describe, "all")
    score = add("score", _score, "Score a folder of descriptors on the test scenes of a dataset.")
    score("descriptors", type=Path, metavar="FOLDER")
    score("--json", type=Path, metavar="FILE", help="write all scores here")
    score("--tasks", type=Path, metavar="DIR", help="take these lists, in the official format")
    score("--write-tasks", type=Path, metavar="DIR", help="keep the lists for helpers.benchmark")
    _part_options(score, "test")
    add("report", _report, "Execute the notebooks and build the report.")
    add("figures", _figures, "Draw the figures and tables of a finished report again.")
    return parser


def _data_options() -> argparse.ArgumentParser:
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument("--profile", default="coursework", help=", ".join(settings.PROFILES))
    kinds = "photographs, n-hpatches:PATH, hpatches[-32]:PATH, sequences[-32]:PATH, joined by +"
    data.add_argument("--dataset", type=_absolute, default="photographs", help=kinds)
    names = "a, b, c, illum, view, full or a JSON file"
    data.add_argument("--split", type=_absolute_split, help=names)
    chosen = "only these, separated by commas"
    data.add_argument("--scenes", type=lambda names: names or None, help=chosen)
    return data


def _part_options(add, usual: str) -> None:
    parts = ("all", "train", "validation", "test")
    add("--part", choices=parts, default=usual, help=f"which scenes; default: {usual}")
    add("--points", type=int, metavar="N", help="the first N of each scene; default: all points")


def _search_options(search) -> None:
    own = "of a study with its own --space; without: the profile's own search"
    search("name", nargs="?", help=own)
    search("--approach", help="default: improved")
    roles = ("denoiser", "descriptor")
    search("--role", "--part", choices=roles, help="of the network; default: descriptor")
    search("--space", type=Path, metavar="JSON", help="what to vary")
    search("--settings", type=Path, metavar="JSON", help=WINNER)
    search("--storage", help="sqlite:///FILE or the URL of a database")
    search("--trials", type=int, help="in all, of all workers")
    search("--budget", type=float, help="part of the epochs, up to 1 (default)")
    search("--measure", help="validation_loss (default) or validation_error")
    search("--winner", type=Path, metavar="JSON", help="write the best settings here")


def _open(options, **how) -> tuple:
    from helpers.notebook.data import open_data

    return open_data(*(getattr(options, name) for name in DATA), **how)


def _dataset(options) -> None:
    from helpers.dataset import info, write_strips
    from helpers.dataset.sources import download

    if options.action in ("write", "fetch") and not options.target:
        raise InputError(f"dataset {options.action} needs a name behind it: see --help.")
    if options.action == "list":
        return print(info.listed(paths.DATA))
    if options.action == "fetch":
        return print(f"Use it as --dataset {download.fetch(options.target, paths.DATA)}")
    _, store = _open(options, whole=options.action == "write", say=False)  # as `info` says it
    print(info.info(store))
    if options.verify:
        store.verify()
        print("Every patch is as it was built.")
    if options.action == "write":
        write_strips(store, options.target)
        print(f"Written to {options.target}, to be used as --dataset n-hpatches:{options.target}")


def _train(options) -> None:
    from helpers import search, training
    from helpers.training import runs

    _trainings(settings.profile(options.profile), options)  # before anything that takes long
    profile, store = _open(options, needs="train")
    given = options.settings and search.read_winner(options.settings).role
    if given:
        print(f"The {given} has the settings of {options.settings}.")
    if options.approach == "improved" and given != "descriptor":
        profile = search.with_winner(profile, store)
    denoiser, descriptor = _trainings(profile, options)
    denoiser_run = training.train(denoiser, store)
    print(training.train(descriptor, store, runs.upstream_run(descriptor, denoiser_run)))


def _trainings(profile, options) -> tuple:
    """Settings of denoiser and descriptor; those of one may come from an earlier search."""
    from helpers import search

    denoiser, descriptor = profile.trainings(options.approach or "improved")
    if not options.settings:
        return denoiser, descriptor
    found = replace(search.read_winner(options.settings), approach=denoiser.approach)
    return (found, descriptor) if found.role == "denoiser" else (denoiser, found)


def _search(options) -> None:
    from helpers import search

    if options.name:
        return _search_space(options)
    if given := [f"--{name}" for name in OWN_SEARCH if getattr(options, name) is not None]:
        raise InputError(
            f"A search of your own space needs a name, and the profile's takes no "
            f"{', '.join(given)}: see search --help."
        )
    profile, store = _open(options, needs="search")
    upstream_run = _upstream_run(*profile.trainings("improved"), store)
    study, winner = search.search_improved(profile, store, upstream_run, options.storage)
    print(search.trials_table(study).to_string(index=False))
    print(f"Winner: {winner}")


def _search_space(options) -> None:
    from helpers import search
    from helpers.common import files

    if not (options.space and options.storage and options.trials):
        raise InputError("A search with a name needs --space, --storage and --trials.")
    space = files.read_json(options.space, cure="correct it")  # before anything that takes long
    denoiser, descriptor = _trainings(settings.profile(options.profile), options)
    base = denoiser if options.role == "denoiser" else descriptor
    budget = 1.0 if options.budget is None else options.budget
    measure = options.measure or "validation_loss"
    objective = search.Objective(base, space, None, budget=budget, measure=measure)
    objective.check()
    profile, store = _open(options, needs="search" if measure == "validation_error" else "train")
    in_front = _upstream_run(denoiser, base, store)
    objective = replace(objective, store=store, denoiser_run=in_front)
    study = search.search(options.name, objective, options.trials, options.storage, profile.seed)
    print(search.trials_table(study).to_string(index=False))
    if options.winner:
        search.write_winner(options.winner, study, options.storage)


def _upstream_run(denoiser, base, store) -> Path | None:
    """The denoiser that trials of these settings stand behind, trained if it has to be."""
    from helpers import training

    alone = base.role == "denoiser" or base.joining == "direct"
    return None if alone else training.train(denoiser, store)


def _open_part(options):
    """The scenes of --part as the test scenes of a store, with all points, whatever the profile."""
    from helpers.dataset import PatchStore, with_fewer_points
    from helpers.dataset.building import open_store
    from helpers.notebook.data import find_data

    if options.points is not None and options.points < 2:
        raise InputError(f"--points is {options.points}: give 2 or more.")
    store = open_store(find_data(*(getattr(options, name) for name in DATA)), paths.DATA)
    names = {**store.parts, "all": tuple(store.scenes)}[options.part]
    if not names:
        raise InputError(
            f"The {options.part} part of split {store.split} has no scene: choose another --part."
        )
    if options.part != "test":
        split, notes = f"{options.part} scenes", store.notes
        store = PatchStore(store.folder, {"test": names}, split)
        store.notes = [note for note in notes if not note.startswith("left out")]  # as asked for
    store = with_fewer_points(store, options.points, ("test",))
    for note in store.notes:
        print(note)
    return store


def _describe(options) -> None:
    from helpers.evaluation import describing, scoring
    from helpers.training import runs

    run, store = runs.named(options.run), _open_part(options)
    for sentence in scoring.warnings_of(run, store.parts["test"]):
        print(f"warning: {sentence}")
    describing.describe_into(options.output, options.format, run, store, options.points)
    lengths = store.lengths("test")
    print(f"{len(lengths)} scenes, {sum(lengths.values())} points: {options.output}.")


def _score(options) -> None:
    from helpers.benchmark import write_tasks
    from helpers.benchmark.tables import results_text
    from helpers.common import files
    from helpers.evaluation import describing, scoring

    pairs, store = settings.profile(options.profile).pairs, _open_part(options)
    if options.tasks:
        tasks = scoring.read_tasks(options.tasks, store)
    else:
        tasks = scoring.make_tasks(store, pairs)
    scores, warnings = describing.score_folder(options.descriptors, store, tasks)
    if options.write_tasks:  # only once they are known to fit
        write_tasks(tasks, options.write_tasks)
        same = f"--split {tasks.split} --tasks {options.write_tasks}"
        print(f"Lists written: `helpers.benchmark {options.descriptors} {same}` scores the same.")
    print(
        f"{store.name}, split {store.split}, {len(tasks.sequences)} scenes. Lists: {tasks.origin}."
    )
    print(results_text(options.descriptors.name, scores))
    for sentence in warnings:
        print(f"\nwarning: {sentence}")
    if options.json:
        files.write_json(options.json, scores.to_json() | {"warnings": warnings})


def _report(options) -> None:
    from helpers.notebook import duration

    profile = settings.profile(options.profile)
    print(f"Profile {profile.name}: {profile.duration} for the photographs.", flush=True)
    _, store = _open(options, needs="report")
    store.verify()  # what is kept below was made from these patches
    if profile is not settings.SMOKE and (time := duration.estimate(profile, store)):
        print(f"For {store.name} here: about {time}.", flush=True)
    _execute(options, profile, store)


def _figures(options) -> None:
    from helpers.notebook import execute, results

    profile, store = _open(options)
    if missing := [path for path in results.needed(profile, store) if not path.exists()]:
        raise InputError(f"{missing[0]} is missing: run `make report` with the same options first.")
    _execute(options, profile, store, only=execute.that_draw())


def _execute(options, profile, store, **how) -> None:
    from helpers.notebook import execute, results
    from helpers.notebook.data import find_data
    from helpers.report import latex

    asked = {name: getattr(options, name) for name in DATA}
    source = find_data(**asked)
    parameters = {name.upper(): value for name, value in asked.items()}
    how["needed"] = lambda: results.needed(profile, store)
    execute.execute_all(parameters, data_key=[source.parts, source.key()], **how)
    print(f"Executed notebooks and their HTML: {paths.EXECUTED}")
    problem = latex.missing_tools()
    if not problem and not latex.pdf_is_current():  # LaTeX has come since, or the PDF has gone
        latex.build_pdf()
    print(problem or f"The report: {paths.REPORT_PDF}")


def _absolute(dataset: str) -> str:
    """A dataset whose path does not depend on the folder that a notebook runs in."""
    from helpers.dataset.sources.joined import split_names

    found = (name.partition(":") for name in split_names(dataset))
    return "+".join(f"{kind}:{_place(place)}" if colon else kind for kind, colon, place in found)


def _absolute_split(split: str) -> str | None:
    """The same for a split, which is a name or the path of a JSON file; None for an empty one."""
    return _place(split) if split.endswith(".json") else split or None


def _place(path: str) -> str:
    return str(Path(os.path.expanduser(path)).resolve())  # which leaves ~nobody as it is


if __name__ == "__main__":
    sys.exit(main())
