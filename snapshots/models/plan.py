"""What a person was shown before they confirmed a restore."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from snapshots.models.operation import Operation


class RestorePlan(models.Model):
    """The facts of the page that was confirmed; `operations.plan` says which they are.

    `digest` is the SHA-256 of the facts as JSON with sorted keys. `why_without` is why there is no
    safety snapshot. Written with the restore, and never changed.
    """

    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, related_name="plan")
    facts = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    shown_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(default=timezone.now)
    why_without = models.CharField(max_length=500, default="", blank=True)
