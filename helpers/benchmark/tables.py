"""The official text tables, and one that compares descriptors."""

from collections.abc import Mapping, Sequence

from .layout import LEVELS
from .scores import Scores
from .verification import KINDS


def results_text(name: str, scores: Scores) -> str:
    """The tables of the tasks that were run, and V, M, R, S with their 95 % intervals.

    The pessimistic score counts every tie against.

    Args:
        name: of the descriptor.
        scores: its scores.
    """
    values = scores.to_json()
    parts = []
    if scores.verification:
        for title, metric in (("Balanced variant (auc)", "auc"), ("Imbalanced variant (ap)", "ap")):
            rows = [
                (level.capitalize(), *(values["verification"][level][k][metric] for k in KINDS))
                for level in LEVELS
            ]
            heads = ("Noise", *(kind.capitalize() for kind in KINDS))
            parts.append(f"{name} - verification, {title}\n{table(heads, rows)}")
    if scores.matching:
        heads = (*LEVELS, "mean")
        row = ["mAP", *(values["matching"][head] for head in heads)]
        parts.append(f"{name} - matching\n{table(['', *map(str.capitalize, heads)], [row])}")
    if scores.retrieval:
        rows = [
            (level.capitalize(), *values["retrieval"][level].values())
            for level in (*LEVELS, "mean")
        ]
        heads = ("Noise", *(str(pool) for pool in scores.retrieval.wanted))
        title = f"{name} - retrieval, mAP of {len(scores.tasks.queries)} queries by pool size"
        parts.append(f"{title}\n{table(heads, rows)}{_shortage(scores)}")
    rows = [
        (key, values[key], values["pessimistic"][key], *(interval or (None, None)))
        for key, interval in values["intervals"].items()
    ]
    heads = ("Score", "Value", "Pessimistic", "2.5 %", "97.5 %")
    parts.append(
        f"{name} - scores, 95 % interval by bootstrap over sequences\n{table(heads, rows)}"
    )
    return "\n\n".join(parts)


def _shortage(scores: Scores) -> str:
    if scores.retrieval.pools == scores.retrieval.wanted:
        return ""
    count = len(scores.tasks.distractors)
    return f"\n- : pool larger than the {count} distractors there are; not part of R"


def comparison_text(scores: Mapping[str, Scores]) -> str:
    """One row a descriptor: V, M, R, S, best first."""
    ordered = sorted(scores, key=lambda name: -(scores[name].S or 0))
    rows = [(name, *(getattr(scores[name], key) for key in "VMRS")) for name in ordered]
    return table(("Descriptor", *"VMRS"), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence]) -> str:
    """Aligned columns; numbers with six digits, None as a dash."""
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    cells.insert(1, ["-" * width for width in widths])
    lines = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in cells)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _cell(value) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.6f}"
