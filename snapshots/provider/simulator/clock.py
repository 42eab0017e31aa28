"""The provider's own clock, and times as the provider writes them."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any


class Clock:
    """Tells the provider's time: the machine's time plus an offset, or frozen until told.

    A frozen clock moves only through `advance` and `set`, so a test needs no sleep.
    """

    def __init__(self, at: float | str | datetime | None = None, *, frozen: bool = False) -> None:
        self._lock = threading.Lock()
        self._frozen = frozen
        # Whole seconds: a frozen "now" then survives the wire, which writes whole seconds.
        self._at = float(int(time.time())) if at is None else epoch(at)
        self._offset = self._at - time.time() if at is not None else 0.0

    @property
    def frozen(self) -> bool:
        return self._frozen

    def now(self) -> float:
        """Seconds since the epoch, by the provider's clock."""
        with self._lock:
            return self._at if self._frozen else time.time() + self._offset

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0) -> float:
        """Move the clock on (or back) and say what it shows."""
        return self.set(self.now() + seconds + 60 * minutes + 3600 * hours)

    def set(self, at: float | str | datetime) -> float:
        """Put the clock to a time: seconds since the epoch, ISO 8601, or a datetime."""
        moment = epoch(at)
        with self._lock:
            self._at = moment
            self._offset = moment - time.time()
        return moment

    def freeze(self) -> None:
        now = self.now()
        with self._lock:
            self._at, self._frozen = now, True

    def run(self) -> None:
        """Let a frozen clock go on from where it stands."""
        now = self.now()
        with self._lock:
            self._offset, self._frozen = now - time.time(), False

    def export(self) -> dict[str, Any]:
        """What the clock shows, and how to go on from here after a restart."""
        with self._lock:
            mode = "frozen" if self._frozen else "real"
            at = self._at if self._frozen else time.time() + self._offset
            return {"mode": mode, "now": at, "iso": iso(at), "offset": self._offset}

    def load(self, data: dict[str, Any]) -> None:
        """Go on from what `export` gave. A running clock keeps its offset from the machine's."""
        with self._lock:
            self._frozen = data["mode"] == "frozen"
            self._at, self._offset = float(data["now"]), float(data["offset"])


def epoch(at: object) -> float:
    """Seconds since the epoch, from seconds, ISO 8601 or a datetime; ValueError otherwise."""
    if isinstance(at, bool):
        raise ValueError(f"not a time: {at!r}")
    if isinstance(at, int | float):
        # Through datetime, so that a number no calendar can show is refused here, not later.
        datetime.fromtimestamp(at, UTC)
        return float(at)
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    if not isinstance(at, datetime):
        raise ValueError(f"not a time: {at!r}")
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def iso(at: float, *, precise: bool = False) -> str:
    """`2025-01-15T18:30:00Z`, or with microseconds as Django REST Framework writes them."""
    moment = datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if precise else "%Y-%m-%dT%H:%M:%SZ")


def http_date(at: float) -> str:
    return formatdate(at, usegmt=True)
