"""A server's past, ready to be shown: snapshots, restores, and the gaps between them.

Pure: rows in, plain objects out. Nothing here asks the database or writes HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.utils import timezone

from dashboard.hints import still_needed
from snapshots.models import Kind, Operation, Snapshot, State
from snapshots.models.operation import HOLDING, OPEN
from snapshots.operations import Recommended, recommend

GAP = 3  # days without a snapshot from which on the timeline says so


@dataclass
class Line:
    """One thing on the timeline: a snapshot, or a restore that happened."""

    at: datetime
    snapshot: Snapshot | None = None
    maker: Operation | None = None  # the operation that made the snapshot
    acting: Operation | None = None  # what is under way with it, or stands in line
    deletion: Operation | None = None  # what we deleted it by
    back_to: Operation | None = None  # the last restore to it
    hint: str = ""  # why it may no longer be needed
    restore: Operation | None = None
    newer: Newer | None = None


@dataclass
class Newer:
    """What became of the snapshots that were newer than the one restored, as far as was seen."""

    stayed: list[Snapshot] = field(default_factory=list)
    gone: list[Snapshot] = field(default_factory=list)  # not by a deletion of ours
    unknown: int = 0  # too long ago to be shown here


@dataclass
class Day:
    """`gap` is how many days without a snapshot lie between this day and the next newer one."""

    date: date
    lines: list[Line] = field(default_factory=list)
    gap: int = 0


@dataclass
class Timeline:
    """`acting` are operations on the server itself, `under_way` creates not yet listed.

    `gone` is what the provider no longer lists.
    """

    acting: list[Operation]
    under_way: list[Line]
    days: list[Day]
    gone: list[Line]
    recommended: Recommended | None = None


def timeline(
    snapshots: Iterable[Snapshot],
    operations: Sequence[Operation],
    now: datetime,
    *,
    lines: dict[int, list[Operation]] | None = None,
    slots: int = 0,
) -> Timeline:
    """Newest on top, grouped by the reader's days.

    `lines` says what stands before each operation that waits: pages find it as `ahead`. `slots`
    is the server's limit.
    """
    for operation in operations:
        operation.ahead = (lines or {}).get(operation.pk, [])  # type: ignore[attr-defined]
    told = _by_snapshot(operations)
    rows = [told.line(snapshot) for snapshot in snapshots]
    listed = [line for line in rows if line.snapshot and not line.snapshot.gone_at]
    gone = [line for line in rows if line.snapshot and line.snapshot.gone_at]
    for line, reason in still_needed(listed, operations, now, slots=slots):
        line.hint = reason
    here = {line.snapshot.pk for line in listed if line.snapshot}
    under_way = [
        Line(o.created_at, maker=o)
        for o in sorted(operations, key=lambda o: o.pk)
        if o.kind == Kind.CREATE and o.state in OPEN and o.snapshot_id not in here
    ]
    acting = [
        o for o in operations if o.kind in (Kind.RESTORE, Kind.STOP, Kind.START) and o.state in OPEN
    ]
    gone.sort(key=lambda line: line.at, reverse=True)
    days = _days([*listed, *_restores(operations, rows)], now)
    best = recommend([line.snapshot for line in listed if line.snapshot], told.makers)
    return Timeline(sorted(acting, key=lambda o: o.pk), under_way, days, gone, best)


def taken_at(snapshot: Snapshot) -> datetime:
    """When it was taken; when we first saw it, if the provider does not say."""
    return snapshot.created_at or snapshot.first_seen_at


@dataclass
class _BySnapshot:
    """The operations of each snapshot, by its id."""

    makers: dict[int | None, Operation]
    acting: dict[int | None, Operation]
    deletions: dict[int | None, Operation]
    back_to: dict[int | None, Operation]

    def line(self, snapshot: Snapshot) -> Line:
        pk = snapshot.pk
        return Line(
            taken_at(snapshot),
            snapshot,
            self.makers.get(pk),
            self.acting.get(pk),
            self.deletions.get(pk),
            self.back_to.get(pk),
        )


def _by_snapshot(operations: Sequence[Operation]) -> _BySnapshot:
    def of(*kinds: Kind, states: Sequence[State] = ()) -> dict[int | None, Operation]:
        """The newest of each snapshot's."""
        return {
            o.snapshot_id: o
            for o in sorted(operations, key=lambda o: o.pk)
            if o.snapshot_id and o.kind in kinds and (not states or o.state in states)
        }

    return _BySnapshot(
        makers=of(Kind.CREATE),
        acting=of(Kind.RESTORE, Kind.DELETE, states=(State.WAITING, *HOLDING)),
        deletions=of(Kind.DELETE, states=[State.SUCCEEDED]),
        back_to=of(Kind.RESTORE, states=[State.SUCCEEDED]),
    )


def _restores(operations: Sequence[Operation], rows: Sequence[Line]) -> list[Line]:
    """A marker for each restore that happened."""
    known = {line.snapshot.remote_id: line for line in rows if line.snapshot}
    return [
        Line(o.sent_at or o.ended_at, o.snapshot, restore=o, newer=_newer(o, known))
        for o in operations
        if o.kind == Kind.RESTORE and o.state == State.SUCCEEDED and o.ended_at
    ]


def _newer(restore: Operation, known: dict[str, Line]) -> Newer:
    """By what was listed when it was confirmed; the safety snapshot is one of its own."""
    newer = Newer()
    for remote_id in restore.confirmed.get("newer", ()):
        line = known.get(remote_id)
        if line is None or line.snapshot is None:
            newer.unknown += 1
        elif line.snapshot.is_listed:
            newer.stayed.append(line.snapshot)
        elif line.snapshot.gone_at and not line.deletion:
            newer.gone.append(line.snapshot)
    return newer


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
