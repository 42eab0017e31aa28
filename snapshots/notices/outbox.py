"""From the outbox to messages: who is to be told of a line, and by which way."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from snapshots.events import topic_of
from snapshots.models import Batch, Delivery, Event, Operation, Topic, Webhook
from snapshots.models.operation import ENDED, POWER
from snapshots.notices.wishes import Listener, concerned, listeners
from snapshots.permissions import may_hear
from snapshots.turns import turn

log = logging.getLogger(__name__)


class Audience:
    """Who listens to which team, read once a pass."""

    def __init__(self) -> None:
        self._people: dict[int, list[Listener]] = {}
        self._webhooks: dict[int, list[Webhook]] = {}

    def people(self, team_id: int) -> list[Listener]:
        if team_id not in self._people:
            self._people[team_id] = listeners(team_id)
        return self._people[team_id]

    def webhooks(self, team_id: int) -> list[Webhook]:
        if team_id not in self._webhooks:
            on = Webhook.objects.filter(team_id=team_id, off=Webhook.Off.NO)
            self._webhooks[team_id] = list(on.select_related("member"))
        return self._webhooks[team_id]


def write_messages() -> None:
    """Take lines off the outbox, in their turn, and write a row for each message they call for.

    A line and its messages are one transaction. Safe to run twice, at once, or late.
    """
    waiting = (
        Event.objects.filter(to_tell=True)
        .select_related("operation__batch", "operation__parent")
        .annotate(is_needed=Exists(Operation.objects.filter(needs=OuterRef("operation"))))
    )
    audience = Audience()
    for event in turn(waiting.order_by("pk")):
        try:
            with transaction.atomic():
                if Event.objects.filter(pk=event.pk, to_tell=True).update(to_tell=False):
                    messages = [*_messages(event, audience)]
                    Delivery.objects.bulk_create(messages, ignore_conflicts=True)
        except Exception:
            log.exception("event %s: nobody was told; the next tick tries again", event.pk)


def _messages(event: Event, audience: Audience) -> Iterator[Delivery]:
    """A webhook is told every line. Mailboxes are spared what another message tells as well."""
    topic, operation, team_id = topic_of(event.verb), event.operation, event.team_id
    if team_id is None:  # such as a sign-in: it concerns nobody else
        return
    people = [*_listening(event, topic, audience.people(team_id))] if topic else []
    if topic:
        for webhook in audience.webhooks(team_id):
            member = webhook.member
            if member.user_id in people if member else topic in webhook.topics:
                yield Delivery(team_id=team_id, event=event, topic=topic, webhook=webhook)
    if not settings.EMAIL_IS_SENT:
        return
    if topic and not _is_told_elsewhere(event, topic):
        for user_id in people:
            yield Delivery(team_id=team_id, event=event, topic=topic, user_id=user_id)
    if operation and operation.batch and _has_ended(operation.batch):
        yield from _about_batch(operation.batch, audience)


def _listening(event: Event, topic: Topic, people: list[Listener]) -> Iterator[int]:
    """Who wants to be told of it. Nobody is told of what they did themselves."""
    operation = event.operation
    asked_by = operation.asked_by_id if operation else event.data.get("asker_id")
    only = concerned(event)
    for person in people:
        if only is not None and person.user_id not in only:
            continue
        is_wanted = person.wants(topic, asked_by=asked_by) and person.user_id != event.actor_id
        if is_wanted and may_hear(person.scope_id, event):
            yield person.user_id


def _is_told_elsewhere(event: Event, topic: Topic) -> bool:
    """Told with what it is a part of: a batch, a restore, or a snapshot with its stop and start."""
    operation = event.operation
    if operation is None:
        return False
    if operation.parent_id:
        return topic in (Topic.FINISHED, Topic.FAILED)
    is_in_chain = bool(operation.needs_id) or getattr(event, "is_needed", False)
    return topic == Topic.FINISHED and bool(
        operation.batch_id or (operation.kind in POWER and is_in_chain)
    )


def _has_ended(batch: Batch) -> bool:
    return not batch.operations.exclude(state__in=ENDED).exists()


def _about_batch(batch: Batch, audience: Audience) -> Iterator[Delivery]:
    """One message when all of it has ended. The row is unique, so two last lines make one."""
    for person in audience.people(batch.team_id):
        is_wanted = person.wants(Topic.FINISHED, asked_by=batch.asked_by_id)
        if is_wanted and may_hear(person.scope_id, batch):
            yield Delivery(
                team_id=batch.team_id, batch=batch, topic=Topic.FINISHED, user_id=person.user_id
            )
