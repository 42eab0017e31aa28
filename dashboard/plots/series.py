"""One after the other: the sizes of a server's snapshots, and how long operations took."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q, QuerySet
from django.utils.translation import ngettext_lazy

from dashboard.plots.scales import INDENT, MARGIN, Dot, ceiling, clock_ceiling, down
from snapshots import estimates
from snapshots.estimates import Basis, Estimate
from snapshots.models import Kind, Operation, Server

DRAWN = 30  # operations of a kind, and snapshots of a server


# -- sizes ----------------------------------------------------------------------------------------


class Sizes(NamedTuple):
    """Snapshots of one server over time, the oldest first."""

    dots: Sequence[Dot]
    top: float

    @property
    def middle(self) -> float:
        return self.top / 2

    @property
    def first(self) -> datetime:
        return self.dots[0].item.created_at

    @property
    def last(self) -> datetime:
        return self.dots[-1].item.created_at

    @property
    def least(self) -> float:
        return min(dot.value for dot in self.dots)

    @property
    def most(self) -> float:
        return max(dot.value for dot in self.dots)

    @property
    def has_gone(self) -> bool:
        return any(dot.item.gone_at for dot in self.dots)


def sizes(server: Server) -> Sizes | None:
    """The sizes of the server's last snapshots, of those that are gone too; None for under two."""
    known = server.snapshots.filter(created_at__isnull=False, size_mb__isnull=False)
    rows = list(known.order_by("-created_at", "-pk")[:DRAWN])[::-1]
    if len(rows) < 2:
        return None
    first = rows[0].created_at
    span = (rows[-1].created_at - first) or timedelta(seconds=1)
    top = ceiling(max(row.size_mb for row in rows))
    dots = [
        Dot(
            x=MARGIN + INDENT * ((row.created_at - first) / span),
            y=down(row.size_mb, top),
            item=row,
            value=row.size_mb,
        )
        for row in rows
    ]
    return Sizes(dots, top)


# -- durations ------------------------------------------------------------------------------------

# A deletion is answered at once: there is nothing to see.
CAPTIONS = {
    Kind.CREATE: ngettext_lazy(
        "How long the last %(number)d snapshot took",
        "How long the last %(number)d snapshots took",
        "number",
    ),
    Kind.RESTORE: ngettext_lazy(
        "How long the last %(number)d restore took",
        "How long the last %(number)d restores took",
        "number",
    ),
    Kind.STOP: ngettext_lazy(
        "How long it took to stop a server the last %(number)d time",
        "How long it took to stop a server the last %(number)d times",
        "number",
    ),
    Kind.START: ngettext_lazy(
        "How long it took to start a server the last %(number)d time",
        "How long it took to start a server the last %(number)d times",
        "number",
    ),
}


class Durations(NamedTuple):
    """The last operations of one kind, the oldest first, and what is usual among them."""

    kind: Kind
    dots: Sequence[Dot]
    top: float
    usual: Estimate

    @property
    def caption(self) -> str:
        return str(CAPTIONS[self.kind] % {"number": len(self.dots)})

    @property
    def middle(self) -> float:
        return self.top / 2

    @property
    def first(self) -> datetime:
        return self.dots[0].item.ended_at

    @property
    def last(self) -> datetime:
        return self.dots[-1].item.ended_at

    @property
    def band(self) -> tuple[float, float]:
        """From where the usual range goes, and how far down."""
        high, low = (
            down(one.total_seconds(), self.top) for one in (self.usual.high, self.usual.low)
        )
        return high, low - high

    @property
    def median(self) -> float:
        return down(self.usual.median.total_seconds(), self.top)

    @property
    def beyond(self) -> int:
        """How many took longer than the scale goes: they stand at its top."""
        return sum(dot.value > self.top for dot in self.dots)


class Ran(NamedTuple):
    """One operation that has succeeded."""

    kind: str
    pk: int
    name: str
    server: str
    began: datetime
    ended_at: datetime

    @property
    def length(self) -> timedelta:
        return self.ended_at - self.began


def durations(operations: QuerySet[Operation]) -> list[Durations]:
    """A plot for each kind of which enough have succeeded."""
    kinds = [kind for kind in Kind if kind in CAPTIONS]
    measured = estimates.measured(operations)
    fields = ("kind", "pk", "name", "server__name", "began", "ended_at")
    found = estimates.newest(measured, [Q(kind=kind) for kind in kinds], DRAWN, fields)
    by_kind: dict[str, list[Ran]] = {}
    for ran in sorted((Ran(*row) for row in found), key=lambda ran: (ran.ended_at, ran.pk)):
        by_kind.setdefault(ran.kind, []).append(ran)
    enough = [kind for kind in kinds if len(by_kind.get(kind, ())) >= estimates.LEAST]
    return [_durations(kind, by_kind[kind]) for kind in enough]


def _durations(kind: Kind, runs: Sequence[Ran]) -> Durations:
    lengths = [ran.length.total_seconds() for ran in runs]
    usual = estimates.summary(lengths, Basis.SERVER)
    # One that hung for a night must not press all others to the ground.
    top = clock_ceiling(min(max(lengths), 3 * max(usual.high.total_seconds(), 1)))
    step = INDENT / (len(runs) - 1)
    dots = [
        Dot(MARGIN + step * place, down(length, top), ran, length)
        for place, (ran, length) in enumerate(zip(runs, lengths, strict=True))
    ]
    return Durations(kind, dots, top, usual)
