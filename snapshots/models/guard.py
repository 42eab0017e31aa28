"""How well a server is guarded against restores and deletions."""

from __future__ import annotations

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Guard(models.TextChoices):
    """Loosest first. What each means stands in `snapshots.operations.guards`."""

    OPEN = "open", _("Open")
    CAREFUL = "careful", _("Careful")
    GUARDED = "guarded", _("Guarded")
    SEALED = "sealed", _("Sealed")

    @property
    def strictness(self) -> int:
        return list(Guard).index(self)


def named(guard: str) -> str | Promise:
    """The level in words; empty says nothing."""
    return Guard(guard).label if guard in Guard.values else _("nothing of its own")


# Below this nobody goes alone.
NEEDS_TWO = (Guard.GUARDED, Guard.SEALED)


class Guarded(models.Model):
    """What may say a level, and who said it. Empty, it says nothing."""

    guard = models.CharField(_("guard level"), max_length=8, choices=Guard, default="", blank=True)
    guard_by_name = models.CharField(max_length=100, default="", blank=True)

    class Meta:
        abstract = True

    @property
    def called(self) -> str:
        """What people call it, among things of other kinds."""
        return str(self)

    @property
    def says(self) -> str | Promise:
        """Its level in words."""
        return named(self.guard)
