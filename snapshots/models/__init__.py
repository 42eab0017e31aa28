"""The nouns. One module per family; this is their list."""

from snapshots.models.account import Account
from snapshots.models.epoch import Epoch
from snapshots.models.event import Event
from snapshots.models.first_run import FirstRun
from snapshots.models.guard import Guard
from snapshots.models.inventory import Server, Snapshot
from snapshots.models.links import PasswordLink
from snapshots.models.lowering import Lowering
from snapshots.models.notices import Delivery, Topic, Webhook, Wish
from snapshots.models.operation import Attempt, Batch, Kind, Operation, State
from snapshots.models.passes import Pass, Sighting
from snapshots.models.people import LIMITABLE, Invitation, Membership, Role, Standing, Team, User
from snapshots.models.plan import Approval, RestorePlan
from snapshots.models.reason import Reason
from snapshots.models.scope import Scope, Tag
from snapshots.models.tries import Tries

__all__ = [
    "LIMITABLE",
    "Account",
    "Approval",
    "Attempt",
    "Batch",
    "Delivery",
    "Epoch",
    "Event",
    "FirstRun",
    "Guard",
    "Invitation",
    "Kind",
    "Lowering",
    "Membership",
    "Operation",
    "Pass",
    "PasswordLink",
    "Reason",
    "RestorePlan",
    "Role",
    "Scope",
    "Server",
    "Sighting",
    "Snapshot",
    "Standing",
    "State",
    "Tag",
    "Team",
    "Topic",
    "Tries",
    "User",
    "Webhook",
    "Wish",
]
