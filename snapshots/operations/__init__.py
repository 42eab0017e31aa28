"""The verbs: ask, send, settle, sweep. `states` holds the one table they all obey."""

from snapshots.operations.ask import (
    busy,
    cancel,
    facts,
    give_verdict,
    request_create,
    request_delete,
    request_restore,
    slots_taken,
)
from snapshots.operations.send import send
from snapshots.operations.settle import settle
from snapshots.operations.sweep import due, sweep

__all__ = [
    "busy",
    "cancel",
    "due",
    "facts",
    "give_verdict",
    "request_create",
    "request_delete",
    "request_restore",
    "send",
    "settle",
    "slots_taken",
    "sweep",
]
