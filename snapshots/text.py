"""Words that pages and mails share: other people's, made safe to put among ours, and times."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from functools import lru_cache

from django.utils import timezone
from django.utils.dates import MONTHS_3
from django.utils.translation import get_language, gettext

# Around each value in a sentence that is read from the right (`dashboard.catalogue` puts them
# there), so that a Latin name keeps its digits and hyphens together, and the sentence its order.
ISOLATE, END_OF_ISOLATE = "\u2068", "\u2069"


def shown(text: object) -> str:
    """`text` with its invisible characters (controls, direction changes) made visible."""
    words = str(text)
    if words.isascii() and words.isprintable():
        return words
    return "".join(_visible(char) for char in words)


def readable(sentence: object) -> str:
    """The same for a sentence of ours with names in it: what keeps these apart stays."""
    words = str(sentence)
    if words.isascii() and words.isprintable():
        return words
    ours = (ISOLATE, END_OF_ISOLATE)
    return "".join(char if char in ours else _visible(char) for char in words)


def same_name(typed: str, wanted: str) -> bool:
    """Compare as people do: trimmed, case-insensitive, however the characters are composed.

    What was copied from a sentence may have its isolates around it.
    """

    def plain(text: str) -> str:
        bare = text.replace(ISOLATE, "").replace(END_OF_ISOLATE, "")
        return unicodedata.normalize("NFKC", bare).strip().casefold()

    return plain(typed) == plain(wanted)


def _visible(char: str) -> str:
    if char in "\n\t":
        return " "
    hidden = unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return f"‹U+{ord(char):04X}›" if hidden else char


def stamp(value: datetime) -> str:
    """An absolute time with its zone, in the reader's zone. Cheaper by far than `|date`."""
    local = timezone.localtime(value)
    pattern, months = _dates(get_language())
    return pattern % {
        "day": local.day,
        "month": months[local.month],
        "year": local.year,
        "clock": f"{local:%H:%M}",
        "zone": timezone.get_current_timezone_name().replace("_", " "),
    }


@lru_cache(maxsize=16)
def _dates(_language: str) -> tuple[str, dict[int, str]]:
    """Words of one language, looked up once: a list writes hundreds of times."""
    months = {number: str(words).title() for number, words in MONTHS_3.items()}
    return gettext("%(day)d %(month)s %(year)d, %(clock)s %(zone)s"), months
