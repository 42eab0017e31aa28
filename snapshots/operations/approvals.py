"""The second person: a restore of a guarded server waits until somebody else says yes.

They see the same plan with the facts as they are now, type the server's name, and approve exactly
that: what is agreed to has one digest, over the facts and the choices. The machine is taken, and
what comes before the restore is written, in the transaction of the approval. The claim looks once
more: see `guards.objection`.
"""

from __future__ import annotations

from copy import copy
from datetime import datetime
from typing import Any

from django.core import signing
from django.db import IntegrityError, transaction
from django.utils import timezone

from snapshots import queue, seconds
from snapshots.errors import Refused
from snapshots.models import (
    Account,
    Approval,
    Kind,
    Operation,
    Reason,
    Server,
    Snapshot,
    State,
    User,
)
from snapshots.operations import epoch, times
from snapshots.operations.ask import before_restore, to_think, write_before
from snapshots.operations.audited import audited
from snapshots.operations.guards import check_unsealed
from snapshots.operations.plan import difference, plan, unsealed
from snapshots.operations.room import check_room
from snapshots.operations.rules import (
    RIGHT,
    busy,
    check_connected,
    check_server,
    check_slot,
    check_snapshot,
    check_typed,
)
from snapshots.operations.states import move
from snapshots.permissions import APPROVE, BREAK_GLASS, may_now, require
from snapshots.reasons import reason
from snapshots.said import gettext as _
from snapshots.seconds import brought_in, tagged_in

What = Approval.What
SALT = "snapshots.operations.approvals"


# -- who ------------------------------------------------------------------------------------------


def approvers(restore: Operation) -> list[User]:
    """Who could be the second person now, by name."""
    return second_persons(restore.server, restore.asked_by_id or 0)


def second_persons(server: Server, asker: int) -> list[User]:
    """Who could approve a restore of `server` that `asker` asks for."""
    return seconds.second_persons(APPROVE, server.account.team, asker, server)


def check_second(restore: Operation, actor: User) -> None:
    """Raises `Refused` unless `actor` is a second person to this restore."""
    require(actor, APPROVE, restore.team, restore.server)
    if actor.pk == restore.asked_by_id:
        raise Refused(
            _("You asked for it, so somebody else has to approve it. %(people)s")
            % {"people": who(approvers(restore))}
        )
    if actor.pk in brought_in(restore.team_id, restore.asked_by_id or 0):
        raise Refused(
            _(
                "%(person)s, who asked for it, let you in or changed your role less than 24 hours"
                " ago, so you are no second person to this. %(people)s"
            )
            % {"person": restore.asked_by_name, "people": who(approvers(restore))}
        )
    if actor.pk in tagged_in(restore.server, restore.asked_by_id or 0):
        raise Refused(
            _(
                "%(person)s, who asked for it, gave this server less than 24 hours ago the tag by"
                " which you reach it, so you are no second person to this. %(people)s"
            )
            % {"person": restore.asked_by_name, "people": who(approvers(restore))}
        )


def who(people: list[User]) -> str:
    """A sentence that names them."""
    if not people:
        return _("Nobody else can do that now; an owner can let it go on in an emergency.")
    names = ", ".join(str(person) for person in people[:5])
    return _("These can: %(names)s.") % {"names": names}


# -- what they read -------------------------------------------------------------------------------


def sealed(restore: Operation, actor: User) -> str:
    """What the page carries: for `actor`, this restore and what is agreed to, for 15 minutes."""
    shown = {"user": actor.pk, "operation": restore.pk, "digest": restore.plan.agreed}
    return signing.dumps(shown, salt=SALT)


def objection(restore: Operation) -> Any:
    """Why it can be approved by nobody, as things are; empty if it can."""
    try:
        check_open(restore)
        check_still(restore)
    except Refused as refusal:
        return refusal.sentence
    return ""


def check_open(restore: Operation) -> None:
    """Raises `Refused` unless it waits for a second person."""
    is_over = restore.state != State.AWAITING_APPROVAL or restore.send_before <= timezone.now()
    if is_over or epoch.is_doubtful(restore):
        raise Refused(_("It does not wait for a second person any more."))


def check_still(restore: Operation) -> None:
    """Raises `Refused` unless everything is as it was for whoever asked."""
    rows = Snapshot.objects.select_related("server__account__team", "account__team")
    snapshot, kept = rows.get(operations=restore.pk), restore.plan
    server = snapshot.server
    check_server(server)
    check_unsealed(server)
    if not may_now(restore.asked_by_id, RIGHT[Kind.RESTORE], restore.team_id, server.pk):
        raise Refused(
            _("%(person)s, who asked for it, no longer has the right to restore %(server)s.")
            % {"person": restore.asked_by_name, "server": server.name}
        )
    what = difference(kept.facts, plan(snapshot).facts)
    if not what and kept.agreed != kept.digest:
        what = _("the snapshot that is to make room")
    if what:
        raise Refused(
            _(
                "Something has changed since %(person)s asked: %(what)s."
                " It cannot be approved any more and has to be asked for again."
            )
            % {"person": restore.asked_by_name, "what": what}
        )
    check_snapshot(snapshot)
    if kept.going:
        check_room(server, kept.going, keep=snapshot)
    elif not kept.why_without:
        check_slot(server)


# -- what they decide -----------------------------------------------------------------------------


def approve(restore: Operation, *, actor: User, typed: str, seen: str) -> None:
    """Let it go on, as if it had been confirmed now. Raises `Refused`.

    `typed` must be the server's name, and `seen` what the page carried (`sealed`).
    """
    with audited(actor, restore.server, restore.snapshot):
        check_second(restore, actor)
        _let_go(restore, What.APPROVED, actor, typed, seen)


def break_glass(restore: Operation, *, actor: User, typed: str, seen: str, words: str) -> None:
    """The same without a second person: an owner, with a reason that everybody is told."""
    with audited(actor, restore.server, restore.snapshot):
        require(actor, BREAK_GLASS, restore.team, restore.server)
        _let_go(restore, What.EMERGENCY, actor, typed, seen, _why(words))


def reject(restore: Operation, *, actor: User, words: str) -> None:
    """End it unsent. `words` is why. Raises `Refused`."""
    with audited(actor, restore.server, restore.snapshot):
        require(actor, APPROVE, restore.team, restore.server)
        if actor.pk == restore.asked_by_id:
            raise Refused(_("You asked for it: you can cancel it."))
        words = _why(words)
        check_open(restore)
        details = {"person": str(actor), "words": words}
        row = _row(restore, What.REJECTED, actor, words)
        done = move(
            restore,
            State.CANCELLED,
            Reason.REJECTED,
            actor=actor,
            details=details,
            told="rejected",
            also=lambda _: row.save(force_insert=True),
        )
        if not done:
            raise _too_late()


def _why(words: str) -> str:
    return reason(words, _("Please say why. It is kept in the history."))


def _let_go(
    restore: Operation, what: What, actor: User, typed: str, seen: str, words: str = ""
) -> None:
    """Take the machine, write down who let it go on, and what comes before it: or nothing."""
    check_open(restore)
    check_still(restore)
    _check_shown(restore, seen, actor)
    check_typed(typed, restore.server.name, Kind.RESTORE, restore.server, actor)
    after, children = _confirmed_now(restore, timezone.now())
    row = _row(restore, what, actor, words)

    def also(revision: int) -> None:
        row.save(force_insert=True)
        first = write_before(after, children, revision)
        if first.due_at <= timezone.now():
            transaction.on_commit(lambda: queue.nudge("send", first.pk))

    names = ("approved_at", "due_at", "hold_until", "send_before")
    try:
        with transaction.atomic():
            revision = Account.next_revision(restore.account_id)
            check_connected(Account.objects.select_related("team").get(pk=restore.account_id))
            right = APPROVE if what == What.APPROVED else BREAK_GLASS
            if not may_now(actor.pk, right, restore.team_id, restore.server_id):
                raise Refused(_("You no longer have the right to do this."))
            done = move(
                restore,
                State.QUEUED,
                actor=actor,
                details={"words": words} if words else {},
                changes={name: getattr(after, name) for name in names},
                also=also,
                told=what.value,
                revision=revision,
            )
            if not done:
                raise _too_late()
    except IntegrityError:
        raise Refused(busy(restore.server)) from None


def _confirmed_now(restore: Operation, now: datetime) -> tuple[Operation, list[Operation]]:
    """The restore with the times of one that is confirmed now, and what comes before it."""
    after, kept = copy(restore), restore.plan
    held_for = to_think(Kind.RESTORE, restore.team)
    after.approved_at = now
    after.due_at = now + held_for
    after.hold_until = after.due_at if held_for else None
    after.send_before = after.due_at + times.SEND_BEFORE[Kind.RESTORE]
    if kept.why_without:
        return after, []
    assert restore.asked_by is not None  # noqa: S101 -- `check_still` knows
    return after, before_restore(after, kept.going, restore.asked_by)


def _check_shown(restore: Operation, seen: str, actor: User) -> None:
    shown = unsealed(seen, salt=SALT, actor=actor)
    if (shown["operation"], shown["digest"]) != (restore.pk, restore.plan.agreed):
        raise Refused(_("This page was made for another restore. Please read this one."))


def _row(restore: Operation, what: What, actor: User, words: str) -> Approval:
    return Approval(
        operation=restore,
        what=what,
        by=actor,
        by_name=str(actor)[:100],
        words=words,
        digest=restore.plan.agreed,
    )


def _too_late() -> Refused:
    return Refused(_("Too late: somebody has decided it already, or it has expired."))
