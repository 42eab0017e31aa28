"""The tasks whose rates are compared. Loaded by the bench's worker only."""

from __future__ import annotations

from datetime import timedelta

from celery import shared_task
from django.db import connection, transaction
from django.utils import timezone

from snapshots.models import State
from snapshots.operations.send import Look, _as_it_is, _claim
from snapshots.operations.states import move


@shared_task(name="bench.empty")
def empty(pk: int) -> None:
    """What Celery itself costs."""


@shared_task(name="bench.change")
def change(pk: int) -> None:
    """Everything the database does for one change: claim and attempt, finish, two audit lines."""
    operation = _as_it_is(pk)
    if operation and _claim(operation, Look(timezone.now(), None, ())):
        move(operation, State.SUCCEEDED)


@shared_task(name="bench.by_hand")
def by_hand(pk: int) -> None:
    """The least that keeps the promise: two commits, each a conditional UPDATE and an audit line.

    No rights read again, no look, no names in the audit, no next in line, no models.
    """
    empty = "CAST('{}' AS jsonb)" if connection.vendor == "postgresql" else "'{}'"
    now = timezone.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RAISE, [pk])
        cursor.execute(CLAIM, [now + timedelta(seconds=30), now, pk])
        cursor.execute(ATTEMPT.format(empty=empty), [now, now + timedelta(seconds=30), pk])
        cursor.execute(EVENT.format(empty=empty), [now, "delete.sending", False, pk])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RAISE, [pk])
        cursor.execute(FINISH, [timezone.now(), pk])
        cursor.execute(EVENT.format(empty=empty), [now, "delete.succeeded", True, pk])


RAISE = """
    UPDATE snapshots_account SET revision = revision + 1
    WHERE id = (SELECT account_id FROM snapshots_operation WHERE id = %s)
"""
CLAIM = """
    UPDATE snapshots_operation SET state = 'sending', version = 1, claim_deadline = %s,
        sent_at = %s, attempt_count = 1
    WHERE id = %s AND state = 'queued' AND version = 0
"""
FINISH = """
    UPDATE snapshots_operation SET state = 'succeeded', version = 2, claim_deadline = NULL,
        ended_at = %s
    WHERE id = %s AND state = 'sending' AND version = 1
"""
ATTEMPT = """
    INSERT INTO snapshots_attempt
        (claimed_at, deadline, operation_id, number, pre_image, outcome, excerpt, late)
    VALUES (%s, %s, %s, 1, {empty}, '', '', false)
"""
EVENT = """
    INSERT INTO snapshots_event (at, verb, to_tell, team_id, actor_id, actor_name, account_id,
        server_id, snapshot_id, operation_id, data)
    SELECT %s, %s, %s, team_id, asked_by_id, asked_by_name, account_id, server_id, snapshot_id, id,
        {empty}
    FROM snapshots_operation WHERE id = %s
"""
