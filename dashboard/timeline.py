"""What happened and how far it is, ready to be shown: a server's timeline, an operation's steps.

Pure: rows in, plain objects out. Nothing here asks the database or writes HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby
from typing import NamedTuple

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.templatetags.ui import shown
from snapshots.models import Attempt, Kind, Operation, Reason, Sighting, Snapshot, State

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


# -- the steps ------------------------------------------------------------------------------------


class Step(NamedTuple):
    """`status` is one of done, current, todo, failed, unknown, skipped."""

    words: str
    status: str
    at: datetime | None = None
    operation: Operation | None = None


def steps(operation: Operation, attempts: Sequence[Attempt], child: Operation | None) -> list[Step]:
    """The operation as a person would tell it."""
    sent, accepted, done = _reached(operation, attempts)
    listed = [Step(_("Asked for"), "done", operation.created_at)]
    if child:
        listed.append(_safety_step(child))
        if not child.is_ended and sent == "current":
            sent = "todo"
    listed.append(_sent_step(operation, sent))
    if operation.kind != Kind.DELETE:
        listed.append(_accepted_step(operation, accepted))
    listed.append(_done_step(operation, done))
    return listed


def _reached(operation: Operation, attempts: Sequence[Attempt]) -> tuple[str, str, str]:
    """The status of: sent, accepted by the provider, done."""
    accepted = "done" if operation.accepted_at else "unknown"
    refused = (
        operation.state == State.FAILED
        and bool(attempts)
        and attempts[-1].outcome == Attempt.Outcome.DECLINED
        and operation.reason in SAID_NO
    )
    if operation.state == State.FAILED:
        if operation.accepted_at or operation.reason == Reason.SEEN_FAILED:
            return "done", accepted, "failed"
        return ("done", "failed", "skipped") if refused else ("skipped", "skipped", "skipped")
    return {
        State.SENDING: ("current", "todo", "todo"),
        State.RUNNING: ("done", accepted, "current"),
        State.IN_DOUBT: ("unknown" if accepted == "unknown" else "done", accepted, "todo"),
        State.NEEDS_PERSON: ("unknown" if accepted == "unknown" else "done", accepted, "unknown"),
        State.SUCCEEDED: ("done", accepted, "done"),
        State.NOT_APPLIED: ("unknown" if accepted == "unknown" else "done", accepted, "failed"),
        State.CANCELLED: ("skipped", "skipped", "skipped"),
        State.EXPIRED: ("skipped", "skipped", "skipped"),
    }.get(State(operation.state), ("current", "todo", "todo"))


SAID_NO = {
    Reason.PROVIDER_SAID,
    Reason.BUSY_CONFIRM,
    Reason.TOKEN_REFUSED,
    Reason.PERMISSION_MISSING,
    Reason.GONE,
}


def _safety_step(child: Operation) -> Step:
    words = {
        "done": _("Safety snapshot %(name)s is complete"),
        "failed": _("Safety snapshot %(name)s did not complete"),
        "current": _("Safety snapshot %(name)s first"),
        "unknown": _("Safety snapshot %(name)s: not known whether it is being taken"),
    }
    if child.state == State.SUCCEEDED:
        status = "done"
    elif child.is_ended:
        status = "failed"
    else:
        status = "unknown" if child.state in (State.IN_DOUBT, State.NEEDS_PERSON) else "current"
    return Step(words[status] % {"name": shown(child.name)}, status, child.ended_at, child)


def _sent_step(operation: Operation, status: str) -> Step:
    words = {
        "done": _("Sent to the provider"),
        "current": _("Sending to the provider"),
        "unknown": _("Perhaps sent to the provider"),
        "skipped": _("Not sent"),
        "todo": _("Send to the provider"),
    }
    if status == "current" and operation.state != State.SENDING:
        return Step(_("Waiting to be sent"), status)
    at = operation.sent_at if status in ("done", "current", "unknown") else None
    return Step(words[status], status, at)


def _accepted_step(operation: Operation, status: str) -> Step:
    words = {
        "done": _("Accepted by the provider"),
        "failed": _("Refused by the provider"),
        "unknown": _("No clear answer from the provider"),
        "skipped": _("Accepted by the provider"),
        "todo": _("Accepted by the provider"),
    }
    at = operation.accepted_at if status == "done" else None
    if status == "failed":
        at = operation.ended_at
    return Step(words[status], status, at)


def _done_step(operation: Operation, status: str) -> Step:
    at = operation.ended_at if status in ("done", "failed") else None
    if operation.reason == Reason.VERDICT and at:
        words = (
            _("A person saw that it happened")
            if status == "done"
            else _("A person saw that it did not happen")
        )
        return Step(words, status, at)
    if operation.state == State.NOT_APPLIED:
        return Step(_("It did not happen"), status, at)
    return Step(str(DONE[Kind(operation.kind)][status]), status, at)


DONE = {
    Kind.CREATE: {
        "done": gettext_lazy("The provider lists it as completed"),
        "current": gettext_lazy("The provider is taking it"),
        "todo": gettext_lazy("Completed, as the provider lists it"),
        "skipped": gettext_lazy("Completed, as the provider lists it"),
        "failed": gettext_lazy("The provider lists it as failed"),
        "unknown": gettext_lazy("Whether it was taken is not known"),
    },
    Kind.RESTORE: {
        "done": gettext_lazy("The provider shows the restore as over"),
        "current": gettext_lazy("The provider is restoring"),
        "todo": gettext_lazy("Over, as the provider shows it"),
        "skipped": gettext_lazy("Over, as the provider shows it"),
        "failed": gettext_lazy("The provider shows the restore as failed"),
        "unknown": gettext_lazy("Whether it was restored is not known"),
    },
    Kind.DELETE: {
        "done": gettext_lazy("The provider has deleted it"),
        "current": gettext_lazy("The provider is deleting it"),
        "todo": gettext_lazy("Deleted at the provider"),
        "skipped": gettext_lazy("Deleted at the provider"),
        "failed": gettext_lazy("The provider did not delete it"),
        "unknown": gettext_lazy("Whether it was deleted is not known"),
    },
}

# -- the one sentence -----------------------------------------------------------------------------

TITLES = {
    Kind.CREATE: {
        State.QUEUED: gettext_lazy("Waiting to take the snapshot %(name)s of %(server)s"),
        State.SENDING: gettext_lazy("Asking the provider for the snapshot %(name)s of %(server)s"),
        State.RUNNING: gettext_lazy("Taking the snapshot %(name)s of %(server)s"),
        State.IN_DOUBT: gettext_lazy("Perhaps taking the snapshot %(name)s of %(server)s"),
        State.NEEDS_PERSON: gettext_lazy("Please look: the snapshot %(name)s of %(server)s"),
        State.SUCCEEDED: gettext_lazy("Took the snapshot %(name)s of %(server)s"),
        State.FAILED: gettext_lazy("Could not take the snapshot %(name)s of %(server)s"),
        State.NOT_APPLIED: gettext_lazy("The snapshot %(name)s of %(server)s was not taken"),
        State.CANCELLED: gettext_lazy("Cancelled the snapshot %(name)s of %(server)s"),
        State.EXPIRED: gettext_lazy("Did not take the snapshot %(name)s of %(server)s in time"),
    },
    Kind.RESTORE: {
        State.QUEUED: gettext_lazy("Waiting to restore %(server)s to %(name)s"),
        State.SENDING: gettext_lazy("Asking the provider to restore %(server)s to %(name)s"),
        State.RUNNING: gettext_lazy("Restoring %(server)s to %(name)s"),
        State.IN_DOUBT: gettext_lazy("Perhaps restoring %(server)s to %(name)s"),
        State.NEEDS_PERSON: gettext_lazy("Please look: the restore of %(server)s to %(name)s"),
        State.SUCCEEDED: gettext_lazy("Restored %(server)s to %(name)s"),
        State.FAILED: gettext_lazy("Could not restore %(server)s to %(name)s"),
        State.NOT_APPLIED: gettext_lazy("The restore of %(server)s to %(name)s did not happen"),
        State.CANCELLED: gettext_lazy("Cancelled the restore of %(server)s to %(name)s"),
        State.EXPIRED: gettext_lazy("Did not restore %(server)s to %(name)s in time"),
    },
    Kind.DELETE: {
        State.QUEUED: gettext_lazy("Waiting to delete the snapshot %(name)s of %(server)s"),
        State.SENDING: gettext_lazy("Deleting the snapshot %(name)s of %(server)s"),
        State.RUNNING: gettext_lazy("Deleting the snapshot %(name)s of %(server)s"),
        State.IN_DOUBT: gettext_lazy("Perhaps deleted the snapshot %(name)s of %(server)s"),
        State.NEEDS_PERSON: gettext_lazy(
            "Please look: the deletion of the snapshot %(name)s of %(server)s"
        ),
        State.SUCCEEDED: gettext_lazy("Deleted the snapshot %(name)s of %(server)s"),
        State.FAILED: gettext_lazy("Could not delete the snapshot %(name)s of %(server)s"),
        State.NOT_APPLIED: gettext_lazy("The snapshot %(name)s of %(server)s was not deleted"),
        State.CANCELLED: gettext_lazy("Cancelled the deletion of %(name)s of %(server)s"),
        State.EXPIRED: gettext_lazy("Did not delete %(name)s of %(server)s in time"),
    },
}


def title(operation: Operation) -> str:
    """What the operation is about and how far it is, in one line."""
    titles = TITLES[Kind(operation.kind)]
    words = titles.get(State(operation.state), titles[State.QUEUED])
    return words % {"name": shown(operation.name), "server": shown(operation.server.name)}


# -- what was seen --------------------------------------------------------------------------------


class Showing(NamedTuple):
    """What the provider showed, unchanged, from one look to another."""

    first: Sighting
    last: Sighting
    looks: int


def showings(newest_first: Iterable[Sighting]) -> list[Showing]:
    """Looks that showed the same are told once, newest on top."""

    def shows(sighting: Sighting) -> tuple[object, ...]:
        return sighting.status, bool(sighting.marked), sighting.complete, sighting.unchanged

    runs = [list(run) for _, run in groupby(newest_first, key=shows)]
    return [Showing(run[-1], run[0], len(run)) for run in runs]
