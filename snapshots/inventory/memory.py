"""What our rows are known to equal, so that the same answer again needs no comparing.

Kept in the account's row by a look that compared every row and found nothing to write. It holds
while the account's revision is the same, for whatever changes a row raises that, and no longer
than the hour in which it was written.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from snapshots.models import Account
from snapshots.provider import types


class Known(NamedTuple):
    """The digests of the listings that our rows equal; empty where that is not known."""

    servers: str = ""
    snapshots: str = ""


def recall(account: Account, now: datetime) -> Known:
    """What `account`, as it was read, is known to equal."""
    revision, hour, *digests = [*account.mirrored.split(), "", ""]
    if revision != str(account.revision) or hour != _hour(now):
        return Known()
    return Known(*digests[:2])


def remember(
    account: Account,
    revision: int,
    begun: datetime,
    servers: types.Listing[types.Server],
    snapshots: types.Listing[types.Snapshot],
) -> None:
    """The rows were compared at `revision` and are as listed; kept if nothing changed since."""
    if servers.digest and snapshots.digest:
        words = f"{revision} {_hour(begun)} {servers.digest} {snapshots.digest}"
        Account.objects.filter(pk=account.pk, revision=revision).update(mirrored=words)


def _hour(at: datetime) -> str:
    return f"{at:%Y%m%d%H}"
