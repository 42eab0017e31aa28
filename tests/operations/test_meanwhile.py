"""What somebody else does between two steps of ours, on the very step.

The other's step is taken where our question to the database has just been answered: what two
connections at once do by chance (test_races.py), here happens each time.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from snapshots import operations
from snapshots.errors import Refused
from snapshots.models import Account, Epoch, Event, Operation, Reason, State
from snapshots.operations import epoch, times
from snapshots.operations.states import move
from tests.conftest import fresh, restore, take
from tests.operations.test_fences import worker
from tests.pages.factories import a_server, an_account, an_operation


@contextmanager
def meanwhile(question: str, does: Callable[[], object]) -> Iterator[None]:
    """Inside, once the first question that has these words is answered, somebody `does` that."""
    left = [does]

    def ask(execute: Any, sql: str, *more: Any) -> Any:
        answer = execute(sql, *more)
        if left and question in sql:
            left.pop()()
        return answer

    with connection.execute_wrapper(ask):
        yield
    assert not left, "the question was not asked"


def test_a_double_click_whose_halves_are_as_fast_as_each_other_makes_one_operation(server, oscar):
    key, made = uuid.uuid4(), []
    with meanwhile(
        '"snapshots_operation"."request_key" =',
        lambda: made.append(take(server, oscar, request_key=key)),
    ):
        second = take(server, oscar, request_key=key)
    assert made == [second]
    assert Event.objects.filter(verb="create.asked").count() == 1


def test_a_restore_that_is_sent_while_somebody_cancels_it_is_not_said_to_be_stopped(
    stage, snapshot, rosa
):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = stage.send(operation.children.get())

    def goes_on() -> None:
        stage.watch(child, minutes=5)
        assert stage.send(operation).state == State.RUNNING

    with (
        meanwhile('"snapshots_operation"."parent_id" =', goes_on),
        pytest.raises(Refused, match="Too late to cancel"),
    ):
        operations.cancel(fresh(operation), actor=rosa)
    assert not fresh(operation).stop_requested
    assert not Event.objects.filter(verb="restore.stop_asked").exists()


def test_a_database_that_is_put_back_between_look_and_claim_sends_nothing(stage, server, oscar):
    operation = take(server, oscar)
    with worker(after_its_look=lambda _: epoch.stop(Epoch.Why.SAID)):
        operation = stage.send(operation)
    assert operation.state == State.QUEUED
    assert stage.provider.calls("POST") == []


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        (lambda: {"stop_requested": True, "stopped_by_name": "Rosa"}, State.CANCELLED),
        (lambda: {"send_before": timezone.now()}, State.EXPIRED),
    ],
)
def test_what_ends_between_look_and_claim_is_not_sent(stage, server, oscar, change, ends):
    operation = take(server, oscar)
    with worker(after_its_look=lambda _: Operation.objects.update(**change())):
        assert stage.send(operation).state == State.QUEUED
    assert stage.send(operation).state == ends
    assert stage.provider.calls("POST") == []


@pytest.mark.parametrize(("seconds", "then"), [(44, State.RUNNING), (45, State.QUEUED)])
def test_what_was_read_three_quarters_of_a_minute_ago_is_no_ground_for_sending(
    stage, server, oscar, seconds, then
):
    with worker(after_its_look=lambda _: stage.later(seconds=seconds)):
        assert stage.send(take(server, oscar)).state == then


def test_nothing_is_asked_of_an_account_that_is_removed_on_the_very_click(account, server, oscar):
    gone = {"removed_at": timezone.now(), "paused": "removed"}
    with (
        meanwhile("UPDATE snapshots_account", lambda: Account.objects.update(**gone)),
        pytest.raises(Refused, match="Production was removed from Northwind"),
    ):
        take(server, oscar)


def test_whose_turn_has_come_waits_on_if_another_team_was_faster(server, rosa, mallory):
    """The machine is one, whoever sees it: the same server, connected by two teams."""
    first = take(server, rosa, stop_first=True)
    theirs = an_account(mallory.teams.get(), api_url=server.account.api_url)
    same = a_server(theirs, "web-1", remote_id=server.remote_id)
    assert same.lock_key == server.lock_key

    def ask() -> None:
        an_operation("stop", same, "queued", mallory)

    with meanwhile("NOT EXISTS", ask):
        assert move(first.needs, State.FAILED, Reason.ALREADY)
    assert fresh(first).state == State.WAITING
    assert fresh(first.needs).state == State.FAILED
    move(same.operations.get(), State.CANCELLED)  # knows of nobody in another account
    assert fresh(first).state == State.WAITING
    operations.sweep()
    assert fresh(first).state == State.QUEUED


def test_a_safety_snapshot_that_is_claimed_as_it_expires_goes_on_and_so_does_its_restore(
    stage, snapshot, rosa
):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = operation.children.get()
    stage.later(minutes=61)

    def claims() -> None:
        claim = {"sent_at": timezone.now(), "claim_deadline": timezone.now() + times.CLAIM}
        assert move(fresh(child), State.SENDING, changes=claim)

    with meanwhile('"snapshots_operation"."parent_id" =', claims):
        operations.sweep()
    assert fresh(child).state == State.SENDING
    assert fresh(operation).state == State.QUEUED


def test_a_restore_whose_safety_snapshot_was_not_sent_in_time_expires_with_it(
    stage, snapshot, rosa
):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    stage.later(minutes=61)
    operations.sweep()
    every = Operation.objects.values_list("state", "reason")
    assert set(every) == {(State.EXPIRED, Reason.TOO_LATE)}
    assert stage.provider.calls("POST") == []
    assert fresh(operation).ended_at


def test_a_restore_out_of_time_while_its_safety_snapshot_runs_ends_after_it(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = stage.send(operation.children.get())
    stage.later(minutes=61)
    operations.sweep()
    operation = fresh(operation)
    assert (operation.state, operation.stop_requested) == (State.QUEUED, True)
    assert stage.watch(child).state == State.SUCCEEDED
    operations.sweep()
    operation = fresh(operation)
    assert (operation.state, operation.reason) == (State.EXPIRED, Reason.TOO_LATE)
    assert stage.provider.calls("POST", "/restore/") == []
