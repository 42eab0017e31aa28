"""A token before it is kept: whose it is, what it opens, and what it may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from time import time

from django.conf import settings
from django.core.cache import cache
from django.utils.translation import gettext as _

from snapshots import secrets
from snapshots.errors import Refused
from snapshots.models import User
from snapshots.provider import errors as wire
from snapshots.provider.client import Client
from snapshots.provider.types import Identity, Server
from snapshots.wire_words import in_our_words

TRIES_A_MINUTE = 5
HELD_FOR = 600  # seconds between a look at what a token opens and saving it
OURS = ("servers", "snapshots")  # *assumed*: one of these names what snapshots belong to


@dataclass(frozen=True)
class Checked:
    """What a token opens. `complete` says whether every server of the account was listed."""

    identity: Identity
    servers: tuple[Server, ...]
    complete: bool


def check(api_url: str, token: str, *, actor: User | None = None) -> Checked:
    """Ask the provider whose token this is: two reads of a few seconds. Raises `Refused`.

    The one place where a person's request waits for the provider; `actor` may ask so only a few
    times a minute.
    """
    if api_url not in settings.PROVIDER_API_URLS:
        raise Refused(_("%(url)s is not an API address of this installation.") % {"url": api_url})
    if not token.strip():
        raise Refused(_("Paste the token that the provider showed you."), field="token")
    try:
        asker = Client(api_url, token.strip(), read_deadline=8)
    except ValueError:
        raise Refused(
            _("This is not a token: it contains spaces or characters that no token has."),
            field="token",
        ) from None
    if actor is not None:
        _pace(actor, "check")
    with asker as client:
        try:
            identity, listing = client.identity(), client.servers()
        except wire.ProviderError as error:
            raise _refusal(error) from None
    return Checked(identity, listing.items, listing.complete)


def _refusal(error: wire.ProviderError) -> Refused:
    words = {"words": in_our_words(error.message) or error.message}
    if not isinstance(error, wire.Declined):
        return Refused(_("The provider could not be asked: %(words)s") % words)
    if error.status == 401:
        return Refused(
            _("The provider does not accept this token: %(words)s") % words, field="token"
        )
    if error.status == 429:
        return Refused(_("The provider asks us to wait before we ask again: %(words)s") % words)
    return Refused(_("This token may not read servers: %(words)s") % words, field="token")


# -- between the look and the saving --------------------------------------------------------------


def hold(token: str, *, actor: User, purpose: str) -> str:
    """`token`, sealed: to be handed out with a page and taken back with its form.

    It opens for the same person and purpose only, for ten minutes, and is kept nowhere here:
    neither the page nor the session ever has the token itself.
    """
    until = int(time()) + HELD_FOR
    owner = f"held:{actor.pk}:{purpose}"
    return secrets.seal(f"{until} {token.strip()}", owner=owner, keys=settings.TOKEN_KEYS)


def held(sealed: str, *, actor: User, purpose: str) -> str:
    """The token that `hold` sealed. Raises `Refused` if it is old or was meant for something else.

    What is saved is asked of the provider once more, so this too may be done only so often.
    """
    stale = Refused(
        _("The check was more than ten minutes ago. Paste the token once more."), field="token"
    )
    try:
        opened = secrets.open_sealed(
            sealed, owner=f"held:{actor.pk}:{purpose}", keys=settings.TOKEN_KEYS
        )
    except secrets.CannotOpen:
        raise stale from None
    until, _space, token = opened.reveal().partition(" ")
    if int(until) < time():
        raise stale
    _pace(actor, "save")
    return token


def _pace(actor: User, what: str) -> None:
    """At most five in any minute: each takes a place in the cache, and gives it back after one."""
    places = (f"token-{what}:{actor.pk}:{number}" for number in range(TRIES_A_MINUTE))
    if not any(cache.add(place, True, 60) for place in places):
        raise Refused(
            _("You have tried %(count)d tokens within a minute. Wait a minute and try again.")
            % {"count": TRIES_A_MINUTE}
        )


# -- what a token may -----------------------------------------------------------------------------


def may(permissions: Iterable[str], verb: str) -> bool:
    """Whether permissions such as `servers:*` let us `read` or `write` snapshots."""
    for permission in permissions:
        where, _colon, what = str(permission).partition(":")
        if where in ("*", *OURS) and what in ("*", verb):
            return True
    return False


def may_more_than_needed(permissions: Iterable[str]) -> bool:
    """Whether it opens the whole provider account."""
    return any(str(permission).startswith("*") for permission in permissions)
