"""What an operation is about and how far it is, in one line: a sentence for each kind and state."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from snapshots.models import Kind, Operation, State
from snapshots.text import shown

TITLES = {
    Kind.CREATE: {
        State.WAITING: gettext_lazy("In line: the snapshot %(name)s of %(server)s"),
        State.QUEUED: gettext_lazy("Waiting to take the snapshot %(name)s of %(server)s"),
        State.SENDING: gettext_lazy("Asking the provider for the snapshot %(name)s of %(server)s"),
        State.RUNNING: gettext_lazy("Taking the snapshot %(name)s of %(server)s"),
        State.IN_DOUBT: gettext_lazy("Perhaps taking the snapshot %(name)s of %(server)s"),
        State.NEEDS_PERSON: gettext_lazy("Please look: the snapshot %(name)s of %(server)s"),
        State.SUCCEEDED: gettext_lazy("Took the snapshot %(name)s of %(server)s"),
        State.FAILED: gettext_lazy("Could not take the snapshot %(name)s of %(server)s"),
        State.NOT_APPLIED: gettext_lazy("The snapshot %(name)s of %(server)s was not taken"),
        State.CANCELLED: gettext_lazy("Cancelled the snapshot %(name)s of %(server)s"),
        State.EXPIRED: gettext_lazy("Did not take the snapshot %(name)s of %(server)s in time"),
    },
    Kind.RESTORE: {
        State.AWAITING_APPROVAL: gettext_lazy(
            "Waiting for a second person: the restore of %(server)s to %(name)s"
        ),
        State.WAITING: gettext_lazy("In line: the restore of %(server)s to %(name)s"),
        State.QUEUED: gettext_lazy("Waiting to restore %(server)s to %(name)s"),
        State.HELD: gettext_lazy("On hold: the restore of %(server)s to %(name)s"),
        State.SENDING: gettext_lazy("Asking the provider to restore %(server)s to %(name)s"),
        State.RUNNING: gettext_lazy("Restoring %(server)s to %(name)s"),
        State.IN_DOUBT: gettext_lazy("Perhaps restoring %(server)s to %(name)s"),
        State.NEEDS_PERSON: gettext_lazy("Please look: the restore of %(server)s to %(name)s"),
        State.SUCCEEDED: gettext_lazy("Restored %(server)s to %(name)s"),
        State.FAILED: gettext_lazy("Could not restore %(server)s to %(name)s"),
        State.NOT_APPLIED: gettext_lazy("The restore of %(server)s to %(name)s did not happen"),
        State.CANCELLED: gettext_lazy("Cancelled the restore of %(server)s to %(name)s"),
        State.EXPIRED: gettext_lazy("Did not restore %(server)s to %(name)s in time"),
    },
    Kind.DELETE: {
        State.WAITING: gettext_lazy("In line: the deletion of %(name)s of %(server)s"),
        State.QUEUED: gettext_lazy("Waiting to delete the snapshot %(name)s of %(server)s"),
        State.HELD: gettext_lazy("On hold: the deletion of %(name)s of %(server)s"),
        State.SENDING: gettext_lazy("Deleting the snapshot %(name)s of %(server)s"),
        State.RUNNING: gettext_lazy("Deleting the snapshot %(name)s of %(server)s"),
        State.IN_DOUBT: gettext_lazy("Perhaps deleted the snapshot %(name)s of %(server)s"),
        State.NEEDS_PERSON: gettext_lazy(
            "Please look: the deletion of the snapshot %(name)s of %(server)s"
        ),
        State.SUCCEEDED: gettext_lazy("Deleted the snapshot %(name)s of %(server)s"),
        State.FAILED: gettext_lazy("Could not delete the snapshot %(name)s of %(server)s"),
        State.NOT_APPLIED: gettext_lazy("The snapshot %(name)s of %(server)s was not deleted"),
        State.CANCELLED: gettext_lazy("Cancelled the deletion of %(name)s of %(server)s"),
        State.EXPIRED: gettext_lazy("Did not delete %(name)s of %(server)s in time"),
    },
    Kind.STOP: {
        State.WAITING: gettext_lazy("In line: stopping %(server)s"),
        State.QUEUED: gettext_lazy("Waiting to stop %(server)s"),
        State.SENDING: gettext_lazy("Asking the provider to stop %(server)s"),
        State.RUNNING: gettext_lazy("Stopping %(server)s"),
        State.IN_DOUBT: gettext_lazy("Perhaps stopping %(server)s"),
        State.NEEDS_PERSON: gettext_lazy("Please look: stopping %(server)s"),
        State.SUCCEEDED: gettext_lazy("Stopped %(server)s"),
        State.FAILED: gettext_lazy("Could not stop %(server)s"),
        State.NOT_APPLIED: gettext_lazy("%(server)s was not stopped"),
        State.CANCELLED: gettext_lazy("Cancelled stopping %(server)s"),
        State.EXPIRED: gettext_lazy("Did not stop %(server)s in time"),
    },
    Kind.START: {
        State.WAITING: gettext_lazy("In line: starting %(server)s"),
        State.QUEUED: gettext_lazy("Waiting to start %(server)s"),
        State.SENDING: gettext_lazy("Asking the provider to start %(server)s"),
        State.RUNNING: gettext_lazy("Starting %(server)s"),
        State.IN_DOUBT: gettext_lazy("Perhaps starting %(server)s"),
        State.NEEDS_PERSON: gettext_lazy("Please look: starting %(server)s"),
        State.SUCCEEDED: gettext_lazy("Started %(server)s"),
        State.FAILED: gettext_lazy("Could not start %(server)s"),
        State.NOT_APPLIED: gettext_lazy("%(server)s was not started"),
        State.CANCELLED: gettext_lazy("Cancelled starting %(server)s"),
        State.EXPIRED: gettext_lazy("Did not start %(server)s in time"),
    },
}


def title(operation: Operation) -> str:
    """What the operation is about and how far it is, in one line."""
    titles = TITLES[Kind(operation.kind)]
    words = titles.get(State(operation.state), titles[State.QUEUED])
    return words % {"name": shown(operation.name), "server": shown(operation.server.name)}
