"""The audit line: who did what to what, in the same transaction as what it tells."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from snapshots.models.account import Account
from snapshots.models.inventory import Server, Snapshot
from snapshots.models.operation import Operation
from snapshots.models.people import Team, User


class Event(models.Model):
    """Append-only, which the database holds: see `append_only`. Names are kept as text.

    Whoever is in the history cannot be deleted, only leave or be suspended. A sign-in has no team.
    """

    at = models.DateTimeField(default=timezone.now)
    team = models.ForeignKey(Team, null=True, on_delete=models.PROTECT, related_name="events")
    verb = models.CharField(max_length=40)
    actor = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="events")
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
    # From where it was asked for; empty for what a worker does by itself.
    address = models.CharField(max_length=45, default="", db_default="")
    request_id = models.CharField(max_length=64, default="", db_default="")
    # Set with the line, cleared when the messages it calls for have been written down.
    to_tell = models.BooleanField(default=False)
    # Its place in the chain, put on a few seconds after the commit: see `snapshots.audit`.
    seq = models.BigIntegerField(null=True, editable=False)
    mac = models.CharField(max_length=64, default="", db_default="", editable=False)
    sealed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["seq"], condition=models.Q(seq__isnull=False), name="one_line_a_place"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(to_tell=True), name="events_to_tell"),
            models.Index(fields=["id"], condition=models.Q(seq=None), name="events_unsealed"),
            models.Index(fields=["actor", "-id"], condition=models.Q(team=None), name="sign_ins"),
            models.Index(fields=["team", "-id"]),
            models.Index(fields=["server", "-id"]),
            models.Index(fields=["operation", "id"]),
            models.Index(fields=["snapshot", "id"]),
        ]
