"""Deleting a snapshot: its name typed, one call, and the truth about what came of it."""

import time
from datetime import UTC, datetime

import pytest

from snapshots import operations
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Event, Operation, Snapshot, State
from snapshots.operations.send import Look, _call, _claim, _record
from tests.conftest import delete, fresh, take


def test_a_204_is_the_end_of_it(stage, account, snapshot, rosa):
    operation = stage.send(delete(snapshot, rosa))
    assert operation.state == State.SUCCEEDED
    assert fresh(snapshot).gone_at is not None
    stage.look(account)
    assert snapshot.remote_id not in stage.provider.world.snapshots


def test_a_stale_listing_does_not_bring_a_deleted_snapshot_back(stage, account, snapshot, rosa):
    stage.provider.faults.add("stale", seconds=40)
    stage.send(delete(snapshot, rosa))
    stage.look(account)
    assert Snapshot.objects.filter(remote_id=snapshot.remote_id, gone_at=None).count() == 0


def test_the_snapshots_name_must_be_typed(snapshot, rosa):
    with pytest.raises(Refused, match="You typed nightly, which is another snapshot") as refusal:
        delete(snapshot, rosa, typed="nightly")
    assert refusal.value.field == "typed"
    assert not Operation.objects.exists()


def test_an_operator_may_not_delete(snapshot, oscar):
    with pytest.raises(NotAllowed, match="You may not delete snapshots"):
        delete(snapshot, oscar)


def test_a_snapshot_being_taken_is_not_deleted(stage, server, oscar, rosa):
    operation = stage.send(take(server, oscar))
    with pytest.raises(Refused, match="in_progress"):
        delete(operation.snapshot, rosa)


def test_gone_before_sending_it_is_not_sent(stage, snapshot, rosa):
    operation = delete(snapshot, rosa)
    stage.provider.outside.delete_snapshot(snapshot.remote_id)
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "snapshot_missing")
    assert not stage.provider.calls("DELETE")


def test_not_found_may_mean_gone_and_two_complete_looks_decide(stage, snapshot, rosa):
    stage.provider.faults.add(
        "answer", method="DELETE", status=404, body={"detail": "Not found."}, apply=True
    )
    operation = stage.send(delete(snapshot, rosa))
    assert (operation.state, operation.reason) == (State.IN_DOUBT, "delete_404")
    assert stage.watch(operation, times=1, minutes=2).state == State.IN_DOUBT
    assert stage.watch(operation, times=1).state == State.IN_DOUBT
    assert stage.watch(operation, times=1).state == State.SUCCEEDED


def test_lost_on_the_way_it_is_found_not_to_have_happened(stage, snapshot, rosa):
    stage.provider.faults.add("close_before", method="DELETE")
    operation = stage.send(delete(snapshot, rosa))
    assert operation.state == State.IN_DOUBT
    operation = stage.watch(operation, times=4)
    assert (operation.state, operation.reason) == (State.NOT_APPLIED, "still_listed")
    assert delete(snapshot, rosa).state == State.QUEUED


def test_an_incomplete_listing_proves_no_absence(stage, snapshot, rosa):
    stage.provider.faults.add("close_before", method="DELETE")
    operation = stage.send(delete(snapshot, rosa))
    stage.provider.faults.add("partial", path="/snapshots/", times="forever")
    assert stage.watch(operation, times=6).state == State.IN_DOUBT


def test_an_account_that_lists_no_servers_proves_nothing(stage, snapshot, rosa):
    stage.provider.faults.add("close_before", method="DELETE")
    operation = stage.send(delete(snapshot, rosa))
    stage.provider.faults.add("empty", times="forever")
    assert stage.watch(operation, times=6).state == State.IN_DOUBT


def test_a_snapshot_that_is_being_deleted_is_not_unchanged(stage, snapshot, rosa):
    stage.provider.faults.add("close_before", method="DELETE")
    operation = stage.send(delete(snapshot, rosa))
    stage.provider.outside.change_snapshot(snapshot.remote_id, status="deleting")
    operation = stage.watch(operation, times=4)
    assert (operation.state, operation.reason) == (State.NEEDS_PERSON, "changed_meanwhile")


@pytest.mark.parametrize("body", ["", "{}", {"count": 0}])
def test_a_200_of_a_proxy_is_no_deletion(stage, snapshot, rosa, body):
    stage.provider.faults.add("answer", method="DELETE", status=200, body=body)
    assert stage.send(delete(snapshot, rosa)).state == State.IN_DOUBT
    assert fresh(snapshot).gone_at is None


def test_a_deletion_that_takes_the_provider_minutes_is_not_told_as_a_find(
    stage, account, snapshot, rosa
):
    stage.provider.faults.add("stale", path="/snapshots/", seconds=200)
    operation = stage.send(delete(snapshot, rosa))
    stage.watch(operation, times=3, seconds=40)
    told = set(Event.objects.filter(snapshot=snapshot).values_list("verb", flat=True))
    assert "snapshot.found" not in told
    assert "snapshot.back" in told


def test_told_to_wait_it_waits_as_long_as_it_was_told(stage, snapshot, rosa):
    stage.provider.faults.add(
        "answer",
        method="DELETE",
        status=429,
        body={"detail": "Request was throttled."},
        headers={"Retry-After": "120"},
    )
    operation = stage.send(delete(snapshot, rosa))
    assert (operation.state, operation.reason) == (State.QUEUED, "busy")
    stage.later(seconds=119)
    assert operations.due() == []
    stage.later(seconds=15)
    assert stage.send(operation).state == State.SUCCEEDED
    assert len(stage.provider.calls("DELETE")) == 2


def test_a_late_answer_changes_nothing_and_is_kept(stage, snapshot, rosa):
    """The claim was lost while the call was out: what comes back is evidence."""
    delete(snapshot, rosa)
    operation = Operation.objects.select_related("account", "server", "team", "snapshot").get()
    attempt = _claim(operation, Look(datetime.now(UTC), None, ()))
    stage.later(seconds=31)
    operations.sweep()
    assert fresh(operation).state == State.IN_DOUBT
    with operation.account.client() as client:
        answer = _call(operation, client, attempt, time.monotonic())
    _record(operation, attempt, answer)
    assert fresh(operation).state == State.IN_DOUBT
    attempt = fresh(attempt)
    assert (attempt.outcome, attempt.status, attempt.late) == ("accepted", 204, True)
