"""Plots: rows to positions. Each answers with one question to the database.

Each answer carries the very numbers that are drawn, for the table beside the drawing. Positions
are per cent of the drawing's box, so that it fits any width and nothing in it is distorted. The
drawings themselves are templates (`templates/plots/`), and their words stand outside the drawing,
where they keep their size and the direction of their language.

    {% include "plots/_coverage.html" with plot=coverage %}     plots.coverage(servers, now)
    {% include "plots/_ages.html" with plot=ages %}             plots.ages(servers, now)
    {% include "plots/_slots.html" with plot=slots %}           plots.slots(servers)
    {% include "plots/_biggest.html" with plot=biggest %}       plots.biggest(servers)
    {% include "plots/_sizes.html" with plot=sizes %}           plots.sizes(server)
    {% include "plots/_durations.html" with plots=durations %}  plots.durations(operations)
"""

from __future__ import annotations

from dashboard.plots.fleet import (
    AGES,
    FRESH,
    Age,
    Big,
    Coverage,
    ages,
    biggest,
    coverage,
    coverage_of,
    slots,
)
from dashboard.plots.series import Durations, Ran, Sizes, durations, sizes

__all__ = [
    "AGES",
    "FRESH",
    "Age",
    "Big",
    "Coverage",
    "Durations",
    "Ran",
    "Sizes",
    "ages",
    "biggest",
    "coverage",
    "coverage_of",
    "durations",
    "sizes",
    "slots",
]
