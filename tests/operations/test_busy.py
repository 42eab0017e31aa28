"""A provider that is busy: how soon it is asked again, whatever it says."""

from __future__ import annotations

import pytest

from snapshots.models import State
from tests.conftest import fresh, take
from tests.operations.test_trouble import calls, down, tick, troubled

__all__ = ["troubled"]  # a fixture

RETRY_AFTER = {
    "0": "0",
    "negative": "-1",
    "a billion seconds": "1000000000",
    "a date in the past": "Wed, 21 Oct 2015 07:28:00 GMT",
    "a date far ahead": "Wed, 21 Oct 2065 07:28:00 GMT",
    "garbage": "soon",
    "none": None,
}


@pytest.mark.parametrize("what", ["POST", "GET"])
@pytest.mark.parametrize("header", RETRY_AFTER.values(), ids=RETRY_AFTER.keys())
def test_whatever_retry_after_says_a_busy_provider_is_not_pressed_and_not_forgotten(
    stage, troubled, oscar, header, what
):
    headers = {} if header is None else {"Retry-After": header}
    down(stage, troubled, status=429, method=what, headers=headers)
    operation = take(troubled.servers.select_related("account__team")[0], oscar)
    before = calls(stage, troubled, what)
    for _ in range(20):
        tick(stage, seconds=15)
    tried = calls(stage, troubled, what) - before
    assert 1 <= tried <= 20  # in five minutes
    stage.provider.faults.clear()
    for _ in range(12):
        tick(stage, minutes=6)
    assert fresh(operation).state == State.SUCCEEDED


def test_a_busy_provider_that_names_no_time_is_asked_after_twice_as_long_each_time(
    stage, troubled, oscar
):
    down(stage, troubled, status=429, method="POST")
    operation = take(troubled.servers.select_related("account__team")[0], oscar)
    waits = []
    for _ in range(6):
        now = stage.send(operation).due_at
        waits.append((now - operation.attempts.latest("pk").answered_at).total_seconds())
        stage.later(minutes=2)
    assert all(
        own <= wait <= own * 1.1 for own, wait in zip((5, 10, 20, 40, 60, 60), waits, strict=True)
    )
