"""What a person is told when we understood a request and decline it."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A request understood and declined. `str()` is a sentence fit to show to the person.

    `field` names the form field the sentence belongs to, where there is one, and `team` whose
    history tells of it; `is_told` says that it does. `for_all` is what of it everybody may read
    who reads that history.
    """

    is_told = False

    def __init__(
        self, sentence: str, *, field: str | None = None, team: Any = None, for_all: str = ""
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.for_all = for_all or sentence
        self.field = field
        self.team = team


class NotAllowed(Refused):
    """Refused for lack of a right. The sentence says which, and who can give it."""


class NeedsSecondFactor(NotAllowed):
    """The right is there; the team wants a second factor before it is used."""
