"""What the database and the protocol hold, whoever runs into whom."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from snapshots import operations
from snapshots.errors import Refused
from snapshots.models import Event, Operation, State
from snapshots.operations.states import ALLOWED, TABLE, move
from tests.conftest import fresh, restore, take


def test_the_table_of_transitions_has_no_way_out_of_an_end():
    ends = {State.SUCCEEDED, State.FAILED, State.NOT_APPLIED, State.CANCELLED, State.EXPIRED}
    assert not [t for t in TABLE if t.before in ends]


def test_nothing_leads_from_sent_back_to_queued_but_the_claim_itself():
    def before(state: State) -> set[State]:
        return {one.before for one in TABLE if one.after == state}

    never_sent = {State.AWAITING_APPROVAL, State.WAITING, State.HELD}
    assert before(State.QUEUED) == {State.SENDING, *never_sent}
    assert before(State.AWAITING_APPROVAL) == set()
    assert before(State.WAITING) == {State.AWAITING_APPROVAL}
    assert before(State.HELD) == {State.QUEUED}


def test_a_way_that_is_not_in_the_table_is_not_gone(server, oscar):
    operation = take(server, oscar)
    for before, after in product(State, State):
        if (before, after) not in ALLOWED:
            operation.state = before
            with pytest.raises(ValueError, match="no way from"):
                move(operation, after)


def test_a_move_that_lost_writes_nothing(server, oscar):
    operation = take(server, oscar)
    stale = fresh(operation)
    operations.cancel(operation, actor=oscar)
    events = Event.objects.count()
    assert move(stale, State.FAILED) is False
    assert (fresh(operation).state, Event.objects.count()) == (State.CANCELLED, events)


def test_a_row_of_an_earlier_version_does_not_match(stage, server, oscar):
    operation = take(server, oscar)
    stage.provider.faults.add("answer", method="POST", status=429, body={"detail": "slow down"})
    seen = fresh(operation)
    assert stage.send(operation).state == State.QUEUED
    assert move(seen, State.CANCELLED) is False


@pytest.mark.django_db
def test_the_database_itself_refuses_a_second_holder_of_a_machine(server, oscar):
    first = take(server, oscar)
    second = fresh(first)
    second.pk, second.request_key = None, None
    second.request_key = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(IntegrityError), transaction.atomic():
        second.save(force_insert=True)


@pytest.mark.django_db
def test_the_database_itself_refuses_a_claim_without_a_deadline(server, oscar):
    operation = take(server, oscar)
    with pytest.raises(IntegrityError), transaction.atomic():
        Operation.objects.filter(pk=operation.pk).update(state=State.SENDING)


def test_two_teams_that_connected_the_same_account_share_one_lock(
    stage, account, server, oscar, mallory
):
    from snapshots import accounts

    elsewhere = accounts.connect(
        mallory.teams.get(),
        label="Same machines",
        api_url=stage.provider.url,
        token=stage.tokens[account.pk],
        actor=mallory,
    )
    stage.look(elsewhere)
    take(server, oscar)
    with pytest.raises(Refused) as refusal:
        take(elsewhere.servers.get(name="web-1"), mallory)
    assert str(refusal.value) == "web-1 is busy. Please try again in a few minutes."


def test_a_row_that_cannot_be_handled_keeps_no_other_from_its_turn(stage, account, rosa, oscar):
    impossible = take(account.servers.get(name="web-1"), oscar)
    Operation.objects.filter(pk=impossible.pk).update(
        kind="delete", state=State.RUNNING, sent_at=impossible.created_at
    )
    late = take(account.servers.get(name="db-1"), oscar)
    stage.later(hours=25)
    operations.sweep()
    assert fresh(impossible).state == State.RUNNING
    assert fresh(late).state == State.EXPIRED


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run each in a thread of its own, all let go at the same moment."""
    ready = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(n: int, work: Callable[[], Any]) -> None:
        try:
            ready.wait(10)
            results[n] = work()
        except Refused as refusal:
            results[n] = refusal
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


@pytest.mark.django_db(transaction=True)
def test_of_ten_workers_with_the_same_message_one_sends(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    at_once(*[lambda: operations.send(operation.pk)] * 10)
    assert fresh(operation).state == State.RUNNING
    assert len(stage.provider.calls("POST", "/restore/")) == 1


@pytest.mark.django_db(transaction=True)
def test_of_several_who_give_the_turn_at_once_one_gives_it(account, server, rosa):
    from tests.operations.test_batches import delete_all

    copies = list(server.snapshots.select_related("server__account__team", "account__team"))
    first, second = delete_all(copies, rosa).operations.order_by("pk")
    at_once(lambda: operations.cancel(fresh(first), actor=rosa), *[lambda: operations.sweep()] * 5)
    assert fresh(second).state == State.QUEUED
    assert Event.objects.filter(operation=second, verb="delete.turn").count() == 1
