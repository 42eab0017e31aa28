"""On a full server one snapshot is deleted for the next, under one confirmation."""

from datetime import timedelta

import pytest

from snapshots import operations
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Epoch, Event, Operation, Snapshot, State, Team
from snapshots.operations import epoch
from tests.conftest import NOW, fresh, restore, take
from tests.operations.test_fences import worker


@pytest.fixture
def full(stage, account, server):
    """web-1 with five of five: what could go is `going`."""
    for name in ("one", "two", "three"):
        stage.provider.snapshot(server.remote_id, name, created_at=NOW)
    stage.look(account)
    return server


@pytest.fixture
def going(full):
    rows = full.snapshots.select_related("server__account__team", "account__team")
    return rows.get(name="one")


def make_room(server, actor, going, **more):
    more.setdefault("typed_going", going.name)
    return take(server, actor, going=going, **more)


def deletions(stage):
    return len(stage.provider.calls("DELETE"))


def creates(stage):
    posts = stage.provider.calls("POST", "/snapshots/", "applied")
    return len(posts) - len(stage.provider.calls("POST", "/restore/", "applied"))


# -- before a snapshot ----------------------------------------------------------------------------


def test_it_is_deleted_first_and_then_the_snapshot_is_taken(stage, full, going, rosa):
    operation = make_room(full, rosa, going)
    deletion = operation.children.get()
    assert (deletion.kind, deletion.name, deletion.state) == ("delete", "one", State.QUEUED)
    assert stage.send(operation).state == State.QUEUED  # not before
    assert operations.due() == [deletion.pk]
    assert stage.send(deletion).state == State.SUCCEEDED
    assert operations.due() == [operation.pk]
    assert fresh(operation).send_before == operation.created_at + timedelta(hours=24)
    assert stage.watch(stage.send(operation), minutes=5).state == State.SUCCEEDED
    assert fresh(going).gone_at
    assert (deletions(stage), creates(stage)) == (1, 1)


def test_one_slot_is_not_counted_for_both(stage, full, going, rosa):
    stage.provider.faults.add("close_after", method="DELETE")
    operation = make_room(full, rosa, going)
    assert operations.slots_taken(full)[4:] == ["one"]
    deletion = stage.send(operation.children.get())
    assert deletion.state == State.IN_DOUBT
    assert operations.slots_taken(full)[4:] == ["one"]
    stage.watch(deletion, times=4)
    assert operations.slots_taken(full)[4:] == ["before-update"]


def test_nothing_else_can_be_asked_of_the_server_in_between(stage, full, going, target, rosa):
    operation = make_room(full, rosa, going)
    stage.send(operation.children.get())
    with pytest.raises(Refused, match="web-1 is busy: Rosa asked for the snapshot before-update"):
        restore(target, rosa)


def test_what_must_be_typed_is_the_name_of_what_goes(full, going, rosa):
    for typed, refusal in (("", "Please type one to confirm"), ("two", "which is one. You typed")):
        with pytest.raises(Refused, match=refusal) as refused:
            make_room(full, rosa, going, typed_going=typed)
        assert refused.value.field == "typed_going"
    assert not Operation.objects.exists()


def test_it_needs_the_right_to_delete_too(full, going, oscar):
    with pytest.raises(NotAllowed, match="You may not delete snapshots"):
        make_room(full, oscar, going)


def test_nothing_goes_while_a_slot_is_free(server, snapshot, rosa):
    with pytest.raises(Refused, match="A slot of web-1 is free: nothing has to be deleted") as no:
        make_room(server, rosa, snapshot)
    assert no.value.field == "going"


def test_nor_what_is_locked_or_the_last_known_good_one(full, going, rosa):
    operations.mark_good(going, actor=rosa, words="all tests pass")
    with pytest.raises(Refused, match="one is not deleted to make room") as refused:
        make_room(full, rosa, fresh(going))
    assert refused.value.field == "going"
    operations.lock(going, actor=rosa, words="the audit needs it")
    with pytest.raises(Refused, match="one is locked"):
        make_room(full, rosa, fresh(going))


def test_a_slot_that_became_free_meanwhile_saves_it(stage, full, going, rosa):
    operation = make_room(full, rosa, going)
    other = full.snapshots.get(name="two")
    stage.provider.outside.delete_snapshot(other.remote_id)
    deletion = stage.send(operation.children.get())
    assert (deletion.state, deletion.reason) == (State.FAILED, "slot_free")
    assert stage.send(operation).state == State.RUNNING
    assert not deletions(stage)


def test_if_it_is_gone_already_the_snapshot_is_taken_all_the_same(stage, full, going, rosa):
    operation = make_room(full, rosa, going)
    stage.provider.outside.delete_snapshot(going.remote_id)
    stage.provider.snapshot(full.remote_id, "theirs")  # and the slot was taken again
    deletion = stage.send(operation.children.get())
    assert (deletion.state, deletion.reason) == (State.FAILED, "snapshot_missing")
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "slots_full")


def test_if_it_is_not_deleted_nothing_is_taken(stage, full, going, rosa):
    stage.provider.faults.add("answer", method="DELETE", status=400, body={"detail": "no"})
    operation = make_room(full, rosa, going)
    assert stage.send(operation.children.get()).state == State.FAILED
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "room_failed")
    assert not creates(stage)


def test_locked_meanwhile_it_stays(stage, full, going, rosa, alice):
    operation = make_room(full, rosa, going)
    operations.lock(going, actor=alice, words="the audit needs it")
    assert stage.send(operation.children.get()).reason == "locked"
    assert stage.send(operation).reason == "room_failed"


def test_marked_meanwhile_as_the_last_known_good_it_stays(stage, full, going, rosa, alice):
    operation = make_room(full, rosa, going)
    operations.mark_good(going, actor=alice, words="all tests pass")
    deletion = stage.send(operation.children.get())
    assert deletion.why == "Alice marked it as known good: all tests pass; nothing was sent"
    assert stage.send(operation).reason == "room_failed"
    assert (deletions(stage), creates(stage)) == (0, 0)


def test_in_doubt_it_keeps_the_snapshot_waiting(stage, full, going, rosa):
    stage.provider.faults.add("close_after", method="DELETE")
    operation = make_room(full, rosa, going)
    deletion = stage.send(operation.children.get())
    assert deletion.state == State.IN_DOUBT
    assert operations.due() == []
    assert stage.watch(deletion, times=4).state == State.SUCCEEDED
    assert operations.due() == [operation.pk]


def test_what_was_just_deleted_and_is_still_listed_takes_no_slot(stage, full, going, rosa):
    operation = make_room(full, rosa, going)
    stage.provider.faults.add("stale", path="/snapshots/", seconds=30)
    stage.send(operation.children.get())
    assert stage.send(operation).state == State.RUNNING


def test_cancelled_before_anything_was_sent_both_stay_unsent(stage, full, going, rosa):
    operation = make_room(full, rosa, going)
    operations.cancel(operation, actor=rosa)
    assert operation.children.get().reason == "stopped"
    assert fresh(operation).state == State.CANCELLED
    assert not deletions(stage)


def test_cancelled_while_the_deletion_is_out_it_ends_with_it(stage, full, going, rosa):
    stage.provider.faults.add("close_after", method="DELETE")
    operation = make_room(full, rosa, going)
    deletion = stage.send(operation.children.get())
    operations.cancel(fresh(operation), actor=rosa)
    assert Event.objects.get(verb="create.stop_asked").actor == rosa
    stage.watch(deletion, times=4)
    operations.sweep()
    operation = fresh(operation)
    assert (operation.state, operation.why) == (
        State.CANCELLED,
        "Rosa stopped it; it was not sent",
    )
    assert not creates(stage)


def test_called_off_while_the_deletion_was_out_and_did_not_arrive_it_is_not_tried_again(
    stage, full, going, rosa
):
    stage.provider.faults.add("answer", method="DELETE", status=429)
    operation = make_room(full, rosa, going)
    deletion = stage.send(operation.children.get())
    assert deletion.state == State.QUEUED
    # As a click leaves it that comes while the call is out.
    called_off = {"stop_requested": True, "stopped_by_name": "Rosa"}
    Operation.objects.filter(pk=operation.pk).update(**called_off)
    stage.later(minutes=2)
    assert stage.send(deletion).state == State.CANCELLED
    operations.sweep()
    assert fresh(operation).state == State.CANCELLED
    assert deletions(stage) == 1


def test_the_same_form_makes_it_once_and_for_another_it_is_refused(full, going, rosa):
    operation = make_room(full, rosa, going)
    again = {"request_key": operation.request_key}
    assert make_room(full, rosa, going, **again) == operation
    two = full.snapshots.get(name="two")
    for other in ({"going": two, "typed_going": "two"}, {}):
        with pytest.raises(Refused, match="already used for something else"):
            take(full, rosa, **again, **other)


def test_the_grace_of_deletions_holds_here_too(stage, team, full, going, rosa):
    team.grace = 5
    team.save()
    operation = make_room(fresh(full), rosa, fresh(going))
    deletion = operation.children.get()
    assert stage.send(deletion).state == State.QUEUED
    stage.later(minutes=5)
    assert stage.send(deletion).state == State.SUCCEEDED


def test_it_is_not_combined_with_a_stop(full, going, rosa):
    with pytest.raises(Refused, match="Delete one first, on its own page") as refused:
        make_room(full, rosa, going, stop_first=True)
    assert refused.value.field == "stop_first"


# -- before a safety snapshot ---------------------------------------------------------------------


@pytest.fixture
def target(full):
    rows = full.snapshots.select_related("server__account__team", "account__team")
    return rows.get(name="pre-upgrade")


def restore_with_room(target, actor, going, **more):
    more.setdefault("typed_going", going.name)
    return restore(target, actor, safety_snapshot=True, going=going, **more)


def chain(restoring):
    safety = restoring.children.get()
    return safety, safety.children.get()


def test_delete_safety_snapshot_restore_in_this_order(stage, target, going, rosa):
    restoring = restore_with_room(target, rosa, going)
    safety, deletion = chain(restoring)
    assert operations.due() == [deletion.pk]
    for early in (restoring, safety):
        assert stage.send(early).state == State.QUEUED
    stage.send(deletion)
    assert operations.due() == [safety.pk]
    stage.watch(stage.send(safety), minutes=5)
    assert stage.send(restoring).state == State.RUNNING
    assert (deletions(stage), creates(stage)) == (1, 1)


def test_nothing_is_deleted_for_a_restore_that_its_level_forbids_now(stage, target, going, rosa):
    restoring = restore_with_room(target, rosa, going)
    safety, deletion = chain(restoring)
    Team.objects.update(guard="guarded")
    for one in (deletion, safety, restoring):
        stage.send(one)
    reasons = [fresh(one).reason for one in (deletion, safety, restoring)]
    assert reasons == ["not_approved", "room_failed", "not_approved"]
    assert (deletions(stage), creates(stage)) == (0, 0)
    assert not fresh(going).gone_at


def test_what_is_to_be_restored_does_not_go(target, rosa):
    with pytest.raises(Refused, match="it is to be restored"):
        restore_with_room(target, rosa, target)
    assert not Operation.objects.exists()


def test_a_restore_that_may_not_delete_says_so(target, going, rosa):
    with pytest.raises(Refused, match="Please type one to confirm") as refused:
        restore_with_room(target, rosa, going, typed_going="")
    assert refused.value.field == "typed_going"


def test_a_hold_keeps_the_deletion_too_until_somebody_lets_it_go_on(
    stage, team, target, going, rosa
):
    team.hold = 30
    team.save()
    restoring = restore_with_room(fresh(target), rosa, fresh(going))
    safety, deletion = chain(restoring)
    assert deletion.due_at == restoring.hold_until
    operations.hold(fresh(restoring), actor=rosa)
    stage.later(minutes=1)
    calls = len(stage.provider.calls())
    assert stage.send(deletion).state == State.QUEUED
    assert len(stage.provider.calls()) == calls
    operations.release(fresh(restoring), actor=rosa)
    assert stage.send(deletion).state == State.SUCCEEDED
    stage.watch(stage.send(safety), minutes=5)
    assert stage.send(restoring).state == State.RUNNING


def test_a_hold_between_look_and_claim_keeps_it_too(stage, target, going, rosa):
    restoring = restore_with_room(target, rosa, going)
    _safety, deletion = chain(restoring)
    with worker(after_its_look=lambda _: operations.hold(fresh(restoring), actor=rosa)):
        assert stage.send(deletion).state == State.QUEUED
    assert not deletions(stage)


def test_if_it_is_not_deleted_nothing_is_restored(stage, target, going, rosa):
    stage.provider.faults.add("answer", method="DELETE", status=400, body={"detail": "no"})
    restoring = restore_with_room(target, rosa, going)
    safety, deletion = chain(restoring)
    for one, reason in ((deletion, "provider_said"), (safety, "room_failed")):
        assert stage.send(one).reason == reason
    restoring = stage.send(restoring)
    assert (restoring.state, restoring.reason) == (State.FAILED, "child_failed")
    assert not stage.provider.calls("POST", "/restore/")


def test_cancelled_in_time_all_three_end_unsent(stage, target, going, rosa):
    restoring = restore_with_room(target, rosa, going)
    operations.cancel(restoring, actor=rosa)
    for one in (restoring, *chain(restoring)):
        assert fresh(one).state == State.CANCELLED
    assert not deletions(stage)


def test_cancelled_while_the_deletion_is_out_nothing_comes_after_it(stage, target, going, rosa):
    stage.provider.faults.add("close_after", method="DELETE")
    restoring = restore_with_room(target, rosa, going)
    safety, deletion = chain(restoring)
    deletion = stage.send(deletion)
    operations.cancel(fresh(restoring), actor=rosa)
    with pytest.raises(Refused, match="web-1 is busy"):
        restore(target, rosa)
    stage.watch(deletion, times=4)
    for _ in range(2):
        operations.sweep()
    assert fresh(safety).state == State.CANCELLED
    assert fresh(restoring).state == State.CANCELLED
    assert not creates(stage)


def test_too_late_all_three_expire_and_what_is_out_is_waited_for(stage, target, going, rosa):
    restoring = restore_with_room(target, rosa, going)
    safety, deletion = chain(restoring)
    stage.later(minutes=61)
    operations.sweep()
    assert {fresh(one).state for one in (restoring, safety, deletion)} == {State.EXPIRED}

    restoring = restore_with_room(target, rosa, going)
    safety, deletion = chain(restoring)
    stage.provider.faults.add("close_after", method="DELETE")
    deletion = stage.send(deletion)
    assert deletion.state == State.IN_DOUBT
    stage.later(minutes=61)
    for _ in range(3):
        operations.sweep()
        assert fresh(restoring).holds  # the machine stays theirs while something is in doubt
    stage.watch(deletion, times=4)
    for _ in range(2):
        operations.sweep()
    assert {fresh(one).state for one in (restoring, safety)} == {State.EXPIRED}
    assert not creates(stage)


def test_a_newer_snapshot_that_made_room_is_no_change_of_what_was_confirmed(
    stage, account, target, full, rosa
):
    newest = full.snapshots.get(name="three")
    assert newest.created_at > target.created_at
    restoring = restore_with_room(target, rosa, newest)
    safety, deletion = chain(restoring)
    stage.send(deletion)
    stage.watch(stage.send(safety), minutes=5)
    assert stage.send(restoring).state == State.RUNNING


def test_a_database_that_was_put_back_sends_none_of_it(stage, target, going, rosa):
    restoring = restore_with_room(target, rosa, going)
    epoch.stop(Epoch.Why.SAID)
    for one in chain(restoring):
        stage.send(one)
    operations.sweep()
    assert {fresh(one).state for one in (restoring, *chain(restoring))} == {State.IN_DOUBT}
    assert not deletions(stage)
    assert Snapshot.objects.filter(pk=going.pk, gone_at=None).exists()
