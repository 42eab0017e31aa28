"""How often somebody tried to get in, so that guessing takes for ever."""

from __future__ import annotations

from django.db import models


class Tries(models.Model):
    """Counted under a hash: of an address, of a person's name at the door, or of both."""

    key = models.CharField(max_length=64, primary_key=True)
    count = models.PositiveIntegerField(default=0)
    free_at = models.DateTimeField()  # before that, nobody is let try
    forget_at = models.DateTimeField(db_index=True)
