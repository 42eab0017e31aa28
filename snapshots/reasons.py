"""Why somebody does what they do, in words of their own that the history keeps."""

from __future__ import annotations

from snapshots.errors import Refused
from snapshots.said import gettext as _

MOST = 500  # characters


def reason(words: str, lacking: str, *, field: str = "words") -> str:
    """`words` on one line. Raises `Refused`, with the sentence `lacking` if there are none."""
    words = " ".join(words.split())
    if not words:
        raise Refused(lacking, field=field)
    if len(words) > MOST:
        raise Refused(
            _("The reason has %(count)d characters; 500 fit.") % {"count": len(words)}, field=field
        )
    return words
