"""What a person asks for: a row and an audit line, or a refusal in words. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone

from snapshots import events, queue
from snapshots.errors import Refused
from snapshots.models import (
    Account,
    Batch,
    Guard,
    Kind,
    Operation,
    RestorePlan,
    Server,
    Snapshot,
    State,
    Team,
    User,
)
from snapshots.operations import marks, times
from snapshots.operations.audited import audited, tell
from snapshots.operations.guards import check_confirmed, check_unsealed
from snapshots.operations.plan import Shown, check_same, newer, opened, plan
from snapshots.operations.room import check_room
from snapshots.operations.rules import (
    RIGHT,
    busy,
    check_connected,
    check_is,
    check_name,
    check_note,
    check_server,
    check_slot,
    check_snapshot,
    check_why,
    is_held,
)
from snapshots.permissions import require
from snapshots.said import gettext as _


def request_create(
    server: Server,
    *,
    actor: User,
    name: str,
    note: str = "",
    request_key: UUID,
    stop_first: bool = False,
    going: Snapshot | None = None,
    typed_going: str = "",
    batch: Batch | None = None,
    **about: Any,
) -> Operation:
    """Ask for a snapshot of `server`. Raises `Refused`; a repeated `request_key` gives the same.

    `about` is what is said of it as soon as it is there: see `marks.describe`.

    With `stop_first` the server is stopped, the snapshot taken, and the server started again:
    three operations in the machine's line. The snapshot is what is returned.

    Without a free slot `going` is deleted first, if `typed_going` is its name: a child operation,
    under this one's lock. If it stays, nothing is taken.
    """
    with audited(actor, server):
        require(actor, RIGHT[Kind.CREATE], server.account.team, server)
        if stop_first:
            require(actor, RIGHT[Kind.STOP], server.account.team, server)
        if going:
            require(actor, RIGHT[Kind.DELETE], server.account.team, server)
        operation = _operation(
            Kind.CREATE, server, actor, request_key, name=name, note=note, batch=batch
        )
        operation.about = marks.said(**about)
        stop, start = (
            _operation(kind, server, actor, uuid4(), batch=batch)
            for kind in (Kind.STOP, Kind.START)
        )
        if stop_first:
            operation.needs = start.needs = stop
        children = [_deletion(going, operation, actor)] if going else []
        if again := _same_form(operation, children):
            return again
        check_server(server)
        check_name(name)
        check_note(note)
        if going:
            if stop_first:
                raise Refused(
                    _("Delete one first, on its own page; then the server can be stopped for it."),
                    field="stop_first",
                )
            now = check_unsealed(server)
            check_room(server, going)
            check_confirmed(children[0], typed_going, now, actor=actor, field="typed_going")
        else:
            check_slot(server)
        if not stop_first:
            return _insert(operation, children=children)
        check_is(server, "active", field="stop_first")
        return _insert(stop, followers=[operation, start], answer=operation)


def request_start(server: Server, *, actor: User, request_key: UUID) -> Operation:
    """Ask to start a stopped server. Raises `Refused`."""
    with audited(actor, server):
        require(actor, RIGHT[Kind.START], server.account.team, server)
        operation = _operation(Kind.START, server, actor, request_key)
        if again := _same_form(operation):
            return again
        check_server(server)
        check_is(server, "stopped")
        return _insert(operation)


def request_restore(
    snapshot: Snapshot,
    *,
    actor: User,
    typed: str,
    seen: str,
    request_key: UUID,
    safety_snapshot: bool = False,
    why_without: str = "",
    going: Snapshot | None = None,
    typed_going: str = "",
) -> Operation:
    """Ask to overwrite a server with `snapshot`.

    `typed` must be the server's name, unless it is open, and `seen` the plan that the confirmed
    page carried (`plan(snapshot).sealed(actor)`). With `safety_snapshot` the current state is
    snapshotted first, and the restore is sent only after the provider lists that snapshot as
    completed; without, `why_without` must say why. Without a free slot for it, `going` is deleted
    before, as for `request_create`. On a guarded server it waits for a second person: see
    `approvals`. Raises `Refused`.
    """
    server = snapshot.server
    with audited(actor, server, snapshot):
        require(actor, RIGHT[Kind.RESTORE], snapshot.account.team, server)
        if safety_snapshot:
            require(actor, RIGHT[Kind.CREATE], snapshot.account.team, server)
        if going:
            require(actor, RIGHT[Kind.DELETE], snapshot.account.team, server)
        operation = _operation(
            Kind.RESTORE, server, actor, request_key, snapshot=snapshot, name=snapshot.name
        )
        going = going if safety_snapshot else None
        children = before_restore(operation, going, actor) if safety_snapshot else []
        if again := _same_form(operation, children):
            return again
        check_server(server)
        now = check_unsealed(server)
        check_snapshot(snapshot)
        shown = opened(seen, actor=actor)
        check_same(shown, plan(snapshot))
        check_confirmed(operation, typed, now, actor=actor)
        why_without = "" if safety_snapshot else check_why(why_without)
        if safety_snapshot and going:
            check_room(server, going, keep=snapshot)
            check_confirmed(children[1], typed_going, now, actor=actor, field="typed_going")
        elif safety_snapshot:
            check_slot(server, field="safety_snapshot")
        kept = _kept(shown, operation, why_without, going)
        if now.guard == Guard.GUARDED:
            _await_approval(operation)
        return _insert(operation, kept=kept, children=children)


def request_delete(
    snapshot: Snapshot,
    *,
    actor: User,
    typed: str,
    request_key: UUID,
    batch: Batch | None = None,
    behind: Operation | None = None,
) -> Operation:
    """Ask to delete `snapshot` for ever. `typed` must be its name, unless the server is
    open. Raises `Refused`.

    `behind` is an operation of the same batch on the same server: this one waits for its turn.
    """
    with audited(actor, snapshot.server, snapshot):
        require(actor, RIGHT[Kind.DELETE], snapshot.account.team, snapshot.server)
        operation = _operation(
            Kind.DELETE,
            snapshot.server,
            actor,
            request_key,
            snapshot=snapshot,
            name=snapshot.name,
            batch=batch,
        )
        if again := _same_form(operation):
            return again
        check_server(snapshot.server)
        now = check_unsealed(snapshot.server)
        check_snapshot(snapshot, deleting=True)
        check_confirmed(operation, typed, now, actor=actor)
        return _line_up(operation) if behind else _insert(operation)


# -- the pieces -----------------------------------------------------------------------------------


def _operation(
    kind: Kind, server: Server, actor: User, request_key: UUID, **fields: Any
) -> Operation:
    now = timezone.now()
    snapshot: Snapshot | None = fields.get("snapshot")
    held_for = to_think(kind, server.account.team)
    return Operation(
        kind=kind,
        team=server.account.team,
        account=server.account,
        server=server,
        lock_key=server.lock_key,
        request_key=request_key,
        asked_by=actor,
        asked_by_name=str(actor)[:100],
        confirmed=_confirmed(kind, snapshot) if snapshot else {},
        created_at=now,
        due_at=now + held_for,
        hold_until=now + held_for if held_for else None,
        send_before=now + held_for + times.SEND_BEFORE[kind],
        **fields,
    )


def to_think(kind: Kind, team: Team) -> timedelta:
    """How long it can be taken back, by the team's rules."""
    seconds = {Kind.RESTORE: team.hold, Kind.DELETE: 60 * team.grace}
    return timedelta(seconds=seconds.get(kind, 0))


def _confirmed(kind: Kind, snapshot: Snapshot) -> dict[str, Any]:
    """What the person saw, to be compared with the provider just before sending."""
    seen: dict[str, Any] = dict(snapshot.fingerprint)
    if kind == Kind.DELETE:
        seen["status"] = snapshot.status
    if kind == Kind.RESTORE:
        seen["server_name"] = snapshot.server.name
        seen["server_status"] = snapshot.server.status
        seen["newer"] = sorted(other.remote_id for other in newer(snapshot))
    return seen


def before_restore(restore: Operation, going: Snapshot | None, actor: User) -> list[Operation]:
    """What comes before it, under its lock: the safety snapshot, and what makes room for that.

    It takes its time, so the restore may wait for longer.
    """
    restore.send_before = restore.confirmed_at + times.SEND_BEFORE_CAP
    safety = _safety_snapshot(restore, actor)
    return [safety, _deletion(going, restore, actor)] if going else [safety]


def _safety_snapshot(restore: Operation, actor: User) -> Operation:
    """The child: the state that the restore will overwrite, taken under the restore's lock."""
    name = f"before-restore-{restore.confirmed_at:%Y%m%d-%H%M%S}"
    child = _operation(
        Kind.CREATE,
        restore.server,
        actor,
        uuid4(),
        name=name,
        note=f"Before restoring {restore.server.name} to {restore.name}",
    )
    child.send_before = restore.send_before
    return child


def _kept(
    shown: Shown, operation: Operation, why_without: str, going: Snapshot | None
) -> RestorePlan:
    kept = RestorePlan(
        operation=operation,
        facts=shown.facts,
        shown_at=shown.at,
        why_without=why_without,
        going=going,
    )
    kept.digest = kept.agreed
    return kept


def _deletion(going: Snapshot, operation: Operation, actor: User) -> Operation:
    """The child that makes room. It can be thought over as long as what it makes room for."""
    child = _operation(
        Kind.DELETE, operation.server, actor, uuid4(), snapshot=going, name=going.name
    )
    if operation.hold_until and operation.hold_until > child.due_at:
        child.due_at = child.hold_until = operation.hold_until
    return child


def _insert(
    operation: Operation,
    *,
    kept: RestorePlan | None = None,
    children: Sequence[Operation] = (),
    followers: Sequence[Operation] = (),
    answer: Operation | None = None,
) -> Operation:
    """Write the request and its audit line; the database decides who was first.

    `children` come before it, the last one first, each under the one that it is for; a restore
    that a second person must approve gets them with the approval. `followers` stand in the
    machine's line from the same moment. `answer`, if not the operation itself, is the one that the
    form asked for.
    """
    answer = answer or operation
    try:
        with transaction.atomic():
            revision = _join(operation)
            _write(operation, revision)
            is_asked_only = operation.state == State.AWAITING_APPROVAL
            first = write_before(operation, [] if is_asked_only else children, revision)
            if kept:
                _write_plan(kept)
            if is_asked_only:
                tell(operation, events.Verb.RESTORE_APPROVAL_WANTED, operation.asked_by)
            for row in followers:
                _write(_waiting(row), revision)
            # A batch announces all of its own at once; what can be thought over is not due yet.
            if operation.batch_id is None and first.due_at <= timezone.now():
                transaction.on_commit(lambda: queue.nudge("send", first.pk))
    except IntegrityError:
        if again := _same_form(answer, children):
            return again
        raise Refused(busy(operation.server)) from None
    return answer


def _await_approval(operation: Operation) -> None:
    """A second person must approve it first. Until then it holds no machine."""
    if is_held(operation.server):  # what holds it changes what they would read
        raise Refused(busy(operation.server))
    operation.state = State.AWAITING_APPROVAL
    operation.due_at = operation.send_before = operation.created_at + times.APPROVE_WITHIN
    operation.hold_until = None


def _write_plan(kept: RestorePlan) -> None:
    kept.save(force_insert=True)
    if words := kept.why_without:
        tell(kept.operation, events.Verb.RESTORE_BARE, kept.operation.asked_by, words)


def write_before(first: Operation, children: Iterable[Operation], revision: int) -> Operation:
    """Each child under the one that it is for. Gives the one that is sent first."""
    for child in children:
        child.parent = first
        _write(child, revision)
        first = child
    return first


def _line_up(operation: Operation) -> Operation:
    """Write a request that waits behind what holds its machine."""
    with transaction.atomic():
        _write(_waiting(operation), _join(operation))
    return operation


def _join(operation: Operation) -> int:
    """The revision to write with. Whoever removed the account meanwhile was first."""
    revision = Account.next_revision(operation.account_id)
    check_connected(Account.objects.select_related("team").get(pk=operation.account_id))
    return revision


def _waiting(operation: Operation) -> Operation:
    operation.state = State.WAITING
    operation.send_before = operation.created_at + times.LINE_CAP[Kind(operation.kind)]
    return operation


def _write(row: Operation, revision: int) -> None:
    row.revision = revision
    row.save(force_insert=True)
    tell(row, events.Verb(f"{row.kind}.asked"), row.asked_by)


def _same_form(operation: Operation, children: Sequence[Operation] = ()) -> Operation | None:
    """The operation this very form has already made. The same key for something else: refused."""
    first = Operation.objects.filter(team=operation.team, request_key=operation.request_key).first()
    if first is None:
        return None
    asked = ["kind", "server_id", "asked_by_id", "name", "note", "about"]
    if operation.kind != Kind.CREATE:  # whose snapshot is what came of it
        asked.append("snapshot_id")
    if (
        any(getattr(first, field) != getattr(operation, field) for field in asked)
        or _shape(children) != (_shape(_below(first)) or _planned(first))
        or (first.needs_id is None) != (operation.needs is None)
    ):
        raise Refused(_("This form was already used for something else. Please open it again."))
    return first


def _below(operation: Operation) -> Iterator[Operation]:
    """What comes before it: its child, and that one's."""
    child = operation.children.order_by("pk").first()
    if child:
        yield child
        yield from _below(child)


def _planned(first: Operation) -> list[tuple[str, int | None]]:
    """What is to come before a restore that nobody has approved yet."""
    kept = RestorePlan.objects.filter(operation=first, why_without="").first()
    if kept is None:
        return []
    going = [(Kind.DELETE.value, kept.going_id)] if kept.going_id else []
    return [(Kind.CREATE.value, None), *going]


def _shape(children: Iterable[Operation]) -> list[tuple[str, int | None]]:
    """What they are; whose snapshot a create is about is what came of it."""
    return [(one.kind, one.snapshot_id if one.kind == Kind.DELETE else None) for one in children]
