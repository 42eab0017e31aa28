"""What takes longer than usual is told, once."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from snapshots import estimates, events
from snapshots.estimates import Estimate
from snapshots.models import Account, Operation, State


def late(running: list[Operation], now: datetime) -> list[tuple[Operation, Estimate]]:
    """Those of `running` that take longer than usual. What has no estimate never does."""
    usual = estimates.of(running)
    return [
        (row, estimate)
        for row in running
        if (estimate := usual[row.pk])
        and (began := estimates.began_at(row))
        and now - began > estimate.late
    ]


def tell(operation: Operation, estimate: Estimate, now: datetime) -> bool:
    """Write it down, unless somebody has or the operation moved on meanwhile."""
    began = estimates.began_at(operation) or now
    with transaction.atomic():
        revision = Account.next_revision(operation.account_id)
        untold = Operation.objects.filter(pk=operation.pk, state=State.RUNNING, slow_at=None)
        if not untold.update(slow_at=now, revision=revision):
            transaction.set_rollback(True)
            return False
        events.record(
            events.Verb(f"{operation.kind}.slow"),
            team=operation.team,
            account=operation.account,
            server=operation.server,
            snapshot=operation.snapshot,
            operation=operation,
            passed=(now - began).total_seconds(),
            usual=estimate.high.total_seconds(),
        )
    return True
