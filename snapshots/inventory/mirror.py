"""Our rows follow the provider: compared in memory, written where they differ, in short batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from snapshots import events
from snapshots.models import Account, Kind, Operation, Server, Snapshot, State
from snapshots.models.operation import HOLDING
from snapshots.operations import times
from snapshots.provider import types

T = TypeVar("T")
BATCH = 500  # rows a transaction: SQLite's single writer is never held for long
LISTED = ("missing_since", "gone_at")


def mirror_servers(account: Account, begun: datetime, listing: types.Listing[types.Server]) -> None:
    rows = {row.remote_id: row for row in account.servers.filter(gone_at=None)}
    new, changed = [], []
    for item in listing.items:
        row = rows.pop(item.id, None)
        if row is None:
            new.append(Server(account=account, remote_id=item.id, **Server.shown(item)))
        elif _bring_up_to_date(row, Server.shown(item)):
            changed.append(row)
    new, back = _revived(account, Server, new)
    fields = [*Server.shown(listing.items[0]), *LISTED] if listing.items else []
    _write(account, Server, new, changed + back, fields)
    if listing.complete:
        _mark_missing(account, Server, rows.values(), begun, events.Verb.SERVER_GONE)


def mirror_snapshots(
    account: Account, begun: datetime, listing: types.Listing[types.Snapshot]
) -> None:
    servers = {row.remote_id: row for row in account.servers.filter(gone_at=None)}
    rows = {row.remote_id: row for row in account.snapshots.filter(gone_at=None)}
    new: list[Snapshot] = []
    changed: list[Snapshot] = []
    replaced: list[Snapshot] = []
    for item in listing.items:
        row = rows.pop(item.id, None)
        server = servers.get(item.server_id)
        if server is None:
            continue  # the server is not listed: its snapshots stay as they were
        if row and not row.is_same(server, item):
            replaced.append(row)
            row = None
        if row is None:
            shown = Snapshot.shown(item)
            new.append(Snapshot(account=account, server=server, remote_id=item.id, **shown))
        elif _bring_up_to_date(row, Snapshot.shown(item)):
            changed.append(row)
    _mark_gone(account, Snapshot, replaced, events.Verb.SNAPSHOT_GONE)
    new = _without_just_deleted(account, begun, new)
    new, back = _revived(account, Snapshot, new)
    fields = ["name", "status", "size_mb", "created_at", "description", *LISTED]
    _write(account, Snapshot, new, changed + back, fields)
    for row in back:
        _tell(account, events.Verb.SNAPSHOT_BACK, row)
    if account.complete_pass_at:  # on the first look everything is new and nothing is news
        _tell_found(account, new)
    if listing.complete:
        _mark_missing(account, Snapshot, rows.values(), begun, events.Verb.SNAPSHOT_GONE)


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
    account: Account, model: type[Server] | type[Snapshot], new: list[Any]
) -> tuple[list[Any], list[Any]]:
    """What is really new, and the rows of what was gone and is listed again, brought up to date."""
    gone: dict[str, Any] = {}
    for batch in batches(row.remote_id for row in new):
        rows = model.objects.filter(account=account, remote_id__in=batch, gone_at__isnull=False)
        gone |= {row.remote_id: row for row in rows.order_by("gone_at")}
    really_new, back = [], []
    for row in new:
        old = gone.get(row.remote_id)
        if old is None or (isinstance(row, Snapshot) and not old.is_same(row.server, row)):
            really_new.append(row)
            continue
        _bring_up_to_date(old, model.shown(row))
        back.append(old)
    return really_new, back


def _bring_up_to_date(row: Server | Snapshot, shown: dict[str, Any]) -> bool:
    shown = shown | dict.fromkeys(LISTED)
    changed = {name: value for name, value in shown.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    return bool(changed)


def _write(
    account: Account,
    model: type[Server] | type[Snapshot],
    new: list[Any],
    changed: list[Any],
    fields: list[str],
) -> None:
    for batch in batches(new):
        with transaction.atomic():
            revision = Account.next_revision(account.pk)
            for row in batch:
                row.revision = revision
            # Two passes at once may both find it new: the second keeps the first's row.
            model.objects.bulk_create(batch, ignore_conflicts=True)
    for batch in batches(changed):
        with transaction.atomic():
            revision = Account.next_revision(account.pk)
            for row in batch:
                row.revision = revision
            model.objects.bulk_update(batch, [*fields, "revision"])


def _mark_missing(
    account: Account,
    model: type[Server] | type[Snapshot],
    rows: Iterable[Any],
    begun: datetime,
    verb: events.Verb,
) -> None:
    """The first complete pass without it is noted, the second makes it gone."""
    rows = list(rows)
    first = [row.pk for row in rows if row.missing_since is None]
    for batch in batches(first):
        with transaction.atomic():
            revision = Account.next_revision(account.pk)
            model.objects.filter(pk__in=batch).update(missing_since=begun, revision=revision)
    since = begun - times.between_proofs()
    gone = [row for row in rows if row.missing_since and row.missing_since <= since]
    _mark_gone(account, model, gone, verb)


def _mark_gone(
    account: Account,
    model: type[Server] | type[Snapshot],
    rows: list[Any],
    verb: events.Verb,
) -> None:
    for batch in batches(rows):
        with transaction.atomic():
            revision = Account.next_revision(account.pk)
            model.objects.filter(pk__in=[row.pk for row in batch], gone_at=None).update(
                gone_at=timezone.now(), revision=revision
            )
            for row in batch:
                _tell(account, verb, row)


def _tell_found(account: Account, new: list[Snapshot]) -> None:
    """Say which snapshots were taken outside. Ours are known by id or by marker.

    One of ours that we took for not having happened is said to be there after all.

    Nothing is said of one that an open request of ours, on that server and of that name, may have
    made: whose it is will be settled.
    """
    ids = {row.remote_id for row in new}
    markers = {row.marker for row in new if row.marker}
    ours = Operation.objects.filter(account=account, kind=Kind.CREATE).filter(
        Q(remote_id__in=ids) | Q(marker__in=markers)
    )
    known = {value for pair in ours.values_list("remote_id", "marker") for value in pair}
    denied = {o.marker: o for o in ours.filter(state=State.NOT_APPLIED)}
    open_requests = set(
        Operation.objects.filter(account=account, kind=Kind.CREATE, state__in=HOLDING).values_list(
            "server_id", "name"
        )
    )
    for row in account.snapshots.filter(remote_id__in=ids, gone_at=None).select_related("server"):
        if row.marker in denied:
            _tell(account, events.Verb.SNAPSHOT_AFTER_ALL, row, denied[row.marker])
        elif (
            row.remote_id not in known
            and (row.marker or None) not in known
            and (row.server_id, row.name) not in open_requests
        ):
            _tell(account, events.Verb.SNAPSHOT_FOUND, row)


def _tell(
    account: Account,
    verb: events.Verb,
    row: Server | Snapshot,
    operation: Operation | None = None,
) -> None:
    snapshot = row if isinstance(row, Snapshot) else None
    events.record(
        verb,
        team=account.team,
        account=account,
        server=row.server if isinstance(row, Snapshot) else row,
        snapshot=snapshot,
        operation=operation,
    )


def batches(rows: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        yield batch
