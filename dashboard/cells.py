"""Rows of lists as plain functions: a hundred of them cost what ten rows of a template cost.

Everything goes through `put`, so all values are escaped here as they are in templates. Icons are
references to the drawings that `{% sprite %}` puts on the page once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from html import escape

from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from dashboard.templatetags.ui import (
    badge,
    elapsed,
    operation_title,
    since_words,
    state_badge,
    status_look,
    until_words,
)
from snapshots.models import Operation, Server, Snapshot
from snapshots.text import stamp

TICKS = 172_800  # seconds: what is older is told in days, and no script counts those
NOTHING = SafeString("")
OOB = SafeString(' hx-swap-oob="morph"')
GONE = SafeString(' class="is-gone"')


def put(pattern: str, *values: object) -> SafeString:
    """As `format_html`, which takes three times as long to allow for lazy text."""
    return SafeString(
        pattern.format(*[v if isinstance(v, SafeString) else escape(str(v)) for v in values])
    )


# -- states ---------------------------------------------------------------------------------------


def status(thing: Server | Snapshot) -> SafeString:
    if thing.gone_at:
        return badge(status_look(thing))
    return _status(type(thing), thing.status, get_language())


@lru_cache(maxsize=512)
def _status(kind: type[Server | Snapshot], status: str, _language: str) -> SafeString:
    return badge(status_look(kind(status=status)))


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
    return put('<a href="{}">{}</a>', address(name, pk), words)


def small_link(name: str, pk: int, words: object) -> SafeString:
    return put('<a class="small" href="{}">{}</a>', address(name, pk), words)


def ago(at: datetime | None, now: datetime) -> SafeString | str:
    """As `{% ago %}`, with one look at the clock for a whole list."""
    if at is None:
        return _("unknown")
    passed = (now - at).total_seconds()
    is_past, ticks = passed >= -5, -5 <= passed < TICKS
    return put(
        '<time datetime="{}" title="{}"{}>{}</time>',
        short(at),
        stamp(at),
        SafeString(" data-ago") if ticks else NOTHING,
        since_words(passed) if is_past else until_words(-passed),
    )


def short(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def clock(at: datetime) -> SafeString:
    """The time of day where the reader is; the rest of it in the markup."""
    return put('<time datetime="{}">{}</time>', short(at), f"{timezone.localtime(at):%H:%M:%S}")


# -- cells and rows: HTML lets their end tags be omitted, which is a twentieth of a list -----------


def cell(first: object, second: object = "") -> SafeString:
    """What it is; below it what one may want to know besides."""
    if not second:
        return put("<td>{}", first)
    return put("<td>{}<small>{}</small>", first, second)


def number(words: object) -> SafeString:
    return put('<td class="num">{}', words)


def operation(one: Operation) -> SafeString:
    """How far it is, and what it is."""
    return cell(state_badge(one), link("operation", one.pk, operation_title(one)))


def slots(taken: int, limit: int) -> SafeString:
    """Boxes, and the same in words, as `{% slots %}` shows it."""
    return _slots(taken, limit, get_language())


@lru_cache(maxsize=512)
def _slots(taken: int, limit: int, _language: str) -> SafeString:
    return put(
        '<td class="slots{}">{} {}',
        " is-full" if taken >= limit else "",
        SafeString("<b></b>" * min(taken, limit) + "<i></i>" * max(limit - taken, 0)),
        _("%(taken)d of %(limit)d slots") % {"taken": taken, "limit": limit},
    )


def pick(name: str, pk: int, words: str) -> SafeString:
    """The box to select a row by; it works without JavaScript."""
    return put('<td><input type="checkbox" name="{}" value="{}" aria-label="{}">', name, pk, words)


def table_row(
    name: str, pk: int, *cells: SafeString, is_gone: bool = False, oob: bool = False
) -> SafeString:
    return put(
        '<tr id="{}-{}"{}{}>{}',
        name,
        pk,
        GONE if is_gone else NOTHING,
        OOB if oob else NOTHING,
        SafeString("".join(cells)),
    )


def tray_row(one: Operation, now: datetime) -> SafeString:
    """One line of the tray."""
    if one.ended_at is None and one.sent_at:
        time: SafeString | str = elapsed(one.sent_at)
    else:
        time = ago(one.ended_at or one.created_at, now)
    return put(
        '<li class="tray-row" id="tray-{}"><a id="tray-link-{}" href="{}">{}</a>'
        '<span class="tray-state">{} <span class="muted">{}</span></span></li>',
        one.pk,
        one.pk,
        address("operation", one.pk),
        operation_title(one),
        state_badge(one),
        time,
    )
