"""What the passes show decides: evidence in, a state and a reason out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from snapshots.models import Kind, Operation, Reason, Sighting, Snapshot, State
from snapshots.models.operation import POWER
from snapshots.operations import times
from snapshots.operations.states import move

# *Assumed* spelling of `stopped`; other words leave a restore running.
AT_REST = ("active", "stopped")
# What a power operation is to bring about.
AIM = {Kind.STOP: "stopped", Kind.START: "active"}


@dataclass(frozen=True)
class Verdict:
    state: State
    reason: Reason
    details: dict[str, Any] = field(default_factory=dict)
    remote_id: str = ""


@dataclass(frozen=True)
class Evidence:
    """Everything a decision may rest on. `seen` is in the order of looking."""

    kind: Kind
    state: State
    sent_at: datetime
    now: datetime
    seen: Sequence[Sighting]
    keeps_descriptions: bool
    ask_at: datetime | None = None  # our database was put back: then a person must decide

    @property
    def last(self) -> Sighting | None:
        return self.seen[-1] if self.seen else None

    @property
    def after_quiet(self) -> list[Sighting]:
        """What was seen once no request could still have been under way."""
        quiet = times.quiet_end(self.sent_at)
        return [s for s in self.seen if s.begun_at >= quiet]


def settle(operation: Operation, now: datetime | None = None) -> bool:
    """Decide `operation` if what was seen, or the time, allows it. True if it moved."""
    if operation.state not in (State.RUNNING, State.IN_DOUBT) or operation.sent_at is None:
        return False
    evidence = Evidence(
        kind=Kind(operation.kind),
        state=State(operation.state),
        sent_at=operation.sent_at,
        now=now or timezone.now(),
        # Only what was looked at after sending: an earlier attempt's sightings prove nothing.
        seen=list(operation.sightings.filter(begun_at__gte=operation.sent_at)),
        keeps_descriptions=operation.account.keeps_descriptions,
        ask_at=operation.due_at if operation.reason == Reason.PUT_BACK else None,
    )
    verdict = decide(evidence)
    if verdict is None:
        return False
    changes: dict[str, Any] = {}
    remote_id = verdict.remote_id or operation.remote_id
    if remote_id and operation.snapshot is None:
        changes["remote_id"] = remote_id
        changes["snapshot"] = Snapshot.objects.filter(
            account=operation.account_id, remote_id=remote_id, gone_at=None
        ).first()
    return move(operation, verdict.state, verdict.reason, details=verdict.details, changes=changes)


def decide(evidence: Evidence) -> Verdict | None:
    """The decision that the evidence allows, or None: pure, so that it can be tested whole."""
    if evidence.ask_at is not None:
        return _put_back(evidence, evidence.ask_at)
    decide_this = (
        _power
        if evidence.kind in POWER
        else {
            (Kind.CREATE, State.RUNNING): _create_running,
            (Kind.CREATE, State.IN_DOUBT): _create_in_doubt,
            (Kind.RESTORE, State.RUNNING): _restore_running,
            (Kind.RESTORE, State.IN_DOUBT): _restore_in_doubt,
            (Kind.DELETE, State.IN_DOUBT): _delete_in_doubt,
        }[evidence.kind, evidence.state]
    )
    verdict = decide_this(evidence)
    if verdict is None and evidence.now - evidence.sent_at >= times.GIVE_UP:
        return Verdict(State.NEEDS_PERSON, Reason.TOO_LONG)
    return verdict


def _put_back(e: Evidence, ask_at: datetime) -> Verdict | None:
    """Only a marker is proof: all else that is seen may come of what we no longer know of."""
    if e.last and len(e.last.marked) == 1:
        return Verdict(State.RUNNING, Reason.SEEN_MARKED, remote_id=e.last.marked[0])
    return Verdict(State.NEEDS_PERSON, Reason.PUT_BACK) if e.now >= ask_at else None


def _create_running(e: Evidence) -> Verdict | None:
    if e.last is None:
        return None
    if e.last.status == "completed":
        return Verdict(State.SUCCEEDED, Reason.SEEN_DONE)
    if [s.status for s in e.seen[-2:]] == ["failed", "failed"]:
        return Verdict(State.FAILED, Reason.SEEN_FAILED)
    if _agree(e.seen, lambda s: not s.status):
        return Verdict(State.NEEDS_PERSON, Reason.VANISHED)
    return None


def _create_in_doubt(e: Evidence) -> Verdict | None:
    if e.last is None:
        return None
    if len(e.last.marked) > 1:
        return Verdict(State.NEEDS_PERSON, Reason.TWO_MARKED)
    if e.last.marked:
        return Verdict(State.RUNNING, Reason.SEEN_MARKED, remote_id=e.last.marked[0])
    if not e.after_quiet or not e.last.complete:
        return None
    if e.keeps_descriptions:
        if _agree(e.after_quiet, lambda s: not s.marked and not s.candidates):
            return Verdict(State.NOT_APPLIED, Reason.NOT_LISTED)
        if _agree(e.after_quiet, lambda s: bool(s.candidates)):
            return Verdict(State.NEEDS_PERSON, Reason.UNMARKED)
        return None
    if len(e.last.candidates) > 1:
        return Verdict(State.NEEDS_PERSON, Reason.SEVERAL_MATCH)
    if e.last.candidates:
        return Verdict(State.RUNNING, Reason.ADOPTED, remote_id=e.last.candidates[0])
    long_enough = e.now >= times.quiet_end(e.sent_at) + times.adoption_window()
    if long_enough and _agree(e.after_quiet, lambda s: not s.marked and not s.candidates):
        return Verdict(State.NOT_APPLIED, Reason.NOT_LISTED)
    return None


def _restore_running(e: Evidence) -> Verdict | None:
    restoring = [n for n, s in enumerate(e.seen) if s.status == "restoring"]
    if restoring:
        since = e.seen[restoring[-1] + 1 :]
        if _agree(since, lambda s: s.status in AT_REST):
            return Verdict(State.SUCCEEDED, Reason.SEEN_DONE, {"words": since[-1].status})
    if _agree(e.seen, lambda s: not s.status):
        return Verdict(State.NEEDS_PERSON, Reason.SERVER_VANISHED)
    if not restoring and e.now >= e.sent_at + times.longest_restore():
        looked = any(s.complete for s in e.seen)
        return Verdict(State.NEEDS_PERSON, Reason.NEVER_RESTORING if looked else Reason.UNSEEN)
    return None


def _restore_in_doubt(e: Evidence) -> Verdict | None:
    if any(s.status == "restoring" for s in e.seen):
        return Verdict(State.RUNNING, Reason.SEEN_RESTORING)
    if e.now >= times.quiet_end(e.sent_at):
        return Verdict(State.NEEDS_PERSON, Reason.UNDECIDED)
    return None


def _delete_in_doubt(e: Evidence) -> Verdict | None:
    if _agree(e.after_quiet, lambda s: not s.status):
        return Verdict(State.SUCCEEDED, Reason.NOT_LISTED)
    if _agree(e.after_quiet, lambda s: bool(s.status) and s.unchanged is True):
        return Verdict(State.NOT_APPLIED, Reason.STILL_LISTED)
    if _agree(e.after_quiet, lambda s: bool(s.status) and s.unchanged is False):
        return Verdict(State.NEEDS_PERSON, Reason.CHANGED_MEANWHILE)
    return None


def _power(e: Evidence) -> Verdict | None:
    """A server that is as it was to be settles it, whoever made it so."""
    for sighting in e.seen:
        if sighting.status == AIM[e.kind]:
            words = {"words": sighting.status}
            return Verdict(State.SUCCEEDED, Reason.SEEN_POWER, words)
    is_running = e.state == State.RUNNING
    if _agree(e.seen, lambda s: not s.status):
        return Verdict(State.NEEDS_PERSON, Reason.SERVER_VANISHED)
    begun_by = e.sent_at if is_running else times.quiet_end(e.sent_at)
    late = begun_by + times.longest_power()
    since = [s for s in e.seen if s.begun_at >= late]
    if _agree(since, lambda s: bool(s.status)):
        return Verdict(
            State.FAILED if is_running else State.NOT_APPLIED,
            Reason.STILL,
            {"words": since[-1].status},
        )
    return None


def _agree(seen: Sequence[Sighting], shows: Callable[[Sighting], bool]) -> bool:
    """Whether the latest complete passes agree: at least two, far enough apart, no dissent.

    A pass that was not complete proves no absence, but what it did show counts against one.
    """
    agreeing: list[datetime] = []
    for sighting in reversed(seen):
        if not shows(sighting):
            break
        if sighting.complete:
            agreeing.append(sighting.begun_at)
    apart = agreeing[0] - agreeing[-1] if agreeing else timedelta()
    return len(agreeing) >= 2 and apart >= times.between_proofs()
