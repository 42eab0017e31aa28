"""The words, badges, times and icons that every page shares. A builtin: no `{% load %}` needed.

    {% icon "server" %}                     a Lucide icon, decoration only
    {% status_badge server %}               the provider's word for a server or a snapshot
    {% state_badge operation %}             our word for an operation
    {% shield level %}                      how well a server is guarded
    {% operation_title operation %}         "Restore of web-1 to nightly"
    {% progress operation %}                an honest bar with words
    {% usually "create" server %}           how long it would take, and who says so
    {% slots 4 5 %}                         four of five slots
    {% ago time %}  {% when time %}         "3 min ago", "23 Nov 2025, 14:02 Europe/Berlin"
    {% elapsed since %}                     "2 min 13 s", ticking
    {{ span|duration }}  {{ size_mb|size }} "4 min", "31.2 GB"
    {{ part.x|percent }}                    a place in a drawing (`dashboard.plots`)
    {{ server.name|shown }}                 a provider's name, its invisible characters made visible
    {{ refusal|readable }}                  the same for a sentence of ours with names in it
    {% provider_words text %}               the provider's own sentence, inert and in English
    {% event_sentence event %}              "Rosa asked to restore web-1 to nightly"
    {% may user "restore" team as can %}    the right that the gate will ask for
    {% sets_up user as on %}                whether the way back to the set-up is for them
    {% live_id "server-" server.pk %}       id="server-42", and the swap when sent out of band
    {% field form.name %}                   label, help, control and error, tied together

Nothing here marks data as safe: values go through `format_html`, or are escaped by the template.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from math import exp
from typing import Any, NamedTuple

import lucide
from django import template
from django.forms import BoundField
from django.template import Context
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, gettext_lazy, ngettext, pgettext_lazy

from dashboard import expected
from snapshots import estimates, first_run, permissions
from snapshots.estimates import Estimate
from snapshots.events import line
from snapshots.levels import Level
from snapshots.models import Account, Guard, Kind, Operation, Server, Snapshot, State, Team, User
from snapshots.text import readable, shown, stamp
from snapshots.wire_words import in_our_words

register = template.Library()


# -- icons ----------------------------------------------------------------------------------------


@register.simple_tag
@lru_cache(maxsize=256)
def icon(name: str, size: int = 18) -> SafeString:
    """A Lucide icon. Decoration: the word beside it is what is read out."""
    # The drawing comes out of the package's own archive, chosen by a name from our templates.
    return mark_safe(  # noqa: S308
        f'<svg class="glyph glyph-{name}" width="{size}" height="{size}" viewBox="0 0 24 24"'
        f' aria-hidden="true">{_lines(name)}</svg>'
    )


def _lines(name: str) -> str:
    """What is inside. How lines are drawn stands in the stylesheet, not forty times a page."""
    drawing = lucide._render_icon(name, 24)
    return re.sub(r"<svg[^>]*>|</svg>|\s*\n\s*", "", drawing).replace(" />", "/>").strip()


# -- states ---------------------------------------------------------------------------------------


class Look(NamedTuple):
    """How a state is told: always a word, a shape and a tint."""

    word: str | Promise
    icon: str
    tint: str


UNKNOWN_ICON, UNKNOWN = "circle-question-mark", "unknown"
SERVER = {
    "active": Look(pgettext_lazy("server", "Running"), "circle-check", "ok"),
    "stopped": Look(pgettext_lazy("server", "Stopped"), "power-off", "neutral"),
    "suspended": Look(pgettext_lazy("server", "Suspended"), "triangle-alert", "attention"),
    "restoring": Look(pgettext_lazy("server", "Restoring"), "loader-circle", "progress"),
}
SNAPSHOT = {
    "completed": Look(pgettext_lazy("snapshot", "Completed"), "circle-check", "ok"),
    "in_progress": Look(pgettext_lazy("snapshot", "In progress"), "loader-circle", "progress"),
    "failed": Look(pgettext_lazy("snapshot", "Failed"), "octagon-x", "danger"),
}
OPERATION = {
    State.AWAITING_APPROVAL: ("user-check", "person"),
    State.HELD: ("hand", "person"),
    State.WAITING: ("list-end", "neutral"),
    State.QUEUED: ("clock", "neutral"),
    State.SENDING: ("loader-circle", "progress"),
    State.RUNNING: ("loader-circle", "progress"),
    State.IN_DOUBT: (UNKNOWN_ICON, "attention"),
    State.NEEDS_PERSON: ("user-check", "person"),
    State.SUCCEEDED: ("circle-check", "ok"),
    State.FAILED: ("octagon-x", "danger"),
    State.NOT_APPLIED: ("ban", "neutral"),
    State.CANCELLED: ("ban", "neutral"),
    State.EXPIRED: ("clock", "neutral"),
}
GUARDS = {
    Guard.OPEN: ("shield-off", "attention"),
    Guard.CAREFUL: ("shield", "neutral"),
    Guard.GUARDED: ("shield-user", "person"),
    Guard.SEALED: ("shield-ban", "danger"),
}
TITLES = {
    Kind.CREATE: gettext_lazy("Snapshot {name} of {server}"),
    Kind.RESTORE: gettext_lazy("Restore of {server} to {name}"),
    Kind.DELETE: gettext_lazy("Deletion of {name} of {server}"),
    Kind.STOP: gettext_lazy("Stop of {server}"),
    Kind.START: gettext_lazy("Start of {server}"),
}


@register.simple_tag
@lru_cache(maxsize=1)
def sprite() -> SafeString:
    """The drawings of all states, once a page: badges refer to them."""
    looks = [*SERVER.values(), *SNAPSHOT.values()]
    names = {look.icon for look in looks} | {picture for picture, _tint in OPERATION.values()}
    symbols = "".join(
        f'<symbol id="i-{name}" viewBox="0 0 24 24">{_lines(name)}</symbol>'
        for name in sorted(names | {UNKNOWN_ICON})
    )
    return mark_safe(f'<svg id="sprite" hidden>{symbols}</svg>')  # noqa: S308 our own drawings


def badge(look: Look) -> SafeString:
    return _badge(str(look.word), look.icon, look.tint)


@lru_cache(maxsize=512)
def _badge(word: str, picture: str, tint: str) -> SafeString:
    known = f'id="i-{picture}"' in sprite()
    drawing = '<svg aria-hidden="true"><use href="#i-{}"/></svg>' if known else "{}"
    return format_html(
        '<span class="badge-status is-{}">' + drawing + "{}</span>",
        tint,
        picture if known else icon(picture, 14),
        word,
    )


def status_look(thing: Server | Snapshot) -> Look:
    """The provider's word in ours. A word we do not know is shown as it came, never as success."""
    if thing.gone_at:
        return Look(gettext("No longer listed"), UNKNOWN_ICON, UNKNOWN)
    known = SERVER if isinstance(thing, Server) else SNAPSHOT
    if thing.status in known:
        return known[thing.status]
    if not thing.status:
        return Look(gettext("Unknown"), UNKNOWN_ICON, UNKNOWN)
    return Look(gettext("“%s”") % shown(thing.status), UNKNOWN_ICON, UNKNOWN)


@register.simple_tag
def status_badge(thing: Server | Snapshot) -> SafeString:
    return badge(status_look(thing))


@register.simple_tag
def state_badge(operation: Operation) -> SafeString:
    picture, tint = OPERATION.get(State(operation.state), (UNKNOWN_ICON, UNKNOWN))
    return badge(Look(operation.get_state_display(), picture, tint))


@register.simple_tag
def shield(level: str | Level) -> SafeString:
    """A guard level, or what counts for a server."""
    guard = level.guard if isinstance(level, Level) else Guard(level)
    return badge(Look(guard.label, *GUARDS[guard]))


@register.simple_tag
def badge_of(word: str, tint: str, picture: str) -> SafeString:
    """A badge for a page's own state: `{% badge_of _("Paused") "attention" "pause" %}`."""
    return badge(Look(word, picture, tint))


@register.simple_tag
def operation_title(operation: Operation) -> str:
    """What the operation is, as a noun phrase."""
    words = str(TITLES[Kind(operation.kind)])
    return words.format(name=shown(operation.name), server=shown(operation.server.name))


event_sentence = register.simple_tag(line, name="event_sentence")


# -- times ----------------------------------------------------------------------------------------


def since_words(seconds: float) -> str:
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if seconds < 45:
        minutes = 0
    elif minutes < 60:
        minutes = max(minutes, 1)
    return _since(minutes if minutes < 60 else 60, min(hours, 48), days, get_language())


@lru_cache(maxsize=4096)
def _since(minutes: int, hours: int, days: int, _language: str) -> str:
    if not minutes:
        return gettext("just now")
    if minutes < 60:
        return gettext("%d min ago") % minutes
    if hours < 48:
        return gettext("%d h ago") % hours
    return ngettext("%(n)d day ago", "%(n)d days ago", days) % {"n": days}


def until_words(seconds: float) -> str:
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if minutes < 1:
        return gettext("in less than a minute")
    if minutes < 60:
        return gettext("in %d min") % minutes
    if hours < 48:
        return gettext("in %d h") % hours
    return ngettext("in %(n)d day", "in %(n)d days", days) % {"n": days}


@register.simple_tag
def ago(value: datetime | None) -> SafeString | str:
    """Relative, with the absolute time one hover away and in the markup."""
    if value is None:
        return gettext("unknown")
    passed = (timezone.now() - value).total_seconds()
    if passed < -5:
        return format_html(
            '<time datetime="{}" title="{}">{}</time>',
            value.isoformat(timespec="seconds"),
            stamp(value),
            until_words(-passed),
        )
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        value.isoformat(timespec="seconds"),
        stamp(value),
        since_words(passed),
    )


@register.simple_tag
def looked(accounts: Account | list[Account]) -> SafeString | str:
    """Since when all of them have been looked at. `live.js` keeps it true while nothing changes."""
    several = accounts if isinstance(accounts, list) else [accounts]
    looks = [one.complete_pass_at for one in several if one.complete_pass_at]
    of = " ".join(str(one.pk) for one in several)
    return format_html('<span data-looked="{}">{}</span>', of, ago(min(looks, default=None)))


@register.simple_tag
def when(value: datetime | None) -> SafeString | str:
    """Absolute, with the zone."""
    if value is None:
        return gettext("unknown")
    return format_html(
        '<time datetime="{}">{}</time>', value.isoformat(timespec="seconds"), stamp(value)
    )


@register.simple_tag
def stamp_now() -> str:
    """When this page was made, absolute, with the zone."""
    return stamp(timezone.now())


@register.simple_tag
def ticking_words() -> SafeString:
    """The sentences above for short times, for the script that keeps them true.

    Days are left to the server: their words change with the number.
    """
    words = {
        "now": gettext("just now"),
        "min-ago": gettext("%d min ago"),
        "h-ago": gettext("%d h ago"),
        "s": gettext("%d s"),
        "min-s": gettext("%(min)d min %(s)d s"),
        "h-min": gettext("%(h)d h %(min)d min"),
    }
    return format_html_join("", ' data-{}="{}"', words.items())


@register.filter
def clock(value: datetime | None) -> str:
    """The time of day with seconds, for "as of 14:02:11"."""
    return f"{timezone.localtime(value):%H:%M:%S}" if value else gettext("unknown")


@register.filter
def duration(value: timedelta | float | None) -> str:
    """A span in its two largest units: "2 min 13 s", "1 h 5 min", "3 days"."""
    if value is None:
        return gettext("unknown")
    seconds = max(0, int(value.total_seconds() if isinstance(value, timedelta) else value))
    minutes, rest = divmod(seconds, 60)
    hours, left = divmod(minutes, 60)
    if seconds < 60:
        return gettext("%d s") % seconds
    if minutes < 60:
        return gettext("%(min)d min %(s)d s") % {"min": minutes, "s": rest}
    if hours < 48:
        return gettext("%(h)d h %(min)d min") % {"h": hours, "min": left}
    days = hours // 24
    return ngettext("%(n)d day", "%(n)d days", days) % {"n": days}


@register.simple_tag
def elapsed(since: datetime | None) -> SafeString | str:
    """How long it has been going on; a static script keeps it ticking."""
    if since is None:
        return ""
    passed = (timezone.now() - since).total_seconds()
    return format_html(
        '<span class="num" data-since="{}">{}</span>', int(since.timestamp()), duration(passed)
    )


@register.simple_tag
def remaining(until: datetime) -> SafeString:
    """How long until then; a static script keeps it ticking."""
    seconds = max((until - timezone.now()).total_seconds(), 0)
    return format_html(
        '<span class="num" data-left="{}">{}</span>', int(until.timestamp()), duration(seconds)
    )


# -- sizes, progress ------------------------------------------------------------------------------


@register.filter
def size(megabytes: int | None) -> str:
    """MB as the provider counts them, told in GB of 10^9 bytes."""
    return _size(megabytes, get_language())


@lru_cache(maxsize=4096)
def _size(megabytes: int | None, _language: str) -> str:
    if megabytes is None:
        return gettext("size unknown")
    if megabytes < 1000:
        return gettext("%s MB") % number_format(megabytes)
    return gettext("%s GB") % number_format(round(megabytes / 1000, 1), decimal_pos=1)


@register.filter
def percent(value: float) -> str:
    """A place in a drawing, written the same in every language: "12.50%"."""
    return f"{value:.2f}%"


@register.filter
def scale(seconds: float) -> str:
    """A round number of seconds, minutes or hours."""
    if seconds < 60:
        return gettext("%d s") % seconds
    if seconds < 3600:
        return gettext("%d min") % (seconds // 60)
    return gettext("%d h") % (seconds // 3600)


@register.filter
def memory(megabytes: int) -> str:
    """Memory comes in powers of two: 4096 MB are 4 GB to everyone."""
    return gettext("%s GB memory") % number_format(f"{megabytes / 1024:.1f}".removesuffix(".0"))


@register.simple_tag
def usually(kind: str, server: Server | None = None) -> str:
    """How long it would take; from the documentation alone if no server is given."""
    if server is None:
        return expected.usually(estimates.documented(kind), kind)
    return expected.usually(estimates.for_kind(kind, server), kind, server.plan)


@register.inclusion_tag("shell/_progress.html", takes_context=True)
def progress(context: Context, operation: Operation) -> dict[str, Any]:
    """A bar that moves with time and never claims the end; words that say what it rests on."""
    began = estimates.began_at(operation)
    if began is None or operation.state not in (State.RUNNING, State.SENDING):
        return {}
    # The other bars of this page are those of operations in the tray: all are read at once.
    others = getattr(context.get("tray"), "under_way", ())
    moving = [one for one in others if one.state in (State.RUNNING, State.SENDING)]
    known = expected.of(context.get("request"), [operation, *moving])
    estimate = known[operation.pk]
    passed = timezone.now() - began
    return {
        "operation": operation,
        "began": began,
        "estimate": estimate,
        "percent": share_done(passed, estimate),
        "usually": expected.usually(estimate, operation.kind, operation.server.plan),
        "is_slow": operation.slow_at or (estimate is not None and passed > estimate.late),
    }


def share_done(passed: timedelta, estimate: Estimate | None) -> int | None:
    """1 - exp(-1.6 t/median), capped: honest, always moving, never the end before the end."""
    if estimate is None:
        return None
    median = max(estimate.median, timedelta(seconds=1))
    return min(95, int(100 * (1 - exp(-1.6 * (passed / median)))))


@register.inclusion_tag("shell/_slots.html")
def slots(taken: int, limit: int) -> dict[str, Any]:
    """Boxes, and the same in words."""
    return {
        "boxes": [number <= taken for number in range(1, limit + 1)],
        "taken": taken,
        "limit": limit,
        "full": taken >= limit,
    }


# -- other people's words -------------------------------------------------------------------------


register.filter(shown)
register.filter(stamp)
register.filter(readable)


@register.simple_tag
def provider_words(text: object) -> SafeString | str:
    """The provider's own sentence: escaped, inert to htmx, never translated; or ours, which is."""
    if not text:
        return ""
    if ours := in_our_words(str(text)):
        return format_html("<span data-hx-disable>{}</span>", readable(ours))
    return format_html(
        '<q class="provider-words" lang="en" dir="auto" data-hx-disable>{}</q>', shown(text)
    )


# -- rights, regions, forms -----------------------------------------------------------------------


@register.simple_tag
def sets_up(user: User) -> bool:
    """Whether the way back to the set-up is shown: asks nothing of those who set nothing up."""
    return user.is_setting_up and first_run.began(user)


@register.simple_tag
def may(user: User, right: str, team: Team | int) -> bool:
    return permissions.may(user, right, team)


@register.simple_tag(takes_context=True)
def live_id(context: Context, *parts: object) -> SafeString:
    """The id of a live region's root element; out of band, also how it is put in place."""
    name = "".join(str(part) for part in parts)
    if context.get("oob"):
        return format_html('id="{}" hx-swap-oob="morph"', name)
    return format_html('id="{}"', name)


@register.inclusion_tag("shell/_field.html")
def field(bound: BoundField, **attrs: Any) -> dict[str, Any]:
    """One form field. `{% field form.name data_pattern_help="..." %}` adds attributes."""
    kind = getattr(bound.field.widget, "input_type", "")
    classes = {"checkbox": "form-check-input", "select": "form-select"}.get(kind, "form-control")
    extra = {name.replace("_", "-"): value for name, value in attrs.items()}
    extra.setdefault("placeholder", False)  # the label stands above, and does not go away
    if kind in {"email", "url", "password"}:  # written from left to right by everybody
        extra.setdefault("dir", "ltr")
    return {
        "field": bound,
        "kind": kind,
        "control": bound.as_widget(attrs={"class": classes} | extra),
        "is_required": bound.field.required,
    }
