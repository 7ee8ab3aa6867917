"""The official text tables, and one that compares descriptors."""

from collections.abc import Mapping, Sequence

import pandas as pd

from .layout import LEVELS
from .scores import Scores
from .verification import KINDS


def results_text(name: str, scores: Scores) -> str:
    """The tables of the tasks that were run, and V, M, R, S; pessimistic: ties count against."""
    values, texts = scores.to_json(), []

    def add(title, heads, rows):
        texts.append(f"{name} - {title}\n{table([head.capitalize() for head in heads], rows)}")

    if by_level := values["verification"]:
        for title, metric in (("Balanced variant (auc)", "auc"), ("Imbalanced variant (ap)", "ap")):
            rows = [
                (level.capitalize(), *(by_level[level][kind][metric] for kind in KINDS))
                for level in LEVELS
            ]
            add(f"verification, {title}", ("noise", *KINDS), rows)
    means = (*LEVELS, "mean")
    if found := values["matching"]:
        add("matching", ("", *means), [("mAP", *(found[level] for level in means))])
    if found := values["retrieval"]:
        rows = [(level.capitalize(), *found[level].values()) for level in means]
        title = f"retrieval, mAP of {len(scores.tasks.queries)} queries by pool size"
        add(title, ("noise", *found["mean"]), rows)
        if None in found["mean"].values():
            count = len(scores.tasks.distractors)
            texts[-1] += f"\n- : pool larger than the {count} distractors there are; not part of R"
    rows = [
        (key, values[key], values["pessimistic"][key], *(interval or (None, None)))
        for key, interval in values["intervals"].items()
    ]
    heads = ("score", "value", "pessimistic", "2.5 %", "97.5 %")
    add("scores, 95 % interval by bootstrap over sequences", heads, rows)
    return "\n\n".join(texts)


def comparison_text(scores: Mapping[str, Scores]) -> str:
    """One row a descriptor: V, M, R, S, best first."""
    ordered = sorted(scores, key=lambda name: -(scores[name].S or 0))
    rows = [(name, *(getattr(scores[name], key) for key in "VMRS")) for name in ordered]
    return table(("Descriptor", *"VMRS"), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence]) -> str:
    """Aligned columns; numbers with six digits, None as a dash."""
    cells = pd.DataFrame(rows, columns=list(heads), dtype=object)
    return cells.where(cells.notna(), "-").to_string(index=False, float_format="{:.6f}".format)
