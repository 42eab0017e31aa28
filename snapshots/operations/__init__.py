"""The verbs: ask, send, settle, sweep. `states` holds the one table they all obey."""

from snapshots.operations.ask import (
    cancel,
    give_verdict,
    request_create,
    request_delete,
    request_restore,
)
from snapshots.operations.rules import busy, check_name, facts, right_for, slots_taken
from snapshots.operations.send import send
from snapshots.operations.settle import settle
from snapshots.operations.sweep import due, sweep

__all__ = [
    "busy",
    "cancel",
    "check_name",
    "due",
    "facts",
    "give_verdict",
    "request_create",
    "request_delete",
    "request_restore",
    "right_for",
    "send",
    "settle",
    "slots_taken",
    "sweep",
]
