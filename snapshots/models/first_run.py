"""The beginning of an installation: one row, while nobody is there and after the first came."""

from __future__ import annotations

from django.db import models

from snapshots.models.people import User


class FirstRun(models.Model):
    """`secret_hash` is of the link in the log of the last start; empty once it was used."""

    secret_hash = models.CharField(max_length=64, default="", blank=True)
    done_at = models.DateTimeField(null=True)
    done_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="one_first_run_only"),
        ]
