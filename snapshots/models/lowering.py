"""What somebody asks for that takes two: a guard level below guarded."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from snapshots.models.guard import Guard, named
from snapshots.models.inventory import Server
from snapshots.models.people import Team, User
from snapshots.models.scope import Tag

OPEN_FOR = timedelta(hours=4)


def open_until() -> datetime:
    return timezone.now() + OPEN_FOR


class Lowering(models.Model):
    """A wish that `server`, or else `tag`, or else the whole team gets the level `guard`.

    Empty, the tag or the server is to say nothing any more. Decided once, by somebody else.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Waits for a second person")
        APPROVED = "approved", _("Approved")
        REJECTED = "rejected", _("Rejected")
        EXPIRED = "expired", _("Expired")

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="lowerings")
    tag = models.ForeignKey(Tag, null=True, on_delete=models.CASCADE, related_name="lowerings")
    server = models.ForeignKey(
        Server, null=True, on_delete=models.PROTECT, related_name="lowerings"
    )
    guard = models.CharField(_("guard level"), max_length=8, choices=Guard, default="", blank=True)
    why = models.CharField(max_length=500)
    asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_by_name = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=open_until)
    state = models.CharField(max_length=8, choices=State, default=State.OPEN)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_by_name = models.CharField(max_length=100, default="", blank=True)
    decided_at = models.DateTimeField(null=True)
    words = models.CharField(max_length=500, default="", blank=True)  # why it was rejected

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(guard__in=["", *Guard.values]), name="known_wanted_guard"
            ),
            models.CheckConstraint(
                condition=models.Q(tag=None) | models.Q(server=None), name="lowering_of_one_thing"
            ),
            models.CheckConstraint(
                condition=~models.Q(state="approved")
                | (
                    models.Q(decided_at__isnull=False)
                    & (models.Q(asked_by=None) | ~models.Q(decided_by=models.F("asked_by")))
                ),
                name="lowered_by_a_second_person",
            ),
        ]
        indexes = [
            models.Index(
                fields=["team", "-id"],
                condition=models.Q(state="open"),
                name="lowerings_that_wait",
            ),
        ]

    @property
    def thing(self) -> Server | Tag | Team:
        return self.server or self.tag or self.team

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN and self.expires_at > timezone.now()

    @property
    def wanted(self) -> str | Promise:
        """The level in words."""
        return named(self.guard)
