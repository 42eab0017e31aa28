"""A server's past, ready to be shown: snapshots, restores, and the gaps between them.

Pure: rows in, plain objects out. Nothing here asks the database or writes HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.utils import timezone

from snapshots.models import Kind, Operation, Snapshot, State

GAP = 3  # days without a snapshot from which on the timeline says so


# -- a server's timeline --------------------------------------------------------------------------


@dataclass
class Line:
    """One thing on the timeline: a snapshot, or a restore that happened."""

    at: datetime
    snapshot: Snapshot | None = None
    maker: Operation | None = None  # the operation that made the snapshot
    acting: Operation | None = None  # what is under way with it
    restore: Operation | None = None


@dataclass
class Day:
    """`gap` is how many days without a snapshot lie between this day and the next newer one."""

    date: date
    lines: list[Line] = field(default_factory=list)
    gap: int = 0


@dataclass
class Timeline:
    """`under_way` are creates the provider does not list yet, `gone` what it no longer lists."""

    under_way: list[Line]
    days: list[Day]
    gone: list[Line]


def timeline(
    snapshots: Iterable[Snapshot], operations: Sequence[Operation], now: datetime
) -> Timeline:
    """Newest on top, grouped by the reader's days."""
    creates = [o for o in operations if o.kind == Kind.CREATE]
    makers = {o.snapshot_id: o for o in creates if o.snapshot_id}
    acting = {o.snapshot_id: o for o in operations if o.kind != Kind.CREATE and o.holds}
    lines, gone = [], []
    for snapshot in snapshots:
        line = Line(taken_at(snapshot), snapshot, makers.get(snapshot.pk), acting.get(snapshot.pk))
        (gone if snapshot.gone_at else lines).append(line)
    listed = {line.snapshot.pk for line in lines if line.snapshot}
    lines += [
        Line(operation.sent_at or operation.ended_at, operation.snapshot, restore=operation)
        for operation in operations
        if operation.kind == Kind.RESTORE
        and operation.state == State.SUCCEEDED
        and operation.ended_at
    ]
    under_way = [
        Line(operation.created_at, maker=operation)
        for operation in creates
        if operation.holds and operation.snapshot_id not in listed
    ]
    gone.sort(key=lambda line: line.at, reverse=True)
    return Timeline(under_way, _days(lines, now), gone)


def taken_at(snapshot: Snapshot) -> datetime:
    """When it was taken; when we first saw it, if the provider does not say."""
    return snapshot.created_at or snapshot.first_seen_at


def _days(lines: list[Line], now: datetime) -> list[Day]:
    days: list[Day] = []
    newer = now
    for line in sorted(lines, key=lambda line: line.at, reverse=True):
        date = timezone.localtime(line.at).date()
        if not days or days[-1].date != date:
            days.append(Day(date))
        if line.restore is None:
            gap = (newer - line.at).days
            days[-1].gap = max(days[-1].gap, gap if gap >= GAP else 0)
            newer = line.at
        days[-1].lines.append(line)
    return days
