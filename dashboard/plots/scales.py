"""Numbers to places: how long a bar is, where a dot stands, where a scale ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor, log10
from typing import Any, NamedTuple

from django.utils.functional import Promise

LEAST = 1.5  # per cent: what is not nothing can be seen
MARGIN = 2.0  # per cent: no dot is cut in half
INDENT = 100 - 2 * MARGIN


class Part(NamedTuple):
    """One part of a bar, or one bar of several."""

    key: str
    words: str | Promise
    number: int
    x: float
    width: float


class Dot(NamedTuple):
    """One thing at its place, from the left and from above."""

    x: float
    y: float
    item: Any
    value: float


def shares(numbers: Sequence[int]) -> list[float]:
    """Per cent of the whole; what is not nothing gets at least `LEAST`, at the others' cost."""
    whole = sum(numbers)
    if not whole:
        return [0.0] * len(numbers)
    widths = [max(LEAST, 100 * n / whole) if n else 0.0 for n in numbers]
    return [100 * width / sum(widths) for width in widths]


def bars(rows: Iterable[tuple[str, str | Promise, int]]) -> list[Part]:
    """A bar each, the longest over the full width."""
    found = list(rows)
    most = max((number for _key, _words, number in found), default=0) or 1
    return [
        Part(key, words, number, 0, max(LEAST, 100 * number / most) if number else 0)
        for key, words, number in found
    ]


def down(value: float, top: float) -> float:
    """How far from above `value` lies on a scale that ends at `top`."""
    return max(0.0, 100 - 100 * value / top)


def ceiling(value: float) -> float:
    """The next round number, whose half is round as well."""
    if value < 1:
        return 1
    unit = 10.0 ** floor(log10(value))
    return next(step * unit for step in (1, 2, 4, 6, 8, 10) if step * unit >= value)


def clock_ceiling(seconds: float) -> float:
    """The same for seconds, minutes and hours."""
    steps = (10, 20, 60, 120, 240, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
    return next((step for step in steps if step >= seconds), ceiling(seconds))
