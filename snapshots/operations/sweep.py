"""What time does: expiry, lost claims, deadlines of decisions, and who is due next.

Every part takes the turn of its rows, so that no backlog starves another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, When, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from snapshots.models import Account, Operation, Reason, State
from snapshots.models.operation import HOLDING, NOT_SENT
from snapshots.operations import epoch, slow, times
from snapshots.operations.settle import settle
from snapshots.operations.states import end_stopped, let_next, move
from snapshots.turns import QUOTA, turn

log = logging.getLogger(__name__)
QUOTA_PER_ACCOUNT = 10


def sweep() -> None:
    """Bring every operation up to date with the clock. Safe to run twice, at once, or late."""
    epoch.watch()
    now = timezone.now()
    rows = Operation.objects.select_related("account", "server", "team", "snapshot")
    suspects = epoch.suspects().values("pk")
    put_back = rows.filter(pk__in=suspects)
    lost = rows.filter(state=State.SENDING, claim_deadline__lte=now)
    late = (
        rows.filter(Q(send_before__lte=now) | Q(stop_requested=True))
        .filter(state__in=(State.AWAITING_APPROVAL, State.WAITING, *NOT_SENT))
        .exclude(stop_requested=True, children__state__in=HOLDING)
        .exclude(reason=Reason.PUT_BACK)  # it may have been sent all the same
        .exclude(pk__in=suspects)  # so may those beyond this tick's quota
    )
    undecided = rows.filter(state__in=(State.RUNNING, State.IN_DOUBT), due_at__lte=now)
    _each(turn(put_back.order_by("pk")), epoch.doubt)
    _each(turn(lost.order_by("pk")), lambda row: move(row, State.IN_DOUBT, Reason.CLAIM_LOST))
    _each(turn(late.order_by("pk")), _expire)
    _each(turn(undecided.order_by("due_at")), lambda row: _decide(row, now))
    _each(turn(_stuck()), lambda row: let_next(row.account_id, row.lock_key))
    _tell_slow(rows.filter(state=State.RUNNING, slow_at=None), now)


def _stuck() -> QuerySet[Operation]:
    """The first of each line whose machine nobody holds: another team's operation has ended."""
    same = Operation.objects.filter(lock_key=OuterRef("lock_key"))
    return Operation.objects.filter(
        ~Exists(same.filter(parent=None, state__in=HOLDING)),
        ~Exists(
            same.filter(account=OuterRef("account"), state=State.WAITING, pk__lt=OuterRef("pk"))
        ),
        state=State.WAITING,
    ).order_by("pk")


def _each(rows: list[Operation], work: Callable[[Operation], object]) -> None:
    """Rows that cannot be handled must not keep the others, or the tick, from their turn."""
    for row in rows:
        try:
            work(row)
        except Exception:
            log.exception("operation %s: not brought up to date; the next tick tries again", row.pk)


def _tell_slow(running: QuerySet[Operation], now: datetime) -> None:
    late = slow.late(turn(running.order_by("sent_at")), now)
    usual = {row.pk: estimate for row, estimate in late}
    _each([row for row, _estimate in late], lambda row: slow.tell(row, usual[row.pk], now))


def _decide(operation: Operation, now: datetime) -> None:
    if not settle(operation, now):
        Operation.objects.filter(pk=operation.pk, version=operation.version).update(
            due_at=now + max(times.scaled(60), timedelta(seconds=10))
        )


def due() -> list[int]:
    """Ids of queued operations to send now, each announced at most every few seconds.

    Operations that wait for their safety snapshot, and those of paused accounts, are not due. Of an
    account that could not be read lately one is due at a time, lest they keep every worker waiting.
    """
    now = timezone.now()
    queued = Operation.objects.filter(state=State.QUEUED)
    in_trouble = Q(account__in=queued.filter(reason=Reason.NO_READ).values("account"))
    is_tried = Q(account__in=queued.exclude(times.may_nudge(now)).values("account"))
    ranked = (
        queued.filter(times.may_nudge(now), due_at__lte=now, account__paused="")
        .exclude(in_trouble & is_tried)
        .exclude(children__state__in=HOLDING)
        .exclude(parent__parent__state=State.HELD)  # what would make room for it
        .annotate(
            rank=Window(RowNumber(), partition_by=F("account_id"), order_by=F("due_at").asc()),
            most=Case(When(in_trouble, then=1), default=QUOTA_PER_ACCOUNT),
        )
        .filter(rank__lte=F("most"))
        .order_by("rank", "due_at")
        .values_list("pk", flat=True)[:QUOTA]
    )
    chosen = list(ranked)
    if chosen:
        Operation.objects.filter(pk__in=chosen, state=State.QUEUED).update(nudged_at=now)
    return chosen


def _expire(operation: Operation) -> bool:
    """End what was not sent in time, together with what comes before it if that was not sent."""
    if operation.state == State.AWAITING_APPROVAL:
        return move(operation, State.EXPIRED, Reason.NOBODY_DECIDED)
    with transaction.atomic():
        child = operation.children.filter(state__in=HOLDING).first()
        if child is None:
            return end_stopped(operation)
        if child.state == State.QUEUED and _expire(child):
            return move(operation, State.EXPIRED, Reason.TOO_LATE)
        Operation.objects.filter(pk=operation.pk, state__in=NOT_SENT).update(
            stop_requested=True, revision=Account.next_revision(operation.account_id)
        )
        return False
