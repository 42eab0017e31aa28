"""The one table of transitions, and the one function that writes a state."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from snapshots import events, kept
from snapshots.models import Account, Kind, Operation, Reason, Snapshot, State, User
from snapshots.models.marks import DESCRIBED
from snapshots.models.operation import ENDED, HOLDING
from snapshots.operations import times

log = logging.getLogger(__name__)

AWAITING, W, Q, HELD, SENDING, RUNNING, DOUBT, PERSON = (
    State.AWAITING_APPROVAL,
    State.WAITING,
    State.QUEUED,
    State.HELD,
    State.SENDING,
    State.RUNNING,
    State.IN_DOUBT,
    State.NEEDS_PERSON,
)


class Transition(NamedTuple):
    before: State
    after: State
    who: str
    when: str


TABLE = (
    Transition(AWAITING, Q, "a second person", "approved, and nothing holds the machine"),
    Transition(AWAITING, State.CANCELLED, "a person", "taken back, or a second person said no"),
    Transition(AWAITING, State.EXPIRED, "the tick", "nobody decided before `send_before`"),
    Transition(
        AWAITING, W, "the tick", "our database was put back: maybe approved and sent before"
    ),
    Transition(W, Q, "whoever ends what is ahead, or the tick", "nothing else holds the machine"),
    Transition(W, State.FAILED, "the same", "what had to succeed first did not; nothing was sent"),
    Transition(W, State.CANCELLED, "a person", "while it waits"),
    Transition(W, DOUBT, "whoever gives the turn", "our database was put back: maybe sent before"),
    Transition(W, State.EXPIRED, "the tick", "its turn did not come before `send_before`"),
    Transition(Q, State.CANCELLED, "a person", "before sending only"),
    Transition(Q, State.EXPIRED, "the tick", "not sent before `send_before`"),
    Transition(Q, State.FAILED, "worker", "the look before sending says no; nothing was sent"),
    Transition(Q, DOUBT, "the tick", "our database was put back: maybe sent before"),
    Transition(Q, HELD, "a person", "before sending only; it stays until somebody lets it go on"),
    Transition(HELD, Q, "a person", "it goes on"),
    Transition(HELD, State.CANCELLED, "a person", "while it is held"),
    Transition(HELD, State.EXPIRED, "the tick", "held until `send_before`"),
    Transition(HELD, DOUBT, "the tick", "our database was put back: maybe sent before"),
    Transition(Q, SENDING, "worker", "due, not paused, the asker still has the right"),
    Transition(SENDING, Q, "the same claim", "proof of not sent, or 429 but for a restore"),
    Transition(SENDING, RUNNING, "the same claim", "accepted as documented, and not done yet"),
    Transition(SENDING, State.SUCCEEDED, "the same claim", "a delete was answered 204"),
    Transition(SENDING, State.FAILED, "the same claim", "the provider refused, readably"),
    Transition(SENDING, DOUBT, "the same claim, or the tick after the deadline", "anything else"),
    Transition(DOUBT, RUNNING, "settle", "positive evidence that it is under way"),
    Transition(DOUBT, State.SUCCEEDED, "settle", "positive evidence"),
    Transition(DOUBT, State.NOT_APPLIED, "settle", "negative proof; never for a restore"),
    Transition(DOUBT, PERSON, "settle", "the evidence cannot decide"),
    Transition(RUNNING, State.SUCCEEDED, "settle", "seen done"),
    Transition(RUNNING, State.FAILED, "settle", "seen failed, or without effect, twice"),
    Transition(RUNNING, PERSON, "settle", "the evidence cannot decide"),
    Transition(PERSON, State.SUCCEEDED, "a person", "with a reason"),
    Transition(PERSON, State.NOT_APPLIED, "a person", "with a reason"),
)
ALLOWED = frozenset((t.before, t.after) for t in TABLE)


def move(
    seen: Operation,
    to: State,
    reason: Reason | str = "",
    *,
    actor: User | None = None,
    details: dict[str, Any] | None = None,
    changes: dict[str, Any] | None = None,
    also: Callable[[int], None] | None = None,
    told: str = "",
    revision: int | None = None,
) -> bool:
    """Move `seen` to `to`: one conditional UPDATE and one Event, in one transaction.

    Returns False, with nothing changed, if the row is no longer as `seen`. `also` runs inside the
    transaction with the account's new revision; `revision` is that, if the transaction has raised
    it already. `told` is what the event calls it, if not by the state. On success `seen` is
    brought up to date.
    """
    if (seen.state, to) not in ALLOWED:
        raise ValueError(f"no way from {seen.state} to {to}")
    now = timezone.now()
    values: dict[str, Any] = {
        "state": to,
        "version": seen.version + 1,
        "reason": reason,
        "details": details or {},
        "claim_deadline": None,
        "nudged_at": None,
    }
    if to in ENDED:
        values["ended_at"] = now
    if watched := to in (RUNNING, DOUBT):
        values["due_at"] = times.decide_by(Kind(seen.kind), to, seen.sent_at or now)
    values |= changes or {}
    with transaction.atomic(savepoint=False):
        values["revision"] = revision or Account.next_revision(
            seen.account_id,
            look_at=now + times.look_again(times.scaled(0)) if watched else None,
        )
        was = {"id": seen.pk, "state": seen.state, "version": seen.version}
        if not kept.update(Operation, was, values):
            return False
        events.record(
            events.Verb(f"{seen.kind}.{told or _told(seen, to, reason)}"),
            team=seen.team,
            actor=actor,
            account=seen.account,
            server=seen.server,
            snapshot=seen.snapshot,
            operation=seen,
            **({"reason": reason} if reason else {}),
            **(details or {}),
        )
        if to in ENDED:
            _release_parent(seen, to, now)
            _let_next(seen.account_id, seen.lock_key)
        if seen.about and values.get("snapshot"):
            _describe(seen, values["snapshot"], values["revision"])
        if also:
            also(values["revision"])
    for name, value in values.items():
        setattr(seen, name, value)
    return True


def _told(seen: Operation, to: State, reason: Reason | str) -> str:
    """What a move is called in the history."""
    if to == Q:
        return {W: "turn", HELD: "released"}.get(State(seen.state), "requeued")
    if reason == Reason.VERDICT:
        return "said_yes" if to == State.SUCCEEDED else "said_no"
    return to.value


def _describe(create: Operation, snapshot: Snapshot, revision: int) -> None:
    """What was said of it when it was asked for; what was said since stays."""
    unsaid = dict.fromkeys(DESCRIBED, "") | {"keep_until": None}
    rows = Snapshot.objects.filter(pk=snapshot.pk, **unsaid)
    rows.update(**create.about, revision=revision)


def end_stopped(operation: Operation) -> bool:
    """End a queued operation that was to be stopped: cancelled by a person, or out of time."""
    if operation.stopped_by_name:
        details = {"person": operation.stopped_by_name}
        return move(operation, State.CANCELLED, Reason.STOPPED_BY, details=details)
    return move(operation, State.EXPIRED, Reason.TOO_LATE)


def _release_parent(child: Operation, ended: State, now: datetime) -> None:
    """A parent waits in `queued` for its child; now it is due, for better or worse."""
    parent = child.parent
    if parent is None:
        return
    due_at = now
    if ended == State.SUCCEEDED and parent.hold_until:
        due_at = max(now, parent.hold_until)
    changes: dict[str, Any] = {"due_at": due_at, "nudged_at": None}
    if ended == State.SUCCEEDED and parent.kind == Kind.RESTORE:
        changes["send_before"] = times.send_before(parent, due_at)
    Operation.objects.filter(pk=parent.pk, state=Q).update(**changes)


def let_next(account_id: int, lock_key: str) -> None:
    """Let the first in this machine's line have its turn, if nothing holds the machine."""
    with transaction.atomic():
        _let_next(account_id, lock_key)


def _let_next(account_id: int, lock_key: str) -> None:
    """In a transaction of the caller's: between two in a line the machine is never free."""

    def write() -> QuerySet[Operation, tuple[Any, ...]]:
        ahead = Operation.objects.filter(
            lock_key=OuterRef("lock_key"), parent=None, state__in=HOLDING
        )
        line = Operation.objects.filter(~Exists(ahead), state=W)
        line = line.filter(account=account_id, lock_key=lock_key)
        return line.order_by("pk").values_list("pk")[:1]

    line = kept.ask("first in line", write, [account_id, lock_key])
    if not line:
        return
    rows = Operation.objects.select_related("team", "account", "server", "snapshot", "needs")
    first = rows.get(pk=line[0][0])
    is_put_back = first.reason == Reason.PUT_BACK
    if not is_put_back and not _may_follow(first):  # its end lets the next one
        move(first, State.FAILED, Reason.NEEDED_FAILED)
        return
    try:
        with transaction.atomic():
            if is_put_back:
                move(first, DOUBT, Reason.PUT_BACK, changes={"sent_at": first.created_at})
            else:
                move(first, Q, changes=_turn(first))
    except IntegrityError:  # another team's operation took the machine: the tick tries again
        log.info("operation %s waits on: its machine is held elsewhere", first.pk)


def _turn(first: Operation) -> dict[str, Any]:
    now, kind = timezone.now(), Kind(first.kind)
    due_at = max(now, first.hold_until or now)
    until = first.created_at + times.LINE_CAP[kind]
    if kind != Kind.START:  # what we stopped does not stay so for an outage of some minutes
        until = min(until, due_at + times.SEND_BEFORE[kind])
    return {"due_at": due_at, "send_before": until}


def _may_follow(waiting: Operation) -> bool:
    """Whether what it needs has come true. Only a server that *we* stopped is started again."""
    needed = waiting.needs
    if needed is None or needed.state == State.SUCCEEDED:
        return True
    return waiting.kind == Kind.CREATE and needed.reason == Reason.ALREADY
