"""How often an account is read: a bucket that fills by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from snapshots.models import Account
from snapshots.operations import budget
from tests.conftest import fresh
from tests.pages.factories import an_account


@pytest.fixture
def account(team: Any, time_machine: Any) -> Account:
    time_machine.move_to(timezone.now(), tick=False)
    return an_account(team, reads_left=30, reads_at=timezone.now())


def set_to(account: Account, left: float, **ago: float) -> None:
    at = timezone.now() - timedelta(**ago)
    Account.objects.filter(pk=account.pk).update(reads_left=left, reads_at=at)


def test_a_full_bucket_has_thirty_and_not_one_more(account):
    assert (budget.most(), budget.left(account)) == (30, 30)
    assert [budget.take(account.pk, 2) for _ in range(16)] == [True] * 15 + [False]
    assert budget.left(fresh(account)) == 0


def test_what_is_not_there_is_not_taken(account):
    set_to(account, 1)
    assert not budget.take(account.pk, 2)
    assert budget.left(fresh(account)) == 1
    assert budget.take(account.pk, 1)


def test_it_fills_by_one_in_two_seconds_up_to_thirty(account):
    set_to(account, 0, seconds=10)
    assert budget.left(fresh(account)) == 5
    assert budget.take(account.pk, 5)
    assert fresh(account).reads_at == timezone.now()
    assert budget.left(fresh(account)) == 0
    set_to(account, 20, hours=1)
    assert budget.left(fresh(account)) == 30


def test_told_to_slow_down_it_fills_half_as_fast_for_ten_minutes(account):
    budget.slow_down(account.pk)
    assert fresh(account).slowed_until == timezone.now() + timedelta(minutes=10)
    set_to(account, 0, seconds=20)
    assert budget.left(fresh(account)) == 5
    Account.objects.update(slowed_until=timezone.now())
    assert budget.left(fresh(account)) == 10


def test_pages_that_nobody_foresaw_are_charged_up_to_a_minute(account):
    budget.spend(account.pk, 0)
    budget.spend(account.pk, -4)
    assert fresh(account).reads_left == 30
    budget.spend(account.pk, 1)
    assert fresh(account).reads_left == 29
    budget.spend(account.pk, 1000)
    assert fresh(account).reads_left == -30
    set_to(account, -30, seconds=59)
    assert not budget.take(account.pk, 0)
    set_to(account, -30, seconds=64)
    assert budget.take(account.pk, 2)


def test_a_provider_that_is_faster_may_be_read_more_often(account, settings):
    settings.PROVIDER_PACE = 60
    assert budget.most() == 1800
    budget.spend(account.pk, 10_000)
    assert fresh(account).reads_left == -1800
    settings.PROVIDER_PACE = 0.5
    assert budget.most() == 30
    budget.spend(account.pk, 10_000)
    assert fresh(account).reads_left == -30


def test_a_clock_that_was_ahead_stops_nothing_for_long(account):
    set_to(account, 0, hours=-5)
    assert not budget.take(account.pk, 1)
    assert fresh(account).reads_at == timezone.now()
    set_to(account, 3, seconds=10)
    assert not budget.take(account.pk, 9)
    assert fresh(account).reads_at == timezone.now() - timedelta(seconds=10)


def test_of_those_who_take_at_once_each_gets_its_own(account, monkeypatch):
    """Whoever finds the row changed looks again: five times, and then another time."""
    look, tries = budget._filled, []

    def somebody_is_faster(*seen: Any) -> float:
        tries.append(Account.objects.filter(pk=account.pk).update(reads_left=29 - len(tries)))
        return look(*seen)

    monkeypatch.setattr(budget, "_filled", somebody_is_faster)
    assert not budget.take(account.pk, 2)
    assert len(tries) == 5
    assert fresh(account).reads_left == 25
