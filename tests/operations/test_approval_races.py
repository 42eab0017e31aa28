"""A decision against everything that can come between, each on a connection of its own."""

from __future__ import annotations

import pytest

from snapshots import operations, teams
from snapshots.errors import Refused
from snapshots.models import Account, Approval, Membership, Role, State, Team
from snapshots.operations import approvals
from tests.conftest import fresh, member, restore
from tests.long import so_many
from tests.operations.test_guarantees import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bob(team):
    Team.objects.update(guard="guarded", guard_by_name="Alice")
    return member("Bob", Role.RESTORER, team)


def approving(operation, actor):
    """The click of somebody who has read the page."""
    seen = approvals.sealed(operation, actor)
    return lambda: approvals.approve(
        fresh(operation), actor=fresh(actor), typed=operation.server.name, seen=seen
    )


def clear(operation):
    """So that the next round can begin."""
    if fresh(operation).state in (State.QUEUED, State.AWAITING_APPROVAL):
        operations.cancel(fresh(operation), actor=operation.asked_by)
    Account.objects.update(reads_left=30)


def test_of_an_approval_and_its_expiry_exactly_one_wins(stage, snapshot, rosa, bob):
    for _ in range(so_many(6, 200)):
        operation = restore(snapshot, rosa)
        stage.later(hours=3, minutes=59, seconds=59)
        approve = approving(operation, bob)
        approved, _ = at_once(approve, lambda: (stage.later(seconds=1), operations.sweep()))
        state = fresh(operation).state
        assert state == (State.EXPIRED if approved else State.QUEUED)
        assert Approval.objects.filter(operation=operation).exists() is not bool(approved)
        clear(operation)


def test_of_two_plans_for_one_server_one_is_let_go(snapshot, rosa, bob, alice):
    for _ in range(so_many(4, 200)):
        plans = [restore(snapshot, rosa) for _ in range(2)]
        answers = at_once(approving(plans[0], bob), approving(plans[1], alice))
        states = sorted(fresh(one).state for one in plans)
        assert states == [State.AWAITING_APPROVAL, State.QUEUED]
        assert sum(isinstance(one, Refused) for one in answers) == 1
        assert Approval.objects.filter(operation__in=plans).count() == 1
        for one in plans:
            clear(one)


def test_of_two_who_approve_at_once_one_does(snapshot, rosa, bob, alice):
    for _ in range(so_many(4, 200)):
        operation = restore(snapshot, rosa, safety_snapshot=True)
        answers = at_once(approving(operation, bob), approving(operation, alice))
        assert sum(isinstance(one, Refused) for one in answers) == 1
        assert (fresh(operation).state, operation.children.count()) == (State.QUEUED, 1)
        assert Approval.objects.filter(operation=operation).count() == 1
        clear(operation)


def test_of_approval_and_cancel_the_cancel_is_never_undone(snapshot, rosa, bob):
    for _ in range(so_many(4, 200)):
        operation = restore(snapshot, rosa)
        approved, cancelled = at_once(
            approving(operation, bob),
            lambda o=operation: operations.cancel(fresh(o), actor=rosa),
        )
        state = fresh(operation).state
        assert state == (State.CANCELLED if cancelled is None else State.QUEUED)
        assert approved is None or isinstance(approved, Refused)
        clear(operation)


def test_whichever_comes_first_nothing_goes_out_on_the_word_of_who_lost_the_right(
    stage, snapshot, rosa, bob, alice
):
    for _ in range(so_many(4, 200)):
        operation = restore(snapshot, rosa)
        membership = Membership.objects.get(user=bob)
        approved, _ = at_once(
            approving(operation, bob),
            lambda m=membership: teams.change_role(m, Role.VIEWER, actor=alice),
        )
        ended = stage.send(operation)
        assert ended.state == (State.AWAITING_APPROVAL if approved else State.FAILED)
        teams.change_role(fresh(membership), Role.RESTORER, actor=alice)
        clear(operation)
    assert not stage.provider.calls("POST", "/restore/")
