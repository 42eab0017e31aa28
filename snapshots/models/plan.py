"""What a person was shown before they confirmed a restore, and what a second one said to it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from snapshots.models.inventory import Snapshot
from snapshots.models.operation import Operation
from snapshots.models.people import User


class RestorePlan(models.Model):
    """The facts of the page that was confirmed; `operations.plan` says which they are.

    `why_without` is why there is no safety snapshot, `going` what is deleted to make room for it.
    `digest` covers these choices and the facts. Written with the restore, and never changed.
    """

    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, related_name="plan")
    facts = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    shown_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(default=timezone.now)
    why_without = models.CharField(max_length=500, default="", blank=True)
    going = models.ForeignKey(Snapshot, null=True, on_delete=models.PROTECT, related_name="+")

    @property
    def agreed(self) -> str:
        """The SHA-256 of what is agreed to, as JSON with sorted keys."""
        what: dict[str, Any] = {
            "facts": self.facts,
            "why_without": self.why_without,
            "going": self.going.fingerprint if self.going else None,
        }
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


class Approval(models.Model):
    """What became of a restore that needed a second person. One each, and append-only.

    `digest` is that of the plan which was decided on. The name is kept as text.
    """

    class What(models.TextChoices):
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        EMERGENCY = "emergency", _("Emergency")

    operation = models.OneToOneField(Operation, on_delete=models.PROTECT, related_name="approval")
    what = models.CharField(max_length=9, choices=What)
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    by_name = models.CharField(max_length=100)
    words = models.CharField(max_length=500, default="", blank=True)
    digest = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now)
