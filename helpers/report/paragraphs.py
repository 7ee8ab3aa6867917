r"""What the report says in other words for other data, settings or measurements, as LaTeX.

`report.tex` has no conditions. Where a sentence depends on something it asks for
`\result{phrase.NAME}` or inputs `generated/NAME.tex`. Both are chosen here by the numbers of the
report, and both ask for numbers by `\result` themselves.
"""

from typing import Any

from helpers.common import paths
from helpers.common.files import write_text
from helpers.dataset.parts import OWN_SPLIT

PHOTOGRAPHS = r"""The archives of N-HPatches may be out of reach, so this repository brings a
replacement that needs no data to be downloaded: scenes cut from the real photographs inside
scikit-image~\cite{skimage} and scikit-learn~\cite{sklearn}. It follows the procedure of HPatches:
points of three detectors (difference of Gaussians, Hessian, Harris) in the first image; around each
a square region that reaches five detected scales to either side, turned to its strongest gradients;
one of each group of overlapping regions, jittered and mapped into the other images. Where no number
is published, ours was chosen to give about the known counts and overlaps. It is not the genuine
dataset: its scenes are fewer, and each has only one photograph, so viewpoint changes are
homographies drawn to spread as the genuine ones do, and changes of light are computed (gain, gamma,
shadow, blur, compression); nothing moves, occludes or reflects. The noise of
Equation~\eqref{eq:noise} was recovered from published pictures; the strength of its tough level is
extrapolated, and that reference patches are noise-free is inferred."""
OTHER_DATA = r"""The patches are those of the dataset \emph{\result{dataset.name}}. Where it brings
no noise of its own, noise follows Equation~\eqref{eq:noise}, which was recovered from published
pictures: the strength of its tough level is extrapolated, and that reference patches are noise-free
is inferred."""
# What is added for each kind of source.
SOURCES = {
    "photographs": r"""Its scenes from scikit-image~\cite{skimage} and scikit-learn~\cite{sklearn}
have only one photograph each, so their changes of viewpoint and light are computed.""",
    "sequences": "The points in its image sequences were found by detectors of our own.",
    "n-hpatches": "The strips of N-HPatches bring their noise.",
    "hpatches": "The strips of HPatches bring none.",
}
EARLY_STOPPED = r"""It also asks how far the baseline comes when it trains on: its denoiser stopped
\result{seeds.early_stopped.denoiser.stopped} (\result{seeds.early_stopped.denoiser.patches}
patches), its descriptor \result{seeds.early_stopped.descriptor.stopped}
(\result{seeds.early_stopped.descriptor.patches} patches; the best weights are those of step
\result{seeds.early_stopped.descriptor.kept_step} of \result{seeds.early_stopped.descriptor.steps}).
Its validation loss jumps from one validation to the next, so that the best of them is partly luck.
It then reaches an $S$ of \result{seeds.early_stopped.S} and an $M$ of
\result{seeds.early_stopped.M}."""
MATCHES = r"""\begin{center}
  \includegraphics[width=\textwidth]{matches}
  \captionof{figure}{Matches of \result{matches.points} random points of the scene
    \emph{\result{matches.scene}}: a line leads from a point of the first image to the point of the
    second one whose hard patch is nearest.}
  \label{fig:matches}
\end{center}"""

# Phrases: in the middle or at the end of a sentence.
MEASURED_ON = ("seeds", "ablation", "depth")  # tables that were measured once, on one dataset
ELSEWHERE = r", not measured on \emph{\result{dataset.name}}"
SPLIT = r" (split: \result{dataset.split})"
REDRAWN = "from noise drawn anew at every step and "
BEST_WEIGHTS, LAST_WEIGHTS = "those with the best validation loss", "those after the last step"
SAME_SCENES = "all of split a, so only the same scenes and points can be compared with it"
OTHER_SCENES = "other data and is no yardstick for the columns before it"
TO_SAME_SCENES = "They can be compared only with results on the same scenes and pool sizes."
TO_NOTHING_GENUINE = """They cannot be compared with published results on genuine N-HPatches:
scenes, number of patches and pool sizes differ. With the genuine data there would be 76 scenes to
learn from, all seven pools could be filled, and occlusion and changes of light would be real;
neither the photographs nor a few genuine sequences stand for that."""
TO_MATCHES = r""", and Figure~\ref{fig:matches} for points all over an image: of
\result{matches.points} points the baseline matches \result{matches.right.baseline} rightly and the
improved approach \result{matches.right.improved}"""
LONG_IN_ABSTRACT = r"""; a baseline trained until early stopping comes to
\result{seeds.early_stopped.S}"""
LONG_IN_PLAN = r"""; trained until early stopping, it reaches an $S$ of
\result{seeds.early_stopped.S} on \emph{\result{seeds.dataset.name}}"""
LONG_SCORE = r", \result{genuine.early_stopped.S} for the one trained until early stopping"
LONG_ON_GENUINE = r"""; the baseline also as \emph{long} says: its descriptor stopped
\result{genuine.trained_on.early_stopped.stopped}, on
\result{genuine.trained_on.early_stopped.patches} patches instead of
\result{genuine.trained_on.baseline.patches} (the best weights are those of step
\result{genuine.trained_on.early_stopped.kept_step} of
\result{genuine.trained_on.early_stopped.steps})"""


def paragraphs(numbers: dict[str, Any]) -> dict[str, str]:
    """Name -> LaTeX of the texts that `report.tex` inputs; empty where there is nothing to say.

    Args:
        numbers: flat, as `numbers.collect_numbers` gives them. `dataset.name` has the kinds of its
            sources, joined by "+".
    """
    kinds = numbers["dataset.name"].split("+")
    others = [OTHER_DATA, *(SOURCES[kind] for kind in kinds if kind in SOURCES)]
    return {
        "dataset-description": PHOTOGRAPHS if kinds == ["photographs"] else "\n".join(others),
        "early-stopped": EARLY_STOPPED if "seeds.early_stopped.S" in numbers else "",
        "matches": MATCHES if "matches.scene" in numbers else "",
    }


def phrases(numbers: dict[str, Any]) -> dict[str, str]:
    """Name -> LaTeX of what `report.tex` asks for as `phrase.NAME`, empty where it is left out.

    Args:
        numbers: as for `paragraphs`.
    """
    name = numbers["dataset.name"]
    photographs = name == "photographs"
    same = {table: numbers[f"{table}.dataset.name"] == name for table in MEASURED_ON}
    here = same["seeds"] and numbers["seeds.profile"] == numbers["provenance.profile"]
    repeated = "seeds.early_stopped.S" in numbers
    on_genuine = "genuine.early_stopped.S" in numbers
    last = numbers["settings.baseline-descriptor.patience"] == 0
    return {
        "split": "" if numbers["dataset.split"] == OWN_SPLIT else SPLIT,
        "redraw": REDRAWN if numbers["settings.improved-descriptor.redraw"] else "",
        "kept_weights": LAST_WEIGHTS if last else BEST_WEIGHTS,
        "interim": SAME_SCENES if name == "n-hpatches" else OTHER_SCENES,
        "stand_in": "The photographs are a stand-in. " if photographs else "",
        "comparable": TO_NOTHING_GENUINE if photographs else TO_SAME_SCENES,
        "matches": TO_MATCHES if "matches.scene" in numbers else "",
        "early_stopped.abstract": LONG_IN_ABSTRACT if repeated and here else "",
        "early_stopped.plan": LONG_IN_PLAN if repeated else "",
        "early_stopped.genuine": LONG_ON_GENUINE if on_genuine else "",
        "early_stopped.genuine_score": LONG_SCORE if on_genuine else "",
        **{f"measured_on.{table}": "" if same[table] else ELSEWHERE for table in MEASURED_ON},
    }


def write_paragraphs(numbers: dict[str, Any]) -> None:
    """Writes `paragraphs` into the folder of generated report parts, one file each."""
    for name, text in paragraphs(numbers).items():
        write_text(paths.GENERATED / f"{name}.tex", text + "\n" if text else "")
