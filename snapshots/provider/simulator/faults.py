"""Faults on demand: which there are, which calls they meet, and what they do to an answer.

`KINDS` is the whole list. `faults.add(kind, ...)` arms one, with a matcher: `method`, `path` (a
regular expression searched in the path after the base), `token` (its name), `server` (an id),
`skip` (let so many matching calls pass first), `times` (None: for ever), `probability` with
`seed`. Of the faults that meet a call, the first of the stage "wire" and all others are used.

Faults live in memory and are gone after a restart. What they have done to the world stays.
"""

from __future__ import annotations

import itertools
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from .nouns import Token
from .world import World

Stage = Literal["wire", "work", "listing", "answer"]

_LISTING = r"^/(snapshots|servers)/$"
_CREATE = r"^/snapshots/$|/snapshot/$"
_RESTORE = r"/restore/$"


MANY = 500  # faults kept for looking at, spent ones included


@dataclass(frozen=True)
class Kind:
    """One kind of fault: where it acts, what it does, its options with their defaults."""

    stage: Stage
    sentence: str
    options: dict[str, Any] = field(default_factory=dict)
    method: str | None = None
    path: str | None = None
    times: int | None = 1


# The words an option may have, where only some make sense.
WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("hang", "when"): ("before", "after"),
    ("late", "now"): ("close", "rst", "hang", "timeout"),
    ("flood", "what"): ("body", "headers", "gzip"),
    ("other_ids", "what"): ("snapshot", "server", "both"),
}

KINDS: dict[str, Kind] = {
    # The wire: one per call.
    "answer": Kind(
        "wire",
        "answer any status, body (JSON, text, or text in base64) and headers, which may replace"
        " our own; with `apply`, after the work is done",
        {"status": 500, "body": "", "base64": False, "headers": {}, "apply": False},
    ),
    "hang": Kind(
        "wire",
        "wait `seconds` (null: until released) `before` or `after` the work, then answer",
        {"seconds": None, "when": "before"},
    ),
    "close_before": Kind("wire", "close, nothing done", {"rst": False}),
    "close_after": Kind("wire", "do the work, close without an answer", {"rst": False}),
    "cut": Kind(
        "wire",
        "do the work, send the answer up to byte `at` (status line and headers included), close",
        {"at": 0, "rst": False},
    ),
    "late": Kind(
        "wire",
        "now close, rst, hang or timeout (a 504); do the work `seconds` later by the clock",
        {"seconds": 60, "now": "close"},
    ),
    "garbage": Kind(
        "wire",
        "bytes that are no HTTP: `text`, or `size` random ones; with `apply`, after the work",
        {"text": None, "size": 256, "apply": True},
    ),
    "drip": Kind(
        "wire",
        "do the work, send the answer `size` bytes at a time, `seconds` apart",
        {"size": 1, "seconds": 0.1},
    ),
    "flood": Kind(
        "wire",
        "do the work, answer `mb` megabytes of body, headers or (unpacked) gzip",
        {"what": "body", "mb": 8},
    ),
    # The work itself.
    "create_fails": Kind("work", "the snapshot ends as failed", {}, "POST", _CREATE),
    "forgets": Kind(
        "work", "the snapshot vanishes after `seconds`", {"seconds": 60}, "POST", _CREATE
    ),
    "drops_description": Kind("work", "the description is not kept", {}, "POST", _CREATE),
    "never_restoring": Kind(
        "work", "the restore runs and the server never shows it", {}, "POST", _RESTORE
    ),
    "restore_ends": Kind(
        "work", "the restore ends with `status`", {"status": "stopped"}, "POST", _RESTORE
    ),
    "drops_newer": Kind(
        "work", "the restore deletes newer snapshots at its end", {}, "POST", _RESTORE
    ),
    # What a listing shows.
    "stale": Kind(
        "listing",
        "for `seconds` by the clock, show what was there when the fault was added",
        {"seconds": 60},
        "GET",
        _LISTING,
        None,
    ),
    "hidden": Kind(
        "listing",
        "leave out `ids`, consistently over all pages",
        {"ids": []},
        "GET",
        _LISTING,
        None,
    ),
    "partial": Kind(
        "listing",
        "drop the rows `ids`, or all rows of page `page`, or the last `drop`; `count_too` or not",
        {"drop": 1, "ids": [], "page": None, "count_too": False},
        "GET",
        _LISTING,
    ),
    "empty": Kind("listing", "show nothing at all, count 0", {}, "GET", _LISTING),
    "duplicates": Kind(
        "listing",
        "show the first `rows` rows twice; `count_too` or not",
        {"rows": 1, "count_too": False},
        "GET",
        _LISTING,
    ),
    "foreign_next": Kind(
        "listing", "point `next` at `url`", {"url": "http://127.0.0.1:9/"}, "GET", _LISTING
    ),
    # The words of an answer, the work being done as asked.
    "other_ids": Kind("answer", "name another `what`: snapshot, server or both", {"what": "both"}),
    "extra_fields": Kind(
        "answer", "add unknown `fields` everywhere", {"fields": {"x_tier": {"burst": [1, None]}}}
    ),
    "unknown_status": Kind("answer", "call every status `status`", {"status": "migrating"}),
}


@dataclass
class Fault:
    """One armed fault. `used` counts the calls it has met."""

    id: str
    kind: str
    options: dict[str, Any]
    method: str | None = None
    path: str | None = None
    token: str | None = None
    server: str | None = None
    skip: int = 0
    times: int | None = 1
    probability: float = 1.0
    seed: int = 0
    used: int = 0
    until: float | None = None
    picture: World | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - repeatable on purpose
        self._released = threading.Event()
        try:
            self._path = re.compile(self.path) if self.path else None
        except re.error as error:
            raise ValueError(f"path is no regular expression: {error}") from error

    @property
    def stage(self) -> Stage:
        return KINDS[self.kind].stage

    @property
    def is_spent(self) -> bool:
        return self.times is not None and self.used >= self.times

    @property
    def may_hang(self) -> bool:
        return self.kind in ("hang", "late", "drip")

    def meets(self, method: str, path: str, token: Token | None, server: str, now: float) -> bool:
        """Whether this call is one of its calls; counts it if so."""
        if self.is_spent:
            return False
        if self.until is not None and now >= self.until:
            return False
        if self.stage == "listing" and not (method == "GET" and re.match(_LISTING, path)):
            return False
        if self.method and self.method.upper() != method:
            return False
        if self._path and not self._path.search(path):
            return False
        if self.token and (token is None or self.token not in (token.name, token.secret)):
            return False
        if self.server and self.server != server:
            return False
        if self.probability < 1.0 and self._random.random() >= self.probability:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.used += 1
        return True

    def release(self) -> None:
        """Let calls that hang on this fault go on."""
        self._released.set()

    def wait(self, seconds: float | None) -> bool:
        """Hang, in real time; True if released before its end."""
        return self._released.wait(seconds)

    def noise(self, size: int) -> bytes:
        # Never the beginning of a status line, whatever the seed.
        return b"\x00" + self._random.randbytes(max(0, size - 1))

    def export(self) -> dict[str, Any]:
        names = ("id", "kind", "options", "method", "path", "server", "skip", "times", "used")
        return {name: getattr(self, name) for name in names}


class Faults:
    """The faults that are armed. Safe to use from any thread."""

    def __init__(self, now: Callable[[], float], picture: Callable[[], World]) -> None:
        self._now, self._picture = now, picture
        self._lock = threading.Lock()
        self._armed: list[Fault] = []
        self._numbers = itertools.count(1)

    def add(
        self,
        kind: str,
        *,
        method: str | None = None,
        path: str | None = None,
        token: str | None = None,
        server: str | int | None = None,
        skip: int = 0,
        times: int | Literal["forever", "default"] | None = "default",
        probability: float = 1.0,
        seed: int = 0,
        **options: Any,
    ) -> Fault:
        """Arm a fault of a kind in `KINDS`; what is not one of its options is a ValueError."""
        known = KINDS.get(kind)
        if known is None:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(KINDS)}")
        _check(kind, known, options)
        if times == "default":
            times = known.times
        elif times == "forever":
            times = None
        fault = Fault(
            id=f"f{next(self._numbers)}",
            kind=kind,
            options={**known.options, **options},
            method=method or known.method,
            path=path or known.path,
            token=token,
            server=None if server is None else str(server),
            skip=skip,
            times=times,
            probability=probability,
            seed=seed,
        )
        if kind == "stale":
            fault.picture = self._picture()
            fault.until = self._now() + float(fault.options["seconds"])
        with self._lock:
            if len(self._armed) >= MANY:
                self._armed = [f for f in self._armed if not f.is_spent or f.may_hang]
            self._armed.append(fault)
        return fault

    def remove(self, fault: Fault | str) -> bool:
        """Disarm one, by itself or its id; True if it was armed."""
        id = fault.id if isinstance(fault, Fault) else fault
        with self._lock:
            gone = [f for f in self._armed if f.id == id]
            self._armed = [f for f in self._armed if f.id != id]
        for each in gone:
            each.release()
        return bool(gone)

    def clear(self) -> None:
        """Disarm and release all."""
        with self._lock:
            gone, self._armed = self._armed, []
        for fault in gone:
            fault.release()

    def release(self, id: str | None = None) -> int:
        """Let the calls that hang go on: of one fault, or of all."""
        chosen = [f for f in self.armed if id in (None, f.id)]
        for fault in chosen:
            fault.release()
        return len(chosen)

    @property
    def armed(self) -> list[Fault]:
        with self._lock:
            return list(self._armed)

    def choose(self, method: str, path: str, token: Token | None, server: str) -> list[Fault]:
        """The faults this call meets: at most one of the wire, and every other."""
        now, chosen = self._now(), list[Fault]()
        with self._lock:
            for fault in self._armed:
                taken = any(f.stage == "wire" for f in chosen)
                if fault.stage == "wire" and taken:
                    continue
                if fault.meets(method, path, token, server, now):
                    chosen.append(fault)
        return chosen


def _check(kind: str, known: Kind, options: dict[str, Any]) -> None:
    for name, value in options.items():
        if name not in known.options:
            has = ", ".join(known.options) or "none"
            raise ValueError(f"{kind} has no option {name!r}; it has {has}")
        words = WORDS.get((kind, name))
        if words and value not in words:
            raise ValueError(f"{name} of {kind} is one of {', '.join(words)}, not {value!r}")
        default = known.options[name]
        if isinstance(default, int | float) and not isinstance(default, bool):
            float(value)
        if name == "status" and kind == "answer" and not 100 <= int(value) <= 999:
            raise ValueError("a status has three digits")
