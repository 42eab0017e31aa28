"""A deletion can be taken back for as many minutes as the team says."""

from datetime import timedelta

import pytest

from snapshots import operations, teams
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Event, State
from tests.conftest import delete, fresh, restore
from tests.operations.test_batches import delete_all


@pytest.fixture(autouse=True)
def five_minutes(team):
    team.grace = 5
    team.save()


def test_nothing_is_sent_before_it_is_over(stage, snapshot, rosa):
    operation = delete(snapshot, rosa)
    assert operation.hold_until == operation.created_at + timedelta(minutes=5)
    assert operation.is_in_hold
    stage.later(minutes=4, seconds=59)
    assert operations.due() == []
    assert stage.send(operation).state == State.QUEUED
    stage.later(seconds=1)
    assert operations.due() == [operation.pk]
    assert stage.send(operation).state == State.SUCCEEDED


def test_taken_back_in_time_it_is_never_sent(stage, snapshot, rosa):
    operation = delete(snapshot, rosa)
    operations.cancel(operation, actor=rosa)
    stage.later(minutes=6)
    assert stage.send(operation).state == State.CANCELLED
    assert not stage.provider.calls("DELETE")
    assert delete(snapshot, rosa).state == State.QUEUED


def test_it_can_be_sent_at_once(stage, snapshot, rosa):
    operation = delete(snapshot, rosa)
    operations.release(operation, actor=rosa)
    assert stage.send(operation).state == State.SUCCEEDED


def test_a_restore_has_a_time_of_its_own(stage, snapshot, rosa):
    assert stage.send(restore(snapshot, rosa)).state == State.RUNNING


def test_those_that_stand_in_line_have_theirs_from_the_click_on(stage, server, rosa):
    rows = server.snapshots.select_related("server__account__team").order_by("pk")
    batch = delete_all(list(rows), rosa)
    first, second = batch.operations.order_by("pk")
    operations.release(first, actor=rosa)
    assert stage.send(first).state == State.SUCCEEDED
    second = fresh(second)
    assert (second.state, second.due_at) == (State.QUEUED, second.hold_until)
    assert second.send_before == second.due_at + timedelta(hours=1)
    stage.later(minutes=5)
    assert stage.send(second).state == State.SUCCEEDED


def test_only_who_sets_the_rules_sets_it_within_reason(team, rosa, alice):
    with pytest.raises(NotAllowed, match="You may not set the rules"):
        teams.set_grace(team, 0, actor=rosa)
    for minutes in (-1, 31):
        with pytest.raises(Refused, match="from 0 to 30 minutes") as refused:
            teams.set_grace(team, minutes, actor=alice)
        assert refused.value.field == "minutes"
    teams.set_grace(team, 10, actor=alice)
    teams.set_grace(team, 10, actor=alice)
    assert fresh(team).grace == 10
    event = Event.objects.get(verb="team.grace_set")
    assert (event.data["before"], event.data["number"]) == (5, 10)
