"""A provider that is busy: how soon it is asked again, whatever it says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from snapshots.models import State
from tests.conftest import fresh, take
from tests.operations.test_trouble import calls, calm, down, tick, troubled

__all__ = ["calm", "troubled"]  # fixtures

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


@pytest.mark.parametrize(
    ("method", "status", "slowed"),
    [("GET", 429, True), ("POST", 429, True), ("GET", 503, False), ("POST", 400, False)],
)
def test_only_one_that_is_busy_is_read_half_as_often_for_ten_minutes(
    stage, calm, oscar, monkeypatch, method, status, slowed
):
    monkeypatch.setattr("snapshots.provider.client.BACKOFF", 0.0)
    down(stage, calm, method=method, status=status)
    stage.send(take(calm.servers.select_related("account__team")[0], oscar))
    until = timezone.now() + timedelta(minutes=10) if slowed else None
    assert fresh(calm).slowed_until == until
