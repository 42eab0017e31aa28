"""One operation as a person would tell it: its steps, what was sent, and what was seen since.

Pure: rows in, plain objects out. Nothing here asks the database or writes HTML.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from snapshots.models import Approval, Attempt, Kind, Operation, Reason, Sighting, State
from snapshots.operations import NO_NEED
from snapshots.text import shown

# -- the steps ------------------------------------------------------------------------------------

TELLABLE = timedelta(seconds=1)


class Step(NamedTuple):
    """`status` is one of done, current, todo, failed, unknown, skipped.

    `after` is how long it took since the step before it.
    """

    words: str
    status: str
    at: datetime | None = None
    operation: Operation | None = None
    after: timedelta | None = None


def steps(
    operation: Operation,
    attempts: Sequence[Attempt],
    children: Sequence[Operation],
    turn_at: datetime | None = None,
    approval: Approval | None = None,
) -> list[Step]:
    """The operation step by step. `turn_at` is when its turn in the machine's line came.

    `children` come before it under its lock, the first one first.
    `approval` is what a second person said, where one was needed.
    """
    sent, accepted, done = _reached(operation, attempts)
    before = [
        *([_needs_step(operation.needs)] if operation.needs else []),
        *_line_steps(operation, turn_at),
        *_second_steps(operation, approval),
        *_child_steps(children),
    ]
    if sent == "current" and any(step.status in ("current", "unknown") for step in before):
        sent = "todo"
    listed = [Step(_("Asked for"), "done", operation.created_at), *before]
    listed.append(_sent_step(operation, sent))
    if operation.kind != Kind.DELETE:
        listed.append(_accepted_step(operation, accepted))
    listed.append(_done_step(operation, done))
    return _timed(listed)


def _timed(listed: list[Step]) -> list[Step]:
    """Each step with the time since the one before it, where both times are known."""
    timed: list[Step] = []
    before = None
    for step in listed:
        after = step.at - before if step.at and before else timedelta()
        timed.append(step._replace(after=after if after >= TELLABLE else None))
        before = step.at or before
    return timed


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
        if operation.accepted_at or operation.reason in (Reason.SEEN_FAILED, Reason.STILL):
            return "done", accepted, "failed"
        return ("done", "failed", "skipped") if refused else ("skipped", "skipped", "skipped")
    return {
        State.SENDING: ("current", "todo", "todo"),
        State.RUNNING: ("done", accepted, "current"),
        State.IN_DOUBT: ("unknown" if accepted == "unknown" else "done", accepted, "todo"),
        State.NEEDS_PERSON: ("unknown" if accepted == "unknown" else "done", accepted, "unknown"),
        State.SUCCEEDED: (_sent_in_the_end(operation), accepted, "done"),
        State.NOT_APPLIED: ("unknown" if accepted == "unknown" else "done", accepted, "failed"),
        State.CANCELLED: ("skipped", "skipped", "skipped"),
        State.EXPIRED: ("skipped", "skipped", "skipped"),
    }.get(State(operation.state), ("current", "todo", "todo"))


def _sent_in_the_end(operation: Operation) -> str:
    """What is as it was to be may have become so without us."""
    by_itself = operation.reason in (Reason.NOT_LISTED, Reason.SEEN_POWER)
    return "unknown" if by_itself and not operation.accepted_at else "done"


SAID_NO = {
    Reason.PROVIDER_SAID,
    Reason.BUSY_CONFIRM,
    Reason.TOKEN_REFUSED,
    Reason.PERMISSION_MISSING,
    Reason.GONE,
}


def _status_of(other: Operation) -> str:
    """How a step that is an operation of its own stands."""
    if other.state == State.SUCCEEDED:
        return "done"
    if other.is_ended:
        return "failed"
    return "unknown" if other.state in (State.IN_DOUBT, State.NEEDS_PERSON) else "current"


def _needs_step(needed: Operation) -> Step:
    """What must have come true first: that we stopped the server."""
    already = needed.reason == Reason.ALREADY
    status = "done" if already else _status_of(needed)
    words = {
        "done": _("%(server)s was stopped for it"),
        "failed": _("%(server)s was not stopped for it"),
        "current": _("%(server)s is stopped first"),
        "unknown": _("%(server)s: not known whether it is being stopped"),
    }
    said = _("%(server)s was stopped already") if already else words[status]
    server = shown(needed.server.name)
    return Step(said % {"server": server}, status, needed.ended_at, needed)


def _line_steps(operation: Operation, turn_at: datetime | None) -> list[Step]:
    if operation.state == State.WAITING:
        return [Step(_("Waiting in line"), "current")]
    return [Step(_("Its turn came"), "done", turn_at)] if turn_at else []


def _second_steps(operation: Operation, approval: Approval | None) -> list[Step]:
    if approval is not None:
        words = {
            Approval.What.APPROVED: _("Approved by %(person)s"),
            Approval.What.REJECTED: _("Rejected by %(person)s"),
            Approval.What.EMERGENCY: _("Let go on by %(person)s alone, as an emergency"),
        }[Approval.What(approval.what)] % {"person": shown(approval.by_name)}
        status = "failed" if approval.what == Approval.What.REJECTED else "done"
        return [Step(words, status, approval.at)]
    if operation.state == State.AWAITING_APPROVAL:
        return [Step(_("Waiting for a second person"), "current")]
    if operation.reason == Reason.NOBODY_DECIDED:
        return [Step(_("No second person decided in time"), "failed", operation.ended_at)]
    return []


def _child_steps(children: Sequence[Operation]) -> Iterator[Step]:
    is_open = False
    for child in children:
        yield _child_step(child, "todo" if is_open else _status_of(child))
        is_open = is_open or not child.is_ended


def _child_step(child: Operation, status: str) -> Step:
    if child.kind == Kind.DELETE:
        return _room_step(child, status)
    words = {
        "done": _("Safety snapshot %(name)s is complete"),
        "failed": _("Safety snapshot %(name)s did not complete"),
        "current": _("Safety snapshot %(name)s first"),
        "todo": _("Safety snapshot %(name)s first"),
        "unknown": _("Safety snapshot %(name)s: not known whether it is being taken"),
    }
    return Step(words[status] % {"name": shown(child.name)}, status, child.ended_at, child)


def _room_step(child: Operation, status: str) -> Step:
    """The deletion that makes room; it is not needed where a slot is free all the same."""
    words = {
        "done": _("%(name)s was deleted to make room"),
        "failed": _("%(name)s was not deleted to make room"),
        "current": _("First %(name)s is deleted, to make room"),
        "unknown": _("%(name)s: not known whether it was deleted to make room"),
        "skipped": _("%(name)s did not have to be deleted: a slot was free"),
    }
    if child.reason in NO_NEED:
        status = "skipped"
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
    Kind.STOP: {
        "done": gettext_lazy("The provider shows the server as stopped"),
        "current": gettext_lazy("The provider is stopping it"),
        "todo": gettext_lazy("Stopped, as the provider shows it"),
        "skipped": gettext_lazy("Stopped, as the provider shows it"),
        "failed": gettext_lazy("The provider does not show the server as stopped"),
        "unknown": gettext_lazy("Whether it was stopped is not known"),
    },
    Kind.START: {
        "done": gettext_lazy("The provider shows the server as running"),
        "current": gettext_lazy("The provider is starting it"),
        "todo": gettext_lazy("Running, as the provider shows it"),
        "skipped": gettext_lazy("Running, as the provider shows it"),
        "failed": gettext_lazy("The provider does not show the server as running"),
        "unknown": gettext_lazy("Whether it was started is not known"),
    },
}


# -- what was sent --------------------------------------------------------------------------------


def call(operation: Operation) -> str:
    """The documented call that carries this operation out, and what stands in it."""
    remote_id = operation.confirmed.get("id", "")
    server = operation.server.remote_id
    words = {
        Kind.CREATE: f"POST /snapshots/ server_id={server} name={operation.name}"
        f" description={operation.description}",
        Kind.RESTORE: f"POST /snapshots/{remote_id}/restore/",
        Kind.DELETE: f"DELETE /snapshots/{remote_id}/",
        Kind.STOP: f"POST /servers/{server}/power/ action=stop",
        Kind.START: f"POST /servers/{server}/power/ action=start",
    }
    return shown(words[Kind(operation.kind)])


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
