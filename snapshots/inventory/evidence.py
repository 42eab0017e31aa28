"""What one pass showed of each operation that is watched."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from snapshots.models import Account, Attempt, Kind, Operation, Pass, Sighting
from snapshots.models.inventory import marker_in
from snapshots.models.operation import POWER
from snapshots.operations import times
from snapshots.provider import types

OF_A_SERVER = (Kind.RESTORE, *POWER)  # told by the server's own status


def note_sightings(
    account: Account,
    seen_in: Pass,
    watched: list[Operation],
    servers: types.Listing[types.Server],
    snapshots: types.Listing[types.Snapshot],
) -> None:
    """Write down what the listings show of `watched`, and learn whether descriptions are kept."""
    listed = {server.id for server in servers.items}
    sightings = [
        Sighting(
            operation=operation,
            seen_in=seen_in,
            begun_at=seen_in.begun_at,
            # Where the whole server is not listed, nothing is concluded about its snapshots.
            complete=seen_in.complete
            and (operation.kind in OF_A_SERVER or operation.server.remote_id in listed),
            **_sighting(operation, servers.items, snapshots.items),
        )
        for operation in watched
    ]
    Sighting.objects.bulk_create(sightings)
    if not account.keeps_descriptions and any(sighting.marked for sighting in sightings):
        Account.objects.filter(pk=account.pk).update(keeps_descriptions=True)
        account.keeps_descriptions = True
        for operation in watched:
            operation.account.keeps_descriptions = True


def _sighting(
    operation: Operation,
    servers: Iterable[types.Server],
    snapshots: Iterable[types.Snapshot],
) -> dict[str, Any]:
    """What the listings show of one operation."""
    if operation.kind in OF_A_SERVER:
        remote_id = operation.server.remote_id
        return {"status": next((s.status or "?" for s in servers if s.id == remote_id), "")}
    here = [item for item in snapshots if item.server_id == operation.server.remote_id]
    if operation.kind == Kind.DELETE:
        confirmed = operation.confirmed
        item = next((item for item in snapshots if item.id == confirmed["id"]), None)
        if item is None:
            return {"status": ""}
        shown = {
            "id": item.id,
            "name": item.name,
            "created_at": item.created_at.isoformat() if item.created_at else None,
            "server": item.server_id,
            "status": item.status,
        }
        return {"status": item.status or "?", "unchanged": shown.items() <= confirmed.items()}
    marked = [item.id for item in here if f"[ref:{operation.marker}]" in item.description]
    candidates = _candidates(operation, here)
    known = [operation.remote_id] if operation.remote_id else marked or candidates
    own = next((item for item in here if known == [item.id]), None)
    return {
        "status": (own.status or "?") if own else "",
        "marked": marked,
        "candidates": candidates,
    }


def _candidates(operation: Operation, here: list[types.Snapshot]) -> list[str]:
    """Snapshots that may be ours though they carry no marker: same name, new, and in time.

    The time is the provider's; five minutes either way are allowed for (*assumed*).
    """
    attempt = Attempt.objects.filter(operation=operation).last()
    if attempt is None or operation.sent_at is None:
        return []
    before = set(attempt.pre_image.get("snapshots", []))
    earliest = operation.sent_at - timedelta(minutes=5)
    latest = times.quiet_end(operation.sent_at) + timedelta(minutes=5)
    return [
        item.id
        for item in here
        if item.name == operation.name
        and item.id not in before
        and not marker_in(item.description)
        and item.created_at
        and earliest <= item.created_at <= latest
    ]
