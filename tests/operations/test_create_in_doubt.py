"""A create whose answer was lost: found by its marker, or shown never to have happened."""

from datetime import timedelta

import pytest
from django.utils import timezone

from snapshots import operations
from snapshots.models import Account, Event, State
from tests.conftest import fresh, take


@pytest.fixture
def keeps(stage, server, oscar):
    """The account is known to keep descriptions: a snapshot of ours was listed with its marker."""
    operation = stage.send(take(server, oscar, name="first"))
    stage.watch(operation, minutes=5)
    assert fresh(server.account).keeps_descriptions


def lost(stage, server, oscar, fault, **options):
    stage.provider.faults.add(fault, method="POST", path="^/snapshots/$", **options)
    operation = stage.send(take(server, oscar))
    assert operation.state == State.IN_DOUBT
    return operation


def creates(stage):
    return len(stage.provider.calls("POST", "/snapshots/", "applied"))


def test_done_and_unanswered_it_is_found_by_its_marker(stage, server, oscar):
    operation = lost(stage, server, oscar, "close_after")
    operation = stage.watch(operation, times=1)
    assert (operation.state, operation.reason) == (State.RUNNING, "seen_marked")
    assert operation.snapshot.name == "before-update"
    assert stage.watch(operation, minutes=5).state == State.SUCCEEDED
    assert creates(stage) == 1


def test_never_done_it_is_said_so_after_two_complete_looks(stage, keeps, server, oscar):
    operation = lost(stage, server, oscar, "close_before")
    assert stage.watch(operation, times=3).state == State.IN_DOUBT
    operation = stage.watch(operation, times=1)
    assert (operation.state, operation.reason) == (State.NOT_APPLIED, "not_listed")


@pytest.mark.parametrize(("pace", "seconds"), [(1, 60), (60, 10)])
def test_what_time_alone_does_not_decide_is_asked_again_after_a_minute(
    stage, server, oscar, settings, pace, seconds
):
    operation = lost(stage, server, oscar, "close_before")
    stage.later(seconds=150)
    settings.PROVIDER_PACE = pace
    operations.sweep()
    operation = fresh(operation)
    assert operation.state == State.IN_DOUBT
    assert operation.due_at == timezone.now() + timedelta(seconds=seconds)


def test_done_late_but_within_the_quiet_window_it_is_found(stage, keeps, server, oscar):
    operation = lost(stage, server, oscar, "late", seconds=100)
    assert stage.watch(operation, times=1).state == State.IN_DOUBT
    assert stage.watch(operation, times=1).state == State.RUNNING


def test_an_account_not_known_to_keep_descriptions_waits_longer_before_saying_no(
    stage, server, oscar
):
    operation = lost(stage, server, oscar, "close_before")
    assert stage.watch(operation, times=6, minutes=5).state == State.IN_DOUBT
    operation = stage.watch(operation, times=1, minutes=5)
    assert (operation.state, operation.reason) == (State.NOT_APPLIED, "not_listed")


def test_without_descriptions_the_one_new_match_is_adopted_and_said_so(stage, server, oscar):
    stage.provider.faults.add("drops_description")
    operation = lost(stage, server, oscar, "close_after")
    operation = stage.watch(operation, times=4)
    assert (operation.state, operation.reason) == (State.RUNNING, "adopted")
    assert not Event.objects.filter(verb="snapshot.found").exists()
    assert stage.watch(operation, minutes=5).state == State.SUCCEEDED


def test_several_matches_are_for_a_person_to_tell_apart(stage, server, oscar):
    stage.provider.faults.add("drops_description")
    operation = lost(stage, server, oscar, "close_after")
    stage.provider.snapshot(server.remote_id, "before-update")
    operation = stage.watch(operation, times=4)
    assert (operation.state, operation.reason) == (State.NEEDS_PERSON, "several_match")


def test_a_new_match_without_our_marker_is_for_a_person(stage, keeps, server, oscar):
    stage.provider.faults.add("drops_description")
    operation = lost(stage, server, oscar, "close_after")
    operation = stage.watch(operation, times=5)
    assert (operation.state, operation.reason) == (State.NEEDS_PERSON, "unmarked")


def test_a_marker_of_another_in_the_note_does_not_hide_ours(stage, keeps, server, oscar):
    stage.provider.faults.add("close_after", method="POST", path="^/snapshots/$")
    operation = stage.send(take(server, oscar, note="again, as [ref:abcdefghij] failed"))
    assert stage.watch(operation, times=1).reason == "seen_marked"


def test_a_provider_that_shortens_descriptions_keeps_our_marker(stage, keeps, server, oscar):
    stage.provider.faults.add("close_after", method="POST", path="^/snapshots/$")
    operation = stage.send(take(server, oscar, note="x" * 300))
    with stage.provider.changing() as world:
        for snapshot in world.snapshots.values():
            snapshot.description = snapshot.description[:200]
    assert stage.watch(operation, times=1).reason == "seen_marked"


def test_one_that_comes_up_much_later_is_told_and_named(stage, keeps, server, oscar):
    operation = lost(stage, server, oscar, "late", seconds=600)
    operation = stage.watch(operation, times=5)
    assert operation.state == State.NOT_APPLIED
    stage.watch(operation, times=8)
    event = Event.objects.get(verb="snapshot.after_all")
    assert (event.operation, event.snapshot.name) == (operation, "before-update")


def test_found_and_missed_once_it_is_not_yet_told_as_vanished(stage, server, oscar):
    stage.provider.faults.add("stale", path="/snapshots/", seconds=65)
    operation = lost(stage, server, oscar, "close_after")
    operation = stage.watch(operation, times=7, seconds=9)
    assert operation.state == State.RUNNING
    stage.provider.faults.add("hidden", path="/snapshots/", ids=[operation.remote_id])
    assert stage.watch(operation, times=1, seconds=9).state == State.RUNNING


def test_an_answer_that_names_a_snapshot_from_before_is_not_believed(
    stage, snapshot, server, oscar
):
    body = {
        "id": int(snapshot.remote_id),
        "server": {"id": int(server.remote_id), "name": "web-1"},
        "name": "pre-upgrade",
        "status": "completed",
        "size_mb": 10,
        "created_at": snapshot.created_at.isoformat(),
        "description": "",
    }
    stage.provider.faults.add("answer", method="POST", status=200, body=body)
    operation = stage.send(take(server, oscar, name="pre-upgrade"))
    assert operation.state == State.IN_DOUBT


def test_incomplete_looks_never_say_no(stage, keeps, server, oscar):
    operation = lost(stage, server, oscar, "close_before")
    stage.provider.faults.add("partial", path="/snapshots/", times="forever")
    assert stage.watch(operation, times=10).state == State.IN_DOUBT


def test_after_a_day_without_a_decision_a_person_is_asked(stage, keeps, server, oscar):
    operation = lost(stage, server, oscar, "close_before")
    stage.provider.faults.add("partial", path="/snapshots/", times="forever")
    operation = stage.watch(operation, times=2, hours=12)
    assert (operation.state, operation.reason) == (State.NEEDS_PERSON, "too_long")


def test_a_provider_that_could_not_be_reached_is_tried_again(stage, server, oscar):
    operation = take(server, oscar)
    Account.objects.filter(pk=server.account_id).update(reads_left=0)
    stage.provider.faults.add("answer", path="/servers/", status=503, times=9)
    operation = stage.send(operation)
    assert operation.state == State.QUEUED
    stage.later(minutes=1)
    stage.provider.faults.clear()
    assert stage.send(operation).state == State.RUNNING
    assert creates(stage) == 1
