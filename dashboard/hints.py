"""Whether a snapshot is still needed: which were taken for a change that seems to have settled.

A hint, never a rule: nothing is deleted but by a person. Pure, so that it can be tested whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from snapshots.models import Kind, Operation, Snapshot, State
from snapshots.operations.choosing import was_before_a_change

if TYPE_CHECKING:
    from dashboard.timeline import Line

SETTLED = timedelta(days=3)  # after a change, by the provider's advice to delete after success
OLD = timedelta(days=14)  # where slots are scarce
SCARCE = 1  # free slots
AT_ONCE = 2  # questions on one page
AFTER_A_CHANGE, AFTER_A_RESTORE, SCARCE_SLOTS = "change", "restore", "slots"
KEPT_LONG_ENOUGH = "kept"


def still_needed(
    listed: Sequence[Line], operations: Sequence[Operation], now: datetime, *, slots: int
) -> Iterator[tuple[Line, str]]:
    """Of the listed snapshots the oldest to ask about, and why.

    Only what was made here is asked about, or what was to be kept until a day that has passed; and
    never what is locked or known good, nor the newest that can be restored.
    """
    asked = 0
    whole = [line for line in listed if line.snapshot and line.snapshot.is_completed]
    whole.sort(key=lambda line: line.at, reverse=True)
    taken = sum(line.snapshot.takes_slot for line in listed if line.snapshot)
    is_scarce = slots - taken <= SCARCE
    for line in reversed(whole[1:]):
        if line.snapshot is None or line.acting or _is_wanted(line.snapshot):
            continue
        if line.snapshot.is_kept_long_enough:
            reason = KEPT_LONG_ENOUGH
        elif line.maker:
            reason = _reason(line.snapshot, line.maker, now - line.at, operations, is_scarce)
        else:
            continue
        if reason and asked < AT_ONCE:
            asked += 1
            yield line, reason


def _is_wanted(snapshot: Snapshot) -> bool:
    """Whether somebody has said that it is to stay."""
    is_kept = bool(snapshot.keep_until) and not snapshot.is_kept_long_enough
    return snapshot.is_locked or snapshot.is_good or is_kept


def _reason(
    snapshot: Snapshot,
    maker: Operation,
    age: timedelta,
    operations: Sequence[Operation],
    is_scarce: bool,
) -> str:
    later = [o for o in operations if o.pk > maker.pk]
    is_quiet = all(o.state == State.SUCCEEDED for o in later) and not any(
        o.kind == Kind.RESTORE and o.snapshot_id == snapshot.pk for o in later
    )
    if age >= SETTLED and is_quiet:
        if maker.parent_id:
            return AFTER_A_RESTORE
        if was_before_a_change(snapshot, maker):
            return AFTER_A_CHANGE
    return SCARCE_SLOTS if is_scarce and age >= OLD else ""
