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

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from math import floor, log10
from typing import Any, NamedTuple

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy, pgettext_lazy

from snapshots import estimates
from snapshots.estimates import Basis, Estimate
from snapshots.models import Kind, Operation, Server, Snapshot

FRESH = timedelta(days=7)  # a newest snapshot older than this is worth a word
LEAST = 1.5  # per cent: what is not nothing can be seen
DRAWN = 30  # operations of a kind, and snapshots of a server
BIGGEST = 10
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


# -- ages of the newest snapshots -----------------------------------------------------------------


class Age(NamedTuple):
    """How old a server's newest completed snapshot is. `key` is the word in an address."""

    key: str
    words: str | Promise
    since: timedelta | None = None  # at least so old
    until: timedelta | None = None  # younger

    def where(self, now: datetime, field: str = "newest_at") -> Q:
        """For rows that have the time of their newest snapshot in `field`."""
        if self.since is None and self.until is None:
            return Q(**{f"{field}__isnull": True})
        found = Q(**{f"{field}__isnull": False})
        if self.since is not None:
            found &= Q(**{f"{field}__lte": now - self.since})
        if self.until is not None:
            found &= Q(**{f"{field}__gt": now - self.until})
        return found

    @property
    def is_fresh(self) -> bool:
        return self.until is not None and self.until <= FRESH


def _days(number: int) -> timedelta:
    return timedelta(days=number)


AGES = (
    Age("day", pgettext_lazy("age of a snapshot", "under 24 hours"), until=_days(1)),
    Age("week", pgettext_lazy("age of a snapshot", "1 to 7 days"), _days(1), FRESH),
    Age("month", pgettext_lazy("age of a snapshot", "7 to 30 days"), FRESH, _days(30)),
    Age("older", pgettext_lazy("age of a snapshot", "over 30 days"), since=_days(30)),
    Age("none", _("no snapshot")),
)
FINE_AGES = (
    Age("6h", pgettext_lazy("age of a snapshot", "under 6 hours"), until=timedelta(hours=6)),
    Age("24h", pgettext_lazy("age of a snapshot", "6 to 24 hours"), timedelta(hours=6), _days(1)),
    Age("2d", pgettext_lazy("age of a snapshot", "1 to 2 days"), _days(1), _days(2)),
    Age("7d", pgettext_lazy("age of a snapshot", "2 to 7 days"), _days(2), FRESH),
    Age("14d", pgettext_lazy("age of a snapshot", "7 to 14 days"), FRESH, _days(14)),
    Age("30d", pgettext_lazy("age of a snapshot", "14 to 30 days"), _days(14), _days(30)),
    Age("90d", pgettext_lazy("age of a snapshot", "30 to 90 days"), _days(30), _days(90)),
    Age("old", pgettext_lazy("age of a snapshot", "over 90 days"), since=_days(90)),
    Age("none", _("no snapshot")),
)


class Coverage(NamedTuple):
    """Servers by the age of their newest snapshot; `covered` have a fresh one."""

    total: int
    covered: int
    parts: Sequence[Part]


def coverage(servers: QuerySet[Server], now: datetime) -> Coverage:
    """One bar of those of `servers` that are still listed. A part's key filters the list."""
    numbers = _by_age(servers, now, AGES)
    widths = shares(numbers)
    starts = [0.0, *accumulate(widths)]
    parts = [
        Part(age.key, age.words, number, starts[place], widths[place])
        for place, (age, number) in enumerate(zip(AGES, numbers, strict=True))
    ]
    fresh = [n for age, n in zip(AGES, numbers, strict=True) if age.is_fresh]
    return Coverage(sum(numbers), sum(fresh), parts)


def ages(servers: QuerySet[Server], now: datetime) -> list[Part]:
    """How many servers have a newest snapshot of which age, a bar each."""
    numbers = _by_age(servers, now, FINE_AGES)
    return bars((age.key, age.words, n) for age, n in zip(FINE_AGES, numbers, strict=True))


def _by_age(servers: QuerySet[Server], now: datetime, ages: Sequence[Age]) -> list[int]:
    done = Q(snapshots__gone_at=None, snapshots__status="completed")
    rows = servers.filter(gone_at=None).order_by()
    rows = rows.annotate(plotted_at=Max("snapshots__created_at", filter=done))
    numbers = rows.aggregate(
        **{f"age_{age.key}": Count("pk", filter=age.where(now, "plotted_at")) for age in ages}
    )
    return [numbers[f"age_{age.key}"] for age in ages]


# -- slots and sizes ------------------------------------------------------------------------------


def slots(servers: QuerySet[Server]) -> list[Part]:
    """How many servers have how many snapshots that take a slot."""
    here = Snapshot.objects.filter(server=OuterRef("pk"), gone_at=None).exclude(status="failed")
    counted = here.order_by().values("server").annotate(number=Count("pk")).values("number")
    rows = servers.filter(gone_at=None).order_by().annotate(plotted=Subquery(counted))
    groups = rows.values_list("plotted", F("account__slots")).annotate(number=Count("pk"))
    numbers: dict[int, int] = {}
    most = 0
    for taken, limit, number in groups:
        numbers[taken or 0] = numbers.get(taken or 0, 0) + number
        most = max(most, taken or 0, limit)
    return bars((str(n), str(n), numbers.get(n, 0)) for n in range(most + 1)) if numbers else []


class Big(NamedTuple):
    """A server and what its listed snapshots take together, as far as their sizes are known."""

    server: Server
    number: int
    size_mb: int
    width: float


def biggest(servers: QuerySet[Server]) -> list[Big]:
    """The servers whose snapshots take most."""
    listed = Q(snapshots__gone_at=None)
    rows = (
        servers.filter(gone_at=None)
        .annotate(
            plotted_mb=Sum("snapshots__size_mb", filter=listed),
            plotted=Count("snapshots", filter=listed & Q(snapshots__size_mb__isnull=False)),
        )
        .filter(plotted_mb__gt=0)
        .order_by("-plotted_mb", "pk")[:BIGGEST]
    )
    found = list(rows)
    most = found[0].plotted_mb if found else 1
    return [Big(s, s.plotted, s.plotted_mb, 100 * s.plotted_mb / most) for s in found]


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


# -- scales ---------------------------------------------------------------------------------------


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
