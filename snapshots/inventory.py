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
    State,
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
LONGEST_WAIT = timedelta(seconds=times.RETRY_AFTER_MOST)
QUOTA = 200
LISTED = ("missing_since", "gone_at")


def due() -> list[int]:
    """Ids of accounts to look at now, each announced at most every few seconds."""
    now = timezone.now()
    chosen = list(
        Account.objects.filter(_is_due(now))
        .exclude(paused=Account.Paused.TOKEN)
        .filter(times.may_nudge(now))
        .order_by("next_pass_at")
        .values_list("pk", flat=True)[:QUOTA]
    )
    if chosen:
        Account.objects.filter(pk__in=chosen).update(nudged_at=now)
    return chosen


def _is_due(now: datetime) -> Q:
    """Its time has come; a time beyond any wait of ours is from a clock that was ahead."""
    return Q(next_pass_at__lte=now) | Q(next_pass_at__gt=now + LONGEST_WAIT)


def observe(pk: int) -> None:
    """Look at one account, once for everything that runs in it. Safe to call twice or late."""
    begun = timezone.now()
    account = (
        Account.objects.select_related("team")
        .filter(_is_due(begun), pk=pk)
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
        _looked(account, begun, servers, snapshots)
    except (wire.ProviderError, CannotOpen) as error:
        _failed(account, begun, error)
    except Exception as error:
        log.exception("account %s: an error of ours while looking", pk)
        _failed(account, begun, error, "an error of ours came up while looking at the provider")


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
    listed = {server.id for server in servers.items}
    sightings = [
        Sighting(
            operation=operation,
            seen_in=seen_in,
            begun_at=seen_in.begun_at,
            # Where the whole server is not listed, nothing is concluded about its snapshots.
            complete=seen_in.complete
            and (operation.kind == Kind.RESTORE or operation.server.remote_id in listed),
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
        return {"status": item.status or "?", "unchanged": shown == confirmed}
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
    new, back = _revived(account, Server, new)
    fields = [*Server.shown(listing.items[0]), *LISTED] if listing.items else []
    _write(account, Server, new, changed + back, fields)
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
    for batch in _batches(row.remote_id for row in new):
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
    since = begun - times.between_proofs()
    gone = [row for row in rows if row.missing_since and row.missing_since <= since]
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


def _failed(account: Account, begun: datetime, error: Exception, words: str = "") -> None:
    """Write down that we could not look, why, and when to try again."""
    status = getattr(error, "status", None)
    if status == 401:
        accounts.token_refused(account)
    if status == 429:
        budget.slow_down(account.pk)
    words = (words or getattr(error, "message", str(error)))[:300]
    Pass.objects.create(
        account=account, begun_at=begun, ended_at=timezone.now(), complete=False, trouble=words
    )
    doubled = _interval(account) * 2 ** min(account.failed_passes, 8)
    asked = timedelta(seconds=getattr(error, "retry_after", None) or 0)
    wait = max(min(doubled, LONGEST_BACK_OFF), min(asked, LONGEST_WAIT))
    changes = {
        "failed_passes": account.failed_passes + 1,
        "nudged_at": None,
        "next_pass_at": timezone.now() + wait,
    }
    _say(account, words, changes)


def _say(account: Account, trouble: str, changes: dict[str, Any]) -> None:
    with transaction.atomic():
        if trouble != account.trouble:
            Account.next_revision(account.pk)
            changes["trouble"] = trouble
            if bool(trouble) != bool(account.trouble):
                changes["trouble_since"] = timezone.now() if trouble else None
        # What a token that has been replaced since ran into is not news.
        Account.objects.filter(pk=account.pk, token_version=account.token_version).update(**changes)


def _interval(account: Account) -> timedelta:
    """How soon something of ours in this account wants to be looked at again."""
    now = timezone.now()
    sent = Operation.objects.filter(
        account=account, state__in=WATCHED, sent_at__isnull=False
    ).values_list("sent_at", flat=True)
    return min([times.idle_look(), *(times.look_again(now - at) for at in sent if at)])


def tidy() -> None:
    """Forget looks of more than a day ago that nothing rests on."""
    old = timezone.now() - timedelta(days=1)
    stale = Pass.objects.filter(begun_at__lt=old, sightings=None)
    for batch in _batches(stale.values_list("pk", flat=True)[: 20 * BATCH]):
        Pass.objects.filter(pk__in=batch).delete()
