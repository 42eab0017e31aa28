"""The protocol walked through to its end: every state there can be, and how it could go wrong.

    python -m tests.campaigns.model [--thorough]

prints how many states there are, and for each weakened variant the shortest story that ends badly.
"""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass, field
from time import monotonic

from django.test import override_settings

from snapshots.models import Kind, State
from snapshots.models.operation import ENDED, HOLDING
from tests.campaigns.protocol import (
    AWAITING,
    BROKEN,
    DONE,
    PACE,
    PERSON,
    Op,
    Protocol,
    W,
    Weaker,
    World,
    plain,
)


def wrong(before: World, w: World) -> str:
    """What a world shows that must never be; empty if nothing."""
    pairs = zip(before.ops, w.ops, strict=True)
    if w.epoch == before.epoch and any(a.state in ENDED and b.state != a.state for a, b in pairs):
        return "what had ended is moved again"
    # Another team's operation is a row of the same database: a copy put back does not have it.
    foreign = w.foreign == "holds" and not w.epoch
    holders = sum(op.parent < 0 and op.state in HOLDING for op in w.ops) + foreign
    if holders > 1:
        return "two operations hold one machine"
    for i, op in enumerate(w.ops):
        if op.effects > 1:
            return f"the {op.kind} took effect twice"
        if (op.left > op.attempts or op.effects > op.attempts) and not w.epoch:
            return f"the {op.kind} was sent without a claim"
        if op.afterwards:
            return f"the {op.kind} took effect when it was over, or a person had been asked"
        was = before.ops[i]
        is_claimed = (was.state, op.state) == (State.QUEUED, State.SENDING)
        if is_claimed and w.guarded and op.kind == Kind.RESTORE and not op.approved:
            return "a restore of a guarded server goes out, and no second person stands for it"
        if op.left and not w.epoch and not _turn_had_come(w, i, op):
            return f"the {op.kind} was sent before its turn"
        is_told = op.state in ENDED and not op.judged
        if is_told and op.state == State.SUCCEEDED and (op.phase != DONE or not op.effects):
            return f"the screen says the {op.kind} succeeded, which is false"
        if is_told and op.state != State.SUCCEEDED and op.effects and op.phase != BROKEN:
            return f"the screen says the {op.kind} did not happen, which is false"
    return ""


def _turn_had_come(w: World, i: int, op: Op) -> bool:
    children = [one for one in w.ops if one.parent == i]
    ahead = w.ops[op.behind] if op.behind not in (-1, i) else None
    return all(one.state == State.SUCCEEDED for one in children) and (
        ahead is None or ahead.state in ENDED
    )


def is_settled(w: World) -> bool:
    """Every operation has ended, or a person has been asked: what waits, waits for them."""
    states = [op.state for op in w.ops]
    return PERSON in states or all(state in ENDED for state in states)


SCENES: dict[str, tuple[Op, ...]] = {
    "create": (Op(Kind.CREATE),),
    "create, descriptions not kept": (Op(Kind.CREATE),),
    "restore": (Op(Kind.RESTORE),),
    "restore, guarded": (Op(Kind.RESTORE, AWAITING),),
    "delete": (Op(Kind.DELETE),),
    "stop": (Op(Kind.STOP),),
    "restore with a safety snapshot": (Op(Kind.RESTORE), Op(Kind.CREATE, parent=0)),
    "two restores, guarded": (Op(Kind.RESTORE, AWAITING), Op(Kind.RESTORE, AWAITING)),
    "two deletions in a line": (Op(Kind.DELETE), Op(Kind.DELETE, W, behind=0)),
    "a stop and a snapshot": (Op(Kind.STOP), Op(Kind.CREATE, W, behind=0, needs=True)),
    "in a line with another team": (Op(Kind.DELETE, W, behind=0),),
    "a create, put back": (Op(Kind.CREATE),),
    "a restore, put back": (Op(Kind.RESTORE),),
    "guarded, put back": (Op(Kind.RESTORE, AWAITING),),
    "in a line, put back": (Op(Kind.DELETE, W, behind=0),),
}

# Where leaving a thing out shows. The first of each is told as a story.
NEEDED: dict[Weaker, tuple[str, ...]] = {
    Weaker.NO_FENCE: ("create", "restore"),
    Weaker.LATE_FENCE: ("create", "restore"),
    Weaker.NO_COMPARE_CLAIM: ("restore", "create"),
    Weaker.NO_COMPARE_RECORD: ("create",),
    Weaker.RETRY: ("restore", "create"),
    Weaker.REQUEUE: ("restore", "create"),
    Weaker.ACTIVE_IS_DONE: ("restore",),
    Weaker.ONE_PASS: ("create", "delete"),
    Weaker.INCOMPLETE: ("create", "delete"),
    Weaker.NO_QUIET: ("create", "restore"),
    Weaker.NO_LOOK: ("restore",),
    Weaker.LOOK_HOLDS: ("restore",),
    Weaker.EARLY_TURN: ("a stop and a snapshot",),
    Weaker.NO_CHILD: ("restore with a safety snapshot",),
    Weaker.NO_SECOND_LOOK: ("restore", "restore, guarded"),
    Weaker.NO_LOCK: ("two restores, guarded",),
    Weaker.NO_WITNESS: ("a restore, put back", "a create, put back"),
}


@dataclass
class Walk:
    """A scene walked through: how many states, and the shortest story to a wrong one."""

    states: int
    wrong: str = ""
    story: list[str] = field(default_factory=list)
    used: set[tuple[State, State]] = field(default_factory=set)


def walk(scene: str, weaker: Weaker | None = None, *, thorough: bool = False) -> Walk:
    """Everything that can happen in `scene`, breadth first; it ends at the first wrong state.

    Unless `thorough`, listings are whole and new where several operations meet or the database is
    put back: the single operation is walked through with those that are not.
    """
    protocol = Protocol(weaker, keeps="not kept" not in scene)
    start = World(SCENES[scene])
    start = start._replace(guarded="guarded" in scene)
    if "put back" in scene:
        start = start._replace(may_copy=True)
    if not thorough and (len(start.ops) > 1 or start.may_copy):
        start = start._replace(incomplete=0, old=False)
    numbers = {start: 0}
    came: list[tuple[int, str]] = [(-1, "")]
    before: list[list[int]] = [[]]  # by our own steps
    line = deque([start])
    with override_settings(PROVIDER_PACE=PACE):
        while line:
            w = line.popleft()
            here = numbers[w]
            for words, to, ours in protocol.steps(w):
                to = plain(to)
                there = numbers.get(to)
                if there is None:
                    there = numbers[to] = len(numbers)
                    came.append((here, words))
                    before.append([])
                    line.append(to)
                    if what := wrong(w, to):
                        return Walk(len(numbers), what, _story(came, there), protocol.used)
                if ours:
                    before[there].append(here)
    stuck = _stuck(numbers, before)
    if stuck is not None:
        return Walk(len(numbers), "nobody will ever move it", _story(came, stuck), protocol.used)
    return Walk(len(numbers), used=protocol.used)


def _stuck(numbers: dict[World, int], before: list[list[int]]) -> int | None:
    """The first world from which our own steps do not lead to an end or to a person."""
    line = deque(n for w, n in numbers.items() if is_settled(w))
    good = set(line)
    while line:
        for n in before[line.popleft()]:
            if n not in good:
                good.add(n)
                line.append(n)
    return next((n for n in range(len(numbers)) if n not in good), None)


def _story(came: list[tuple[int, str]], n: int) -> list[str]:
    words = []
    while n > 0:
        n, step = came[n]
        words.append(step)
    return words[::-1]


def main(arguments: list[str]) -> int:
    """Print the report. Returns the exit code."""
    thorough = "--thorough" in arguments
    bad, total, begin = 0, 0, monotonic()
    print("The protocol:")
    for scene in SCENES:
        result = walk(scene, thorough=thorough)
        total += result.states
        bad += bool(result.wrong)
        print(f"  {scene}: {result.states} states, {result.wrong or 'nothing wrong'}")
        _tell(result)
    print("\nWith one thing left out:")
    for weaker, scenes in NEEDED.items():
        for scene in scenes:
            result = walk(scene, weaker)
            bad += not result.wrong
            print(f"\n  {weaker.value} ({scene}): {result.wrong or 'NO COUNTER-EXAMPLE'}")
            _tell(result)
    print(f"\n{total} states of the protocol, {monotonic() - begin:.1f} s in all.")
    return 1 if bad else 0


def _tell(result: Walk) -> None:
    for n, words in enumerate(result.story, 1):
        print(f"    {n:2}. {words}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
