"""Every duration of the protocol, in one place.

What follows the provider's own speed is divided by `PROVIDER_PACE` (`scaled`); what protects
against late sending, and what a person was promised, never is.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from snapshots.estimates import DOCUMENTED
from snapshots.models import Kind, Operation, State
from snapshots.models.operation import POWER

# never scaled
CLAIM = timedelta(seconds=30)  # from the claim on, an answer is awaited this long
FENCE = 25.0  # seconds after the claim at which a worker that has not finished is killed
CLAIM_MAY_TAKE = 3.0  # seconds; a claim that took longer leaves no room for a call
NUDGE = timedelta(seconds=10)  # due work that nobody took is announced again
LOOK_HOLDS = timedelta(seconds=45)  # what was read longer ago is no ground for sending
PASS_LEASE = timedelta(seconds=40)  # a look that shows no life for so long may be begun again
LISTING_MOST = 30.0  # seconds for one listing of a look, however large
SEND_BEFORE = {
    Kind.RESTORE: timedelta(minutes=10),
    Kind.DELETE: timedelta(hours=1),
    Kind.CREATE: timedelta(hours=24),
    Kind.STOP: timedelta(minutes=10),
    Kind.START: timedelta(minutes=10),
}
# For what waits in a line. The start of a server we stopped outlasts the snapshot before it.
LINE_CAP = {
    Kind.CREATE: timedelta(hours=24),
    Kind.DELETE: timedelta(hours=6),
    Kind.START: timedelta(hours=48),
}
APPROVE_WITHIN = timedelta(hours=4)  # a second person decides, or it expires
SEND_BEFORE_CAP = timedelta(minutes=60)  # for what waits for its safety snapshot, or is held
RETRY_FIRST, RETRY_MOST = 5.0, 60.0  # seconds, before something is tried again
RETRY_AFTER_MOST = 3600.0  # seconds that the provider may make us wait
GIVE_UP = timedelta(hours=24)


def send_before(operation: Operation, due_at: datetime) -> datetime:
    """The last moment to send what was held up and is due again at `due_at`."""
    soon = due_at + SEND_BEFORE[Kind(operation.kind)]
    return min(soon, operation.confirmed_at + SEND_BEFORE_CAP)


def retry_after(failures: int) -> float:
    """Seconds to wait after so many failures before this one: twice as long each time."""
    return min(RETRY_FIRST * 2.0 ** min(failures, 8), RETRY_MOST)


def scaled(seconds: float) -> timedelta:
    """A duration that follows the provider's pace."""
    return timedelta(seconds=seconds / settings.PROVIDER_PACE)


def quiet_window() -> timedelta:
    """After the claim's deadline: how long a request may still be under way unseen."""
    return scaled(120)


def between_proofs() -> timedelta:
    """Two complete passes prove an absence only this far apart."""
    return scaled(60)


def adoption_window() -> timedelta:
    """How long a create without a readable marker may still turn up."""
    return scaled(30 * 60)


def longest_restore() -> timedelta:
    _least, most = DOCUMENTED[Kind.RESTORE]
    return scaled(most * 60)


def longest_power() -> timedelta:
    """*Assumed*: a server that is not stopped or started by then will not be."""
    return scaled(10 * 60)


def quiet_end(sent_at: datetime) -> datetime:
    """From here on, what two complete looks do not show did not happen."""
    return sent_at + CLAIM + quiet_window()


def decide_by(kind: Kind, state: State, sent_at: datetime) -> datetime:
    """When time alone may change what we say of a watched operation."""
    if state == State.IN_DOUBT:
        return quiet_end(sent_at)
    if kind == Kind.RESTORE:
        return sent_at + longest_restore()
    if kind in POWER:
        return sent_at + longest_power()
    return sent_at + GIVE_UP


def may_nudge(now: datetime) -> Q:
    """Rows not announced lately; a time in the future is from a clock that was ahead."""
    return Q(nudged_at__isnull=True) | Q(nudged_at__lte=now - NUDGE) | Q(nudged_at__gt=now + NUDGE)


def look_again(age: timedelta) -> timedelta:
    """How long to wait before the next look at something that has been watched for `age`."""
    if age < scaled(2 * 60):
        return scaled(10)
    if age < scaled(20 * 60):
        return scaled(20)
    if age < scaled(30 * 60):
        return scaled(60)
    return scaled(5 * 60)


def idle_look() -> timedelta:
    """How often an account is looked at while nothing of ours runs in it."""
    return scaled(60)
