"""matrix.txt, read; and the addresses that there are, from the URL patterns themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from django.urls import URLPattern, URLResolver, get_resolver

from tests.hardening.scene import COLUMNS

FILE = Path(__file__).with_name("matrix.txt")


class Route(NamedTuple):
    route: str
    keys: tuple[str, ...]


def _routes(
    patterns: list[Any], before: str = "", keys: tuple[str, ...] = ()
) -> Iterator[tuple[str, Route]]:
    for one in patterns:
        route, given = before + str(one.pattern), (*keys, *one.pattern.regex.groupindex)
        if isinstance(one, URLResolver):
            yield from _routes(one.url_patterns, route, given)
        elif isinstance(one, URLPattern):
            assert one.name, f"{route} has no name, so the matrix cannot speak of it"
            yield one.name, Route(route, given)


# Of two patterns of one name, the first is heard; the other is django-allauth's, replaced by ours.
ROUTES = dict([*_routes(get_resolver().url_patterns)][::-1])


class Row(NamedTuple):
    """What becomes of one address: `cells` are GET and POST for each person."""

    name: str  # of the URL, with a variant after a colon
    others: str  # what any other method comes to, for whoever is signed in
    cells: dict[str, tuple[str, str]]

    def line(self) -> str:
        cells = "".join(f"{'/'.join(self.cells[who]):<10}" for who in COLUMNS)
        return f"{self.name:<42}{self.others:<12}{cells}".rstrip()


def rows() -> dict[str, Row]:
    lines = [line for line in FILE.read_text().splitlines() if line and not line.startswith("#")]
    head, *lines = [line.split() for line in lines]
    assert tuple(head[2:]) == COLUMNS, "the columns are the cast of scene.py"
    found = {}
    for name, others, *cells in lines:
        assert len(cells) == len(COLUMNS), f"{name} has {len(cells)} cells"
        pairs = (cell.split("/") for cell in cells)
        found[name] = Row(
            name,
            others,
            {who: (got, sent) for who, (got, sent) in zip(COLUMNS, pairs, strict=True)},
        )
    assert len(found) == len(lines), "a row stands there twice"
    return found


ROWS = rows()
