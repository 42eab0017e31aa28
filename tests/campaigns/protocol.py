"""The protocol as a finite model: what may happen next in a small world.

One provider, two workers, the tick, the observer, people, and everything that may go wrong between
any two steps: crashes, freezes of any length, messages lost and repeated, answers lost, requests
that arrive late, listings that are incomplete or old. Operations move along `states.TABLE` only,
answers are read by the real `answers.meaning`, and the real `settle.decide` decides; what is
written again here is who may do which step when.

*Assumed* of the provider, as in docs/operations.md: a request that has left takes effect within the
quiet window or never; a listing shows nothing older than what was listed `times.between_proofs()`
before; a stop or start shows within `times.longest_power()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from snapshots.models import Kind, State
from snapshots.models.operation import ENDED, HOLDING, POWER
from snapshots.operations.answers import meaning
from snapshots.operations.settle import AIM, Evidence, decide
from snapshots.operations.states import ALLOWED
from snapshots.provider import errors as wire
from snapshots.provider.types import Accepted

# At this pace the quiet window is 30 s, two proofs are 15 s apart, a stop takes 150 s at most, a
# restore 225 s, and an adoption waits 450 s. What protects against late sending is never scaled.
PACE = 4
STEP, LEAP, DAY = 15, 300, 86_400  # seconds by which the clock moves: LEAP once nothing is near
CLAIM, FENCE, LOOK_HOLDS, ARRIVES_WITHIN = 30, 25, 45, 45

AWAITING, W, Q, HELD, SENDING, RUNNING, DOUBT, PERSON = (
    State.AWAITING_APPROVAL,
    State.WAITING,
    State.QUEUED,
    State.HELD,
    State.SENDING,
    State.RUNNING,
    State.IN_DOUBT,
    State.NEEDS_PERSON,
)
NOT, UNDER_WAY, DONE, BROKEN = range(4)  # how far the effect is at the provider
# Seconds after the claim from which on what was seen counts for more.
TURN = {
    (Kind.CREATE, DOUBT): 60,
    (Kind.DELETE, DOUBT): 60,
    (Kind.STOP, DOUBT): 210,
    (Kind.STOP, RUNNING): 150,
}
ANSWERS: dict[str, Any] = {
    "accepted": Accepted(200, "", None),
    "refusal": wire.Declined("no", status=400),
    "not found": wire.Declined("not found", status=404),
    "too many requests": wire.Declined("later", status=429),
    "nothing": wire.Unknown("there was no answer in time"),
    "no connection": wire.NotSent("it refuses connections"),
}


class Weaker(Enum):
    """The protocol with one thing left out. Each must end badly, or we do not need that thing."""

    NO_FENCE = "no timer kills a worker that was frozen"
    LATE_FENCE = "the timer rings after the claim has ended"
    NO_COMPARE_CLAIM = "a claim does not compare state and version"
    NO_COMPARE_RECORD = "an answer is recorded though its claim was lost"
    RETRY = "a request without an answer is sent again"
    REQUEUE = "the tick queues again what a lost worker was sending"
    ACTIVE_IS_DONE = "“active” after a restore was accepted is read as done"
    ONE_PASS = "one complete look proves an absence"
    INCOMPLETE = "an incomplete look counts as a complete one"
    NO_QUIET = "no quiet window after the claim"
    NO_LOOK = "no second look before sending"
    LOOK_HOLDS = "a look before sending holds for ever"
    EARLY_TURN = "the next in line has its turn before the holder has ended"
    NO_CHILD = "a restore does not wait for its safety snapshot"
    NO_SECOND_LOOK = "a claim does not ask whether the server is guarded and who approved"
    NO_LOCK = "an approval does not take the machine"
    NO_WITNESS = "nothing remembers what was sent when the database is put back"


class Look(NamedTuple):
    """What one look at the provider showed of an operation, `at` seconds after its claim."""

    at: int
    complete: bool
    word: str


Looks = tuple[Look, ...]


class Op(NamedTuple):
    """One operation: our row, and after `attempts` what is true of it at the provider."""

    kind: Kind
    state: State = Q
    parent: int = -1
    behind: int = -1  # stands in the line behind that one
    needs: bool = False  # ... which must succeed
    version: int = 0
    age: int = -1  # seconds since the last claim; -1: none is of interest
    seen: Looks = ()
    late: bool = False  # `send_before` is over
    stop: bool = False  # `stop_requested`
    approved: bool = False  # by a second person who still may
    judged: bool = False  # ended by a person's word, which may be wrong
    put_back: bool = False  # it may have been sent in a time that the database forgot
    attempts: int = 0
    left: int = 0  # requests that left us
    effects: int = 0
    phase: int = NOT
    shown: tuple[int, int] = (NOT, NOT)  # its phase when the last step, and this one, began
    afterwards: bool = False  # it took effect when a person had been asked, or it had ended


class Worker(NamedTuple):
    doing: str = ""  # looked, claimed, sent, answered
    op: int = -1
    version: int = -1
    since: int = 0  # seconds since the look, then since the claim
    answer: str = ""


class World(NamedTuple):
    ops: tuple[Op, ...]
    workers: tuple[Worker, ...] = (Worker(), Worker())
    requests: tuple[tuple[int, int, int], ...] = ()  # operation, claim's version, seconds under way
    incomplete: int = 2  # so many looks may still be incomplete
    old: bool = True  # a listing may be old
    other: str = ""  # a restore of somebody else's: restoring, over
    foreign: str = ""  # another team's operation on this machine: holds, over
    guarded: bool = False  # the server needs a second person
    may_copy: bool = False  # a copy of the database may be made, and put back
    copy: tuple[Op, ...] = ()
    epoch: str = ""  # after it was put back: behind (nobody has noticed yet), stopped, same


class Step(NamedTuple):
    words: str
    to: World
    ours: bool = True  # we, the clock or a healthy provider do it by ourselves


@dataclass
class Protocol:
    """What may happen next. `weaker` leaves one thing out; `used` are the ways that were gone."""

    weaker: Weaker | None = None
    keeps: bool = True  # the account is known to keep descriptions
    used: set[tuple[State, State]] = field(default_factory=set)

    def steps(self, w: World) -> Iterator[Step]:
        for n, worker in enumerate(w.workers):
            if n and worker == w.workers[n - 1]:
                continue
            yield from getattr(self, f"_worker_{worker.doing or 'idle'}")(w, n, worker)
            if worker.doing:
                yield Step("a worker is killed", _work(w, n, Worker()), ours=False)
        yield from self._provider(w)
        yield from self._observer(w)
        yield from self._tick(w)
        yield from self._people(w)
        yield from self._backup(w)
        yield from self._clock(w)

    # -- a worker ---------------------------------------------------------------------------------

    def _worker_idle(self, w: World, n: int, _: Worker) -> Iterator[Step]:
        """A message is delivered: the first or the tenth of this operation, it is all the same."""
        for i, op in enumerate(w.ops):
            if op.state != Q or self._is_stopped(w):
                continue
            child = next((one for one in w.ops if one.parent == i), None)
            if self.weaker == Weaker.NO_CHILD:
                child = None
            if child and child.state in HOLDING:
                continue
            if op.stop:
                yield Step(f"a worker ends the stopped {op.kind}", self._end_stopped(w, i))
            elif child and child.state != State.SUCCEEDED:
                words = f"a worker ends the {op.kind}: its safety snapshot did not succeed"
                yield Step(words, self._move(w, i, State.FAILED))
            elif op.late:
                yield Step(f"a worker finds the {op.kind} late", self._move(w, i, State.EXPIRED))
            elif self._lacks_approval(w, op) and self.weaker != Weaker.NO_SECOND_LOOK:
                words = "a worker finds that nobody approved it, or may no longer; it sends nothing"
                yield Step(words, self._move(w, i, State.FAILED))
            elif self._is_foreign(w, op) and self.weaker != Weaker.NO_LOOK:
                words = "a worker looks: the server is being restored already; it sends nothing"
                yield Step(words, self._move(w, i, State.FAILED))
            else:
                looked = Worker("looked", i, op.version)
                yield Step(f"a worker looks before sending the {op.kind}", _work(w, n, looked))

    def _worker_looked(self, w: World, n: int, worker: Worker) -> Iterator[Step]:
        op = w.ops[worker.op]
        same = (op.state, op.version) == (Q, worker.version)
        if self.weaker == Weaker.NO_COMPARE_CLAIM:
            same = op.state in (Q, SENDING) and op.attempts < 3
        lacks = self._lacks_approval(w, op) and self.weaker != Weaker.NO_SECOND_LOOK
        if not same or op.stop or op.late or lacks or self._is_stopped(w):
            yield Step("a worker may not claim any more", _work(w, n, Worker()))
            return
        changes = {"age": 0, "attempts": op.attempts + 1, "seen": ()}
        claimed = self._move(w, worker.op, SENDING, **changes)
        now = Worker("claimed", worker.op, claimed.ops[worker.op].version)
        yield Step(f"a worker claims the {op.kind}", _work(claimed, n, now))

    def _worker_claimed(self, w: World, n: int, worker: Worker) -> Iterator[Step]:
        op = w.ops[worker.op]
        request = (worker.op, worker.version, 0)
        sent = _set(w, worker.op, left=op.left + 1)
        sent = sent._replace(requests=tuple(sorted((*w.requests, request))))
        words = f"a worker sends the {op.kind}"
        yield Step(words, _work(sent, n, worker._replace(doing="sent")))
        if op.attempts < 2:
            words = "a worker cannot connect"
            yield Step(words, _answer(w, n, "no connection"), ours=False)

    def _worker_sent(self, w: World, n: int, _: Worker) -> Iterator[Step]:
        yield Step("a worker gives up waiting for the answer", _answer(w, n, "nothing"))

    def _worker_answered(self, w: World, n: int, worker: Worker) -> Iterator[Step]:
        op = w.ops[worker.op]
        to = meaning(op.kind, ANSWERS[worker.answer], 1).state
        if self.weaker == Weaker.RETRY and worker.answer == "nothing":
            to = Q
        idle = _work(w, n, Worker())
        is_lost = (op.state, op.version) != (SENDING, worker.version)
        if is_lost and not (self.weaker == Weaker.NO_COMPARE_RECORD and op.state != to):
            yield Step("a worker's answer comes after its claim was lost", idle)
            return
        words = f"a worker records “{worker.answer}”: the {op.kind} is {to}"
        yield Step(words, self._move(idle, worker.op, to, **({"age": -1} if to == Q else {})))

    # -- the provider -----------------------------------------------------------------------------

    def _provider(self, w: World) -> Iterator[Step]:
        for request in w.requests:
            i, version, _ = request
            op = w.ops[i]
            rest = list(w.requests)
            rest.remove(request)
            handled = w._replace(requests=tuple(rest))
            answers = ["refusal", *(["too many requests"] if op.attempts < 2 else [])]
            applied = None
            if op.kind == Kind.DELETE and op.phase == DONE:
                answers = ["not found"]
            elif not self._is_foreign(w, op):
                applied = _set(
                    handled,
                    i,
                    effects=op.effects + 1,
                    phase=DONE if op.kind == Kind.DELETE else UNDER_WAY,
                    afterwards=op.afterwards or op.state in (PERSON, *ENDED),
                )
                answers.append("accepted")
            for answer in answers:
                after, does = (
                    (applied, f"does the {op.kind}")
                    if answer == "accepted" and applied
                    else (handled, f"answers the {op.kind} with “{answer}”")
                )
                yield Step(f"the provider {does}; the answer is lost", after, ours=False)
                for n, worker in enumerate(after.workers):
                    if (worker.doing, worker.op, worker.version) == ("sent", i, version):
                        words = f"the provider {does}; the answer reaches the worker"
                        yield Step(words, _answer(after, n, answer), ours=False)
            yield Step(f"the {op.kind} is lost on its way", handled, ours=False)
        for i, op in enumerate(w.ops):
            if op.phase == UNDER_WAY:
                yield Step(f"the provider finishes the {op.kind}", _set(w, i, phase=DONE))
                if op.kind != Kind.RESTORE:
                    words = f"the provider's {op.kind} fails"
                    yield Step(words, _set(w, i, phase=BROKEN), ours=False)
        if w.other == "restoring":
            yield Step("the other's restore ends", w._replace(other="over"), ours=False)
        # Between our look and our sending it could not be told from ours: docs/operations.md.
        is_looked_at = any(one.doing and one.since < LOOK_HOLDS for one in w.workers)
        if (
            not w.other
            and not is_looked_at
            and (w.ops[0].kind, w.ops[0].state)
            == (
                Kind.RESTORE,
                Q,
            )
        ):
            words = "somebody restores the server in the provider's own panel"
            yield Step(words, w._replace(other="restoring"), ours=False)

    def _is_stopped(self, w: World) -> bool:
        return w.epoch in ("behind", "stopped") and self.weaker != Weaker.NO_WITNESS

    @staticmethod
    def _lacks_approval(w: World, op: Op) -> bool:
        return w.guarded and op.kind == Kind.RESTORE and not op.approved

    @staticmethod
    def _is_foreign(w: World, op: Op) -> bool:
        return op.kind == Kind.RESTORE and w.other == "restoring"

    # -- looking ----------------------------------------------------------------------------------

    def _observer(self, w: World) -> Iterator[Step]:
        watched = [i for i, op in enumerate(w.ops) if op.state in (RUNNING, DOUBT)]
        if not watched:
            return
        for words, is_complete, stale, ours in (
            ("we look", True, False, True),
            ("we look, and the listing is old", True, True, False),
            ("we look, and the listing is not complete", False, False, False),
        ):
            if (not is_complete and not w.incomplete) or (stale and not w.old):
                continue
            after = w if is_complete else w._replace(incomplete=w.incomplete - 1)
            for i in watched:
                op = after.ops[i]
                phase = op.shown[0] if stale else op.phase
                if self._is_foreign(w, op):
                    phase = UNDER_WAY
                word = shown_word(op.kind, phase) if is_complete else ""
                look = Look(op.age, is_complete or self.weaker == Weaker.INCOMPLETE, word)
                seen = brief(op, (*op.seen, look), self.weaker)
                shown = (op.shown[0], op.phase)  # a step later nothing older than this is shown
                after = self._settle(_set(after, i, seen=seen, shown=shown), i)
            yield Step(words, after, ours)

    def _settle(self, w: World, i: int) -> World:
        op = w.ops[i]
        decision = (op.kind, op.state, op.seen, op.age, self.keeps, self.weaker)
        to = decided(*decision, put_back=op.put_back and op.state == DOUBT)
        return self._move(w, i, to) if to else w

    # -- the tick ---------------------------------------------------------------------------------

    def _tick(self, w: World) -> Iterator[Step]:
        if self._is_stopped(w) and w.epoch == "behind":
            yield Step("the tick sees that the database was put back", self._stop(w))
            return
        for i, op in enumerate(w.ops):
            if op.state == SENDING and op.age >= CLAIM:
                to = Q if self.weaker == Weaker.REQUEUE else DOUBT
                words = f"the tick finds the claim over: the {op.kind} is {to}"
                yield Step(words, self._move(w, i, to))
            elif op.state in (RUNNING, DOUBT):
                if (after := self._settle(w, i)) != w:
                    yield Step(f"the tick: the {op.kind} is {after.ops[i].state}", after)
            elif op.state == W and self._is_free(w):
                yield Step(f"the tick gives the {op.kind} its turn", self._let_next(w))
            elif op.late and op.state in (AWAITING, W, Q, HELD) and not op.put_back:
                yield from self._expire(w, i)

    def _stop(self, w: World) -> World:
        """Nothing is sent any more; what may have been sent before is in doubt."""
        for i, op in enumerate(w.ops):
            if op.state in (AWAITING, W, Q, HELD):
                w = _set(w, i, put_back=True)
            if op.state == AWAITING:
                w = self._move(w, i, W)
            if op.state in (Q, HELD):
                w = self._move(w, i, DOUBT, age=0)
        return w._replace(epoch="stopped")

    def _expire(self, w: World, i: int) -> Iterator[Step]:
        op = w.ops[i]
        child = self._child_that_holds(w, i)
        words = f"the tick finds the {op.kind} late"
        if child is None:
            yield Step(words, self._end_stopped(w, i) if op.stop else self._expired(w, i))
        elif w.ops[child].state == Q:
            yield Step(words, self._expired(self._move(w, child, State.EXPIRED), i))
        elif not op.stop:
            yield Step(f"{words}; its safety snapshot is under way", _set(w, i, stop=True))

    def _expired(self, w: World, i: int) -> World:
        return self._move(w, i, State.EXPIRED)

    def _end_stopped(self, w: World, i: int) -> World:
        return self._move(w, i, State.EXPIRED if w.ops[i].late else State.CANCELLED)

    # -- people -----------------------------------------------------------------------------------

    def _people(self, w: World) -> Iterator[Step]:
        for i, op in enumerate(w.ops):
            if op.state == PERSON:
                for to in (State.SUCCEEDED, State.NOT_APPLIED):
                    judged = self._move(w, i, to, judged=True)
                    yield Step(f"a person says of the {op.kind}: {to}", judged, ours=False)
            # Workers come before people where a database was put back: docs/deployment.md.
            if op.put_back or w.epoch == "behind":
                continue
            if op.state == AWAITING:
                yield from self._second_person(w, i)
            if op.state not in (W, Q, HELD):
                continue
            child = self._child_that_holds(w, i)
            words = f"a person cancels the {op.kind}"
            if child is None:
                yield Step(words, self._move(w, i, State.CANCELLED), ours=False)
            elif w.ops[child].state == Q:
                after = self._move(w, child, State.CANCELLED)
                yield Step(words, self._move(after, i, State.CANCELLED), ours=False)
            elif not op.stop:
                yield Step(words, _set(w, i, stop=True), ours=False)
            if op.kind in (Kind.RESTORE, Kind.DELETE) and op.state == Q and not op.stop:
                held = self._move(w, i, HELD)
                yield Step(f"a person holds the {op.kind}", held, ours=False)
            if op.state == HELD:
                yield Step(f"a person lets the {op.kind} go on", self._move(w, i, Q), ours=False)
            if not op.late:
                words = f"the {op.kind} was not sent in time"
                yield Step(words, _set(w, i, late=True), ours=op.state == HELD)
        yield from self._guarding(w)
        if not w.foreign and any(op.behind == i for i, op in enumerate(w.ops)) and self._is_free(w):
            words = "another team's operation takes the machine"
            yield Step(words, w._replace(foreign="holds"), ours=False)
        if w.foreign == "holds":
            yield Step("another team's operation ends", w._replace(foreign="over"))

    def _second_person(self, w: World, i: int) -> Iterator[Step]:
        op = w.ops[i]
        if not op.late and (self._is_free(w) or self.weaker == Weaker.NO_LOCK):
            words = f"a second person approves the {op.kind}"
            yield Step(words, self._move(w, i, Q, approved=True), ours=False)
        words = f"a person takes the {op.kind} back, or a second one says no"
        yield Step(words, self._move(w, i, State.CANCELLED), ours=False)
        if not op.late:
            yield Step(f"nobody approved the {op.kind} in time", _set(w, i, late=True))

    def _guarding(self, w: World) -> Iterator[Step]:
        """While a restore is not sent, the rule and who may approve can change."""
        for i, op in enumerate(w.ops):
            if op.kind != Kind.RESTORE or op.state not in (Q, HELD) or op.left:
                continue
            if op.approved:
                words = "who approved it loses the right to"
                yield Step(words, _set(w, i, approved=False), ours=False)
            elif not w.guarded and not w.copy and not w.may_copy and len(w.ops) == 1:
                words = "from now on the server needs a second person"
                yield Step(words, w._replace(guarded=True), ours=False)

    def _backup(self, w: World) -> Iterator[Step]:
        """While everything still waits a copy is made; later, with no worker at work, put back."""
        if w.may_copy and not w.copy and all(op.state in (AWAITING, W, Q, HELD) for op in w.ops):
            yield Step("a copy of the database is made", w._replace(copy=w.ops), ours=False)
        if w.copy and not w.epoch and not any(one.doing for one in w.workers):
            true = ("left", "effects", "phase", "shown", "afterwards")
            ops = tuple(
                row._replace(**{name: getattr(op, name) for name in true})
                for row, op in zip(w.copy, w.ops, strict=True)
            )
            is_behind = any(op.left > row.left for row, op in zip(w.copy, w.ops, strict=True))
            epoch = "behind" if is_behind else "same"
            after = w._replace(ops=ops, copy=(), may_copy=False, epoch=epoch)
            yield Step("the copy of the database is put back", after, ours=False)
        if w.epoch == "stopped":
            yield Step("a person says to go on", w._replace(epoch="same"), ours=False)

    # -- time -------------------------------------------------------------------------------------

    def _clock(self, w: World) -> Iterator[Step]:
        """Time passes: in steps while anything is near, in leaps when nothing is."""
        watched = [op.age for op in w.ops if op.age >= 0]
        fresh = [one.since for one in w.workers if one.doing in ("looked", "claimed", "sent")]
        ages = [*watched, *fresh, *(age for _, _, age in w.requests)]
        near = w.requests or min(ages, default=DAY) < 6 * STEP
        if not near and min(watched, default=DAY) >= DAY:
            return
        span = STEP if near else LEAP if min(watched) < 2 * LEAP else DAY
        if span > STEP and any(op.kind in POWER and op.phase == UNDER_WAY for op in w.ops):
            return  # it shows within `longest_power`
        ops = tuple(self._older(op, span) for op in w.ops)
        workers = tuple(sorted(self._aged(one, span) for one in w.workers))
        requests = tuple(
            sorted((i, v, age + span) for i, v, age in w.requests if age + span < ARRIVES_WITHIN)
        )
        after = w._replace(ops=ops, workers=workers, requests=requests)
        if after != w:
            died = sum(not one.doing for one in workers) - sum(not one.doing for one in w.workers)
            words = {STEP: f"{STEP} s pass", LEAP: f"{LEAP} s pass", DAY: "a day passes"}[span]
            yield Step(words + ("; a worker's time is over" if died else ""), after)

    def _older(self, op: Op, span: int) -> Op:
        if op.age < 0:
            return op
        before = op.shown[1] if span == STEP else op.phase
        older = op._replace(age=min(op.age + span, DAY), shown=(before, op.phase))
        return older._replace(seen=brief(older, op.seen, self.weaker))

    def _aged(self, one: Worker, span: int) -> Worker:
        since = min(one.since + span, 6 * STEP)
        if one.doing == "looked":
            holds = since < LOOK_HOLDS or self.weaker == Weaker.LOOK_HOLDS
            return one._replace(since=since) if holds else Worker()
        if one.doing not in ("claimed", "sent"):
            return one
        fence = {Weaker.NO_FENCE: DAY, Weaker.LATE_FENCE: 2 * FENCE}.get(self.weaker, FENCE)
        return one._replace(since=since) if since <= fence else Worker()

    # -- moving -----------------------------------------------------------------------------------

    def _move(self, w: World, i: int, to: State, **changes: Any) -> World:
        op = w.ops[i]
        if self.weaker is None and (op.state, to) not in ALLOWED:
            raise AssertionError(f"no way from {op.state} to {to}")
        self.used.add((op.state, to))
        w = _set(w, i, state=to, version=op.version + 1, **changes)
        if self.weaker not in (Weaker.NO_COMPARE_CLAIM, Weaker.NO_COMPARE_RECORD):
            w = _without_losers(w, i)
        if to in ENDED or (to == RUNNING and self.weaker == Weaker.EARLY_TURN):
            w = self._let_next(w)
        return w

    def _let_next(self, w: World) -> World:
        if not self._is_free(w) and self.weaker != Weaker.EARLY_TURN:
            return w
        first = next((i for i, op in enumerate(w.ops) if op.state == W), None)
        if first is None:
            return w
        op = w.ops[first]
        if op.put_back:
            return self._move(w, first, DOUBT, age=0)
        if op.needs and w.ops[op.behind].state not in (RUNNING, State.SUCCEEDED):
            return self._move(w, first, State.FAILED)
        return self._move(w, first, Q)

    @staticmethod
    def _is_free(w: World) -> bool:
        return w.foreign != "holds" and not any(
            op.parent < 0 and op.state in HOLDING for op in w.ops
        )

    @staticmethod
    def _child_that_holds(w: World, i: int) -> int | None:
        return next(
            (n for n, op in enumerate(w.ops) if op.parent == i and op.state in HOLDING), None
        )


def _set(w: World, i: int, **changes: Any) -> World:
    return w._replace(ops=(*w.ops[:i], w.ops[i]._replace(**changes), *w.ops[i + 1 :]))


def _without_losers(w: World, i: int) -> World:
    """Whoever looked, or waits for an answer, under an earlier version changes nothing any more."""
    version = w.ops[i].version
    workers = (
        Worker()
        if one.op == i and one.version != version and one.doing in ("looked", "sent", "answered")
        else one
        for one in w.workers
    )
    return w._replace(workers=tuple(sorted(workers)))


def _work(w: World, n: int, worker: Worker) -> World:
    """Who of the workers it is makes no difference: they are kept in order."""
    workers = (*w.workers[:n], worker, *w.workers[n + 1 :])
    return w._replace(workers=tuple(sorted(workers)))


def _answer(w: World, n: int, answer: str) -> World:
    return _work(w, n, w.workers[n]._replace(doing="answered", since=0, answer=answer))


def shown_word(kind: Kind, phase: int) -> str:
    """What a listing shows: of the snapshot, or of the server."""
    if kind == Kind.CREATE:
        return ("", "in_progress", "completed", "failed")[phase]
    if kind == Kind.DELETE:
        return "" if phase == DONE else "completed"
    if kind == Kind.RESTORE:
        return "restoring" if phase == UNDER_WAY else "active"
    other = {"stopped": "active", "active": "stopped"}[AIM[kind]]
    return AIM[kind] if phase == DONE else other


def brief(op: Op, seen: Looks, weaker: Weaker | None = None) -> Looks:
    """As much of the looks as a decision can depend on, so that equal worlds are equal.

    That is: whether `restoring` was ever seen, the last look (the last two of a failure) and, of
    those at the end that all showed the same, the first and the last complete one, before and
    after the time at which decisions change. Otherwise exact times do not matter: two different
    steps are always far enough apart.
    """
    turn = TURN.get((op.kind, op.state), DAY + 1) - 30 * (weaker == Weaker.NO_QUIET)
    run = len(seen)
    while run and seen[run - 1].word == seen[-1].word:
        run -= 1
    kept = {*range(run, len(seen))[-2 if seen and seen[-1].word == "failed" else -1 :]}
    times: dict[int, int] = {}
    for begin, end in ((0, turn), (turn, DAY + 1)):
        complete = [
            n for n in range(run, len(seen)) if seen[n].complete and begin <= seen[n].at < end
        ]
        for n in complete[:1] + complete[-1:]:
            kept.add(n)
            times[n] = begin + STEP * (seen[n].at > seen[complete[0]].at)
    looks = [one._replace(at=0) for one in seen[:run] if one.word == "restoring"][-1:]
    for n in sorted(kept):
        at = times.get(n, turn if seen[n].at >= turn else 0)
        looks.append(seen[n] if seen[n].at == op.age else seen[n]._replace(at=at))
    return tuple(dict.fromkeys(looks)) if looks and looks[-1].word != "failed" else tuple(looks)


def plain(w: World) -> World:
    """The same world without what makes no difference any more."""
    order: dict[tuple[int, int], int] = {}
    ops = []
    for i, op in enumerate(w.ops):
        versions = {op.version}
        versions.update(one.version for one in w.workers if one.op == i)
        versions.update(version for n, version, _ in w.requests if n == i)
        order.update({(i, version): n for n, version in enumerate(sorted(versions))})
        changes: dict[str, Any] = {}
        if op.version != order[i, op.version]:
            changes["version"] = order[i, op.version]
        if op.state in (PERSON, *ENDED):
            changes |= {"age": -1, "seen": (), "late": False, "shown": (NOT, NOT), "stop": False}
        if op.state not in (Q, HELD, SENDING) and not w.copy:
            changes["attempts"] = changes["left"] = min(op.left, 1)
        ops.append(op._replace(**changes) if changes else op)
    workers = [
        one._replace(version=order[one.op, one.version]) if one.doing else one for one in w.workers
    ]
    requests = [(n, order[n, version], age) for n, version, age in w.requests]
    return World(tuple(ops), tuple(sorted(workers)), tuple(sorted(requests)), *w[3:])


SENT_AT = datetime(2026, 11, 23, 14, 2, tzinfo=UTC)


@cache
def decided(
    kind: Kind,
    state: State,
    seen: Looks,
    age: int,
    keeps: bool,
    weaker: Weaker | None,
    *,
    put_back: bool = False,
) -> State | None:
    """The real decision. A weaker variant is the same decision on embellished evidence."""
    looks: list[Look] = []
    for look in seen:
        looks.append(look)
        if weaker == Weaker.ONE_PASS:
            looks.append(looks[-1]._replace(at=look.at + STEP))
    if weaker == Weaker.ACTIVE_IS_DONE and looks:
        looks = [Look(0, True, "restoring"), *looks, looks[-1]._replace(at=looks[-1].at + STEP)]
    verdict = decide(
        Evidence(
            kind=kind,
            state=state,
            sent_at=SENT_AT - timedelta(seconds=30 * (weaker == Weaker.NO_QUIET)),
            now=SENT_AT + timedelta(seconds=age),
            seen=[_sighting(kind, keeps, *look) for look in looks],
            keeps_descriptions=keeps,
            ask_at=SENT_AT + timedelta(seconds=60) if put_back else None,
        )
    )
    return verdict.state if verdict else None


def _sighting(kind: Kind, keeps: bool, at: int, complete: bool, word: str) -> Any:
    is_listed = kind == Kind.CREATE and bool(word)
    return SimpleNamespace(
        begun_at=SENT_AT + timedelta(seconds=at),
        complete=complete,
        status=word,
        marked=["9"] if is_listed and keeps else [],
        candidates=["9"] if is_listed and not keeps else [],
        unchanged=True if kind == Kind.DELETE and word else None,
    )
