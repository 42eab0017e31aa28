"""Who came in, who did not, and who changed how they prove who they are: lines of the history.

They belong to no team. The person and those who read the audit in a team of theirs see them.
Whoever is not signed in could fill the disk with tries, so only so many have a line of their own.
"""

from __future__ import annotations

from time import time
from typing import Any

from allauth.account.signals import user_logged_in
from allauth.mfa.signals import authentication_failed
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.core.cache import cache
from django.db import transaction

from snapshots import events, whence
from snapshots.events import Verb
from snapshots.models import User
from snapshots.said import memo

APART = 60  # seconds between two lines about the same person and address
LINES_A_MINUTE = 30  # in all
UNTOLD = "audit-untold"


def listen() -> None:
    user_logged_in.connect(_signed_in)
    user_logged_out.connect(_signed_out)
    user_login_failed.connect(not_let_in)
    authentication_failed.connect(wrong_code)


def note(verb: Verb, user: User | None, **data: Any) -> None:
    with transaction.atomic():
        events.record(verb, team=None, actor=user, **data)


def is_worth_a_line(who: object) -> bool:
    """Whether what somebody tries, who may be anybody, is told or only counted."""
    minute = f"audit-lines:{int(time()) // 60}"
    number = cache.get(minute, 0)
    key = f"audit-line:{who}:{whence.address.get()}"
    if number >= LINES_A_MINUTE or not cache.add(key, True, APART):
        cache.set(UNTOLD, cache.get(UNTOLD, 0) + 1, None)
        return False
    cache.set(minute, number + 1, 2 * APART)
    _tell_untold()
    return True


def _tell_untold() -> None:
    if untold := cache.get(UNTOLD, 0):
        cache.delete(UNTOLD)
        note(Verb.TRIES_UNTOLD, None, number=untold)


def refused(user: User | None, sentence: Any) -> None:
    """A refusal of what anybody can send, such as a form from elsewhere."""
    if is_worth_a_line(user.pk if user else "form"):
        note(Verb.REFUSED, user, why=memo(sentence))


def _signed_in(user: User, **_: Any) -> None:
    """Whoever reads this line is to know how many tries there were before it."""
    _tell_untold()
    note(Verb.SIGNED_IN, user)


def _signed_out(user: User | None, **_: Any) -> None:
    if user is not None:
        note(Verb.SIGNED_OUT, user)


def not_let_in(credentials: dict[str, Any], *, turned_away: bool = False, **_: Any) -> None:
    """What was typed as an address is kept nowhere: it may be a password in the wrong field."""
    typed = str(credentials.get("email") or credentials.get("username") or "")
    user = User.objects.filter(email=typed.strip().lower()).first()
    _tell(Verb.TURNED_AWAY if turned_away else Verb.NOT_LET_IN, user)


def wrong_code(user: User | None, **_: Any) -> None:
    _tell(Verb.NOT_LET_IN, user)


def turned_away(user: User) -> None:
    """They tried too often, and this try was not looked at."""
    _tell(Verb.TURNED_AWAY, user)


def _tell(verb: Verb, user: User | None) -> None:
    if is_worth_a_line(f"{verb}:{user.pk}" if user else "unknown"):
        note(verb if user else Verb.NOT_KNOWN, user)
