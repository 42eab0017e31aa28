"""Other people's words, made safe to put among ours."""

from __future__ import annotations

import unicodedata


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
