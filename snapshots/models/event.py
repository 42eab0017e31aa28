"""The audit line: who did what to what, in the same transaction as what it tells."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from snapshots.models.account import Account
from snapshots.models.inventory import Server, Snapshot
from snapshots.models.operation import Operation
from snapshots.models.people import Team, User


class Event(models.Model):
    """Append-only. Names are kept as text, so that a line can be read after its rows are gone."""

    at = models.DateTimeField(default=timezone.now)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="events")
    verb = models.CharField(max_length=40)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_name = models.CharField(max_length=100, default="")
    account = models.ForeignKey(Account, null=True, on_delete=models.PROTECT, related_name="+")
    server = models.ForeignKey(Server, null=True, on_delete=models.PROTECT, related_name="events")
    snapshot = models.ForeignKey(
        Snapshot, null=True, on_delete=models.PROTECT, related_name="events"
    )
    operation = models.ForeignKey(
        Operation, null=True, on_delete=models.PROTECT, related_name="events"
    )
    data = models.JSONField(default=dict)
    # Set with the line, cleared when the messages it calls for have been written down.
    to_tell = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["id"], condition=models.Q(to_tell=True), name="events_to_tell"),
            models.Index(fields=["team", "-id"]),
            models.Index(fields=["server", "-id"]),
            models.Index(fields=["operation", "id"]),
            models.Index(fields=["snapshot", "id"]),
        ]
