"""Joins what the provider saw and did with what we wrote down: rows, attempts and events.

`complaints` knows nothing of how a state came about. A checker that has never turned red is not a
checker: `test_machine.py` shows it a sender that does not claim.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from snapshots.models import Approval, Attempt, Event, Guard, Kind, Operation, Reason, State
from snapshots.models.operation import ENDED, HOLDING, POWER
from snapshots.operations.states import ALLOWED

Entry = dict[str, Any]
Target = tuple[str, str]  # a kind, and the marker (create), snapshot (restore, delete) or server

# Verbs that tell of an operation without moving it, and those whose state has another name.
NO_MOVE = ("asked", "slow", "stop_asked", "start_now", "bare", "approval_wanted")
NAMED = {
    "turn": State.QUEUED,
    "released": State.QUEUED,
    "requeued": State.QUEUED,
    "approved": State.QUEUED,
    "emergency": State.QUEUED,
    "rejected": State.CANCELLED,
    "said_yes": State.SUCCEEDED,
    "said_no": State.NOT_APPLIED,
}
BEGINS = (State.QUEUED, State.WAITING, State.AWAITING_APPROVAL)
# Ended by a failure that the provider showed after it had accepted.
AFTER_ACCEPTANCE = (Reason.SEEN_FAILED, Reason.STILL)


@dataclass
class Call:
    """One change that reached the provider."""

    at: datetime
    path: str
    applied: bool = False


@dataclass
class Known:
    """One operation with everything that belongs to it."""

    row: Operation
    attempts: list[Attempt]
    verbs: list[str]
    calls: dict[int, list[Call]] = field(default_factory=lambda: defaultdict(list))  # by attempt

    @property
    def arrived(self) -> list[Call]:
        return [call for calls in self.calls.values() for call in calls]

    @property
    def effects(self) -> int:
        return sum(call.applied for call in self.arrived)


def complaints(log: Iterable[Entry]) -> list[str]:
    """Everything that must never be, in words; empty if all is well."""
    known = _known()
    found = list(_join(log, known))
    for one in known.values():
        found += [f"{one.row}: {words}" for words in _about(one, known)]
    holders = defaultdict(list)
    for one in known.values():
        if one.row.parent_id is None and one.row.state in HOLDING:
            holders[one.row.lock_key].append(one.row)
    found += [f"{rows} hold one machine" for rows in holders.values() if len(rows) > 1]
    return found


def _known() -> dict[int, Known]:
    attempts, verbs = defaultdict(list), defaultdict(list)
    for attempt in Attempt.objects.order_by("operation", "number"):
        attempts[attempt.operation_id].append(attempt)
    for operation, verb in (
        Event.objects.filter(operation__isnull=False)
        .order_by("id")
        .values_list("operation", "verb")
    ):
        verbs[operation].append(verb)
    rows = Operation.objects.select_related("server", "approval").order_by("pk")
    return {row.pk: Known(row, attempts[row.pk], verbs[row.pk]) for row in rows}


# -- what the provider saw ------------------------------------------------------------------------


def _join(log: Iterable[Entry], known: dict[int, Known]) -> Iterator[str]:
    """Give each call to the attempt that it belongs to: the last one claimed before it came."""
    targets: dict[Target, list[tuple[datetime, Known, Attempt]]] = defaultdict(list)
    for one in known.values():
        for attempt in one.attempts:
            targets[_target(one.row)].append((attempt.claimed_at, one, attempt))
    calls: dict[str, Call] = {}
    for entry in log:
        if entry["event"] == "applied":
            if entry["call"] in calls:
                calls[entry["call"]].applied = True
            continue
        target = _asked(entry)
        if entry["event"] != "arrived" or target is None:
            continue
        call = calls[entry["call"]] = Call(datetime.fromisoformat(entry["at"]), entry["path"])
        before = [each for each in targets[target] if each[0] <= call.at]
        if not before:
            yield f"{call.path} was sent without a claim"
            continue
        _, one, attempt = max(before, key=lambda each: each[0])
        one.calls[attempt.number].append(call)


def _asked(entry: Entry) -> Target | None:
    """What a call would change; None if it only reads."""
    method, path = entry.get("method"), entry.get("path", "")
    if method == "POST" and path == "/snapshots/":
        return Kind.CREATE, (entry["marker"] or "")[5:-1]
    if method == "POST" and (match := re.fullmatch(r"/snapshots/(.+)/restore/", path)):
        return Kind.RESTORE, match[1]
    if method == "DELETE" and (match := re.fullmatch(r"/snapshots/(.+)/", path)):
        return Kind.DELETE, match[1]
    if method == "POST" and (match := re.fullmatch(r"/servers/(.+)/power/", path)):
        return json.loads(entry["body"])["action"] if entry.get("body") else "", match[1]
    return None


def _target(row: Operation) -> Target:
    if row.kind == Kind.CREATE:
        return row.kind, row.marker
    if row.kind in POWER:
        return row.kind, row.server.remote_id
    return row.kind, row.confirmed["id"]


# -- what we wrote --------------------------------------------------------------------------------


def _about(one: Known, known: dict[int, Known]) -> Iterator[str]:
    yield from _about_sending(one, known)
    yield from _about_second_person(one)
    yield from _about_words(one)
    yield from _about_history(one)


def _about_sending(one: Known, known: dict[int, Known]) -> Iterator[str]:
    if one.effects > 1:
        yield "it took effect twice"
    numbers = [attempt.number for attempt in one.attempts]
    if numbers != list(range(1, one.row.attempt_count + 1)):
        yield f"its attempts are numbered {numbers}, and it counts {one.row.attempt_count}"
    for attempt in one.attempts:
        calls = one.calls[attempt.number]
        if len(calls) > 1:
            yield f"attempt {attempt.number} was sent {len(calls)} times"
        if any(call.at > attempt.deadline for call in calls):
            yield f"attempt {attempt.number} was sent after its claim had ended"
        if calls and attempt.outcome == Attempt.Outcome.NOT_SENT:
            yield f"attempt {attempt.number} is said not to have been sent"
    if one.row.state == State.WAITING and one.attempts:
        yield "it was sent before its turn"
    for other in known.values():
        is_first = other.row.parent_id == one.row.pk or other.row.pk == one.row.needs_id
        if is_first and one.arrived and other.row.state not in (State.SUCCEEDED, State.FAILED):
            yield f"it was sent before {other.row} had succeeded"


def _about_second_person(one: Known) -> Iterator[str]:
    """Who plays never changes which servers are guarded, so what is true now was true then."""
    row = one.row
    is_guarded = row.kind == Kind.RESTORE and row.server.guard == Guard.GUARDED
    if not is_guarded and "restore.approval_wanted" not in one.verbs:
        return
    approval = getattr(row, "approval", None)
    for attempt in one.attempts:
        if approval is None or approval.at > attempt.claimed_at:
            yield f"attempt {attempt.number} went out, and no second person had approved it"
        elif approval.what == Approval.What.REJECTED:
            yield f"attempt {attempt.number} went out, and a second person had rejected it"
        elif approval.what == Approval.What.APPROVED and approval.by_id == row.asked_by_id:
            yield "whoever asked for it approved it"


def _about_words(one: Known) -> Iterator[str]:
    row = one.row
    if row.state not in ENDED or row.reason == Reason.VERDICT:
        return
    if row.state == State.SUCCEEDED:
        # Whoever made a server or a snapshot as it was to be: it is so.
        if not one.effects and row.kind in (Kind.CREATE, Kind.RESTORE):
            yield "it is said to have succeeded, and the provider never did it"
    elif one.effects and row.reason not in AFTER_ACCEPTANCE:
        yield f"it is said to be {row.state} ({row.reason}), and the provider did it"


def _about_history(one: Known) -> Iterator[str]:
    """Each move has its one event, in the order of the table, up to the state of the row."""
    words = [verb.split(".")[1] for verb in one.verbs]
    states = [NAMED.get(word) or State(word) for word in words if word not in NO_MOVE]
    if words.count("asked") != 1:
        yield f"it was asked for {words.count('asked')} times"
    if len(states) != one.row.version:
        yield f"{one.row.version} moves have {len(states)} events"
    if not states:
        if one.row.state not in BEGINS:
            yield f"nothing tells why it is {one.row.state}"
        return
    if states[-1] != one.row.state:
        yield f"the last event says {states[-1]}, the row {one.row.state}"
    ways = {(a, b) for a, b in itertools.pairwise(states)}
    begins = {(begin, states[0]) for begin in BEGINS}
    if ways - ALLOWED or not begins & ALLOWED:
        yield f"its events go a way that is not in the table: {states}"
