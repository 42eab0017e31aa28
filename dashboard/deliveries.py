"""A message in words: what it told, how far it is, and why it is no further."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.templatetags.ui import Look
from snapshots.events import line
from snapshots.models import Delivery
from snapshots.notices.links import address_of
from snapshots.text import shown

State = Delivery.State
SENT_TO: dict[bool, Promise] = {
    True: gettext_lazy("Handed to the mail server"),
    False: gettext_lazy("Received"),
}


MOST_TOLD = 50


class Message(NamedTuple):
    """One row as a page shows it."""

    row: Delivery
    what: str
    address: str
    look: Look
    words: str
    next_at: datetime | None


def messages(rows: Iterable[Delivery]) -> list[Message]:
    """`rows` come with their event and batch."""
    return [
        Message(row, _what(row), _address(row), _look(row), _words(row), _next(row)) for row in rows
    ]


def told(about: Q) -> list[tuple[str, Message]]:
    """Who was told of it, newest first: people by name, a team's webhooks by theirs."""
    rows = Delivery.objects.filter(about).select_related(
        "event", "batch", "user", "webhook__member__user"
    )
    found = messages(rows.order_by("-pk")[:MOST_TOLD])
    return [(_recipient(one.row), one) for one in found]


def _recipient(row: Delivery) -> str:
    if row.webhook is None:
        return shown(row.user)
    if row.webhook.member is None:
        return _("webhook %(name)s") % {"name": shown(row.webhook.name)}
    return _("%(person)s, by a webhook of their own") % {"person": shown(row.webhook.member.user)}


def _what(row: Delivery) -> str:
    if row.event:
        return line(row.event)
    if row.batch:
        return _("What was asked for together has ended")
    return _("A test")


def _address(row: Delivery) -> str:
    about = row.event or row.batch
    return address_of(about, site="") if about else ""


def _look(row: Delivery) -> Look:
    if row.state == State.SENT:
        return Look(SENT_TO[row.user_id is not None], "circle-check", "ok")
    if row.state == State.FAILED:
        return Look(State.FAILED.label, "octagon-x", "danger")
    if row.state == State.DROPPED:
        return Look(State.DROPPED.label, "ban", "neutral")
    if row.attempts:
        return Look(_("Trying again"), "clock", "attention")
    return Look(State.WAITING.label, "clock", "neutral")


def _words(row: Delivery) -> str:
    """Why it is no further; empty if there is nothing to say."""
    if not row.trouble:
        return ""
    why = row.get_trouble_display()
    if row.status:
        why = _("%(why)s (%(status)d)") % {"why": why, "status": row.status}
    if row.state == State.DROPPED or not row.attempts:
        return why
    told = ngettext("%(n)d attempt: %(why)s", "%(n)d attempts, the last: %(why)s", row.attempts)
    return told % {"n": row.attempts, "why": why}


def _next(row: Delivery) -> datetime | None:
    """When it is tried again, if that is some time away."""
    is_later = row.state == State.WAITING and row.attempts and row.due_at > timezone.now()
    return row.due_at if is_later else None
