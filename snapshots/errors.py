"""What a person is told when we understood a request and decline it."""

from __future__ import annotations


class Refused(Exception):
    """A request understood and declined. `str()` is a sentence fit to show to the person.

    `field` names the form field the sentence belongs to, where there is one.
    """

    def __init__(self, sentence: str, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field


class NotAllowed(Refused):
    """Refused for lack of a right. The sentence says which, and who can give it."""
