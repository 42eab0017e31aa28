"""The first owner of an installation, who proves by a link in its log that it is theirs.

The link's secret is 256 random bits, of which only a hash is kept. Each start makes another, and
the one before it is worthless then. It works once, and only while there is nobody: a stranger who
finds the site first finds a closed door.
"""

from __future__ import annotations

import secrets

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from snapshots import events, teams
from snapshots.errors import Refused
from snapshots.invitations import fingerprint
from snapshots.models import FirstRun, Team, User
from snapshots.newcomers import newcomer
from snapshots.permissions import READ_AUDIT, may


def is_open() -> bool:
    """Whether there is nobody yet."""
    return not User.objects.exists()


def new_secret() -> str:
    """What the link of this start has in it; empty if there is somebody already."""
    if not is_open():
        return ""
    secret = secrets.token_urlsafe(32)
    FirstRun.objects.update_or_create(pk=1, defaults={"secret_hash": fingerprint(secret)})
    return secret


def knows(kept: str) -> bool:
    """Whether this is the hash of the last start's link, and nobody came by it yet."""
    return bool(kept) and is_open() and FirstRun.objects.filter(secret_hash=kept).exists()


def begin(kept: str, *, name: str, email: str, password: str, team: str) -> tuple[User, Team]:
    """The first owner and their team. Raises `Refused`; of several at once one comes in."""
    user = newcomer(name=name, email=email, password=password)
    user.is_setting_up = True
    now = timezone.now()
    with transaction.atomic():
        mine = FirstRun.objects.filter(pk=1, secret_hash=kept).exclude(secret_hash="")
        if not mine.update(secret_hash="", done_at=now) or not is_open():
            raise Refused(_("This link works no more: it was used, or there was a newer start."))
        user.save(force_insert=True)
        FirstRun.objects.filter(pk=1).update(done_by=user)
        owned = teams.create_team(team, owner=user)
        events.record(events.Verb.INSTALLATION_BEGUN, team=owned, actor=user)
    return user, owned


def finish(user: User) -> None:
    """They say that nothing is left: pages show the way back to it no more."""
    User.objects.filter(pk=user.pk).update(is_setting_up=False)


def began(user: User) -> bool:
    """Whether `user` was the first here, and reads the audit of the first team still."""
    team = Team.objects.order_by("pk").first()
    reads = team is not None and may(user, READ_AUDIT, team)
    return reads and FirstRun.objects.filter(done_by=user).exists()
