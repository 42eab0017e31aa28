"""Rows of lists as plain functions: a hundred of them cost what ten rows of a template cost.

Everything goes through `format_html`, so all values are escaped here as they are in templates.
Icons are references to the drawings that `{% sprite %}` puts on the page once.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from dashboard.templatetags.ui import (
    OPERATION,
    SERVER,
    SNAPSHOT,
    UNKNOWN,
    UNKNOWN_ICON,
    Look,
    icon,
    operation_title,
    since_words,
    stamp,
    status_look,
    until_words,
)
from snapshots.models import Operation, Server, Snapshot, State

NOTHING = SafeString("")
OOB = SafeString(' hx-swap-oob="morph"')
GONE = SafeString(' class="is-gone"')


# -- icons and badges -----------------------------------------------------------------------------


@lru_cache(maxsize=1)
def sprite() -> SafeString:
    """The drawings of all states, to be referred to by `badge`."""
    looks = [*SERVER.values(), *SNAPSHOT.values()]
    names = {look.icon for look in looks} | {picture for picture, _tint in OPERATION.values()}
    symbols = "".join(_symbol(name) for name in sorted(names | {UNKNOWN_ICON}))
    return mark_safe(f'<svg id="sprite" hidden>{symbols}</svg>')  # noqa: S308 our own drawings


def _symbol(name: str) -> str:
    drawing = re.sub(r"^<svg[^>]*>|</svg>$", "", str(icon(name)).strip()).strip()
    return f'<symbol id="i-{name}" viewBox="0 0 24 24">{drawing}</symbol>'


@lru_cache(maxsize=512)
def _badge(word: str, picture: str, tint: str) -> SafeString:
    return format_html(
        '<span class="badge-status is-{}"><svg aria-hidden="true"><use href="#i-{}"/></svg>'
        "{}</span>",
        tint,
        picture,
        word,
    )


def badge(look: Look) -> SafeString:
    """As `ui.badge`, at a quarter of its length."""
    return _badge(str(look.word), look.icon, look.tint)


def status(thing: Server | Snapshot) -> SafeString:
    return badge(status_look(thing))


def state(operation: Operation) -> SafeString:
    picture, tint = OPERATION.get(State(operation.state), (UNKNOWN_ICON, UNKNOWN))
    return badge(Look(operation.get_state_display(), picture, tint))


# -- links, times, slots --------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _pattern(name: str) -> tuple[str, str]:
    before, _number, after = reverse(name, args=[1_000_000_007]).partition("1000000007")
    return before, after


def address(name: str, pk: int) -> str:
    """What `reverse` says, which takes as long as the rest of a row."""
    before, after = _pattern(name)
    return f"{before}{pk}{after}"


def link(name: str, pk: int, words: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', address(name, pk), words)


def small_link(name: str, pk: int, words: object) -> SafeString:
    return format_html('<a class="small" href="{}">{}</a>', address(name, pk), words)


def ago(at: datetime | None, now: datetime) -> SafeString | str:
    """As `{% ago %}`, with one look at the clock for a whole list."""
    if at is None:
        return _("unknown")
    passed = (now - at).total_seconds()
    is_past = passed >= -5
    return format_html(
        '<time datetime="{}" title="{}"{}>{}</time>',
        short(at),
        stamp(at),
        SafeString(" data-ago") if is_past else NOTHING,
        since_words(passed) if is_past else until_words(-passed),
    )


def short(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def clock(at: datetime) -> SafeString:
    """The time of day where the reader is; the rest of it in the markup."""
    return format_html(
        '<time datetime="{}">{}</time>', short(at), f"{timezone.localtime(at):%H:%M:%S}"
    )


# -- cells and rows -------------------------------------------------------------------------------


def cell(first: object, second: object = "") -> SafeString:
    """What it is; below it what one may want to know besides."""
    if not second:
        return format_html("<td>{}</td>", first)
    return format_html("<td>{}<small>{}</small></td>", first, second)


def number(words: object) -> SafeString:
    return format_html('<td class="num">{}</td>', words)


def operation(one: Operation) -> SafeString:
    """How far it is, and what it is."""
    return cell(state(one), link("operation", one.pk, operation_title(one)))


def slots(taken: int, limit: int) -> SafeString:
    """Boxes, and the same in words, as `{% slots %}` shows it."""
    return format_html(
        '<td class="slots{}">{} {}</td>',
        " is-full" if taken >= limit else "",
        SafeString("<b></b>" * min(taken, limit) + "<i></i>" * max(limit - taken, 0)),
        _("%(taken)d of %(limit)d slots") % {"taken": taken, "limit": limit},
    )


def pick(name: str, pk: int, words: str) -> SafeString:
    """The box to select a row by; it works without JavaScript."""
    return format_html(
        '<td><input type="checkbox" name="{}" value="{}" aria-label="{}"></td>', name, pk, words
    )


def table_row(
    name: str, pk: int, *cells: SafeString, is_gone: bool = False, oob: bool = False
) -> SafeString:
    return format_html(
        '<tr id="{}-{}"{}{}>{}</tr>',
        name,
        pk,
        GONE if is_gone else NOTHING,
        OOB if oob else NOTHING,
        SafeString("".join(cells)),
    )
