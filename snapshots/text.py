"""Words that pages and mails share: other people's, made safe to put among ours, and times."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from django.utils import timezone
from django.utils.dates import MONTHS_3
from django.utils.translation import gettext


def shown(text: object) -> str:
    """`text` with its invisible characters (controls, direction changes) made visible."""
    words = str(text)
    if words.isascii() and words.isprintable():
        return words
    return "".join(_visible(char) for char in words)


def _visible(char: str) -> str:
    if char in "\n\t":
        return " "
    hidden = unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return f"‹U+{ord(char):04X}›" if hidden else char


def stamp(value: datetime) -> str:
    """An absolute time with its zone, in the reader's zone. Cheaper by far than `|date`."""
    local = timezone.localtime(value)
    zone = timezone.get_current_timezone_name()
    return gettext("%(day)d %(month)s %(year)d, %(clock)s %(zone)s") % {
        "day": local.day,
        "month": str(MONTHS_3[local.month]).title(),
        "year": local.year,
        "clock": f"{local:%H:%M}",
        "zone": zone.replace("_", " "),
    }
