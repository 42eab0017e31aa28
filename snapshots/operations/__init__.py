"""The verbs: ask, send, settle, sweep. `states` holds the one table they all obey."""

from snapshots.operations import approvals
from snapshots.operations.ask import (
    request_create,
    request_delete,
    request_restore,
    request_start,
)
from snapshots.operations.batches import (
    delete_phrase,
    request_creates,
    request_deletes,
    snapshot_name,
)
from snapshots.operations.choosing import Recommended, recommend
from snapshots.operations.epoch import is_doubtful
from snapshots.operations.guards import level, why_sealed
from snapshots.operations.hindrances import against_creates, against_deletes
from snapshots.operations.intervene import (
    cancel,
    give_verdict,
    hold,
    is_lost,
    may_hold,
    release,
)
from snapshots.operations.lines import line, lines
from snapshots.operations.marks import describe, lock, mark_good, unlock, unmark_good
from snapshots.operations.plan import Fate, Plan, is_same, plan, way_back
from snapshots.operations.room import NO_NEED
from snapshots.operations.rules import (
    busy,
    check_name,
    removed,
    right_for,
    slots_taken,
)
from snapshots.operations.send import send
from snapshots.operations.settle import settle
from snapshots.operations.slots import Slot, Use, candidates, last_known_good, slots
from snapshots.operations.sweep import due, sweep

__all__ = [
    "NO_NEED",
    "Fate",
    "Plan",
    "Recommended",
    "Slot",
    "Use",
    "against_creates",
    "against_deletes",
    "approvals",
    "busy",
    "cancel",
    "candidates",
    "check_name",
    "delete_phrase",
    "describe",
    "due",
    "give_verdict",
    "hold",
    "is_doubtful",
    "is_lost",
    "is_same",
    "last_known_good",
    "level",
    "line",
    "lines",
    "lock",
    "mark_good",
    "may_hold",
    "plan",
    "recommend",
    "release",
    "removed",
    "request_create",
    "request_creates",
    "request_delete",
    "request_deletes",
    "request_restore",
    "request_start",
    "right_for",
    "send",
    "settle",
    "slots",
    "slots_taken",
    "snapshot_name",
    "sweep",
    "unlock",
    "unmark_good",
    "way_back",
    "why_sealed",
]
