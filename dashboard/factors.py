"""Second factors in the database: whose their secrets are, and the history's line about each.

django-allauth has secrets sealed and opened without saying whose they are. So what it keeps names
its row ("7:totp|..."), and that name is part of the seal. A row that is read is given its own name,
whatever stood there: a secret that was copied from another person's row does not open.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.db.models.signals import post_init, pre_delete, pre_save
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from snapshots import events, secrets
from snapshots.events import Verb
from snapshots.said import memo

OWNER = "second factor"  # what the seals are bound to, and before they are kept to nothing more
SEALED = ("secret", "seed", "migrated_codes")
WORDS = {
    "totp": _("codes of an app"),
    "webauthn": _("a passkey"),
    "recovery_codes": _("recovery codes"),
}

View = Callable[..., HttpResponse]


def listen() -> None:
    post_init.connect(_read, sender=Authenticator)
    pre_save.connect(_kept, sender=Authenticator)
    pre_delete.connect(_removed, sender=Authenticator)


# -- sealed ---------------------------------------------------------------------------------------


def seal(text: str) -> str:
    """For nobody yet: it is bound when it is kept."""
    return secrets.seal(text, owner=OWNER, keys=settings.TOKEN_KEYS)


def opened(text: str) -> str:
    """What was sealed, for the row that it is in. Raises `CannotOpen`."""
    name, _bar, sealed = text.rpartition("|")
    owner = f"{OWNER} {name}"
    return secrets.open_sealed(sealed, owner=owner, keys=settings.TOKEN_KEYS).reveal()


def _name(row: Authenticator) -> str:
    return f"{row.user_id}:{row.type}"


def _bound(row: Authenticator, sealed: str) -> str:
    keys = settings.TOKEN_KEYS
    text = secrets.open_sealed(sealed, owner=OWNER, keys=keys).reveal()
    return f"{_name(row)}|{secrets.seal(text, owner=f'{OWNER} {_name(row)}', keys=keys)}"


def _each(row: Authenticator, change: Callable[[str], str]) -> dict[str, Any]:
    """The row's data, with each of its sealed texts changed."""

    def changed(value: Any) -> Any:
        return [change(one) for one in value] if isinstance(value, list) else change(value)

    return row.data | {name: changed(row.data[name]) for name in SEALED if name in row.data}


def _read(instance: Authenticator, **_: Any) -> None:
    if instance.pk and "data" in instance.__dict__:
        own = f"{_name(instance)}|"
        instance.data = _each(instance, lambda text: own + text.rpartition("|")[2])


# -- told -----------------------------------------------------------------------------------------


def _kept(instance: Authenticator, **_: Any) -> None:
    """A new one: first its line, so that there is none without."""
    if instance._state.adding:
        _tell(Verb.FACTOR_ADDED, instance)
        instance.data = _each(instance, lambda text: _bound(instance, text))


def _removed(instance: Authenticator, **_: Any) -> None:
    _tell(Verb.FACTOR_REMOVED, instance)


def _tell(verb: Verb, row: Authenticator) -> None:
    why = memo(WORDS.get(row.type, row.type))
    events.record(verb, team=None, actor=row.user, why=why)


def whole(view: View) -> View:
    """A page of django-allauth that keeps what is posted to it wholly, or not at all."""

    @wraps(view)
    def wholly(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method != "POST":
            return view(request, *args, **kwargs)
        with transaction.atomic():
            return view(request, *args, **kwargs)

    return wholly


# -- sealed again: see `snapshots.rotation` -------------------------------------------------------


def rotate() -> tuple[int, list[int]]:
    """How many were sealed again with a new key, and whose no key opens."""
    sealed, shut = 0, []
    for row in Authenticator.objects.exclude(type="webauthn").order_by("pk").iterator():
        try:
            data = _each(row, _again)
        except secrets.CannotOpen:
            shut.append(row.pk)
            continue
        if data != row.data:
            # Only if it is as it was read: a code may have been used meanwhile.
            sealed += Authenticator.objects.filter(pk=row.pk, data=row.data).update(data=data)
    return sealed, shut


def _again(text: str) -> str:
    name, _bar, sealed = text.rpartition("|")
    keys = settings.TOKEN_KEYS
    if sealed.startswith(f"{secrets.key_id(keys[0])}."):
        return text
    return f"{name}|{secrets.seal(opened(text), owner=f'{OWNER} {name}', keys=keys)}"
