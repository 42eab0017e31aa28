"""Whoever reads: their zone and their language, for the rest of the request."""

from __future__ import annotations

import zoneinfo

from django.conf import settings
from django.utils import timezone, translation

from snapshots.models import User


def speak_as_to(user: User) -> None:
    """From here on, times and words are told as this person wants them.

    A person without a language of their own keeps what `LocaleMiddleware` has chosen: the cookie
    of a choice on the sign-in page, then the browser's languages, then English.
    """
    timezone.activate(_zone(user.time_zone))
    if user.language in dict(settings.LANGUAGES):
        translation.activate(user.language)


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")
