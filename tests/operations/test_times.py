"""The durations that are worked out: each at its edges."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from snapshots.models import Kind, Operation, State
from snapshots.operations import times
from tests.conftest import NOW
from tests.pages.factories import a_server, an_account, an_operation

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def test_each_wait_is_twice_as_long_as_the_last_and_a_minute_at_most():
    waits = [times.retry_after(failures) for failures in (0, 1, 2, 3, 4, 5, 5000)]
    assert waits == [5, 10, 20, 40, 60, 60, 60]


def test_what_follows_the_provider_is_as_much_shorter_as_it_is_faster(settings):
    assert (times.scaled(90), times.idle_look()) == (90 * SECOND, MINUTE)
    settings.PROVIDER_PACE = 30
    assert (times.scaled(90), times.idle_look()) == (3 * SECOND, 2 * SECOND)
    assert times.quiet_end(NOW) == NOW + 34 * SECOND  # the claim's half minute is ours


@pytest.mark.parametrize(
    ("kind", "state", "minutes"),
    [
        (Kind.RESTORE, State.IN_DOUBT, 2.5),
        (Kind.CREATE, State.IN_DOUBT, 2.5),
        (Kind.RESTORE, State.RUNNING, 15),
        (Kind.STOP, State.RUNNING, 10),
        (Kind.START, State.RUNNING, 10),
        (Kind.CREATE, State.RUNNING, 24 * 60),
    ],
)
def test_from_when_on_time_alone_may_decide(kind, state, minutes):
    assert times.decide_by(kind, state, NOW) == NOW + minutes * MINUTE


def test_the_longer_something_is_watched_the_seldomer_it_is_looked_at():
    ages = (0, 119, 120, 1199, 1200, 1799, 1800, 80_000)
    waits = [times.look_again(age * SECOND) / SECOND for age in ages]
    assert waits == [10, 10, 20, 20, 60, 60, 300, 300]


def test_what_was_announced_in_the_last_ten_seconds_is_not_announced_again(team, rosa):
    now = timezone.now()
    asked = an_operation("create", a_server(an_account(team)), "queued", rosa)
    for seconds, may in ((None, True), (-10, True), (-9, False), (10, False), (11, True)):
        at = None if seconds is None else now + seconds * SECOND
        Operation.objects.update(nudged_at=at)
        assert Operation.objects.filter(times.may_nudge(now), pk=asked.pk).exists() == may
