"""Looking at real processes from the outside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STATE, PARENT, BORN = 0, 1, 19  # fields of /proc/PID/stat, counted from behind the name


def until(condition: Callable[[], object], seconds: float = 20, what: str = "") -> None:
    """Wait until `condition` holds. Fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what or condition} did not come true in {seconds} s"
        time.sleep(0.05)


@dataclass(frozen=True)
class Seen:
    """A process, not to be mistaken for a later one with the same number."""

    pid: int
    born: str

    @property
    def is_alive(self) -> bool:
        """Whether it is still there, other than as a zombie that nobody has buried yet."""
        fields = _stat(self.pid)
        return bool(fields) and fields[BORN] == self.born and fields[STATE] not in {"Z", "X"}


def descendants(pid: int) -> set[Seen]:
    """All that `pid` started, and what those started."""
    found: dict[int, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            found[int(entry.name)] = fields
    family: set[int] = set()
    border = {pid}
    while border := {each for each, fields in found.items() if int(fields[PARENT]) in border}:
        family |= border
    return {Seen(each, found[each][BORN]) for each in family}


def child(pid: int, word: str) -> int:
    """The direct child of `pid` with `word` in its command line, or 0."""
    for each in descendants(pid):
        fields = _stat(each.pid)
        if fields and int(fields[PARENT]) == pid and word in command(each.pid):
            return each.pid
    return 0


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def environment(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def kill_all(family: Iterable[Seen]) -> None:
    for each in family:
        if each.is_alive:
            with suppress(ProcessLookupError):
                os.kill(each.pid, 9)


def _stat(pid: int) -> list[str]:
    """What follows the name, which may contain anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
