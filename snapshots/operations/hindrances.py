"""Why something cannot be asked for, before it is asked: for many things at once."""

from __future__ import annotations

from collections.abc import Sequence

from snapshots.errors import Refused
from snapshots.models import Kind, Operation, Server, Snapshot, User
from snapshots.models.operation import HOLDING
from snapshots.operations.guards import sealed
from snapshots.operations.rules import RIGHT, busy, check_server, check_slot, check_snapshot
from snapshots.permissions import why_not


def against_creates(servers: Sequence[Server], *, actor: User) -> dict[int, str]:
    """By server, why no snapshot of it can be asked for now; nothing if nothing is known.

    Says what asking would say. A few questions, however many servers.
    """
    full = _full(servers)
    found = {}
    for server, words in _against(Kind.CREATE, servers, actor):
        try:
            if words:
                raise Refused(words)
            if server.pk in full:
                check_slot(server)
        except Refused as refusal:
            found[server.pk] = str(refusal)
    return found


def against_deletes(snapshots: Sequence[Snapshot], *, actor: User) -> dict[int, str]:
    """By snapshot, why it cannot be deleted now."""
    servers = {one.server_id: one.server for one in snapshots}
    of_server = {
        server.pk: words for server, words in _against(Kind.DELETE, [*servers.values()], actor)
    }
    against = sealed(servers.values())
    found = {}
    for snapshot in snapshots:
        pk = snapshot.server_id
        try:
            if words := of_server[pk] or against.get(pk):
                raise Refused(words)
            check_snapshot(snapshot, deleting=True)
        except Refused as refusal:
            found[snapshot.pk] = str(refusal)
    return found


def _against(kind: Kind, servers: Sequence[Server], actor: User) -> list[tuple[Server, str]]:
    """Each server, and what speaks against it; empty if nothing."""
    teams = {server.account.team_id: server.account.team for server in servers}
    rights = {pk: why_not(actor, RIGHT[kind], team) for pk, team in teams.items()}
    keys = Operation.objects.filter(
        lock_key__in=[server.lock_key for server in servers], parent=None, state__in=HOLDING
    )
    held = set(keys.values_list("lock_key", flat=True))
    found = []
    for server in servers:
        words = rights[server.account.team_id]
        try:
            check_server(server)
        except Refused as refusal:
            words = words or str(refusal)
        if not words and server.lock_key in held:
            words = busy(server)
        found.append((server, words))
    return found


def _full(servers: Sequence[Server]) -> set[int]:
    """Those that may have no slot left; `check_slot` has the last word."""
    taken = {server.pk: 0 for server in servers}
    here = Snapshot.objects.filter(server__in=servers, gone_at=None).exclude(status="failed")
    coming = Operation.objects.filter(server__in=servers, kind=Kind.CREATE, state__in=HOLDING)
    for rows in (here, coming):
        for pk in rows.values_list("server", flat=True):
            taken[pk] += 1
    return {server.pk for server in servers if taken[server.pk] >= server.account.slots}
