"""How often we read from an account: a token bucket in the account's row.

The provider documents no rate limit; these figures are *assumed* to be polite.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from snapshots.models import Account

READS_A_MINUTE = 30.0
SLOWED_FOR = timedelta(minutes=10)


def take(account_id: int, reads: int) -> bool:
    """Take `reads` from the account's bucket; False if they are not there now."""
    for _ in range(5):
        account = Account.objects.only("reads_left", "reads_at", "slowed_until").get(pk=account_id)
        now = timezone.now()
        left = _filled(account, now) - reads
        if left < 0:
            if account.reads_at > now:  # from a clock that was ahead
                Account.objects.filter(pk=account_id).update(reads_at=now)
            return False
        if Account.objects.filter(
            pk=account_id, reads_at=account.reads_at, reads_left=account.reads_left
        ).update(reads_left=left, reads_at=now):
            return True
    return False


def left(account: Account) -> int:
    """How many reads `account` has left now, for people to see."""
    return int(_filled(account, timezone.now()))


def most() -> int:
    """How many reads a minute there are at most, at this provider's pace."""
    return int(READS_A_MINUTE * max(settings.PROVIDER_PACE, 1))


def _filled(account: Account, now: datetime) -> float:
    rate = most() / 60
    if account.slowed_until and account.slowed_until > now:
        rate /= 2
    gained = max((now - account.reads_at).total_seconds(), 0) * rate
    return min(most(), account.reads_left + gained)


def spend(account_id: int, reads: int) -> None:
    """Charge reads that nobody could foresee: the pages of a listing. At most a minute's worth."""
    most = READS_A_MINUTE * max(settings.PROVIDER_PACE, 1)
    if reads > 0:
        left = Greatest(F("reads_left") - reads, Value(-most))
        Account.objects.filter(pk=account_id).update(reads_left=left)


def slow_down(account_id: int) -> None:
    """The provider answered 429: half the pace for a while."""
    Account.objects.filter(pk=account_id).update(slowed_until=timezone.now() + SLOWED_FOR)
