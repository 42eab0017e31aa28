"""What a server's guard level allows.

open: a restore and a deletion are confirmed with a button. careful: the name is typed. guarded: a
restore needs a second person, too. sealed: no restore, and no deletion, from here. Snapshots can
always be taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from snapshots.errors import Refused
from snapshots.levels import Level, level, levels, people
from snapshots.models import Approval, Guard, Kind, Operation, Reason, RestorePlan, Server, User
from snapshots.operations.rules import check_typed
from snapshots.permissions import APPROVE, BREAK_GLASS, may_now
from snapshots.said import gettext as _

__all__ = ["Level", "check_unsealed", "level", "why_sealed"]

OVERWRITES = (Kind.RESTORE, Kind.DELETE)


def sealed(servers: Iterable[Server]) -> dict[int, str]:
    """Of these servers the sealed ones, and why nothing is restored or deleted there, in words.

    A few questions, however many servers.
    """
    found = {one.pk: one for one in servers}
    said = {pk: now for pk, now in levels([*found]).items() if now.is_sealed}
    who = {team.pk: people(team) for team in {found[pk].account.team for pk in said}}
    return {pk: _words(found[pk], now, who[found[pk].account.team_id]) for pk, now in said.items()}


def why_sealed(server: Server, now: Level) -> str:
    """The same for one server, whose level is known already; empty unless it is sealed."""
    return _words(server, now, people(server.account.team)) if now.is_sealed else ""


def check_unsealed(server: Server) -> Level:
    """What counts for `server`, if anything of it may be lost from here. Raises `Refused`."""
    now = level(server)
    if words := why_sealed(server, now):
        raise Refused(words)
    return now


def _words(server: Server, now: Level, who: str) -> str:
    return _(
        "%(server)s is sealed (%(where)s): it is not restored, and none of its snapshots is"
        " deleted, from here. %(people)s can set another guard level."
    ) % {"server": server.name, "where": now.where, "people": who}


def check_confirmed(
    operation: Operation, typed: str, now: Level, *, actor: User, field: str = "typed"
) -> None:
    """The name of what is lost must have been typed, unless the server is open. Raises `Refused`.

    That nothing was typed is noted: the server may be open no more when it is to be sent.
    """
    if now.is_open and not typed.strip():
        operation.confirmed["untyped"] = True
        return
    wanted = operation.server.name if operation.kind == Kind.RESTORE else operation.name
    check_typed(typed, wanted, Kind(operation.kind), operation.server, actor, field=field)


def objection(operation: Operation) -> tuple[Reason, dict[str, Any]] | None:
    """Why the level as it is now forbids to send this; None if it does not.

    What comes before a restore, a safety snapshot and a deletion that makes room for it, is only
    done for one that it does not forbid.
    """
    if operation.parent and (forbids := objection(operation.parent)):
        return forbids
    if operation.kind not in OVERWRITES:
        return None
    now = level(operation.server)
    if now.is_sealed:
        return Reason.SEALED, {"person": now.by, "what": now.what}
    if operation.confirmed.get("untyped") and not now.is_open:
        return Reason.GUARD_RAISED, {"what": operation.server.name}
    if now.guard == Guard.GUARDED and operation.kind == Kind.RESTORE:
        return _second_person(operation)
    return None


def _second_person(restore: Operation) -> tuple[Reason, dict[str, Any]] | None:
    """What is missing of a second person's word, or an owner's, for exactly this; None if nothing.

    `restore` is as the claim has read it: with its plan, and with what was said to it.
    """
    approval: Approval | None = getattr(restore, "approval", None)
    kept: RestorePlan | None = getattr(restore, "plan", None)
    if approval is None or kept is None or approval.digest != kept.agreed:
        return Reason.NOT_APPROVED, {}
    is_alone = approval.what == Approval.What.EMERGENCY
    is_own = approval.by_id == restore.asked_by_id and not is_alone
    right = BREAK_GLASS if is_alone else APPROVE
    if is_own or not may_now(approval.by_id, right, restore.team_id, restore.server_id):
        return Reason.APPROVER_LEFT, {"person": approval.by_name}
    return None
