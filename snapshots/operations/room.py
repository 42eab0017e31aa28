"""Making room: one snapshot is deleted for the next, on a server without a free slot."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from snapshots.errors import Refused
from snapshots.models import Operation, Reason, Server, Snapshot, State
from snapshots.operations.rules import check_snapshot
from snapshots.operations.slots import candidates, last_known_good, slots, taken
from snapshots.said import gettext as _

# The slot is free all the same.
NO_NEED = (Reason.SNAPSHOT_MISSING, Reason.SLOT_FREE)


def check_room(server: Server, going: Snapshot, *, keep: Snapshot | None = None) -> None:
    """Raises `Refused` unless `going` may be deleted so that another one fits.

    Never `keep`, which is to be restored, and none while a slot is free.
    """
    check_snapshot(going, deleting=True)
    if len(taken(slots(server))) < server.account.slots:
        raise Refused(
            _("A slot of %(server)s is free: nothing has to be deleted.") % {"server": server.name},
            field="going",
        )
    if going not in [one.snapshot for one in candidates(server, keep=keep)]:
        raise Refused(
            _(
                "%(snapshot)s is not deleted to make room: it is to be restored, it is the last"
                " known good one, or something is asked of it."
            )
            % {"snapshot": going.name},
            field="going",
        )


def is_room_made(deletion: Operation) -> bool:
    return deletion.state == State.SUCCEEDED or deletion.reason in NO_NEED


def must_stay(deletion: Operation) -> tuple[Reason, dict[str, Any]] | None:
    """Why what was to go is kept, by what somebody has said of it since; None if it is not."""
    snapshot = deletion.snapshot
    if snapshot and snapshot.is_locked:
        return Reason.LOCKED, {"person": snapshot.locked_by_name, "words": snapshot.lock_reason}
    if snapshot and deletion.parent_id and snapshot == last_known_good(deletion.server):
        return Reason.KNOWN_GOOD, {"person": snapshot.good_by_name, "words": snapshot.good_why}
    return None


def is_called_off(deletion: Operation) -> bool:
    """Whether what `deletion` makes room for was cancelled while this was on its way."""
    after = Q(children=deletion) | Q(children__children=deletion)
    return Operation.objects.filter(after, stop_requested=True).exists()


def may_go(deletion: Operation) -> bool:
    """Whether what `deletion` makes room for is still wanted, and not held."""
    wanted = Q(parent=None) | Q(parent__state=State.QUEUED, parent__stop_requested=False)
    rows = Operation.objects.filter(wanted, state=State.QUEUED, stop_requested=False)
    return rows.filter(children=deletion).exists()
