"""One pass over an account: look, mirror what is there into our rows, then settle."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from snapshots import accounts, events
from snapshots.models import (
    Account,
    Attempt,
    Kind,
    Operation,
    Pass,
    Server,
    Sighting,
    Snapshot,
)
from snapshots.models.inventory import marker_in
from snapshots.models.operation import HOLDING, WATCHED
from snapshots.operations import budget, settle, times
from snapshots.provider import errors as wire
from snapshots.provider import types
from snapshots.secrets import CannotOpen

log = logging.getLogger(__name__)
T = TypeVar("T")
BATCH = 500  # rows a transaction: SQLite's single writer is never held for long
LONGEST_BACK_OFF = timedelta(minutes=5)
QUOTA = 200


def due() -> list[int]:
    """Ids of accounts to look at now, each announced at most every few seconds."""
    now = timezone.now()
    chosen = list(
        Account.objects.filter(next_pass_at__lte=now)
        .exclude(paused=Account.Paused.TOKEN)
        .filter(Q(nudged_at__isnull=True) | Q(nudged_at__lte=now - times.NUDGE))
        .order_by("next_pass_at")
        .values_list("pk", flat=True)[:QUOTA]
    )
    if chosen:
        Account.objects.filter(pk__in=chosen).update(nudged_at=now)
    return chosen


def observe(pk: int) -> None:
    """Look at one account, once for everything that runs in it. Safe to call twice or late."""
    begun = timezone.now()
    account = (
        Account.objects.select_related("team")
        .filter(pk=pk, next_pass_at__lte=begun)
        .exclude(paused=Account.Paused.TOKEN)
        .first()
    )
    if account is None or not _lease(account, begun):
        return
    if not budget.take(pk, 2):
        Account.objects.filter(pk=pk).update(
            next_pass_at=begun + timedelta(seconds=5), nudged_at=None
        )
        return
    try:
        with account.client() as client:
            servers, snapshots = client.servers(), client.snapshots()
    except (wire.ProviderError, CannotOpen) as error:
        _failed(account, begun, error)
        return
    _looked(account, begun, servers, snapshots)


def _lease(account: Account, now: datetime) -> bool:
    return bool(
        Account.objects.filter(pk=account.pk, next_pass_at=account.next_pass_at).update(
            next_pass_at=now + times.PASS_LEASE
        )
    )


def _looked(
    account: Account,
    begun: datetime,
    servers: types.Listing[types.Server],
    snapshots: types.Listing[types.Snapshot],
) -> None:
    complete = servers.complete and snapshots.complete
    current = Account.objects.filter(pk=account.pk, token_version=account.token_version)
    if not current.exists():
        complete = False  # begun under a token that has been replaced since
    # A pass that began earlier than one already mirrored must not turn the rows back.
    newest = current.filter(Q(applied_pass_at__isnull=True) | Q(applied_pass_at__lt=begun))
    if newest.update(applied_pass_at=begun):
        _mirror_servers(account, begun, servers)
        _mirror_snapshots(account, begun, snapshots)
    seen_in = Pass.objects.create(
        account=account, begun_at=begun, ended_at=timezone.now(), complete=complete
    )
    watched = list(
        Operation.objects.filter(account=account, state__in=WATCHED, sent_at__lte=begun)
        .select_related("account", "server", "team", "snapshot")
        .order_by("pk")
    )
    _note_sightings(account, seen_in, watched, servers, snapshots)
    for operation in watched:
        settle(operation)
    _rest(account, begun, complete)


def _note_sightings(
    account: Account,
    seen_in: Pass,
    watched: list[Operation],
    servers: types.Listing[types.Server],
    snapshots: types.Listing[types.Snapshot],
) -> None:
    sightings = [
        Sighting(
            operation=operation,
            seen_in=seen_in,
            begun_at=seen_in.begun_at,
            complete=seen_in.complete,
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
    if operation.kind == Kind.RESTORE:
        remote_id = operation.server.remote_id
        return {"status": next((s.status or "?" for s in servers if s.id == remote_id), "")}
    here = [item for item in snapshots if item.server_id == operation.server.remote_id]
    if operation.kind == Kind.DELETE:
        confirmed = operation.confirmed
        item = next((item for item in here if item.id == confirmed["id"]), None)
        if item is None:
            return {"status": ""}
        created_at = item.created_at.isoformat() if item.created_at else None
        unchanged = (item.name, created_at) == (confirmed["name"], confirmed["created_at"])
        return {"status": item.status or "?", "unchanged": unchanged}
    own = next((item for item in here if item.id == operation.remote_id), None)
    return {
        "status": (own.status or "?") if own else "",
        "marked": [item.id for item in here if marker_in(item.description) == operation.marker],
        "candidates": _candidates(operation, here),
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


# -- mirror ---------------------------------------------------------------------------------------


def _mirror_servers(
    account: Account, begun: datetime, listing: types.Listing[types.Server]
) -> None:
    rows = {row.remote_id: row for row in account.servers.filter(gone_at=None)}
    new, changed = [], []
    for item in listing.items:
        row = rows.pop(item.id, None)
        if row is None:
            new.append(Server(account=account, remote_id=item.id, **Server.shown(item)))
        elif _bring_up_to_date(row, Server.shown(item)):
            changed.append(row)
    fields = [*Server.shown(listing.items[0]), "missing_since"] if listing.items else []
    _write(account, Server, new, changed, fields)
    if listing.complete:
        _mark_missing(account, Server, rows.values(), begun, events.Verb.SERVER_GONE)


def _mirror_snapshots(
    account: Account, begun: datetime, listing: types.Listing[types.Snapshot]
) -> None:
    servers = {row.remote_id: row for row in account.servers.filter(gone_at=None)}
    rows = {row.remote_id: row for row in account.snapshots.filter(gone_at=None)}
    new: list[Snapshot] = []
    changed: list[Snapshot] = []
    replaced: list[Snapshot] = []
    for item in listing.items:
        server = servers.get(item.server_id)
        if server is None:
            continue  # the server is not listed: shown once it is
        row = rows.pop(item.id, None)
        if row and not _same(row, server, item):
            replaced.append(row)
            row = None
        if row is None:
            shown = Snapshot.shown(item)
            new.append(Snapshot(account=account, server=server, remote_id=item.id, **shown))
        elif _bring_up_to_date(row, Snapshot.shown(item)):
            changed.append(row)
    _mark_gone(account, Snapshot, replaced, events.Verb.SNAPSHOT_GONE)
    new = _without_just_deleted(account, begun, new)
    fields = ["name", "status", "size_mb", "created_at", "description", "missing_since"]
    _write(account, Snapshot, new, changed, fields)
    if account.complete_pass_at:  # on the first look everything is new and nothing is news
        _tell_found(account, new)
    if listing.complete:
        _mark_missing(account, Snapshot, rows.values(), begun, events.Verb.SNAPSHOT_GONE)


def _same(row: Snapshot, server: Server, item: types.Snapshot) -> bool:
    """Whether an id still means the same snapshot: ids may be given out again."""
    born = (row.created_at, item.created_at)
    return (
        row.server_id == server.pk
        and row.name == item.name
        and (None in born or born[0] == born[1])
    )


def _without_just_deleted(account: Account, begun: datetime, new: list[Snapshot]) -> list[Snapshot]:
    """Leave out what we know to be deleted and a stale listing still shows."""
    recently = begun - times.between_proofs()
    deleted = set(
        account.snapshots.filter(
            remote_id__in=[row.remote_id for row in new][:BATCH],
            gone_at__gte=recently,
            operations__kind=Kind.DELETE,
        ).values_list("remote_id", flat=True)
    )
    return [row for row in new if row.remote_id not in deleted]


def _bring_up_to_date(row: Server | Snapshot, shown: dict[str, Any]) -> bool:
    shown = shown | {"missing_since": None}
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
    for batch in _batches(new):
        with transaction.atomic():
            revision = Account.next_revision(account.pk)
            for row in batch:
                row.revision = revision
            # Two passes at once may both find it new: the second keeps the first's row.
            model.objects.bulk_create(batch, ignore_conflicts=True)
    for batch in _batches(changed):
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
    for batch in _batches(first):
        model.objects.filter(pk__in=batch).update(missing_since=begun)
    gone = [row for row in rows if row.missing_since and row.missing_since < begun]
    _mark_gone(account, model, gone, verb)


def _mark_gone(
    account: Account,
    model: type[Server] | type[Snapshot],
    rows: list[Any],
    verb: events.Verb,
) -> None:
    for batch in _batches(rows):
        with transaction.atomic():
            revision = Account.next_revision(account.pk)
            model.objects.filter(pk__in=[row.pk for row in batch], gone_at=None).update(
                gone_at=timezone.now(), revision=revision
            )
            for row in batch:
                is_server = isinstance(row, Server)
                events.record(
                    verb,
                    team=account.team,
                    account=account,
                    server=row if is_server else row.server,
                    snapshot=None if is_server else row,
                )


def _tell_found(account: Account, new: list[Snapshot]) -> None:
    """Say which snapshots were taken outside. Ours are known by id or by marker.

    Nothing is said of one that an open request of ours, on that server and of that name, may have
    made: whose it is will be settled.
    """
    ids = {row.remote_id for row in new}
    markers = {row.marker for row in new if row.marker}
    ours = Operation.objects.filter(account=account, kind=Kind.CREATE).filter(
        Q(remote_id__in=ids) | Q(marker__in=markers)
    )
    known = {value for pair in ours.values_list("remote_id", "marker") for value in pair}
    open_requests = set(
        Operation.objects.filter(account=account, kind=Kind.CREATE, state__in=HOLDING).values_list(
            "server_id", "name"
        )
    )
    for row in account.snapshots.filter(remote_id__in=ids, gone_at=None).select_related("server"):
        if (
            row.remote_id not in known
            and (row.marker or None) not in known
            and (row.server_id, row.name) not in open_requests
        ):
            events.record(
                events.Verb.SNAPSHOT_FOUND,
                team=account.team,
                account=account,
                server=row.server,
                snapshot=row,
            )


def _batches(rows: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        yield batch


# -- afterwards -----------------------------------------------------------------------------------


def _rest(account: Account, begun: datetime, complete: bool) -> None:
    """Write down that we looked, and when to look again."""
    changes: dict[str, Any] = {"failed_passes": 0, "nudged_at": None}
    if complete:
        changes["complete_pass_at"] = begun
    changes["next_pass_at"] = timezone.now() + _interval(account)
    trouble = "" if complete else "the provider's listing was not complete"
    _say(account, trouble, changes)


def _failed(account: Account, begun: datetime, error: Exception) -> None:
    status = getattr(error, "status", None)
    if status == 401:
        accounts.token_refused(account)
    if status == 429:
        budget.slow_down(account.pk)
    words = getattr(error, "message", str(error))
    Pass.objects.create(
        account=account, begun_at=begun, ended_at=timezone.now(), complete=False, trouble=words
    )
    doubled = _interval(account) * 2 ** min(account.failed_passes, 8)
    wait = max(doubled, timedelta(seconds=getattr(error, "retry_after", None) or 0))
    changes = {
        "failed_passes": account.failed_passes + 1,
        "nudged_at": None,
        "next_pass_at": timezone.now() + min(wait, LONGEST_BACK_OFF),
    }
    _say(account, words, changes)


def _say(account: Account, trouble: str, changes: dict[str, Any]) -> None:
    with transaction.atomic():
        if trouble != account.trouble:
            Account.next_revision(account.pk)
            changes["trouble"] = trouble[:300]
            if bool(trouble) != bool(account.trouble):
                changes["trouble_since"] = timezone.now() if trouble else None
        Account.objects.filter(pk=account.pk).update(**changes)


def _interval(account: Account) -> timedelta:
    """How soon something of ours in this account wants to be looked at again."""
    now = timezone.now()
    sent = Operation.objects.filter(
        account=account, state__in=WATCHED, sent_at__isnull=False
    ).values_list("sent_at", flat=True)
    return min([times.look_again(now - at) for at in sent if at], default=times.idle_look())


def tidy() -> None:
    """Forget looks of more than a day ago that nothing rests on."""
    old = timezone.now() - timedelta(days=1)
    stale = Pass.objects.filter(begun_at__lt=old, sightings=None)
    for batch in _batches(stale.values_list("pk", flat=True)[: 20 * BATCH]):
        Pass.objects.filter(pk__in=batch).delete()
