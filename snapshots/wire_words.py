"""What the client says of an exchange that went wrong, in the reader's language.

The client knows no languages: it writes English, which is kept beside the provider's own words.
These are the sentences that are ours; all others are left as they came.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext as translated
from django.utils.translation import gettext_noop

SENTENCES = (
    gettext_noop("No answer from the provider: %(problem)s"),
    gettext_noop("The provider was not reached: %(problem)s"),
    gettext_noop("HTTP %(status)s with an HTML page"),
    gettext_noop("HTTP %(status)s with an unreadable answer"),
    gettext_noop("HTTP %(status)s, but not the documented answer: %(words)s"),
    gettext_noop("HTTP %(status)s, but not the documented answer"),
    gettext_noop("HTTP %(status)s, but %(problem)s"),
)
PROBLEMS = (
    gettext_noop("the answer is too large"),
    gettext_noop("its name cannot be resolved"),
    gettext_noop("its TLS certificate is not trusted"),
    gettext_noop("the TLS connection failed"),
    gettext_noop("there was no answer in time"),
    gettext_noop("it refuses connections"),
    gettext_noop("it hung up without an answer"),
    gettext_noop("the connection was lost"),
    gettext_noop("the answer broke off"),
    gettext_noop("the answer is not HTTP as we read it"),
    gettext_noop("there is no way to it through the network"),
    gettext_noop("the exchange failed"),
    gettext_noop("there was no answer"),
    gettext_noop("the listing was not complete"),
    gettext_noop("the provider's listing was not complete"),
    gettext_noop("an error of ours came up while looking at the provider"),
)
_READ = {
    source: re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(source)), re.DOTALL)
    for source in SENTENCES
}


def in_our_words(words: str) -> str | None:
    """`words` in the reader's language, if they are ours; None if somebody else's."""
    if words in PROBLEMS:
        return translated(words)
    for source, pattern in _READ.items():
        if found := pattern.fullmatch(words):
            parts = {name: in_our_words(part) or part for name, part in found.groupdict().items()}
            if "problem" not in parts or found["problem"] in PROBLEMS:
                return translated(source) % parts
    return None
