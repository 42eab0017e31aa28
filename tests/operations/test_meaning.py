"""What an answer means: the table of docs/operations.md, as it is read."""

from __future__ import annotations

import pytest

from snapshots.models import Kind, Reason, State
from snapshots.operations import times
from snapshots.operations.answers import Meaning, Outcome, meaning
from snapshots.provider import errors as wire
from snapshots.provider.types import Accepted

RUNS, DONE, FAILED = State.RUNNING, State.SUCCEEDED, State.FAILED
DOUBT, AGAIN = State.IN_DOUBT, State.QUEUED
NOT_SENT, NO_ANSWER = wire.NotSent("it refuses connections"), wire.Unknown("nothing", status=502)


def declined(status: int, retry_after: float | None = None) -> wire.Declined:
    return wire.Declined("the provider's words", status=status, retry_after=retry_after)


@pytest.mark.parametrize(
    ("answer", "create", "restore", "delete", "reason"),
    [
        (Accepted(200, "", None), RUNS, RUNS, DONE, Reason.ACCEPTED),
        (NOT_SENT, AGAIN, AGAIN, AGAIN, Reason.NOT_SENT),
        (declined(400), FAILED, FAILED, FAILED, Reason.PROVIDER_SAID),
        (declined(401), FAILED, FAILED, FAILED, Reason.TOKEN_REFUSED),
        (declined(403), FAILED, FAILED, FAILED, Reason.PERMISSION_MISSING),
        (declined(409), FAILED, FAILED, FAILED, Reason.PROVIDER_SAID),
        (NO_ANSWER, DOUBT, DOUBT, DOUBT, Reason.NO_ANSWER),
        (wire.Unavailable("no"), DOUBT, DOUBT, DOUBT, Reason.NO_ANSWER),
        (ValueError("of ours"), DOUBT, DOUBT, DOUBT, Reason.OUR_FAULT),
    ],
)
def test_the_same_for_every_kind_but_that_a_delete_is_done_at_once(
    answer, create, restore, delete, reason
):
    for kind, state in zip(Kind, (create, restore, delete, create, create), strict=True):
        got = meaning(kind, answer, 1)
        assert (got.state, got.reason) == (state, reason)
        words = getattr(answer, "message", None) if isinstance(answer, Exception) else None
        assert got.details == ({"words": words} if words else {})


@pytest.mark.parametrize("kind", Kind)
def test_not_found_may_mean_deleted(kind):
    got = meaning(kind, declined(404), 1)
    if kind == Kind.DELETE:
        assert (got.state, got.reason) == (DOUBT, Reason.DELETE_404)
    else:
        assert (got.state, got.reason) == (FAILED, Reason.GONE)
    assert got.details == {"words": "the provider's words"}
    assert got.outcome == Outcome.DECLINED


@pytest.mark.parametrize("kind", Kind)
def test_a_busy_provider_is_asked_again_but_not_to_restore(kind):
    got = meaning(kind, declined(429, retry_after=120), 1)
    assert got.slow_down
    assert (got.outcome, got.details) == (Outcome.DECLINED, {"words": "the provider's words"})
    if kind == Kind.RESTORE:
        assert (got.state, got.reason, got.wait) == (FAILED, Reason.BUSY_CONFIRM, 0)
    else:
        assert (got.state, got.reason) == (AGAIN, Reason.BUSY)
        assert 120 <= got.wait <= 132


def of_many(retry_after: float | None, attempt: int) -> list[float]:
    return [meaning(Kind.CREATE, declined(429, retry_after), attempt).wait for _ in range(200)]


@pytest.mark.parametrize(
    ("retry_after", "attempt", "least", "most"),
    [
        (None, 1, 5, 5.5),
        (None, 3, 20, 22),
        (None, 99, 60, 66),
        (0, 1, 5, 5.5),
        (120, 99, 120, 132),
        (1200, 1, 1200, 1230),
        (1e9, 1, 3600, 3630),
    ],
)
def test_not_all_come_back_at_once(retry_after, attempt, least, most):
    waits = of_many(retry_after, attempt)
    assert least <= min(waits) <= max(waits) <= most
    assert max(waits) - min(waits) > (most - least) / 2


def test_what_was_not_sent_is_tried_again_after_twice_as_long_each_time():
    waits = [meaning(Kind.RESTORE, NOT_SENT, attempt).wait for attempt in range(1, 8)]
    assert waits == [5, 10, 20, 40, 60, 60, 60]
    assert times.retry_after(10_000) == 60


@pytest.mark.parametrize(
    ("answer", "outcome", "stops", "slows"),
    [
        (Accepted(200, "", None), Outcome.ACCEPTED, False, False),
        (NOT_SENT, Outcome.NOT_SENT, False, False),
        (NO_ANSWER, Outcome.UNKNOWN, False, False),
        (ValueError(), Outcome.UNKNOWN, False, False),
        (declined(400), Outcome.DECLINED, False, False),
        (declined(401), Outcome.DECLINED, True, False),
        (declined(403), Outcome.DECLINED, False, False),
        (declined(404), Outcome.DECLINED, False, False),
        (declined(429), Outcome.DECLINED, False, True),
    ],
)
def test_what_follows_for_the_account(answer, outcome, stops, slows):
    for kind in (Kind.CREATE, Kind.RESTORE):
        got = meaning(kind, answer, 1)
        assert isinstance(got, Meaning)
        assert (got.outcome, got.token_refused, got.slow_down) == (outcome, stops, slows)
