"""What we saw: a pass is one look at an account, a sighting what it showed of one operation."""

from __future__ import annotations

from django.db import models

from snapshots.models.account import Account
from snapshots.models.operation import Operation


class Pass(models.Model):
    """Complete means: every page read, well-formed, counts agree, and the token still current."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="passes")
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    complete = models.BooleanField()
    trouble = models.CharField(max_length=300, default="", blank=True)

    class Meta:
        indexes = [models.Index(fields=["account", "-begun_at"])]


class Sighting(models.Model):
    """What one pass showed of one watched operation. Append-only.

    `status` is the provider's word for the snapshot (create, delete) or the server (restore);
    empty means the listing did not show it. `candidates` are ids that may be a create's snapshot.
    `unchanged` says whether a snapshot still has the fingerprint that was confirmed.
    """

    operation = models.ForeignKey(Operation, on_delete=models.CASCADE, related_name="sightings")
    seen_in = models.ForeignKey(Pass, on_delete=models.PROTECT, related_name="sightings")
    begun_at = models.DateTimeField()
    complete = models.BooleanField()
    status = models.CharField(max_length=64, default="", blank=True)
    marked = models.JSONField(default=list)  # ids that carry our marker
    candidates = models.JSONField(default=list)  # ids that match by server, name, time, novelty
    unchanged = models.BooleanField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operation", "seen_in"], name="seen_once_a_pass"),
        ]
        ordering = ["begun_at", "id"]
