"""Guessing a password is made slow, without letting strangers lock anybody out.

Each try is counted for the person at the address it comes from, for the address, and for the person
wherever it comes from. The first few are free; then each has to wait twice as long as the one
before, up to an hour. Nothing is locked for good, and nothing is counted for ever. A second factor
is counted for the person, whose password is known already.

The brake for a person is what strangers could pull against them. So a device that the person has
signed in from before passes by all three and is counted by itself.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from snapshots.models import Tries

FORGOTTEN_AFTER = timedelta(hours=24)  # without a try
LONGEST = timedelta(hours=1)


class Brake(NamedTuple):
    """So many tries are free; after the last of them one waits `first`, then twice as long."""

    name: str
    free: int
    first: timedelta


PAIR = Brake("person at address", 5, timedelta(seconds=30))
ADDRESS = Brake("address", 20, timedelta(seconds=30))
PERSON = Brake("person", 20, timedelta(minutes=1))
DEVICE = Brake("device", 10, timedelta(seconds=30))
SECOND = Brake("second factor", 5, timedelta(seconds=30))

Counted = dict[Brake, str]  # what is counted, and for whom


def take(counted: Counted) -> timedelta | None:
    """Count a try before it is made; if it has to wait, count nothing and say how long."""
    keys = {_key(brake, whom): brake for brake, whom in counted.items()}
    if wait := _wait(keys):
        return wait
    with transaction.atomic():
        now = timezone.now()
        new = [Tries(key=key, free_at=now, forget_at=now + FORGOTTEN_AFTER) for key in keys]
        Tries.objects.bulk_create(new, ignore_conflicts=True)
        rows = list(Tries.objects.select_for_update().filter(key__in=keys).order_by("key"))
        if wait := _wait(keys):  # somebody else was quicker
            return wait
        for row in rows:
            row.count = row.count + 1 if row.forget_at > now else 1
            row.free_at = now + _delay(keys[row.key], row.count)
            row.forget_at = now + FORGOTTEN_AFTER
        Tries.objects.bulk_update(rows, ["count", "free_at", "forget_at"])
    return None


def succeeded(counted: Counted) -> None:
    """The try was right: it is not counted, and nor are those before it of the same two."""
    own = [_key(brake, whom) for brake, whom in counted.items() if brake in (PAIR, DEVICE)]
    others = [_key(brake, whom) for brake, whom in counted.items() if brake not in (PAIR, DEVICE)]
    now = timezone.now()
    Tries.objects.filter(key__in=own).delete()
    Tries.objects.filter(key__in=others, count__gt=0).update(count=F("count") - 1, free_at=now)
    Tries.objects.filter(forget_at__lt=now).delete()


def _wait(keys: dict[str, Brake]) -> timedelta | None:
    now = timezone.now()
    rows = Tries.objects.filter(key__in=keys, free_at__gt=now).order_by("-free_at")
    until = rows.values_list("free_at", flat=True).first()
    return until - now if until else None


def _delay(brake: Brake, count: int) -> timedelta:
    if count < brake.free:
        return timedelta(0)
    return min(
        LONGEST, timedelta(seconds=brake.first.total_seconds() * 2 ** min(count - brake.free, 20))
    )


def _key(brake: Brake, whom: str) -> str:
    return hashlib.sha256(f"{brake.name}\0{whom}".encode()).hexdigest()
