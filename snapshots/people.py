"""What somebody is called and where they are written to, told in the history before it changes."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from snapshots import events
from snapshots.errors import Refused
from snapshots.models import User
from snapshots.newcomers import check_email
from snapshots.said import gettext as _


def rename(user: User, name: str) -> None:
    """Call `user` something else. Lines that are written already keep the name they have."""
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if user.name != name:
            events.record(events.Verb.PERSON_RENAMED, team=None, actor=user, after=name)
            user.name = name
            user.save(update_fields=["name"])


def another_address(user: User, email: str) -> str:
    """The address, as we write addresses. Raises `Refused` for what is none, or no other."""
    email = email.strip().lower()
    check_email(email)
    if email == user.email:
        raise Refused(_("You sign in with this address already."), field="email")
    return email


def change_address(user: User, email: str) -> User:
    """Let `user` sign in with `email`, which they have proved is theirs; all sessions end.

    Raises `Refused` if somebody else has it meanwhile.
    """
    try:
        with transaction.atomic():
            user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
            verb, before = events.Verb.ADDRESS_CHANGED, user.email
            events.record(verb, team=None, actor=user, before=before, after=email)
            user.email = email
            user.save(update_fields=["email"])
            user.end_sessions()
    except IntegrityError:
        raise Refused(_("Somebody here has this address already.")) from None
    return User.objects.get(pk=user.pk)
