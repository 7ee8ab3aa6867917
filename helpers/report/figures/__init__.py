"""The figures of the notebooks and of the report, each drawn by one function.

Every `plot_...` function takes arrays, score dictionaries or run folders and returns a Figure
that a notebook shows by itself; `save` writes it for the report.
"""
# ruff: noqa: F401 (what is imported here is what others take from here)

from helpers.report.figures.curves import (
    plot_distances,
    plot_losses,
    plot_noise,
    plot_retrieval,
    plot_scores,
    plot_sequences,
    plot_spectra,
)
from helpers.report.figures.frontier import plot_frontier
from helpers.report.figures.pictures import (
    plot_denoising,
    plot_matches,
    plot_neighbours,
    plot_regions,
    plot_strips,
)
from helpers.report.figures.style import (
    ABOVE,
    BLUE,
    COLUMN_WIDTH,
    GREY,
    TEXT_WIDTH,
    ReportFigure,
    colours_of,
    save,
    style,
)
