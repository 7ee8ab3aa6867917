r"""What the report says in other words for other data, settings or measurements, as LaTeX.

`report.tex` has no conditions. Where a sentence depends on something it asks for
`\result{phrase.NAME}` or inputs `generated/NAME.tex`. Both are chosen here by the numbers of the
report, from the phrases below and the paragraphs in `report/texts`, and both ask for numbers by
`\result` themselves. Words in capitals are put in here.
"""

import re
from typing import Any

from helpers.common import paths
from helpers.common.files import write_text
from helpers.dataset.parts import OWN_SPLIT
from helpers.report.rounding import escape
from helpers.settings import APPROACHES

SOURCES = {  # what is added for some kinds
    "photographs": r""" Its scenes from scikit-image~\cite{skimage} and scikit-learn~\cite{sklearn}
have only one photograph each, so their changes of viewpoint and light are computed.""",
    "sequences": " The points in its image sequences were found by detectors of our own.",
    "n-hpatches": " The strips of N-HPatches bring theirs.",
}
# The networks, with their losses, that have texts and phrases of their own.
KNOWN = {
    "baseline-denoiser": {("shallow_unet", "mean_absolute_error")},
    "baseline-descriptor": {("l2net", "triplet")},
    "improved-denoiser": {("residual_unet", "charbonnier"), ("half_unet", "charbonnier")},
    "improved-descriptor": {("hardnet", "hardest_in_batch")},
}

# Phrases: in the middle or at the end of a sentence.
NETWORKS = {  # what those of the baseline are called
    "shallow_unet": r"""one step of a U-Net~\cite{unet}: features at full resolution, features at
half resolution, and a convolution of both that ends in the clean patch""",
    "l2net": r"""L2-Net~\cite{l2net}, six 3$\times$3 convolutions with batch
normalisation~\cite{batchnorm}, dropout, and an 8$\times$8 convolution with 128 outputs""",
}
BODIES = {  # by the option "body" of `hardnet`
    "l2net": "the convolutions of L2-Net",
    "halving": """the convolutions of L2-Net, of which the first and the third halve the resolution
(there the third and the fifth)""",
    "desdis": r"those of DesDis~\cite{desdis}, four convolutions of which the first three halve it",
}
BASELINE = "the coursework's shallow U-Net with L2-Net"
IMPROVED = """a residual network that subtracts its estimate of the noise, with a descriptor of unit
length that learns REDRAWNagainst the hardest negatives of each batch"""
REDRAWN = "from noise drawn anew at every step and "
OTHER_PAIR = r"""the denoiser \emph{\result{settings.NAME-denoiser.network}} with the descriptor
\emph{\result{settings.NAME-descriptor.network}}"""
JOININGS = {
    "frozen": "Then it stays as it is, in front of the descriptor.",
    "direct": "The descriptor does without it.",
    "end_to_end": "Then it learns along with the descriptor.",
}
SPLIT = r" (split: \result{dataset.split})"
BEST_WEIGHTS, LAST_WEIGHTS = "those with the best validation loss", "those after the last step"
SAME_SCENES = "all of split a, so only the same scenes and points can be compared with it"
OTHER_SCENES = "other data and is no yardstick for the columns before it"
TO_SAME_SCENES = "They can be compared only with results on the same scenes and pool sizes."
TO_NOTHING_GENUINE = """They cannot be compared with published results on genuine N-HPatches:
scenes, number of patches and pool sizes differ. With the genuine data there would be 76 scenes to
learn from, all seven pools could be filled, and occlusion and changes of light would be real."""
TO_MATCHES = r""", and Figure~\ref{fig:matches} for points all over an image: of
\result{matches.points} points the baseline matches \result{matches.right.baseline} rightly and the
improved approach \result{matches.right.improved}"""
LONG_IN_ABSTRACT = r"""; a baseline trained until early stopping comes to
\result{seeds.early_stopped.S}"""
LONG_IN_PLAN = r"""; trained until early stopping, it reaches an $S$ of
\result{seeds.early_stopped.S} on \emph{\result{seeds.dataset.name}}"""
LONG_SCORE = r", \result{genuine.early_stopped.S} for the one trained until early stopping"
OTHER_SEEDS = r""" Those of the improved approach have settings that it had before, not those of
this report."""
OTHER_NETWORKS = r""", in networks of \result{genuine.macs.improved} multiply-adds a patch, not in
those of the other tables"""
LONG_ON_GENUINE = r"""; the baseline also as \emph{long} says: its descriptor stopped
\result{genuine.trained_on.early_stopped.stopped}, on
\result{genuine.trained_on.early_stopped.patches} patches instead of
\result{genuine.trained_on.baseline.patches}"""


def paragraphs(numbers: dict[str, Any]) -> dict[str, str]:
    """Name -> LaTeX of the texts that `report.tex` inputs; empty where there is nothing to say.

    `numbers` are flat, as `numbers.collect_numbers` gives them.
    """
    kinds, warnings = numbers["dataset.name"].split("+"), " ".join(numbers["limits.warnings"])
    data = _text("other-data") + "".join(SOURCES.get(kind, "") for kind in kinds)
    data = _text("photographs") if kinds == ["photographs"] else data
    return {
        "dataset-description": data,
        "early-stopped": _text("early-stopped") if "seeds.early_stopped.S" in numbers else "",
        "matches": _text("matches") if "matches.scene" in numbers else "",
        "dataset-notes": escape(" ".join(numbers["limits.notes"])),
        "warnings": rf"\paragraph{{Warnings.}} {escape(warnings)}" if warnings else "",
        "improved-denoiser": _network("improved-denoiser", numbers),
        "improved-descriptor": _network("improved-descriptor", numbers),
        "search": _search(numbers),
        "others": _others(numbers),
    }


def _text(name: str) -> str:
    return (paths.TEXTS / f"{name}.tex").read_text(encoding="utf-8").strip()


def _network(run: str, numbers: dict[str, Any]) -> str:
    """The text on a network that the report knows, or what can be said of any other."""
    if _is_known(run, numbers):
        text = _text(numbers[f"settings.{run}.network"])
        body = numbers.get(f"settings.{run}.network_options.body", "l2net")
        if set(re.findall(r"\\result\{([^}]+)\}", text)) <= numbers.keys():
            return text.replace("BODY", BODIES[body])
    start = f"settings.{run}.network_options."
    options = [name for name in numbers if name.startswith(start)]
    listed = ", ".join(f"{_plain(name)} \\result{{{name}}}" for name in options)
    text = _text("other-network").replace("OPTIONS", f" ({listed})" * bool(listed))
    return text.replace("RUN", run)


def _is_known(run: str, numbers: dict[str, Any]) -> bool:
    return tuple(numbers[f"settings.{run}.{what}"] for what in ("network", "loss")) in KNOWN[run]


def _plain(name: str) -> str:
    return escape(name.rpartition(".")[2].replace("_", " "))


def _search(numbers: dict[str, Any]) -> str:
    names = numbers["search.settings"]
    tried = [
        f"{_plain(name)} ({escape(values)})"
        for name, values in zip(names, numbers["search.tried"], strict=True)
    ]
    places = {name: f"settings.improved-descriptor.{name}" for name in names}
    chosen = [
        f"{_plain(name)} \\result{{{place}}}" for name, place in places.items() if place in numbers
    ]
    text = _text("search").replace("CHOSEN", ", ".join(chosen)).replace("TRIED", "; ".join(tried))
    edges = ", ".join(_plain(name) for name in numbers["search.edges"])
    text = text.replace("EDGES", f" At the edge of what was tried: {edges}." * bool(edges))
    text = text[0].upper() + text[1:]
    weights = "loss_options.level_weights" in names
    return f"{text}\n{_text('search-weights')}" if weights else text


def _others(numbers: dict[str, Any]) -> str:
    runs = re.findall(r"^settings\.(.+)-descriptor\.network$", "\n".join(numbers), re.MULTILINE)
    text = _text("other-approach")
    said = [
        text.replace("TITLE", escape(name)).replace("NAME", name)
        for name in runs
        if name not in APPROACHES
    ]
    return "\n".join([r"\paragraph{Further approaches.}", *said]) if said else ""


def phrases(numbers: dict[str, Any]) -> dict[str, str]:
    """Name -> LaTeX of what `report.tex` asks for as `phrase.NAME`, empty where it is left out."""
    name = numbers["dataset.name"]
    photographs, repeated = name == "photographs", "seeds.early_stopped.S" in numbers
    alike = {
        "seeds.dataset.name": "dataset.name",
        "seeds.profile": "provenance.profile",
        "seeds.points": "dataset.parts.test.points",
    }
    here = repeated and all(numbers[one] == numbers[other] for one, other in alike.items())
    on_genuine = "genuine.early_stopped.S" in numbers
    last = numbers["settings.baseline-descriptor.patience"] == 0
    redraw = REDRAWN if numbers["settings.improved-descriptor.redraw"] else ""
    pairs = {"baseline": BASELINE, "improved": IMPROVED.replace("REDRAWN", redraw)}
    cheaper = numbers["cost.improved"] < numbers["cost.baseline"]
    alike_on_genuine = numbers["genuine.macs.improved"] == round(1e6 * numbers["cost.improved"])
    return {
        "split": "" if numbers["dataset.split"] == OWN_SPLIT else SPLIT,
        **{approach: _pair(approach, text, numbers) for approach, text in pairs.items()},
        **{f"baseline_{role}": _called(role, numbers) for role in ("denoiser", "descriptor")},
        "joining": JOININGS[numbers["settings.improved-descriptor.joining"]],
        "size": "not larger but cheaper" if cheaper else "larger",
        "kept_weights": LAST_WEIGHTS if last else BEST_WEIGHTS,
        "interim": SAME_SCENES if name == "n-hpatches" else OTHER_SCENES,
        "stand_in": "The photographs are a stand-in. " if photographs else "",
        "comparable": TO_NOTHING_GENUINE if photographs else TO_SAME_SCENES,
        "seeds_settings": "" if numbers.get("seeds.same_settings", True) else OTHER_SEEDS,
        "genuine_networks": "" if alike_on_genuine else OTHER_NETWORKS,
        "matches": TO_MATCHES if "matches.scene" in numbers else "",
        "early_stopped.abstract": LONG_IN_ABSTRACT if here else "",
        "early_stopped.plan": LONG_IN_PLAN if repeated else "",
        "early_stopped.genuine": LONG_ON_GENUINE if on_genuine else "",
        "early_stopped.genuine_score": LONG_SCORE if on_genuine else "",
    }


def _pair(approach: str, text: str, numbers: dict[str, Any]) -> str:
    """The text on an approach that the report knows, or what can be said of any other."""
    known = all(_is_known(f"{approach}-{role}", numbers) for role in ("denoiser", "descriptor"))
    return text if known else OTHER_PAIR.replace("NAME", approach)


def _called(role: str, numbers: dict[str, Any]) -> str:
    name = f"settings.baseline-{role}.network"
    return NETWORKS.get(numbers[name], rf"\emph{{\result{{{name}}}}}")


def write_paragraphs(numbers: dict[str, Any]) -> None:
    """Writes `paragraphs` into the folder of generated report parts, one file each."""
    for name, text in paragraphs(numbers).items():
        write_text(paths.GENERATED / f"{name}.tex", text + "\n" if text else "")
