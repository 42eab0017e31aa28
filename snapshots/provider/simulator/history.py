"""The log of every call: what the provider really saw and did.

One JSON object a line, append-only, numbered without gaps; a file that has grown long is put
aside as `NAME.1`, and the one before it is forgotten. Each line is written before what it
tells can be seen from outside, so that after any crash the log can be believed:

    arrived   the request was read whole; nothing has been done yet
    applied   what was asked has been done (a refused or reading call has no such line)
    answered  bytes were handed to the socket; `complete` says whether all of them
    settled   something ended by itself: a create, a restore, a snapshot that was forgotten
    outside   somebody changed something without calling the API

Fields: `n`, `wall` (the machine's time), `at` (the provider's), `event`, and of a call `call`,
`method`, `path`, `token` (its name, never the token), `body` (an excerpt), `marker` (a `[ref:...]`
in the description), `server`, `effect` and `ids`, `status`, `fault`.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .clock import iso
from .store import UnreadableError

KEPT = 200_000  # entries in memory
LONGEST = 8 * 1024 * 1024  # bytes of a file, of which there are two at most
EXCERPT = 300

_MARKER = re.compile(r"\[ref:[^\[\]\s]{1,64}\]")
_TOKEN = re.compile(r"vps_[\w-]+")


class History:
    def __init__(self, path: Path | None, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._answering = 0
        self._answered = threading.Condition(self._lock)
        self._entries: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._n = 0
        self._file = -1
        self._size = 0
        self._path = path
        if path is not None:
            self._open(path)

    @property
    def entries(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._entries)

    def after(self, n: int, limit: int) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if entry["n"] > n][:limit]

    def write(self, event: str, **fields: Any) -> dict[str, Any]:
        """Append one line. When this returns, a `kill -9` no longer loses it."""
        with self._lock:
            n = self._n + 1
            entry = {"n": n, "wall": time.time(), "at": iso(self._now(), precise=True)}
            entry |= {"event": event, **fields}
            if event == "arrived":
                # No second counter: the number of a call's first line is there once, for ever.
                entry["call"] = f"c{n}"
            if self._file >= 0:
                self._append(json.dumps(entry, default=str).encode() + b"\n")
            self._n = n
            self._entries.append(entry)
            return entry

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Held from handing an answer to the socket until its line is written."""
        with self._lock:
            self._answering += 1
        try:
            yield
        finally:
            with self._answered:
                self._answering -= 1
                self._answered.notify_all()

    def catch_up(self) -> None:
        """Wait for the lines of answers that a client may have read already; at most a second."""
        with self._answered:
            self._answered.wait_for(lambda: self._answering == 0, 1.0)

    def has(self, event: str, call: str) -> bool:
        return any(e["event"] == event and e.get("call") == call for e in reversed(self.entries))

    def close(self) -> None:
        with self._lock:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _append(self, line: bytes) -> None:
        if self._path and self._size > LONGEST:
            os.close(self._file)
            self._path.replace(_earlier(self._path))
            self._file, self._size = _opened(self._path), 0
        _write_all(self._file, line)
        self._size += len(line)

    def _open(self, path: Path) -> None:
        """Go on after what is there. A last line torn by a crash was never answered: cut it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _opened(path)
        for file in (_earlier(path), path):
            self._size = self._read(file) if file.exists() else 0
        os.ftruncate(self._file, self._size)
        if self._entries:
            self._n = int(self._entries[-1]["n"])

    def _read(self, path: Path) -> int:
        """How many bytes of whole lines there are."""
        whole = 0
        with path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                try:
                    self._entries.append(json.loads(line))
                except ValueError as error:
                    raise UnreadableError(f"{path} is not a log of ours: {error}") from error
        return whole


def _earlier(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)


def marker(text: str) -> str | None:
    found = _MARKER.search(text)
    return found.group() if found else None


def excerpt(body: bytes) -> str:
    """The beginning of a body, fit to be kept: without anything that looks like a token."""
    return _TOKEN.sub("vps_[hidden]", body[: EXCERPT * 2].decode("utf-8", "replace"))[:EXCERPT]


def without_tokens(text: str) -> str:
    return _TOKEN.sub("vps_[hidden]", text)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
