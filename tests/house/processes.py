"""Looking at real processes from the outside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def until(condition: Callable[[], object], seconds: float = 20, what: str = "") -> None:
    """Wait until `condition` holds. Fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what or condition} did not come true in {seconds} s"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether there is such a process, other than as a zombie that nobody has buried yet."""
    return _state(pid) not in {"", "Z", "X"}


def descendants(pid: int) -> set[int]:
    """All that `pid` started, and what those started."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    border = {pid}
    while border := {child for child, parent in parents.items() if parent in border}:
        found |= border
    return found


def child(pid: int, word: str) -> int:
    """The direct child of `pid` with `word` in its command line, or 0."""
    for each in descendants(pid):
        if (fields := _stat(each)) and int(fields[1]) == pid and word in command(each):
            return each
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


def kill_all(pids: set[int]) -> None:
    for pid in pids:
        if is_alive(pid):
            os.kill(pid, 9)


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _stat(pid: int) -> list[str]:
    """State, parent and so on: what follows the name, which may contain anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
