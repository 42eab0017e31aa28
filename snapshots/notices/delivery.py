"""Send what is due, one message at a time: claim, send, record; later again if it failed.

At most a quarter of the worker processes do it at a time (`at_once`), whatever the backlog and
however slow the receivers, so that messages leave the others to operations.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from time import monotonic

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from snapshots import events
from snapshots.models import Delivery, Membership, Webhook
from snapshots.notices import mail, payload
from snapshots.notices.post import Outcome
from snapshots.notices.wishes import concerned
from snapshots.permissions import may_hear

log = logging.getLogger(__name__)

RETRY_AFTER = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 2 * 3600, 5 * 3600, 10 * 3600)
)
GIVE_UP = timedelta(days=2)  # also what never had its turn
LEASE = timedelta(seconds=60)  # more than a task may take
LONGEST_REST = timedelta(minutes=5)
MAIL_REST = timedelta(seconds=30)
BEGIN_BEFORE = 15.0  # seconds of one task in which another message may be begun
KEPT = timedelta(days=30)

State = Delivery.State
Trouble = Delivery.Trouble
OURS = (Trouble.KEY_LOST, Trouble.OUR_FAULT)  # nothing was asked of the receiver


def at_once() -> int:
    """How many messages may be on their way at a time: a quarter of the worker processes."""
    return max(1, int(settings.CELERY_WORKER_CONCURRENCY) // 4)


def deliver() -> None:
    """Send what is due, oldest first, for some seconds. Safe to run twice, at once, or late."""
    is_alone = settings.CELERY_WORKER_CONCURRENCY == 1  # then one message, and others' turn
    end = monotonic() + (0 if is_alone else BEGIN_BEFORE)
    while row := _next():
        _deliver(row)
        if monotonic() >= end:
            break


def _next() -> Delivery | None:
    """The message that has waited longest, unless as many are under way as may be."""
    now = timezone.now()
    waiting = Delivery.objects.filter(state=State.WAITING)
    if waiting.filter(leased_until__gt=now).count() >= at_once():
        return None
    return (
        waiting.filter(_is_free(now), due_at__lte=now)
        .filter(
            Q(webhook=None) | Q(webhook__resting_until=None) | Q(webhook__resting_until__lte=now)
        )
        .select_related("webhook__team", "webhook__member__user", "user", "team", "batch__team")
        .select_related("event__operation", "event__server", "event__account")
        .order_by("due_at", "pk")
        .first()
    )


def _is_free(now: datetime) -> Q:
    return Q(leased_until=None) | Q(leased_until__lte=now)


def _deliver(row: Delivery) -> None:
    """One attempt. Whoever dies in it leaves a lease that ends, and the message is sent again."""
    now = timezone.now()
    claimed = Delivery.objects.filter(
        _is_free(now), pk=row.pk, state=State.WAITING, attempts=row.attempts
    ).update(attempts=F("attempts") + 1, leased_until=now + LEASE)
    if not claimed:
        return
    row.attempts += 1
    if trouble := _why_not(row):
        _record(row, State.DROPPED, Outcome(trouble))
        return
    outcome = _send(row)
    if row.webhook and outcome.trouble not in OURS:
        _note_webhook(row.webhook, outcome)
    if outcome.trouble == Trouble.MAIL:
        _rest_mail()
    if outcome.trouble == Trouble.NONE:
        _record(row, State.SENT, outcome)
    elif outcome.is_final or row.attempts > len(RETRY_AFTER) or now > row.created_at + GIVE_UP:
        _record(row, State.FAILED, outcome)
    else:
        _record(row, State.WAITING, outcome)


def _why_not(row: Delivery) -> Trouble:
    """Why it must not be sent any more: asked at the last moment."""
    if row.webhook is None and not settings.EMAIL_IS_SENT:
        return Trouble.NO_MAIL
    if row.webhook and row.webhook.off:
        return Trouble.OFF
    person = row.user_id or (row.webhook and row.webhook.member and row.webhook.member.user_id)
    return _why_not_to(person, row) if person else Trouble.NONE


def _why_not_to(person: int, row: Delivery) -> Trouble:
    """Whoever has left, is suspended, or reaches it no more is told nothing that waits still.

    Nor is whoever can no longer decide what it asks for.
    """
    present = Membership.objects.filter(team=row.team, suspended_at=None, user__is_active=True)
    member, about = present.filter(user=person).first(), row.event or row.batch
    if member is None or (about and not may_hear(member.scope_id, about)):
        return Trouble.NOT_A_MEMBER
    only = concerned(row.event) if row.event else None
    if only is not None and person not in only:
        return Trouble.NOT_A_MEMBER
    return Trouble.NONE


def _send(row: Delivery) -> Outcome:
    try:
        return payload.post_to(row.webhook, row) if row.webhook else mail.send(row)
    except Exception:
        log.exception("message %s: not sent", row.pk)
        return Outcome(Trouble.OUR_FAULT)


def _record(row: Delivery, state: Delivery.State, outcome: Outcome) -> None:
    """Only the attempt that is the latest may: a claim that was lost writes nothing."""
    now = timezone.now()
    values: dict[str, object] = {
        "state": state,
        "trouble": outcome.trouble,
        "status": outcome.status,
        "leased_until": None,
    }
    if state == State.WAITING:
        values["due_at"] = now + RETRY_AFTER[row.attempts - 1]
    else:
        values["ended_at"] = now
    Delivery.objects.filter(pk=row.pk, state=State.WAITING, attempts=row.attempts).update(**values)


def _note_webhook(webhook: Webhook, outcome: Outcome) -> None:
    """An address that fails rests, longer each time; one that says it is gone is switched off."""
    now = timezone.now()
    mine = Webhook.objects.filter(pk=webhook.pk)
    if outcome.trouble == Trouble.NONE:
        if webhook.failures:
            mine.update(failures=0, resting_until=None)
        return
    rest = min(timedelta(seconds=5 * 2 ** min(webhook.failures, 10)), LONGEST_REST)
    mine.update(failures=F("failures") + 1, resting_until=now + rest)
    if outcome.status == 410:
        with transaction.atomic():
            if mine.filter(off=Webhook.Off.NO).update(off=Webhook.Off.GONE, off_at=now):
                events.record(events.Verb.WEBHOOK_GONE, team=webhook.team, webhook=webhook.name)


def _rest_mail() -> None:
    """A mail server that is not there costs seconds a mail, which are not taken from webhooks."""
    until = timezone.now() + MAIL_REST
    mails = Delivery.objects.filter(state=State.WAITING, webhook=None, due_at__lt=until)
    mails.update(due_at=until)


def tidy() -> None:
    """Forget messages of more than a month ago."""
    old = Delivery.objects.filter(created_at__lt=timezone.now() - KEPT)
    ended = list(old.exclude(state=State.WAITING).values_list("pk", flat=True)[:5000])
    for first in range(0, len(ended), 500):
        Delivery.objects.filter(pk__in=ended[first : first + 500]).delete()
