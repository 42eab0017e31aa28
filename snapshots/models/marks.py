"""What people say of a snapshot: that it is locked, known good, and what it is for."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

MOST = {"purpose": 200, "ticket": 200, "owner": 100}  # characters
MOST_WORDS = 300
DESCRIBED = (*MOST, "keep_until")


class Marked(models.Model):
    """Our own words. The provider knows nothing of them, and no listing changes them.

    A lock without an end holds until somebody takes it off; the time alone ends the others.
    """

    purpose = models.CharField(_("purpose"), max_length=MOST["purpose"], default="", blank=True)
    ticket = models.CharField(_("ticket"), max_length=MOST["ticket"], default="", blank=True)
    owner = models.CharField(_("owner"), max_length=MOST["owner"], default="", blank=True)
    keep_until = models.DateField(_("keep until"), null=True, blank=True)

    locked_at = models.DateTimeField(null=True)
    locked_until = models.DateTimeField(null=True)
    locked_by_name = models.CharField(max_length=100, default="", blank=True)
    lock_reason = models.CharField(max_length=MOST_WORDS, default="", blank=True)

    good_at = models.DateTimeField(null=True)
    good_by_name = models.CharField(max_length=100, default="", blank=True)
    good_why = models.CharField(max_length=MOST_WORDS, default="", blank=True)

    class Meta:
        abstract = True

    @staticmethod
    def locked() -> models.Q:
        """Those that are locked now."""
        open_end = models.Q(locked_until=None) | models.Q(locked_until__gt=timezone.now())
        return open_end & models.Q(locked_at__isnull=False)

    @property
    def is_locked(self) -> bool:
        if self.locked_at is None:
            return False
        return self.locked_until is None or self.locked_until > timezone.now()

    @property
    def is_good(self) -> bool:
        return self.good_at is not None

    @property
    def is_kept_long_enough(self) -> bool:
        """Whether the day until which it was to be kept has passed, where the reader is."""
        return self.keep_until is not None and self.keep_until < timezone.localdate()
