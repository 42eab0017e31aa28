"""What somebody is called and where they are written to, told in the history before it changes."""

from __future__ import annotations

from django.db import transaction

from snapshots import events
from snapshots.models import User


def rename(user: User, name: str) -> None:
    """Call `user` something else. Lines that are written already keep the name they have."""
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        if user.name != name:
            events.record(events.Verb.PERSON_RENAMED, team=None, actor=user, after=name)
            user.name = name
            user.save(update_fields=["name"])
