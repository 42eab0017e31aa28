"""Read, claim, send, record: the only place from which a change leaves for the provider."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from snapshots import accounts, kept
from snapshots.models import Account, Attempt, Kind, Operation, Reason, Snapshot, State
from snapshots.operations import budget, epoch, times
from snapshots.operations.answers import Meaning, meaning
from snapshots.operations.fence import fence
from snapshots.operations.guards import objection
from snapshots.operations.room import is_called_off, is_room_made, may_go, must_stay
from snapshots.operations.rules import right_for
from snapshots.operations.settle import AIM
from snapshots.operations.states import end_stopped, move
from snapshots.permissions import may_now
from snapshots.provider import errors as wire
from snapshots.provider import types
from snapshots.provider.client import Client
from snapshots.secrets import CannotOpen

log = logging.getLogger(__name__)
Answer = types.Accepted[Any] | Exception
AGREED = "plan__going__server", "approval"  # what was confirmed, and what a second person said


def send(pk: int, *, fenced: bool = False) -> None:
    """Send one operation at most once. Safe to call twice, late, or after a crash.

    `fenced` is for a worker process that may be killed: it dies rather than send late.
    """
    if not epoch.may_send():
        return
    operation = _as_it_is(pk)
    if operation is None or not _turn_has_come(operation):
        return
    account = operation.account
    try:
        client = account.client()
    except CannotOpen:
        accounts.key_lost(account)
        _defer(operation, times.RETRY_MOST, Reason.KEY_LOST)
        return
    with client:
        look = _look(operation, client)
        if look is None:
            return
        if objection := _objection(operation, look):
            move(operation, State.FAILED, objection[0], details=objection[1])
            return
        with fence(times.FENCE if fenced else None):
            begun = time.monotonic()
            attempt = _claim(operation, look)
            if attempt is None:
                return
            answer = _call(operation, client, attempt, begun)
    _record(operation, attempt, answer)


def _as_it_is(pk: int, *more: str) -> Operation | None:
    """The operation, with all that belongs to it."""
    rows = Operation.objects.select_related("account", "server", "team", "snapshot", *more)
    return next(iter(kept.rows(("operation", more), lambda: rows.filter(pk=pk), [pk])), None)


def _turn_has_come(operation: Operation) -> bool:
    """Whether nothing stands before sending; ends the operation if something does for good."""
    if operation.state != State.QUEUED or operation.due_at > timezone.now():
        return False
    child = operation.children.order_by("-pk").first()
    if child is not None and child.holds:
        return False
    if operation.stop_requested:
        end_stopped(operation)
        return False
    if child is not None and child.kind == Kind.DELETE and not is_room_made(child):
        move(operation, State.FAILED, Reason.ROOM_FAILED)
        return False
    if child is not None and child.kind == Kind.CREATE and child.state != State.SUCCEEDED:
        why, details = objection(operation) or (Reason.CHILD_FAILED, {})
        move(operation, State.FAILED, why, details=details)
        return False
    if operation.send_before <= timezone.now():
        move(operation, State.EXPIRED, Reason.TOO_LATE)
        return False
    if operation.kind == Kind.DELETE and operation.parent_id and not may_go(operation):
        if is_called_off(operation):
            move(operation, State.CANCELLED, Reason.STOPPED)
        return False
    return operation.account.paused == Account.Paused.NO


# -- read -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """The account just before sending: the server, and the snapshots listed for it."""

    at: datetime
    server: types.Server | None
    snapshots: tuple[types.Snapshot, ...]


def _look(operation: Operation, client: Client) -> Look | None:
    if not budget.take(operation.account_id, 2):
        _defer(operation, times.RETRY_FIRST, Reason.PACED)
        return None
    begun = timezone.now()
    remote_id = operation.server.remote_id
    try:
        servers = client.find_server(remote_id)
        snapshots = client.snapshots(remote_id)
        budget.spend(operation.account_id, servers.calls + snapshots.calls - 2)
    except wire.ProviderError as error:
        if error.status == 401:
            accounts.token_refused(operation.account)
        if error.status == 429:
            budget.slow_down(operation.account_id)
        wait = max(error.retry_after or 0, times.retry_after(operation.account.failed_passes))
        wait = min(wait, times.RETRY_AFTER_MOST)
        _defer(operation, wait, Reason.NO_READ, words=error.message)
        _put_off_others(operation, wait)
        return None
    if not (servers.complete and snapshots.complete):
        _defer(operation, times.RETRY_FIRST, Reason.NO_READ, words="the listing was not complete")
        return None
    return Look(
        at=begun,
        server=next((server for server in servers.items if server.id == remote_id), None),
        snapshots=tuple(item for item in snapshots.items if item.server_id == remote_id),
    )


def _objection(operation: Operation, look: Look) -> tuple[Reason, dict[str, Any]] | None:
    """Why this must not be sent, given what the provider shows now; None if it may."""
    if look.server is None:
        return Reason.SERVER_MISSING, {}
    if operation.kind == Kind.RESTORE and look.server.status == "restoring":
        # Whose it is could not be told from ours afterwards.
        return Reason.CHANGED, {"what": "the server is being restored already"}
    if aim := AIM.get(Kind(operation.kind)):
        words = {"words": look.server.status}
        if look.server.status == "restoring":
            return Reason.CHANGED, {"what": "the server is being restored"}
        return (Reason.ALREADY, words) if look.server.status == aim else None
    child = operation.children.order_by("-pk").first()
    if operation.kind == Kind.RESTORE and child:
        is_there = (child.remote_id, "completed")
        if is_there not in [(item.id, item.status) for item in look.snapshots]:
            return Reason.CHILD_FAILED, {}
    taken = [item for item in look.snapshots if item.status != "failed"]
    limit = operation.account.slots
    if operation.kind == Kind.CREATE:
        if operation.needs_id and look.server.status == "active":
            return Reason.CHANGED, {"what": "the server was started meanwhile"}
        # What we have just deleted may still be listed; the provider has the last word.
        gone = child.confirmed["id"] if child and child.state == State.SUCCEEDED else None
        names = [item.name for item in taken if item.id != gone]
        if len(names) >= limit:
            return Reason.SLOTS_FULL, {"limit": limit, "names": ", ".join(names)}
        return None
    if operation.kind == Kind.DELETE and operation.parent_id and len(taken) < limit:
        return Reason.SLOT_FREE, {}
    confirmed = operation.confirmed
    item = next((item for item in look.snapshots if item.id == confirmed["id"]), None)
    if item is None:
        return Reason.SNAPSHOT_MISSING, {}
    if what := _changes(operation, look.server, look.snapshots, item):
        return Reason.CHANGED, {"what": "; ".join(what)}
    if item.status != "completed" and operation.kind == Kind.RESTORE:
        return Reason.NOT_COMPLETED, {"words": item.status}
    return None


def _changes(
    operation: Operation,
    server: types.Server,
    listed: tuple[types.Snapshot, ...],
    item: types.Snapshot,
) -> list[str]:
    """What is not as the person saw it.

    What our own safety snapshot added is no change, nor is what was deleted to make room for it.
    """
    confirmed = operation.confirmed
    now: dict[str, Any] = {"name": item.name, "created_at": _iso(item.created_at)}
    if operation.kind == Kind.RESTORE:
        now |= {"server_name": server.name, "server_status": server.status}
    changes = [
        f"{name}: {confirmed[name]} → {value}"
        for name, value in now.items()
        if confirmed.get(name, value) != value
    ]
    if operation.kind == Kind.RESTORE and item.created_at:
        ours = set(operation.children.values_list("remote_id", flat=True))
        ended = Operation.objects.filter(parent__parent=operation, state=State.SUCCEEDED)
        deleted = {one.confirmed["id"] for one in ended.filter(kind=Kind.DELETE)}
        newer = {
            other.id: other.name
            for other in listed
            if other.created_at and other.created_at > item.created_at and other.id not in ours
        }
        known = set(confirmed["newer"]) - deleted
        changes += [f"new snapshot {name}" for id, name in newer.items() if id not in known]
        if gone := known - set(newer):
            changes.append(f"newer snapshots no longer listed: {len(gone)}")
    return changes


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


# -- claim ----------------------------------------------------------------------------------------


def _claim(operation: Operation, look: Look) -> Attempt | None:
    """Write down that we are about to send; None if we may not, or somebody else does."""
    with transaction.atomic():
        # Locks the account: whoever pauses it, stops this or locks the snapshot comes before or
        # after us, and what came before is read again.
        revision = Account.next_revision(operation.account_id)
        now, fresh = timezone.now(), _as_it_is(operation.pk, *AGREED)
        if fresh is None or fresh.stop_requested or fresh.send_before <= now:
            return None  # the next turn ends it
        account = fresh.account
        if account.paused or account.token_version != operation.account.token_version:
            return None
        if look.at + times.LOOK_HOLDS <= now:
            return None  # the next turn looks again
        if not epoch.may_send():
            return None  # the tick stops everything
        right = right_for(operation)
        if not may_now(operation.asked_by_id, right, operation.team_id, operation.server_id):
            details = {"person": operation.asked_by_name}
            move(operation, State.FAILED, Reason.RIGHT_WITHDRAWN, details=details)
            return None
        if operation.kind == Kind.DELETE and operation.parent_id and not may_go(operation):
            return None  # it is held, or called off
        if operation.kind == Kind.DELETE and (stays := must_stay(fresh)):
            move(operation, State.FAILED, stays[0], details=stays[1])
            return None
        if forbids := objection(fresh):
            move(operation, State.FAILED, forbids[0], details=forbids[1])
            return None
        attempt = Attempt(
            operation=operation,
            number=operation.attempt_count + 1,
            claimed_at=now,
            deadline=now + times.CLAIM,
            pre_image={
                "snapshots": [item.id for item in look.snapshots],
                "server_status": look.server.status if look.server else "",
            },
        )
        won = move(
            operation,
            State.SENDING,
            changes={
                "claim_deadline": attempt.deadline,
                "sent_at": now,
                "attempt_count": attempt.number,
            },
            also=lambda _: kept.insert(attempt),
            revision=revision,
        )
    return attempt if won else None


# -- send -----------------------------------------------------------------------------------------


def _call(operation: Operation, client: Client, attempt: Attempt, begun: float) -> Answer:
    """One call, whatever comes of it. The claim was begun at `begun`, by the monotonic clock."""
    try:
        epoch.note(attempt.pk)
    except OSError as error:
        log.exception("operation %s: not sent", operation.pk)
        return wire.NotSent(f"our record of what was sent cannot be written: {error.strerror}")
    if time.monotonic() - begun > times.CLAIM_MAY_TAKE:
        return wire.NotSent("our database was too slow to send in time")
    server_id = operation.server.remote_id
    calls: dict[Kind, Callable[[], types.Accepted[Any]]] = {
        Kind.CREATE: lambda: client.create_snapshot(
            server_id, operation.name, operation.description
        ),
        Kind.RESTORE: lambda: client.restore_snapshot(operation.confirmed["id"], server_id),
        Kind.DELETE: lambda: client.delete_snapshot(operation.confirmed["id"]),
        Kind.STOP: lambda: client.power(server_id, "stop"),
        Kind.START: lambda: client.power(server_id, "start"),
    }
    try:
        return calls[Kind(operation.kind)]()
    except wire.ProviderError as error:
        return error
    except Exception as error:
        log.exception("operation %s: an error of ours while sending", operation.pk)
        return error


# -- record ---------------------------------------------------------------------------------------


def _record(operation: Operation, attempt: Attempt, answer: Answer) -> None:
    """Write down what came back. If the claim was lost meanwhile, it is evidence and no more."""
    answer = _plausible(answer, attempt)
    result = meaning(Kind(operation.kind), answer, attempt.number)
    now = timezone.now()
    changes: dict[str, Any] = {}
    if result.state == State.QUEUED:
        changes["due_at"] = now + timedelta(seconds=result.wait)
    if result.state in (State.RUNNING, State.SUCCEEDED):
        changes["accepted_at"] = now
    created = answer.result if isinstance(answer, types.Accepted) else None
    with transaction.atomic():
        if isinstance(created, types.Snapshot):
            changes["remote_id"] = created.id
            revision = Account.next_revision(operation.account_id)
            changes["snapshot"] = Snapshot.remember(operation.server, created, revision)
        moved = move(
            operation,
            result.state,
            result.reason,
            details=result.details,
            changes=changes,
            also=lambda revision: _forget_deleted(operation, result, now, revision),
        )
        told = {
            "outcome": result.outcome,
            "status": getattr(answer, "status", None),
            "excerpt": getattr(answer, "message", "")[:300],
            "answered_at": now,
            "late": not moved,
        }
        kept.update(Attempt, {"id": attempt.pk, "answered_at": None}, told)
    if result.token_refused:
        accounts.token_refused(operation.account)
    if result.slow_down:
        budget.slow_down(operation.account_id)


def _plausible(answer: Answer, attempt: Attempt) -> Answer:
    """A create that is answered with a snapshot that was there before has made nothing we know."""
    if not isinstance(answer, types.Accepted) or not isinstance(answer.result, types.Snapshot):
        return answer
    if answer.result.id not in attempt.pre_image["snapshots"]:
        return answer
    words = f"HTTP {answer.status}, naming a snapshot that was there before"
    return wire.Unknown(words, status=answer.status)


def _forget_deleted(operation: Operation, result: Meaning, now: datetime, revision: int) -> None:
    gone = operation.snapshot
    if gone and operation.kind == Kind.DELETE and result.state == State.SUCCEEDED:
        kept.update(Snapshot, {"id": gone.pk}, {"gone_at": now, "revision": revision})


def _defer(operation: Operation, seconds: float, reason: Reason, **details: str) -> None:
    """Nothing was sent: try again later, and say why in the meantime."""
    with transaction.atomic():
        revision = Account.next_revision(operation.account_id)
        Operation.objects.filter(
            pk=operation.pk, state=State.QUEUED, version=operation.version
        ).update(
            due_at=timezone.now() + timedelta(seconds=seconds),
            nudged_at=None,
            reason=reason,
            details=details,
            revision=revision,
        )


def _put_off_others(operation: Operation, seconds: float) -> None:
    """What one could not read, the account's others need not try: each may hang for seconds.

    Rows that somebody holds are left out: two who take many rows could wait for each other.
    """
    until = timezone.now() + timedelta(seconds=seconds)
    others = Operation.objects.filter(
        account=operation.account_id, state=State.QUEUED, due_at__lt=until
    )
    with transaction.atomic():
        free = others.select_for_update(no_key=True, skip_locked=True).values("pk")
        others.filter(pk__in=free).update(due_at=until)
