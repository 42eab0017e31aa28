"""What a person is told by e-mail: plain text in their language and zone, and a link."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import timezone, translation
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from snapshots import events
from snapshots.models import Batch, Delivery, Event, Kind, State, User
from snapshots.notices.links import address_of
from snapshots.notices.post import Outcome
from snapshots.permissions import known_servers, visible_operations
from snapshots.said import again
from snapshots.text import readable, shown, stamp

LONGEST_SUBJECT = 150
MOST_LINES = 20


def send(row: Delivery) -> Outcome:
    """Hand the message to the mail server. Taken by it is not read by a person, nor delivered."""
    assert row.user is not None  # noqa: S101
    try:
        message(row, row.user).send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _words in error.recipients.values()]
        return _refused(max(codes, default=550))
    except smtplib.SMTPDataError as error:
        return _refused(error.smtp_code)
    except smtplib.SMTPResponseException as error:  # its greeting, our password, our sender
        return Outcome(Delivery.Trouble.MAIL_REFUSED, _code(error.smtp_code))
    except (smtplib.SMTPException, OSError):
        return Outcome(Delivery.Trouble.MAIL)
    return Outcome(is_final=True)


def _refused(code: int) -> Outcome:
    return Outcome(Delivery.Trouble.MAIL_REFUSED, _code(code), is_final=500 <= code < 600)


def _code(code: int) -> int | None:
    return code if 0 < code < 1000 else None


def message(row: Delivery, person: User) -> EmailMessage:
    """The mail, in the person's own language and zone."""
    with translation.override(person.language or settings.LANGUAGE_CODE), zone_of(person):
        subject, paragraphs = _about(row, person)
        paragraphs.append(_why_you(row))
        return EmailMessage(
            f"[{shown(row.team.name)}] {_one_line(subject)}",
            "\n\n".join(paragraphs) + "\n",
            to=[person.email],
            headers={
                "Message-ID": f"<{row.message_id}@{urlsplit(settings.SITE_URL).hostname}>",
                "Auto-Submitted": "auto-generated",
            },
        )


def zone_of(person: User) -> timezone.override:
    try:
        return timezone.override(ZoneInfo(person.time_zone))
    except (ZoneInfoNotFoundError, ValueError):
        return timezone.override(ZoneInfo("UTC"))


def _one_line(subject: str) -> str:
    return Truncator(" ".join(subject.split())).chars(LONGEST_SUBJECT)


def _about(row: Delivery, person: User) -> tuple[str, list[str]]:
    if row.batch:
        return _about_batch(row.batch, person)
    assert row.event is not None  # noqa: S101
    return _about_event(row.event)


def _about_event(event: Event) -> tuple[str, list[str]]:
    sentence = events.line(event)
    paragraphs = [_full_stop(sentence)]
    if advice := _advice(event):
        paragraphs.append(advice)
    paragraphs.append("\n".join(_facts(event)))
    if link := address_of(event):
        paragraphs.append(link)
    return sentence, paragraphs


def _advice(event: Event) -> str:
    noun, _dot, what = event.verb.partition(".")
    if event.verb == "account.paused":
        return _("What is asked for meanwhile waits, and expires if it waits too long.")
    if event.verb == "guard.lower_asked":
        return _(
            "Please read on the page below what it concerns, and approve it or say no."
            " If nobody does within four hours it expires, and nothing is changed."
        )
    if noun not in Kind.values:
        return ""
    return {
        "in_doubt": _(
            "The server stays locked while we look at the provider again."
            " Nothing is sent a second time by itself."
        ),
        "needs_person": _(
            "Please look at the provider’s panel, and say on the page below what you saw."
            " Until then the server stays locked."
        ),
        "slow": _("It may still end well. We go on looking."),
        "approval_wanted": _(
            "Please read the plan on the page below, and approve it or say no."
            " If nobody does within four hours it expires, and nothing is changed."
        ),
    }.get(what, "")


def _facts(event: Event) -> Iterator[str]:
    """One fact a line. Names are those of the time."""
    if server := event.data.get("server"):
        yield _("Server: %(name)s") % {"name": shown(server)}
    if account := event.data.get("account"):
        yield _("Account: %(name)s") % {"name": shown(account)}
    if event.operation and event.operation.asked_by_name:
        yield _("Asked for by: %(name)s") % {"name": shown(event.operation.asked_by_name)}
    yield _("When: %(time)s") % {"time": stamp(event.at)}


def _about_batch(batch: Batch, person: User) -> tuple[str, list[str]]:
    """How many ended well, and each that did not: of what the person reaches."""
    rows = list(visible_operations(person).filter(batch=batch, kind=batch.kind).order_by("pk"))
    named = {item["server"] for item in batch.refused}
    known = set(known_servers(person).filter(pk__in=named).values_list("pk", flat=True))
    good = sum(row.state == State.SUCCEEDED for row in rows)
    subject = _how_many(batch.kind, len(rows), good)
    lines = [
        _("%(server)s: %(state)s")
        % {"server": shown(row.server.name), "state": row.get_state_display()}
        for row in rows
        if row.state != State.SUCCEEDED
    ]
    lines += [
        _("%(name)s was not asked for: %(why)s")
        % {"name": shown(item.get("name", "")), "why": readable(again(item.get("why", "")))}
        for item in batch.refused
        if item["server"] in known
    ]
    paragraphs = [_full_stop(subject)]
    if lines:
        left = len(lines) - MOST_LINES
        lines = lines[:MOST_LINES]
        if left > 0:
            lines.append(ngettext("and %(n)d more", "and %(n)d more", left) % {"n": left})
        paragraphs.append("\n".join(lines))
    paragraphs.append(_("Asked for by: %(name)s") % {"name": shown(batch.asked_by_name)})
    return subject, [*paragraphs, address_of(batch)]


def _how_many(kind: str, number: int, good: int) -> str:
    words = {
        Kind.CREATE: ngettext(
            "%(number)d snapshot was asked for; complete: %(good)d",
            "%(number)d snapshots were asked for together; complete: %(good)d",
            number,
        ),
        Kind.DELETE: ngettext(
            "%(number)d deletion was asked for; done: %(good)d",
            "%(number)d deletions were asked for together; done: %(good)d",
            number,
        ),
    }.get(
        Kind(kind),
        ngettext(
            "%(number)d operation was asked for; done: %(good)d",
            "%(number)d operations were asked for together; done: %(good)d",
            number,
        ),
    )
    return words % {"number": number, "good": good}


def _why_you(row: Delivery) -> str:
    return _(
        "You are a member of %(team)s and chose to be told of this, or your role is always told.\n"
        "Change what you are told: %(address)s"
    ) % {"team": shown(row.team.name), "address": f"{settings.SITE_URL}/settings/messages/"}


def _full_stop(words: str) -> str:
    return words if words.endswith((".", "!", "?", "…")) else words + "."
