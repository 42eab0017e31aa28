"""The verbs: ask, send, settle. `states` holds the one table they all obey."""

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

__all__ = [
    "busy",
    "cancel",
    "facts",
    "give_verdict",
    "request_create",
    "request_delete",
    "request_restore",
    "slots_taken",
]
