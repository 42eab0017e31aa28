"""How long an operation takes: learned from our own, else the provider's documentation.

An estimate rests on the operations that succeeded in the last 90 days: those of the same kind on
the same server, if there are at least three; else those on servers of the same plan in the same
account; else the documented range, where one is documented; else there is none. What was decided
by a person, or by our waiting, measures no provider and is left out.

An end is learned at the next look only, so every length is "about".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from math import ceil
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone
from django.utils.translation import gettext as _

from snapshots.models import Kind, Operation, Reason, Server, State

DOCUMENTED = {Kind.CREATE: (3, 10), Kind.RESTORE: (5, 15)}  # minutes, from and to
WINDOW = timedelta(days=90)
LEAST = 3  # operations; fewer say nothing about the next one
MOST = 30  # the last so many of a server
MOST_OF_PLAN = 60
MOST_PLANS = 100  # in one question; SQLite takes 500
FENCE = 3.0  # interquartile ranges; what lies further out counts as if it lay there


class Basis(Enum):
    """What an estimate rests on."""

    SERVER = "server"
    PLAN = "plan"
    DOCUMENTED = "documented"


@dataclass(frozen=True)
class Estimate:
    """A quarter takes less than `low`, half less than `median`, nine of ten less than `high`.

    `count` operations say so; none where the documentation does, whose range it then is.
    """

    low: timedelta
    median: timedelta
    high: timedelta
    basis: Basis
    count: int = 0

    @property
    def late(self) -> timedelta:
        """What takes longer is slower than usual: by a whole minute, since we speak in minutes.

        So much earlier it may have ended, too, and not have been looked at since.
        """
        minute = timedelta(minutes=1) / settings.PROVIDER_PACE
        return (ceil(self.high / minute) + 1) * minute


class Asked(NamedTuple):
    """What an estimate is for."""

    kind: str
    server: int
    account: int
    plan: str


def of(operations: Iterable[Operation]) -> dict[int, Estimate | None]:
    """An estimate for each, by its id: two questions at most, however many there are.

    Their servers must have been read with them.
    """
    asked = {
        row.pk: Asked(row.kind, row.server_id, row.account_id, row.server.plan)
        for row in operations
    }
    found = _learned(set(asked.values()))
    return {pk: found.get(one) or documented(one.kind) for pk, one in asked.items()}


def for_kind(kind: str, server: Server) -> Estimate | None:
    """How long it would take if it were asked for now."""
    asked = Asked(kind, server.pk, server.account_id, server.plan)
    return _learned({asked}).get(asked) or documented(kind)


def documented(kind: str) -> Estimate | None:
    """The range in the provider's documentation, at the provider's pace."""
    if kind not in DOCUMENTED:
        return None
    low, high = (
        timedelta(minutes=minutes) / settings.PROVIDER_PACE for minutes in DOCUMENTED[Kind(kind)]
    )
    return Estimate(low, (low + high) / 2, high, Basis.DOCUMENTED)


def began_at(operation: Operation) -> datetime | None:
    """When the provider began, as far as we know."""
    return operation.accepted_at or operation.sent_at


# -- what was learned -----------------------------------------------------------------------------


def measured(rows: QuerySet[Operation]) -> QuerySet[Operation]:
    """Those of `rows` whose length says something, with `began`."""
    ours = (Reason.VERDICT, Reason.NOT_LISTED)  # a person's word; what our own waiting proved
    return (
        rows.filter(state=State.SUCCEEDED, ended_at__gte=timezone.now() - WINDOW)
        .exclude(reason__in=ours)
        .annotate(began=Coalesce("accepted_at", "sent_at"))
        .filter(began__lte=F("ended_at"))
    )


def newest(
    rows: QuerySet[Operation], groups: Sequence[Q], most: int, fields: Sequence[str]
) -> list[tuple[Any, ...]]:
    """`fields` of the newest `most` of `rows` in each of `groups`, in one question.

    Each group walks its index from the newest end and stops early, which a window would not.
    """
    parts = [
        rows.filter(pk__in=rows.filter(group).order_by("-ended_at").values("pk")[:most])
        .order_by()
        .values_list(*fields)
        for group in groups
    ]
    return list(parts[0].union(*parts[1:], all=True)) if parts else []


def summary(seconds: Sequence[float], basis: Basis) -> Estimate:
    """The estimate that `seconds`, at least one, amount to."""
    ordered = winsorised(sorted(seconds))
    low, median, high = (
        timedelta(seconds=percentile(ordered, share)) for share in (0.25, 0.5, 0.9)
    )
    return Estimate(low, median, high, basis, len(ordered))


def percentile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest of `ordered`, in proportion."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    step = ordered[above] - ordered[below]
    return min(ordered[below] + step * (place - below), ordered[above])


def winsorised(ordered: Sequence[float]) -> list[float]:
    """One night on which everything hung must not become what is usual."""
    lower, upper = percentile(ordered, 0.25), percentile(ordered, 0.75)
    reach = FENCE * (upper - lower)
    return [min(max(one, lower - reach), upper + reach) for one in ordered]


def _learned(asked: set[Asked]) -> dict[Asked, Estimate]:
    if not asked:
        return {}
    found = _of_servers(asked)
    return found | _of_plans([a for a in asked - found.keys() if a.plan])


def _of_servers(asked: set[Asked]) -> dict[Asked, Estimate]:
    kinds, servers = {a.kind for a in asked}, {a.server for a in asked}
    rows = measured(Operation.objects.filter(kind__in=kinds, server__in=servers))
    newest_first = Window(
        RowNumber(), partition_by=[F("kind"), F("server")], order_by=F("ended_at").desc()
    )
    lengths = _lengths(
        rows.annotate(rank=newest_first)
        .filter(rank__lte=MOST)
        .values_list("kind", "server", "began", "ended_at")
    )
    return _summaries({a: lengths[a.kind, a.server] for a in asked}, Basis.SERVER)


def _of_plans(asked: Sequence[Asked]) -> dict[Asked, Estimate]:
    plans = {(a.kind, a.account, a.plan) for a in asked}
    groups = [
        Q(kind=kind, account=account, server__plan=plan)
        for kind, account, plan in sorted(plans)[:MOST_PLANS]
    ]
    fields = ("kind", "account", "server__plan", "began", "ended_at")
    rows = measured(Operation.objects.all())
    lengths = _lengths(newest(rows, groups, MOST_OF_PLAN, fields))
    return _summaries({a: lengths[a.kind, a.account, a.plan] for a in asked}, Basis.PLAN)


def _lengths(rows: Iterable[tuple[Any, ...]]) -> defaultdict[tuple[Any, ...], list[float]]:
    """Seconds by what stands before the two times."""
    lengths = defaultdict[tuple[Any, ...], list[float]](list)
    for *group, began, ended in rows:
        lengths[tuple(group)].append((ended - began).total_seconds())
    return lengths


def _summaries(lengths: dict[Asked, list[float]], basis: Basis) -> dict[Asked, Estimate]:
    return {a: summary(some, basis) for a, some in lengths.items() if len(some) >= LEAST}


# -- in words -------------------------------------------------------------------------------------


def spell(length: timedelta, rounded: Callable[[float], int] = ceil) -> str:
    """About how long: "7 min". In seconds only where a simulated provider has its own pace."""
    seconds = length.total_seconds()
    if settings.PROVIDER_PACE != 1 and seconds < 120:
        return _("%d s") % rounded(seconds)
    return _("%d min") % rounded(seconds / 60)
