"""Second factors in the database: their secrets, sealed again with a new key."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings

from dashboard.adapter import SECOND_FACTOR
from snapshots import secrets

SEALED = ("secret", "seed", "migrated_codes")


def rotate() -> tuple[int, list[int]]:
    """How many were sealed again, and whose no key opens. See `snapshots.rotation`."""
    sealed, shut = 0, []
    for row in Authenticator.objects.exclude(type="webauthn").order_by("pk").iterator():
        try:
            data = row.data | {name: _again(row.data[name]) for name in SEALED if name in row.data}
        except secrets.CannotOpen:
            shut.append(row.pk)
            continue
        if data != row.data:
            # Only if it is as it was read: a code may have been used meanwhile.
            sealed += Authenticator.objects.filter(pk=row.pk, data=row.data).update(data=data)
    return sealed, shut


def _again(value: Any) -> Any:
    if isinstance(value, list):
        return [_again(one) for one in value]
    keys = settings.TOKEN_KEYS
    if value.startswith(f"{secrets.key_id(keys[0])}."):
        return value
    opened = secrets.open_sealed(value, owner=SECOND_FACTOR, keys=keys)
    return secrets.seal(opened.reveal(), owner=SECOND_FACTOR, keys=keys)
