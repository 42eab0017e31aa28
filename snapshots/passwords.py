"""Passwords that are guessed first are refused, without asking anybody outside.

Lists of what was breached hold hundreds of millions of entries, which nobody ships; of the 20,000
that Django knows, 187 have twelve characters. What people who guess do with twelve and more is put
together short ones: so what is refused is what can be put together in fewer than 10^8 tries from
30,000 common passwords, common words, names, dates, rows of keys and repetitions, and from what we
know of the person. That is zxcvbn's judgement, made here.
"""

from __future__ import annotations

import re
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from zxcvbn import zxcvbn

FEWEST_GUESSES = 10**8
LONGEST_JUDGED = 72  # its work grows with the length, and what is longer is not guessed this way


class HardToGuess:
    """For AUTH_PASSWORD_VALIDATORS."""

    def validate(self, password: str, user: Any = None) -> None:
        said = f"holdfast {getattr(user, 'name', '')} {getattr(user, 'email', '')}".casefold()
        known = [word for word in re.split(r"\W+", said) if len(word) > 2]
        judged = zxcvbn(password[:LONGEST_JUDGED], user_inputs=known)
        if judged["guesses"] < FEWEST_GUESSES:
            raise ValidationError(
                _(
                    "This password is guessed soon: it is made of common words, names, years or"
                    " rows of keys. Four words that have nothing to do with each other are better."
                ),
                code="password_guessed_soon",
            )

    def get_help_text(self) -> str:
        return _("Four words that have nothing to do with each other make a good password.")
