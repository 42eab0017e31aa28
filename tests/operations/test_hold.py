"""A confirmed restore can be thought over: cancelled, held, or let go, until it is sent."""

from datetime import timedelta

import pytest

from snapshots import operations, teams
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Event, State
from snapshots.operations import times
from snapshots.operations.states import move
from tests.conftest import delete, fresh, restore, take


@pytest.fixture(autouse=True)
def half_a_minute(team):
    team.hold = 30
    team.save()


def restores(stage):
    return stage.provider.calls("POST", "/restore/", "arrived")


def verbs(operation):
    told = Event.objects.filter(operation=operation).exclude(verb="restore.bare").order_by("pk")
    return list(told.values_list("verb", flat=True))


def test_nothing_is_sent_before_the_hold_is_over(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    assert operation.hold_until == operation.created_at + timedelta(seconds=30)
    assert stage.send(operation).state == State.QUEUED
    stage.later(seconds=29)
    assert operations.due() == []
    assert stage.send(operation).state == State.QUEUED
    stage.later(seconds=1)
    assert operations.due() == [operation.pk]
    assert stage.send(operation).state == State.RUNNING
    assert len(restores(stage)) == 1


def test_only_a_restore_is_held(stage, server, snapshot, rosa):
    assert stage.send(take(server, rosa)).state == State.RUNNING


def test_a_team_without_a_hold_sends_at_once(stage, team, snapshot, rosa):
    team.hold = 0
    team.save()
    assert stage.send(restore(fresh(snapshot), rosa)).state == State.RUNNING


def test_a_cancel_within_the_hold_sends_nothing(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    operations.cancel(operation, actor=rosa)
    stage.later(seconds=31)
    assert stage.send(operation).state == State.CANCELLED
    assert not restores(stage)


def test_it_can_be_started_at_once(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    operations.release(operation, actor=rosa)
    assert stage.send(operation).state == State.RUNNING
    assert verbs(operation)[:3] == ["restore.asked", "restore.start_now", "restore.sending"]


def test_what_is_held_stays_until_somebody_lets_it_go_on(stage, snapshot, rosa, alice):
    operation = restore(snapshot, rosa)
    operations.hold(operation, actor=rosa)
    stage.later(minutes=30)
    operations.sweep()
    assert operations.due() == []
    assert stage.send(operation).state == State.HELD
    operations.release(fresh(operation), actor=alice)
    assert stage.send(operation).state == State.RUNNING
    assert verbs(operation)[:4] == [
        "restore.asked",
        "restore.held",
        "restore.released",
        "restore.sending",
    ]


def test_what_is_held_for_an_hour_expires_unsent(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    operations.hold(operation, actor=rosa)
    stage.later(minutes=59)
    operations.sweep()
    assert fresh(operation).state == State.HELD
    stage.later(minutes=1)
    operations.sweep()
    assert fresh(operation).state == State.EXPIRED
    assert not restores(stage)


def test_what_is_let_go_on_late_still_ends_with_its_hour(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    operations.hold(operation, actor=rosa)
    stage.later(minutes=55)
    operations.release(operation, actor=rosa)
    assert fresh(operation).send_before == operation.created_at + times.SEND_BEFORE_CAP


def test_what_is_held_can_be_cancelled(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    operations.hold(operation, actor=rosa)
    operations.cancel(operation, actor=rosa)
    assert fresh(operation).state == State.CANCELLED
    with pytest.raises(Refused, match="not held any more"):
        operations.release(operation, actor=rosa)


def test_the_machine_stays_its_own_while_it_is_held(snapshot, server, rosa):
    operations.hold(restore(snapshot, rosa), actor=rosa)
    with pytest.raises(Refused, match="is busy"):
        take(server, rosa)


def test_once_it_is_being_sent_it_is_too_late(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    stage.later(seconds=30)
    operation = stage.send(operation)
    for verb, words in ((operations.hold, "Too late to hold"), (operations.release, "not held")):
        with pytest.raises(Refused, match=words):
            verb(operation, actor=rosa)


def test_a_worker_that_read_it_before_it_was_held_does_not_get_it(snapshot, rosa):
    operation = restore(snapshot, rosa)
    as_the_worker_read_it = fresh(operation)
    operations.hold(operation, actor=rosa)
    assert not move(as_the_worker_read_it, State.SENDING)


def test_the_safety_snapshot_is_taken_meanwhile(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = operation.children.get()
    assert child.hold_until is None
    child = stage.watch(stage.send(child), minutes=5)
    assert child.state == State.SUCCEEDED
    assert stage.send(operation).state == State.RUNNING


def test_a_held_restore_waits_on_when_its_safety_snapshot_is_complete(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    operations.hold(operation, actor=rosa)
    child = stage.watch(stage.send(operation.children.get()), minutes=5)
    assert child.state == State.SUCCEEDED
    assert stage.send(operation).state == State.HELD
    operations.release(fresh(operation), actor=rosa)
    assert stage.send(operation).state == State.RUNNING


def test_a_held_restore_is_stopped_while_its_safety_snapshot_runs(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    operations.hold(operation, actor=rosa)
    child = stage.send(operation.children.get())
    operations.cancel(fresh(operation), actor=rosa)
    stage.watch(child, minutes=5)
    operations.sweep()
    assert fresh(operation).state == State.CANCELLED
    assert not restores(stage)


def test_a_deletion_that_waits_can_be_held_too(stage, snapshot, rosa):
    operation = delete(snapshot, rosa)
    operations.hold(operation, actor=rosa)
    assert stage.send(operation).state == State.HELD
    operations.release(fresh(operation), actor=rosa)
    assert stage.send(operation).state == State.SUCCEEDED


def test_a_snapshot_is_not_held(server, rosa):
    with pytest.raises(Refused, match="Too late to hold"):
        operations.hold(take(server, rosa), actor=rosa)


def test_who_may_not_restore_may_neither_hold_nor_release(snapshot, rosa, oscar):
    operation = restore(snapshot, rosa)
    for verb in (operations.hold, operations.release):
        with pytest.raises(NotAllowed, match="You may not restore servers"):
            verb(operation, actor=oscar)


def test_the_team_sets_how_long_the_hold_is(team, snapshot, alice, rosa):
    teams.set_hold(team, 120, actor=alice)
    operation = restore(fresh(snapshot), rosa)
    assert operation.hold_until - operation.created_at == timedelta(seconds=120)
    event = Event.objects.get(verb="team.hold_set")
    assert (event.data["before"], event.data["number"]) == (30, 120)


@pytest.mark.parametrize("seconds", [-1, 301])
def test_a_hold_out_of_bounds_is_refused(team, alice, seconds):
    with pytest.raises(Refused, match="from 0 to 300 seconds"):
        teams.set_hold(team, seconds, actor=alice)
    assert fresh(team).hold == 30


def test_a_restorer_may_not_set_the_hold(team, rosa):
    with pytest.raises(NotAllowed, match="You may not set the rules for restores"):
        teams.set_hold(team, 0, actor=rosa)


def test_a_safety_snapshot_that_failed_ends_the_restore_without_waiting(stage, snapshot, rosa):
    stage.provider.faults.add("answer", method="POST", status=400, body={"detail": "not today"})
    operation = restore(snapshot, rosa, safety_snapshot=True)
    assert stage.send(operation.children.get()).state == State.FAILED
    assert operations.due() == [operation.pk]
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "child_failed")


def test_letting_it_go_on_leaves_the_safety_snapshot_its_time(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    limit = operation.send_before
    operations.hold(operation, actor=rosa)
    child = stage.send(operation.children.get())
    operations.release(fresh(operation), actor=rosa)
    assert fresh(operation).send_before == limit
    stage.later(minutes=11)
    operations.sweep()
    assert not fresh(operation).stop_requested
    assert stage.watch(child, minutes=1).state == State.SUCCEEDED
    assert stage.send(operation).state == State.RUNNING


def test_what_is_to_stop_is_not_let_go_on(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    operations.hold(operation, actor=rosa)
    child = stage.send(operation.children.get())
    operations.cancel(fresh(operation), actor=rosa)
    with pytest.raises(Refused, match="It is not held any more"):
        operations.release(fresh(operation), actor=rosa)
    assert stage.watch(child, minutes=5).state == State.SUCCEEDED
    operations.sweep()
    assert fresh(operation).state == State.CANCELLED


def test_a_deletion_with_more_time_than_an_hour_keeps_it_when_it_is_held(
    stage, team, snapshot, rosa
):
    team.grace = 30
    team.save()
    operation = delete(fresh(snapshot), rosa)
    limit = operation.send_before
    stage.later(minutes=29)
    operations.hold(operation, actor=rosa)
    assert fresh(operation).send_before == limit > operation.created_at + times.SEND_BEFORE_CAP
    stage.later(minutes=32)
    operations.sweep()
    operations.release(fresh(operation), actor=rosa)
    assert stage.send(operation).state == State.SUCCEEDED


def test_a_restore_whose_safety_snapshot_failed_is_not_held(stage, snapshot, rosa):
    stage.provider.faults.add("answer", method="POST", status=400, body={"detail": "not today"})
    operation = restore(snapshot, rosa, safety_snapshot=True)
    stage.send(operation.children.get())
    with pytest.raises(Refused, match="Too late to hold"):
        operations.hold(fresh(operation), actor=rosa)
