"""What a person does to what was asked for: cancel it, hold it, let it go on, decide it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from snapshots import events, queue
from snapshots.errors import Refused
from snapshots.models import Account, Kind, Operation, Reason, State, User
from snapshots.models.operation import HOLDING, NOT_SENT
from snapshots.operations import epoch, times
from snapshots.operations.audited import audited, tell
from snapshots.operations.rules import right_for
from snapshots.operations.states import move
from snapshots.permissions import require
from snapshots.said import gettext as _

CANCELLABLE = (State.AWAITING_APPROVAL, State.WAITING, *NOT_SENT)


def cancel(operation: Operation, *, actor: User) -> None:
    """End an operation that waits or was not sent yet. Raises `Refused` if it is too late.

    A restore whose safety snapshot is already under way is marked instead, and ends with it.
    """
    with audited(actor, operation.server, operation.snapshot):
        require(actor, right_for(operation), operation.team, operation.server)
        too_late = Refused(_("Too late to cancel: it may have been sent, or has ended already."))
        if epoch.is_doubtful(operation):
            raise too_late
        with transaction.atomic():
            child = operation.children.filter(state__in=HOLDING).first()
            if child and not _call_off(child, actor):
                done = _mark_stopped(operation, actor)
                if done:
                    tell(operation, events.Verb(f"{operation.kind}.stop_asked"), actor)
            else:
                done = operation.state in CANCELLABLE and move(
                    operation, State.CANCELLED, actor=actor
                )
        if not done:
            raise too_late


def _call_off(child: Operation, actor: User) -> bool:
    """End what was to come before another operation; False if some of it may have been sent."""
    if child.state not in NOT_SENT:
        return False
    inner = child.children.filter(state__in=HOLDING).first()
    if inner and not _call_off(inner, actor):
        _mark_stopped(child, actor)
        return False
    return move(child, State.CANCELLED, Reason.STOPPED, actor=actor)


def _mark_stopped(operation: Operation, actor: User) -> bool:
    """It ends when what comes before it has ended."""
    done = Operation.objects.filter(pk=operation.pk, state__in=NOT_SENT).update(
        stop_requested=True,
        stopped_by_name=str(actor)[:100],
        revision=Account.next_revision(operation.account_id),
    )
    return bool(done)


def hold(operation: Operation, *, actor: User) -> None:
    """Keep a restore or a deletion from being sent until somebody lets it go on.

    It still expires: an hour after it was asked for (or approved), or when it would have without
    being held, if that is later. Raises `Refused` if it is too late.
    """
    with audited(actor, operation.server, operation.snapshot):
        require(actor, right_for(operation), operation.team, operation.server)
        until = max(operation.send_before, operation.confirmed_at + times.SEND_BEFORE_CAP)
        if not may_hold(operation) or not move(
            operation, State.HELD, actor=actor, changes={"send_before": until}
        ):
            raise Refused(_("Too late to hold: it may have been sent, or has ended already."))


def may_hold(operation: Operation) -> bool:
    """Whether it waits to be sent, and can be kept waiting."""
    return (
        operation.state == State.QUEUED
        and operation.kind in (Kind.RESTORE, Kind.DELETE)
        and not operation.stop_requested
        and not is_lost(operation)
        and not epoch.is_doubtful(operation)
    )


def is_lost(restore: Operation) -> bool:
    """Whether its safety snapshot did not come about, so that it will not be sent."""
    child = restore.children.order_by("-pk").first()
    return child is not None and child.is_ended and child.state != State.SUCCEEDED


def release(operation: Operation, *, actor: User) -> None:
    """Let what is held, or can still be thought over, go on at once. Raises `Refused`."""
    with audited(actor, operation.server, operation.snapshot):
        require(actor, right_for(operation), operation.team, operation.server)
        now = timezone.now()
        changes = {"due_at": now, "hold_until": now}
        if not operation.children.filter(state__in=HOLDING).exists():  # else its end sets it
            soon = now + times.SEND_BEFORE[Kind(operation.kind)]
            changes["send_before"] = min(soon, operation.send_before)
        is_held = operation.state == State.HELD and not operation.stop_requested
        if is_held and not epoch.is_doubtful(operation):
            done = move(operation, State.QUEUED, actor=actor, changes=changes)
        else:
            done = _start_now(operation, actor, now)
        if not done:
            raise Refused(_("It is not held any more."))
        queue.nudge("send", operation.pk)


def _start_now(operation: Operation, actor: User, now: datetime) -> bool:
    """End the time to think before it is over."""
    with transaction.atomic():
        done = Operation.objects.filter(
            pk=operation.pk, state=State.QUEUED, stop_requested=False, hold_until__gt=now
        ).update(
            due_at=now,
            hold_until=now,
            nudged_at=None,
            revision=Account.next_revision(operation.account_id),
        )
        if done:
            tell(operation, events.Verb(f"{operation.kind}.start_now"), actor)
    return bool(done)


def give_verdict(operation: Operation, *, actor: User, happened: bool, words: str) -> None:
    """A person decides what the evidence cannot. `words` is their reason. Raises `Refused`."""
    with audited(actor, operation.server, operation.snapshot):
        require(actor, right_for(operation), operation.team, operation.server)
        words = words.strip()
        if not words:
            raise Refused(_("Please say what you saw; it is kept with the verdict."), field="words")
        to = State.SUCCEEDED if happened else State.NOT_APPLIED
        details = {"person": str(actor), "words": words[:500]}
        if operation.state != State.NEEDS_PERSON or not move(
            operation, to, Reason.VERDICT, actor=actor, details=details
        ):
            raise Refused(_("This operation is not waiting for a person any more."))
