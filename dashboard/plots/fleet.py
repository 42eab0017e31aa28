"""All servers at a glance: how far back they can go, and what their snapshots take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate
from typing import NamedTuple

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from dashboard.plots.scales import Part, bars, shares
from snapshots.models import Server, Snapshot

FRESH = timedelta(days=7)  # a newest snapshot older than this is worth a word
BIGGEST = 10


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

    def holds(self, at: datetime | None, now: datetime) -> bool:
        """The same for one time."""
        if at is None or (self.since is None and self.until is None):
            return at is None and self.since is None and self.until is None
        return (self.since is None or at <= now - self.since) and (
            self.until is None or at > now - self.until
        )

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
    return _coverage(_by_age(servers, now, AGES))


def coverage_of(newest: Sequence[datetime | None], now: datetime) -> Coverage:
    """The same of servers whose newest snapshots are known."""
    return _coverage([sum(age.holds(at, now) for at in newest) for age in AGES])


def _coverage(numbers: Sequence[int]) -> Coverage:
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
