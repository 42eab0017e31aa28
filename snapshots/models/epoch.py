"""Which database this is, and whether it may send: one row, written by `operations.epoch`."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class Epoch(models.Model):
    """`number` counts how often a person said to go on after the database had been put back."""

    class Why(models.TextChoices):
        BEHIND = "behind", _("requests were sent that the database knows nothing of")
        LOST = "lost", _("the workers' record of what was sent is missing")
        FOREIGN = "foreign", _("the workers' record is of another database")
        SAID = "said", _("an administrator said that a backup was put back")

    installation = models.UUIDField(default=uuid.uuid4)
    number = models.PositiveIntegerField(default=1)
    stopped_at = models.DateTimeField(null=True)  # since then nothing is sent
    why = models.CharField(max_length=8, choices=Why, default="", blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="one_epoch_only"),
        ]

    def __str__(self) -> str:
        return f"epoch {self.number} of {self.installation}"
