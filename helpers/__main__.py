"""The command line, for machines without a browser: `python -m helpers --help`."""

import argparse
import sys
from pathlib import Path

from helpers import paths, settings
from helpers.benchmark import BenchmarkError
from helpers.errors import InputError
from helpers.provenance import require_backend


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit status: 0, or 2 after a one-sentence error."""
    options = _parser().parse_args(arguments)
    try:
        require_backend()
        options.command(options)
    except (InputError, BenchmarkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"error: {error}: install it with `.venv/bin/pip install`.", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=command)
        added.add_argument("--profile", default="coursework", help=", ".join(settings.PROFILES))
        added.add_argument(
            "--dataset",
            default="photographs",
            help="photographs, n-hpatches:PATH, hpatches:PATH or sequences:PATH",
        )
        added.add_argument("--split", help="a, b, c, illum, view, full or a JSON file")
        added.add_argument("--scenes", help="only these, separated by commas")
        return added

    dataset = add("dataset", _dataset, "Build a dataset and say what is in it; write or fetch one.")
    dataset.add_argument("action", nargs="?", default="info", choices=("info", "write", "fetch"))
    dataset.add_argument("target", nargs="?", help="write: new folder; fetch: name of the dataset")
    dataset.add_argument("--verify", action="store_true", help="check every stored patch")
    train = add("train", _train, "Train both networks of an approach.")
    train.add_argument("approach", choices=settings.APPROACHES)
    search = add("search", _search, "Work on a search for settings, beside any other workers.")
    search.add_argument(
        "name", nargs="?", help="of a study with its own --space; without: the profile's own search"
    )
    search.add_argument("--approach", choices=settings.APPROACHES, default="improved")
    search.add_argument("--part", choices=("denoiser", "descriptor"), default="descriptor")
    search.add_argument("--space", type=Path, metavar="JSON", help="what to vary")
    search.add_argument("--storage", help="sqlite:///FILE, journal:FILE or a URL")
    search.add_argument("--trials", type=int, help="in all, of all workers")
    search.add_argument("--budget", type=float, default=1.0, help="part of the epochs, up to 1")
    search.add_argument("--measure", default="validation_loss", help="or validation_error")
    search.add_argument("--winner", type=Path, metavar="JSON", help="write the best settings here")
    describe = add("describe", _describe, "Write the descriptors of a dataset's noisy patches.")
    describe.add_argument(
        "--run", type=Path, required=True, help="run folder of a descriptor, or `pretrained`"
    )
    describe.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    describe.add_argument("--format", choices=("npy", "csv"), default="npy")
    describe.add_argument("--part", choices=("train", "validation", "test"), default="test")
    score = add("score", _score, "Score a folder of descriptors on the test scenes of a dataset.")
    score.add_argument("descriptors", type=Path, metavar="FOLDER")
    score.add_argument("--json", type=Path, metavar="FILE", help="write all scores here")
    add("report", _report, "Execute the notebooks and build the report.")
    return parser


def _store(options):
    from helpers.dataset import open_dataset

    profile = settings.profile(options.profile)
    return profile, open_dataset(
        options.dataset,
        seed=profile.seed,
        points_per_scene=profile.points_per_scene,
        split=options.split,
        scenes=options.scenes,
    )


def _dataset(options) -> None:
    from helpers.dataset import download, info, write_strips

    if options.action != "info" and not options.target:
        raise InputError(f"dataset {options.action} needs a name behind it: see --help.")
    if options.action == "fetch":
        print(f"Use it as --dataset {download.fetch(options.target, paths.DATA)}")
        return
    _, store = _store(options)
    print(info.info(store))
    if options.verify:
        store.verify()
        print("Every patch is as it was built.")
    if options.action == "write":
        write_strips(store, options.target)
        print(f"Written to {options.target}, to be used as --dataset n-hpatches:{options.target}")


def _train(options) -> None:
    from helpers import runs, search, training

    profile, store = _store(options)
    if options.approach == "improved":
        profile = search.with_winner(profile, store)
    denoiser, descriptor = profile.trainings(options.approach)
    denoiser_run = training.train(denoiser, store)
    print(training.train(descriptor, store, runs.in_front(descriptor, denoiser_run)))


def _search(options) -> None:
    if options.name:
        _search_space(options)
    elif options.space or options.trials or options.winner:
        raise InputError("A search of your own space needs a name: see search --help.")
    else:
        _search_profile(options)


def _search_profile(options) -> None:
    from helpers import search, training

    profile, store = _store(options)
    direct = profile.improved_descriptor.joining == "direct"
    behind = None if direct else training.train(profile.improved_denoiser, store)
    study, winner = search.search_improved(profile, store, behind, options.storage)
    print(search.trials_table(study).to_string(index=False))
    print(f"Winner: {winner}")


def _search_space(options) -> None:
    from helpers import files, search, training

    if not (options.space and options.storage and options.trials):
        raise InputError("A search with a name needs --space, --storage and --trials.")
    space = files.read_json(options.space)  # before anything that takes long
    profile, store = _store(options)
    denoiser, descriptor = profile.trainings(options.approach)
    behind = None
    if options.part == "descriptor" and descriptor.joining != "direct":
        behind = training.train(denoiser, store)
    study = search.search(
        options.name,
        descriptor if options.part == "descriptor" else denoiser,
        space,
        store,
        options.trials,
        options.storage,
        denoiser_run=behind,
        seed=profile.seed,
        budget=options.budget,
        measure=options.measure,
    )
    print(search.trials_table(study).to_string(index=False))
    if options.winner:
        search.write_winner(options.winner, study, options.storage)


def _describe(options) -> None:
    from helpers import evaluation, runs
    from helpers.benchmark.files import write_descriptors
    from helpers.networks.pipeline import describe

    pipeline = evaluation.load_pipeline(runs.named(options.run))
    _, store = _store(options)
    descriptors = describe(pipeline, store, store.parts[options.part])
    write_descriptors(descriptors, options.output, options.format)
    print(f"{len(descriptors)} sequences written to {options.output}.")


def _score(options) -> None:
    from helpers import benchmark, evaluation, files
    from helpers.benchmark.files import read_descriptors
    from helpers.benchmark.tables import results_text

    profile, store = _store(options)
    tasks = evaluation.make_tasks(store, profile.pairs)
    descriptors = read_descriptors(options.descriptors, store.parts["test"])
    for name, points in store.lengths("test").items():
        if descriptors[name].shape[1] != points:
            raise InputError(
                f"{options.descriptors} has {descriptors[name].shape[1]} points of {name}, the "
                f"dataset {points}: describe this dataset with this profile."
            )
    scores = benchmark.evaluate(descriptors, tasks)
    print(f"{store.name}, split {store.split}, {len(store.parts['test'])} test scenes:")
    print(results_text(options.descriptors.name, scores))
    if options.json:
        files.write_json(options.json, scores.to_json())


def _report(options) -> None:
    from helpers import notebooks, report
    from helpers.dataset import find_source

    profile, dataset = settings.profile(options.profile), _absolute(options.dataset)
    more = "" if dataset == "photographs" else " on the photographs, longer on larger data"
    print(f"Profile {profile.name} on {dataset}: {profile.duration}{more}.", flush=True)
    split, scenes = _absolute_split(options.split), options.scenes or None
    source = find_source(dataset, profile.seed, profile.points_per_scene, split, scenes)
    parameters = {"PROFILE": profile.name, "DATASET": dataset, "SPLIT": split, "SCENES": scenes}
    notebooks.execute_all(parameters, data_key=[source.parts, source.key()])
    print(f"Executed notebooks and their HTML: {paths.EXECUTED}")
    problem = report.missing_tools()
    if not problem and not report.pdf_is_current():  # LaTeX has come since, or the PDF has gone
        report.build_pdf()
    print(problem or f"The report: {paths.REPORT_PDF}")


def _absolute(dataset: str) -> str:
    """A dataset whose path does not depend on the folder that a notebook runs in."""
    kind, colon, place = dataset.partition(":")
    return f"{kind}:{Path(place).expanduser().resolve()}" if colon else dataset


def _absolute_split(split: str | None) -> str | None:
    """The same for a split, which is a name or the path of a JSON file; None where it is empty."""
    is_file = split and split.endswith(".json")
    return str(Path(split).expanduser().resolve()) if is_file else split or None


if __name__ == "__main__":
    sys.exit(main())
