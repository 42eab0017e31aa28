"""One call on its way: what it is, the faults it meets, what becomes of it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from .api import Call, Reply
from .faults import Fault
from .history import marker, without_tokens
from .nouns import Token

if TYPE_CHECKING:
    from .simulator import Simulator


class Visit:
    """What the server holds of a call until it is answered."""

    def __init__(
        self,
        simulator: Simulator,
        call: Call,
        id: str,
        about: dict[str, Any],
        faults: list[Fault],
    ) -> None:
        self.call = call
        self.id = id
        self.about = about
        self.faults = faults
        self.wire = next((f for f in faults if f.stage == "wire"), None)
        self._simulator = simulator

    @property
    def now(self) -> float:
        return self._simulator.clock.now()

    def work(self) -> Reply:
        """Do what was asked, now."""
        return self._simulator.apply(self)

    def postpone(self, seconds: float) -> None:
        """Do what was asked, later."""
        self._simulator.postpone(self, seconds)

    def answering(self) -> AbstractContextManager[None]:
        """Held around a send and `answered`, so that the log is never behind the client."""
        return self._simulator.history.answering()

    def answered(self, status: int | None, sent: int, *, complete: bool = True) -> None:
        """Log that bytes were handed to the socket."""
        self._simulator.history.write(
            "answered", **self.about, call=self.id, status=status, bytes=sent, complete=complete
        )


def about_call(call: Call, token: Token | None, server: str, faults: list[Fault]) -> dict[str, Any]:
    """What every line of the log says about a call."""
    where = call.path + (f"?{call.query}" if call.query else "")
    return {
        "method": call.method,
        "path": without_tokens(where)[:500],
        "token": token.name if token else None,
        # What was asked for is the client's text too, and may be anything.
        "server": without_tokens(server)[:100] or None,
        "marker": marker(call.description()),
        "fault": "+".join(fault.kind for fault in faults) or None,
    }
