"""Who asked for a link by which one chooses a new password."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from snapshots.models.people import User


class PasswordLink(models.Model):
    """It is mailed by a worker, which makes the link then: no secret stands here.

    Without a person nobody has the address that was typed. That is kept for a moment too, so that
    the answer to whoever asks costs the same.
    """

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="+")
    language = models.CharField(max_length=10)  # of the page, for who has chosen none
    asked_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now, db_index=True)
