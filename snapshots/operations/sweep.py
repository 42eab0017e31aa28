"""What time does: expiry, lost claims, deadlines of decisions, and who is due next.

Every part takes at most `QUOTA` rows, oldest first, so that no backlog starves another.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from snapshots.models import Account, Operation, Reason, State
from snapshots.models.operation import HOLDING
from snapshots.operations import times
from snapshots.operations.settle import settle
from snapshots.operations.states import move

QUOTA = 200
QUOTA_PER_ACCOUNT = 10


def sweep() -> None:
    """Bring every operation up to date with the clock. Safe to run twice, at once, or late."""
    now = timezone.now()
    rows = Operation.objects.select_related("account", "server", "team", "snapshot")
    for lost in rows.filter(state=State.SENDING, claim_deadline__lte=now).order_by("pk")[:QUOTA]:
        move(lost, State.IN_DOUBT, Reason.CLAIM_LOST)
    for late in rows.filter(state=State.QUEUED, send_before__lte=now).order_by("pk")[:QUOTA]:
        _expire(late)
    undecided = rows.filter(state__in=(State.RUNNING, State.IN_DOUBT), due_at__lte=now)
    for operation in undecided.order_by("due_at")[:QUOTA]:
        if not settle(operation, now):
            Operation.objects.filter(pk=operation.pk, version=operation.version).update(
                due_at=now + max(times.scaled(60), timedelta(seconds=10))
            )


def due() -> list[int]:
    """Ids of queued operations to send now, each announced at most every few seconds.

    Operations that wait for their safety snapshot, and those of paused accounts, are not due.
    """
    now = timezone.now()
    ranked = (
        Operation.objects.filter(state=State.QUEUED, due_at__lte=now, account__paused="")
        .filter(Q(nudged_at__isnull=True) | Q(nudged_at__lte=now - times.NUDGE))
        .exclude(children__state__in=HOLDING)
        .annotate(
            rank=Window(RowNumber(), partition_by=F("account_id"), order_by=F("due_at").asc())
        )
        .filter(rank__lte=QUOTA_PER_ACCOUNT)
        .order_by("rank", "due_at")
        .values_list("pk", flat=True)[:QUOTA]
    )
    chosen = list(ranked)
    if chosen:
        Operation.objects.filter(pk__in=chosen, state=State.QUEUED).update(nudged_at=now)
    return chosen


def _expire(operation: Operation) -> None:
    """End what was not sent in time, together with a child that was not sent either."""
    with transaction.atomic():
        child = operation.children.filter(state=State.QUEUED).first()
        if child:
            move(child, State.EXPIRED, Reason.TOO_LATE)
        elif any(child.holds for child in operation.children.all()):
            Operation.objects.filter(pk=operation.pk, state=State.QUEUED).update(
                stop_requested=True,
                revision=Account.next_revision(operation.account_id),
            )
            return
        move(operation, State.EXPIRED, Reason.TOO_LATE)
