"""Our rows follow the provider: compared in memory, written where they differ."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from snapshots import events
from snapshots.inventory.rows import (
    LISTED,
    TOLD,
    Changes,
    Model,
    Row,
    batches,
    present,
    stored,
)
from snapshots.models import Account, Kind, Operation, Server, Snapshot, State
from snapshots.models.inventory import same_snapshot
from snapshots.models.operation import HOLDING
from snapshots.operations import times
from snapshots.provider import types

# What follows the provider, in the order of `types.Server` and `types.Snapshot`.
SERVER = types.Server._fields[1:]
SNAPSHOT = types.Snapshot._fields[3:]


def mirror_servers(account: Account, begun: datetime, listing: types.Listing[types.Server]) -> bool:
    """Whether our rows were as listed already, with nothing left to conclude."""
    rows = present(account, Server, SERVER)
    new: list[Server] = []
    changes = Changes(Server, SERVER)
    for item in listing.items:
        row = rows.pop(item.id, None)
        if row is None:
            new.append(Server(account=account, remote_id=item.id, **Server.shown(item)))
            continue
        listed = (*item[1:-1], stored(item.created_at), *LISTED)
        if row[1:-1] != listed:
            changes.note(row[-1], row[1:-1], listed)
    is_same = not (new or changes or rows)
    new, _back = _revived(account, Server, new, changes)
    _insert(account, Server, new)
    changes.write(account)
    if listing.complete:
        _mark_missing(account, Server, rows.values(), begun, events.Verb.SERVER_GONE)
    return is_same


def mirror_snapshots(
    account: Account, begun: datetime, listing: types.Listing[types.Snapshot]
) -> bool:
    """Whether our rows were as listed already, with nothing left to conclude."""
    servers = dict(account.servers.filter(gone_at=None).values_list("remote_id", "pk"))
    rows = present(account, Snapshot, ("server_id", *SNAPSHOT))
    new: list[Snapshot] = []
    changes = Changes(Snapshot, SNAPSHOT)
    replaced: list[int] = []
    for item in listing.items:
        row = rows.pop(item.id, None)
        server = servers.get(item.server_id)
        if server is None:
            continue  # the server is not listed: its snapshots stay as they were
        born = stored(item.created_at)
        listed = (item.name, item.status, item.size_mb, born, item.description, *LISTED)
        if row and row[1] == server and row[2:-1] == listed:
            continue
        if row and same_snapshot((row[1], row[2], row[5]), (server, item.name, born)):
            changes.note(row[-1], row[2:-1], listed)
            continue
        if row and not listing.complete:
            continue  # what says so may be as wrong as the rest of it
        if row:
            replaced.append(row[-1])
        shown = Snapshot.shown(item)
        new.append(Snapshot(account=account, server_id=server, remote_id=item.id, **shown))
    is_same = not (new or changes or rows)
    _mark_gone(account, Snapshot, replaced, events.Verb.SNAPSHOT_GONE)
    new = _without_just_deleted(account, begun, new)
    new, back = _revived(account, Snapshot, new, changes)
    _insert(account, Snapshot, new)
    changes.write(account)
    for batch in batches(back, TOLD):
        _tell_all(account, events.Verb.SNAPSHOT_BACK, Snapshot, batch)
    if account.complete_pass_at:  # on the first look everything is new and nothing is news
        _tell_found(account, new)
    if listing.complete:
        _mark_missing(account, Snapshot, rows.values(), begun, events.Verb.SNAPSHOT_GONE)
    return is_same


def _without_just_deleted(account: Account, begun: datetime, new: list[Snapshot]) -> list[Snapshot]:
    """Leave out what we know to be deleted and a stale listing still shows."""
    recently = begun - times.between_proofs()
    deleted = set(
        account.snapshots.filter(gone_at__gte=recently, operations__kind=Kind.DELETE).values_list(
            "remote_id", flat=True
        )
    )
    return [row for row in new if row.remote_id not in deleted]


def _revived(
    account: Account, model: Model, new: list[Any], changes: Changes
) -> tuple[list[Any], list[int]]:
    """What is really new, and the ids of rows that were gone and are listed again."""
    gone: dict[str, Any] = {}
    for batch in batches(row.remote_id for row in new):
        rows = model.objects.filter(account=account, remote_id__in=batch, gone_at__isnull=False)
        gone |= {row.remote_id: row for row in rows.order_by("gone_at")}
    really_new, back = [], []
    for row in new:
        old = gone.get(row.remote_id)
        if old is None or (isinstance(row, Snapshot) and not old.is_same(row.server_id, row)):
            really_new.append(row)
        else:
            changes.note(old.pk, _values(old, changes), _values(row, changes))
            back.append(old.pk)
    return really_new, back


def _values(row: Server | Snapshot, changes: Changes) -> list[Any]:
    values = (getattr(row, field) for field in changes.fields)
    return [stored(value) if isinstance(value, datetime) else value for value in values]


def _insert(account: Account, model: Model, new: list[Any]) -> None:
    for batch in batches(new, TOLD):
        with transaction.atomic():
            revision = Account.next_revision(account.pk)
            for row in batch:
                row.revision = revision
            # Two passes at once may both find it new: the second keeps the first's row.
            model.objects.bulk_create(batch, ignore_conflicts=True)


def _mark_missing(
    account: Account, model: Model, rows: Iterable[Row], begun: datetime, verb: events.Verb
) -> None:
    """The first complete pass without it is noted, the second makes it gone."""
    missing = [(row[-1], row[-3]) for row in rows]
    for batch in batches(pk for pk, since in missing if since is None):
        with transaction.atomic():
            revision = Account.next_revision(account.pk)
            model.objects.filter(pk__in=batch).update(missing_since=begun, revision=revision)
    proven = stored(begun - times.between_proofs())
    _mark_gone(account, model, [pk for pk, since in missing if since and since <= proven], verb)


def _mark_gone(
    account: Account,
    model: Model,
    pks: list[int],
    verb: events.Verb,
) -> None:
    for batch in batches(pks, TOLD):
        with transaction.atomic():
            revision = Account.next_revision(account.pk)
            model.objects.filter(pk__in=batch, gone_at=None).update(
                gone_at=timezone.now(), revision=revision
            )
            _tell_all(account, verb, model, batch)


def _tell_found(account: Account, new: list[Snapshot]) -> None:
    """Say which snapshots were taken outside. Ours are known by id or by marker.

    One of ours that we took for not having happened is said to be there after all.

    Nothing is said of one that an open request of ours, on that server and of that name, may have
    made: whose it is will be settled.
    """
    creates = Operation.objects.filter(account=account, kind=Kind.CREATE)
    open_requests = set(creates.filter(state__in=HOLDING).values_list("server_id", "name"))
    for batch in batches(new, TOLD):
        ids = {row.remote_id for row in batch}
        markers = {row.marker for row in batch if row.marker}
        ours = creates.filter(Q(remote_id__in=ids) | Q(marker__in=markers))
        known = {value for pair in ours.values_list("remote_id", "marker") for value in pair}
        denied = {one.marker: one for one in ours.filter(state=State.NOT_APPLIED)}
        found = account.snapshots.filter(remote_id__in=ids, gone_at=None).select_related("server")
        with transaction.atomic():
            for row in found:
                if row.marker in denied:
                    _tell(account, events.Verb.SNAPSHOT_AFTER_ALL, row, denied[row.marker])
                elif (
                    row.remote_id not in known
                    and (row.marker or None) not in known
                    and (row.server_id, row.name) not in open_requests
                ):
                    _tell(account, events.Verb.SNAPSHOT_FOUND, row)


def _tell_all(account: Account, verb: events.Verb, model: Model, pks: list[int]) -> None:
    rows: Iterable[Server | Snapshot] = Server.objects.filter(pk__in=pks).order_by("pk")
    if model is Snapshot:
        rows = Snapshot.objects.filter(pk__in=pks).select_related("server").order_by("pk")
    with transaction.atomic():
        for row in rows:
            if verb == events.Verb.SNAPSHOT_GONE and isinstance(row, Snapshot) and row.is_locked:
                _tell(account, events.Verb.SNAPSHOT_GONE_LOCKED, row)
            else:
                _tell(account, verb, row)


def _tell(
    account: Account,
    verb: events.Verb,
    row: Server | Snapshot,
    operation: Operation | None = None,
) -> None:
    events.record(
        verb,
        team=account.team,
        account=account,
        server=row.server if isinstance(row, Snapshot) else row,
        snapshot=row if isinstance(row, Snapshot) else None,
        operation=operation,
    )
