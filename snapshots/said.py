"""Sentences that can be said again, in the language of whoever reads them later.

`gettext` answers as Django's does, with words that remember what they were made from; `memo` is
that as JSON, and `again` says it in today's language. Words from elsewhere stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as translated

PAIR = "%(first)s%(then)s"


class Said(str):
    """A sentence in today's language, with its source and what was filled in."""

    source: str
    values: Mapping[str, Any]

    def __mod__(self, values: Any) -> Said:
        return _said(str.__mod__(self, values), self.source, values)

    def __add__(self, then: str) -> Said:
        return _said(PAIR, PAIR, {}) % {"first": self, "then": then}


def _said(words: str, source: str, values: Mapping[str, Any]) -> Said:
    said = Said(words)
    said.source, said.values = source, values
    return said


def gettext(source: str) -> Said:
    return _said(translated(source), source, {})


def memo(words: Any) -> Any:
    """What can be kept as JSON."""
    if isinstance(words, Said):
        kept = {name: memo(value) for name, value in words.values.items()}
        return {"source": words.source, "values": kept}
    if isinstance(words, Promise):
        with translation.override("en"):  # the language of the sources
            return {"source": str(words), "values": {}}
    return words if isinstance(words, int) else str(words)


def again(kept: Any) -> Any:
    """The same in today's language."""
    if not isinstance(kept, dict):
        return kept
    words = translated(kept["source"])
    values = {name: again(value) for name, value in kept["values"].items()}
    return words % values if values else words
