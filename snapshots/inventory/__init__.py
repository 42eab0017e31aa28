"""One pass over an account: look, mirror what is there into our rows, then settle."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from snapshots import accounts
from snapshots.inventory import memory
from snapshots.inventory.evidence import note_sightings
from snapshots.inventory.mirror import mirror_servers, mirror_snapshots
from snapshots.inventory.rows import BATCH, batches, uncollected
from snapshots.models import Account, Operation, Pass
from snapshots.models.account import READ_DEADLINE
from snapshots.models.operation import WATCHED
from snapshots.operations import budget, settle, times
from snapshots.provider import errors as wire
from snapshots.provider import types
from snapshots.secrets import CannotOpen
from snapshots.turns import QUOTA

log = logging.getLogger(__name__)
LONGEST_BACK_OFF = timedelta(minutes=5)
LONGEST_WAIT = timedelta(seconds=times.RETRY_AFTER_MOST)
Look = tuple[types.Listing[types.Server], types.Listing[types.Snapshot]]


def due() -> list[int]:
    """Ids of accounts to look at now, each announced at most every few seconds."""
    now = timezone.now()
    chosen = list(
        Account.objects.filter(_is_due(now))
        .exclude(paused__in=Account.NOT_READ)
        .filter(times.may_nudge(now))
        .order_by("next_pass_at")
        .values_list("pk", flat=True)[:QUOTA]
    )
    if chosen:
        rows = Account.objects.filter(pk__in=chosen)
        with transaction.atomic():
            # Several rows, in any order: to wait for one could be to wait for who waits for us.
            free = rows.select_for_update(no_key=True, skip_locked=True).values("pk")
            rows.filter(pk__in=free).update(nudged_at=now)
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
        .exclude(paused__in=Account.NOT_READ)
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
        with uncollected():
            servers, snapshots = _read(account, begun)
            if account.paused == Account.Paused.KEY:
                accounts.key_found(account)
            _looked(account, begun, servers, snapshots)
    except (wire.ProviderError, CannotOpen) as error:
        _failed(account, begun, error)
    except Exception as error:
        log.exception("account %s: an error of ours while looking", pk)
        _failed(account, begun, error, "an error of ours came up while looking at the provider")


def _lease(account: Account, now: datetime) -> bool:
    """Have the account to ourselves for a while, or for a while longer."""
    until = now + times.PASS_LEASE
    held = Account.objects.filter(pk=account.pk, next_pass_at=account.next_pass_at)
    if not held.update(next_pass_at=until):
        return False
    account.next_pass_at = until
    return True


def _read(account: Account, begun: datetime) -> Look:
    """Both listings. Where nothing of ours is watched, what we know already is not parsed again."""
    known = memory.Known() if _watched(account, begun) else memory.recall(account, begun)
    with account.client(_patience(account)) as client:
        servers = client.servers(known=known.servers)
        _lease(account, timezone.now())
        snapshots = client.snapshots(known=known.snapshots if servers.as_known else "")
        _lease(account, timezone.now())
    budget.spend(account.pk, servers.calls + snapshots.calls - 2)
    return servers, snapshots


def _patience(account: Account) -> float:
    """Seconds for a listing: three times what the last look took, more after each that failed."""
    last = Pass.objects.filter(account=account, complete=True).order_by("-begun_at").first()
    took = (last.ended_at - last.begun_at).total_seconds() if last else 0.0
    doubled: int = 2 ** min(account.failed_passes, 8)
    return min(max(READ_DEADLINE, 3 * took) * doubled, times.LISTING_MOST)


def _watched(account: Account, begun: datetime) -> list[Operation]:
    return list(
        Operation.objects.filter(account=account, state__in=WATCHED, sent_at__lte=begun)
        .select_related("account", "server", "team", "snapshot")
        .order_by("pk")
    )


def _looked(
    account: Account,
    begun: datetime,
    servers: types.Listing[types.Server],
    snapshots: types.Listing[types.Snapshot],
) -> None:
    complete = servers.complete and snapshots.complete
    current = Account.objects.filter(pk=account.pk, token_version=account.token_version)
    now = current.values_list("revision", flat=True).first()
    if servers.as_known and now != account.revision:
        # What we knew is not known any more, and what was listed was not read.
        Account.objects.filter(pk=account.pk).update(next_pass_at=timezone.now(), nudged_at=None)
        return
    if now is None:
        complete = False  # begun under a token that has been replaced since
    # A pass that began earlier than one already mirrored must not turn the rows back.
    newest = current.filter(Q(applied_pass_at__isnull=True) | Q(applied_pass_at__lt=begun))
    if newest.update(applied_pass_at=begun) and not snapshots.as_known:
        is_same = servers.as_known or mirror_servers(account, begun, servers)
        _lease(account, timezone.now())
        is_same = mirror_snapshots(account, begun, snapshots) and is_same
        if is_same and now is not None:
            memory.remember(account, now, begun, servers, snapshots)
    seen_in = Pass.objects.create(
        account=account, begun_at=begun, ended_at=timezone.now(), complete=complete
    )
    watched = [] if servers.as_known else _watched(account, begun)
    note_sightings(account, seen_in, watched, servers, snapshots)
    for operation in watched:
        settle(operation)
    _rest(account, begun, complete)


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
    if isinstance(error, CannotOpen):
        accounts.key_lost(account)
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
    asked = account.look_asked_at
    with transaction.atomic():
        if trouble != account.trouble or asked:
            Account.next_revision(account.pk)
            changes["trouble"], changes["look_asked_at"] = trouble, None
            if bool(trouble) != bool(account.trouble):
                changes["trouble_since"] = timezone.now() if trouble else None
        # What a token that has been replaced since ran into is not news.
        current = Account.objects.filter(pk=account.pk, token_version=account.token_version)
        if not current.filter(look_asked_at=asked).update(**changes):
            # Somebody asked for a look after this one had begun: theirs is still to come.
            del changes["next_pass_at"]
            changes.pop("look_asked_at", None)
            current.update(**changes)


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
    for batch in batches(stale.values_list("pk", flat=True)[: 20 * BATCH]):
        Pass.objects.filter(pk__in=batch).delete()
