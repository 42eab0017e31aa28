"""What an answer of the provider means for an operation: one table, in code."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from snapshots.models import Attempt, Kind, Reason, State
from snapshots.operations import times
from snapshots.provider import errors as wire
from snapshots.provider.types import Accepted

Outcome = Attempt.Outcome


@dataclass(frozen=True)
class Meaning:
    """Where the operation goes, why, and what else follows."""

    outcome: Outcome
    state: State
    reason: Reason
    details: dict[str, Any] = field(default_factory=dict)
    wait: float = 0.0  # seconds until the next try, for what is queued again
    token_refused: bool = False
    slow_down: bool = False


def meaning(kind: Kind, answer: Accepted[Any] | Exception, attempt: int) -> Meaning:
    """Read one answer. Whatever is not plainly something else leaves the operation in doubt."""
    match answer:
        case Accepted():
            state = State.SUCCEEDED if kind == Kind.DELETE else State.RUNNING
            return Meaning(Outcome.ACCEPTED, state, Reason.ACCEPTED)
        case wire.NotSent():
            words = {"words": answer.message}
            wait = times.retry_after(attempt - 1)
            return Meaning(Outcome.NOT_SENT, State.QUEUED, Reason.NOT_SENT, words, wait=wait)
        case wire.Declined():
            return _declined(kind, answer, attempt)
        case wire.ProviderError():
            return Meaning(
                Outcome.UNKNOWN, State.IN_DOUBT, Reason.NO_ANSWER, {"words": answer.message}
            )
        case _:
            return Meaning(Outcome.UNKNOWN, State.IN_DOUBT, Reason.OUR_FAULT)


def _declined(kind: Kind, answer: wire.Declined, attempt: int) -> Meaning:
    words = {"words": answer.message}

    def failed(reason: Reason, **more: bool) -> Meaning:
        return Meaning(Outcome.DECLINED, State.FAILED, reason, words, **more)

    match answer.status:
        case 401:
            return failed(Reason.TOKEN_REFUSED, token_refused=True)
        case 403:
            return failed(Reason.PERMISSION_MISSING)
        case 404 if kind == Kind.DELETE:  # gone already, or a token that cannot see it
            return Meaning(Outcome.DECLINED, State.IN_DOUBT, Reason.DELETE_404, words)
        case 404:
            return failed(Reason.GONE)
        case 429 if kind == Kind.RESTORE:
            return failed(Reason.BUSY_CONFIRM, slow_down=True)
        case 429:
            return Meaning(
                Outcome.DECLINED,
                State.QUEUED,
                Reason.BUSY,
                words,
                wait=_polite(answer.retry_after, attempt),
                slow_down=True,
            )
        case _:
            return failed(Reason.PROVIDER_SAID)


def _polite(asked: float | None, attempt: int) -> float:
    """Seconds to wait after a 429: what was asked, within bounds, and not all at once."""
    own = times.retry_after(attempt - 1)
    bounded = min(max(asked or 0.0, own), times.RETRY_AFTER_MOST)
    return bounded + random.uniform(0, min(bounded / 10, 30))  # noqa: S311
