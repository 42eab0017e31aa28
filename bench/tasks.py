"""The two tasks whose rates are compared. Loaded by the bench's worker only."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from snapshots.models import Operation, State
from snapshots.operations.send import Look, _claim
from snapshots.operations.states import move


@shared_task(name="bench.empty")
def empty(pk: int) -> None:
    """What Celery itself costs."""


@shared_task(name="bench.change")
def change(pk: int) -> None:
    """Everything the database does for one change: claim and attempt, finish, two audit lines."""
    operation = Operation.objects.select_related("account", "server", "team", "snapshot").get(pk=pk)
    if _claim(operation, Look(timezone.now(), None, ())):
        move(operation, State.SUCCEEDED)
