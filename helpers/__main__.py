"""The command line, for machines without a browser: `python -m helpers --help`."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from helpers import settings
from helpers.benchmark import BenchmarkError
from helpers.common import paths
from helpers.common.errors import InputError
from helpers.common.provenance import require_backend

OWN_SEARCH = ("approach", "part", "space", "trials", "budget", "measure", "winner")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit status: 0, or 2 after a one-sentence error."""
    options = _parser().parse_args(arguments)
    try:
        require_backend()
        options.command(options)
    except (InputError, BenchmarkError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # of the benchmark's writers, which know no InputError
        if not error.filename:
            raise
        print(
            f"error: {error.filename} cannot be used ({error.strerror}): "
            "choose a place that you may write to.",
            file=sys.stderr,
        )
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
    search.add_argument("--approach", choices=settings.APPROACHES, help="default: improved")
    search.add_argument("--part", choices=("denoiser", "descriptor"), help="default: descriptor")
    search.add_argument("--space", type=Path, metavar="JSON", help="what to vary")
    search.add_argument("--storage", help="sqlite:///FILE, journal:FILE or a URL")
    search.add_argument("--trials", type=int, help="in all, of all workers")
    search.add_argument("--budget", type=float, help="part of the epochs, up to 1 (default)")
    search.add_argument("--measure", help="validation_loss (default) or validation_error")
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
    add("figures", _figures, "Draw the figures and tables of a finished report again.")
    return parser


def _store(options):
    from helpers.dataset import open_dataset

    return settings.profile(options.profile), open_dataset(**_asked_for(options))


def _asked_for(options) -> dict:
    """The data that the options name, for `open_dataset`."""
    profile = settings.profile(options.profile)
    return {
        "source": _absolute(options.dataset),
        "seed": profile.seed,
        "points_per_scene": profile.points_per_scene,
        "split": _absolute_split(options.split),
        "scenes": options.scenes or None,
    }


def _dataset(options) -> None:
    from helpers.dataset import info, write_strips
    from helpers.dataset.sources import download

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
    from helpers import search, training
    from helpers.training import runs

    profile, store = _store(options)
    if options.approach == "improved":
        profile = search.with_winner(profile, store)
    denoiser, descriptor = profile.trainings(options.approach)
    denoiser_run = training.train(denoiser, store)
    print(training.train(descriptor, store, runs.upstream_run(descriptor, denoiser_run)))


def _search(options) -> None:
    if options.name:
        _search_space(options)
    elif given := [f"--{name}" for name in OWN_SEARCH if getattr(options, name) is not None]:
        raise InputError(
            f"A search of your own space needs a name, and the profile's takes no "
            f"{', '.join(given)}: see search --help."
        )
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
    from helpers import search, training
    from helpers.common import files

    if not (options.space and options.storage and options.trials):
        raise InputError("A search with a name needs --space, --storage and --trials.")
    space = files.read_json(options.space)  # before anything that takes long
    profile, store = _store(options)
    denoiser, descriptor = profile.trainings(options.approach or "improved")
    base = denoiser if options.part == "denoiser" else descriptor
    search.check_space(space, base)
    behind = None
    if base is descriptor and descriptor.joining != "direct":
        behind = training.train(denoiser, store)
    study = search.search(
        options.name,
        base,
        space,
        store,
        options.trials,
        options.storage,
        denoiser_run=behind,
        seed=profile.seed,
        budget=1.0 if options.budget is None else options.budget,
        measure=options.measure or "validation_loss",
    )
    print(search.trials_table(study).to_string(index=False))
    if options.winner:
        search.write_winner(options.winner, study, options.storage)


def _describe(options) -> None:
    from helpers.benchmark.files import write_descriptors
    from helpers.evaluation.scoring import describe
    from helpers.training import runs

    pipeline = runs.load_pipeline(run := runs.named(options.run))
    _, store = _store(options)
    runs.warn_of_learned(run, store.parts[options.part])
    descriptors = describe(pipeline, store, store.parts[options.part])
    write_descriptors(descriptors, options.output, options.format)
    print(f"{len(descriptors)} sequences written to {options.output}.")


def _score(options) -> None:
    from helpers import benchmark
    from helpers.benchmark.files import read_descriptors
    from helpers.benchmark.tables import results_text
    from helpers.common import files
    from helpers.evaluation import scoring

    profile, store = _store(options)
    tasks = scoring.make_tasks(store, profile.pairs)
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
    profile, dataset = settings.profile(options.profile), _absolute(options.dataset)
    more = "" if dataset == "photographs" else " on the photographs, longer on larger data"
    print(f"Profile {profile.name} on {dataset}: {profile.duration}{more}.", flush=True)
    _execute(options)


def _figures(options) -> None:
    from helpers.notebook import execute

    if missing := next((path for path in _drawn_from(options) if not path.exists()), None):
        raise InputError(f"{missing} is missing: run `make report` with the same options first.")
    _execute(options, only=execute.that_draw(), force=True)


def _drawn_from(options) -> Iterator[Path]:
    """What has to be there for figures to need no training, each before what it leads to."""
    from helpers import search
    from helpers.training import runs

    profile, store = _store(options)
    winner = search.winner_path(profile, store)
    yield from (winner, winner.with_suffix(".db"))
    profile = search.with_winner(profile, store)
    for approach in settings.APPROACHES:
        denoiser, descriptor = profile.trainings(approach)
        yield (denoiser_run := runs.run_folder(denoiser, store))
        yield runs.run_folder(descriptor, store, runs.upstream_run(descriptor, denoiser_run))


def _execute(options, **how) -> None:
    from helpers.dataset import Choice, find_source
    from helpers.notebook import execute
    from helpers.report import latex

    asked = _asked_for(options)
    dataset = asked.pop("source")
    source = find_source(dataset, Choice(**asked))
    parameters = {
        "PROFILE": options.profile,
        "DATASET": dataset,
        "SPLIT": asked["split"],
        "SCENES": asked["scenes"],
    }
    execute.execute_all(parameters, data_key=[source.parts, source.key()], **how)
    print(f"Executed notebooks and their HTML: {paths.EXECUTED}")
    problem = latex.missing_tools()
    if not problem and not latex.pdf_is_current():  # LaTeX has come since, or the PDF has gone
        latex.build_pdf()
    print(problem or f"The report: {paths.REPORT_PDF}")


def _absolute(dataset: str) -> str:
    """A dataset whose path does not depend on the folder that a notebook runs in."""
    from helpers.dataset.sources.joined import split_names

    parts = []
    for name in split_names(dataset):
        kind, colon, place = name.partition(":")
        parts.append(f"{kind}:{Path(place).expanduser().resolve()}" if colon else name)
    return "+".join(parts)


def _absolute_split(split: str | None) -> str | None:
    """The same for a split, which is a name or the path of a JSON file; None where it is empty."""
    is_file = split and split.endswith(".json")
    return str(Path(split).expanduser().resolve()) if is_file else split or None


if __name__ == "__main__":
    sys.exit(main())
