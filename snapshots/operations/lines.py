"""What stands in a machine's line, and behind what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from snapshots.models import Operation, State
from snapshots.models.operation import HOLDING


def lines(operations: Iterable[Operation]) -> dict[int, list[Operation]]:
    """For each that waits, what of its team comes before it, the next to end first. One query."""
    waiting = [one for one in operations if one.state == State.WAITING]
    if not waiting:
        return {}
    machines: dict[tuple[int, str], list[Operation]] = defaultdict(list)
    rows = Operation.objects.filter(
        parent=None,
        account__in={one.account_id for one in waiting},
        lock_key__in={one.lock_key for one in waiting},
        state__in=(State.WAITING, *HOLDING),
    )
    for row in rows.select_related("server", "snapshot", "account__team").order_by("pk"):
        machines[row.account_id, row.lock_key].append(row)
    return {one.pk: _ahead(one, machines[one.account_id, one.lock_key]) for one in waiting}


def line(operation: Operation) -> list[Operation]:
    """What comes before `operation`, the next to end first; empty if it does not wait."""
    return lines([operation]).get(operation.pk, [])


def _ahead(one: Operation, machine: list[Operation]) -> list[Operation]:
    holders = [row for row in machine if row.state != State.WAITING]
    return holders + [row for row in machine if row.state == State.WAITING and row.pk < one.pk]
