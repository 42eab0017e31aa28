"""Locked, known good, and what a snapshot is for: our own words, which bind everybody here."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from snapshots import accounts, operations
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Event, Operation, Snapshot, State
from tests.conftest import delete, fresh, restore, take
from tests.operations.test_batches import delete_all


def lock(snapshot, actor, words="the audit needs it", **more):
    operations.lock(snapshot, actor=actor, words=words, **more)
    return fresh(snapshot)


def told(verb):
    return Event.objects.get(verb=verb).data


# -- locks ----------------------------------------------------------------------------------------


def test_a_locked_snapshot_is_not_deleted_and_the_refusal_says_why(snapshot, rosa, alice):
    locked = lock(snapshot, alice)
    assert locked.is_locked
    with pytest.raises(Refused, match=r"pre-upgrade is locked\. Alice: “the audit needs it”"):
        delete(locked, rosa)
    assert not Operation.objects.exists()
    assert told("snapshot.locked")["words"] == "the audit needs it"


def test_it_can_be_restored_all_the_same(snapshot, rosa):
    assert restore(lock(snapshot, rosa), rosa).state == State.QUEUED


def test_of_several_the_locked_ones_are_left_out_and_named(server, rosa):
    first, second = server.snapshots.select_related("server__account__team").order_by("pk")
    lock(first, rosa)
    batch = delete_all([fresh(first), second], rosa)
    assert [one.name for one in batch.operations.all()] == [second.name]
    [refused] = batch.refused
    assert (refused["name"], refused["snapshot"]) == (first.name, first.pk)
    assert "is locked" in refused["why"]["source"]


def test_what_was_asked_for_before_the_lock_ends_unsent(stage, snapshot, rosa, alice):
    operation = delete(snapshot, rosa)
    lock(snapshot, alice)
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "locked")
    assert operation.why == "Alice locked it: the audit needs it; nothing was sent"
    assert not stage.provider.calls("DELETE")


def test_a_deletion_that_may_have_been_sent_is_too_late_to_lock(stage, snapshot, rosa):
    stage.provider.faults.add("close_before", method="DELETE")
    stage.send(delete(snapshot, rosa))
    with pytest.raises(Refused, match="Too late: its deletion may have been sent"):
        lock(snapshot, rosa)
    assert not fresh(snapshot).is_locked


def test_a_lock_with_an_end_ends_by_itself(stage, snapshot, rosa):
    until = timezone.now() + timedelta(days=3)
    locked = lock(snapshot, rosa, until=until)
    assert told("snapshot.locked_until")["until"] == until.isoformat()
    stage.later(days=2, hours=23)
    with pytest.raises(Refused, match="is locked"):
        delete(locked, rosa)
    stage.later(hours=2)
    assert not fresh(snapshot).is_locked
    assert not Snapshot.objects.filter(Snapshot.locked()).exists()
    assert delete(fresh(snapshot), rosa).state == State.QUEUED


def test_a_lock_that_has_ended_gives_way_to_another(stage, snapshot, rosa):
    lock(snapshot, rosa, until=timezone.now() + timedelta(hours=1))
    stage.later(hours=2)
    assert lock(snapshot, rosa, words="once more").lock_reason == "once more"


def test_unlocked_it_can_be_deleted(stage, snapshot, rosa, alice):
    operations.unlock(lock(snapshot, alice), actor=rosa, words="the audit is over")
    assert told("snapshot.unlocked")["words"] == "the audit is over"
    assert stage.send(delete(fresh(snapshot), rosa)).state == State.SUCCEEDED


def test_locking_and_unlocking_need_a_reason_that_fits(snapshot, rosa):
    for words, refusal in ((" ", "say why it is locked"), ("x" * 301, "301 characters; 300 fit")):
        with pytest.raises(Refused, match=refusal) as refused:
            lock(snapshot, rosa, words=words)
        assert refused.value.field == "words"
    with pytest.raises(Refused, match="say why it is unlocked"):
        operations.unlock(lock(snapshot, rosa, words="x" * 300), actor=rosa, words="")
    assert fresh(snapshot).is_locked


def test_the_database_keeps_no_lock_without_a_reason(snapshot):
    with pytest.raises(IntegrityError):
        Snapshot.objects.filter(pk=snapshot.pk).update(locked_at=timezone.now())


def test_what_is_locked_is_not_locked_again_nor_what_is_open_unlocked(snapshot, rosa, alice):
    with pytest.raises(Refused, match="pre-upgrade is not locked"):
        operations.unlock(snapshot, actor=rosa, words="why not")
    lock(snapshot, alice)
    with pytest.raises(Refused, match=r"is locked already\. Alice: “the audit needs it”"):
        lock(snapshot, rosa)
    assert fresh(snapshot).locked_by_name == "Alice"


def test_an_end_that_has_passed_is_no_end(snapshot, rosa):
    with pytest.raises(Refused, match="This day is over already") as refused:
        lock(snapshot, rosa, until=timezone.now())
    assert refused.value.field == "until"


def test_only_who_restores_locks_and_marks(snapshot, oscar, vera):
    for person in (oscar, vera):
        for verb in (operations.lock, operations.unlock):
            with pytest.raises(NotAllowed, match="You may not lock snapshots, unlock them"):
                verb(snapshot, actor=person, words="because")
        for verb in (operations.mark_good, operations.unmark_good):
            with pytest.raises(NotAllowed, match="mark them as known good in Northwind"):
                verb(snapshot, actor=person, words="because")
    assert Event.objects.filter(verb="refused").count() == 8


def test_a_listing_changes_no_mark(stage, account, snapshot, rosa):
    operations.describe(snapshot, actor=rosa, purpose="before the move")
    operations.mark_good(snapshot, actor=rosa, words="all tests pass")
    lock(snapshot, rosa)
    stage.provider.outside.change_snapshot(snapshot.remote_id, size_mb=77)
    stage.look(account)
    row = fresh(snapshot)
    assert (row.size_mb, row.purpose, row.is_good, row.is_locked) == (
        77,
        "before the move",
        True,
        True,
    )


def test_a_locked_snapshot_that_vanishes_keeps_its_lock_and_is_told(stage, account, snapshot, rosa):
    """A lock binds people here, not the provider's own panel."""
    lock(snapshot, rosa)
    stage.provider.outside.delete_snapshot(snapshot.remote_id)
    stage.look(account)
    stage.later(minutes=2)
    stage.look(account)
    row = fresh(snapshot)
    assert row.gone_at
    assert row.is_locked
    event = Event.objects.get(verb="snapshot.gone_locked")
    assert event.to_tell
    assert not Event.objects.filter(verb="snapshot.gone").exists()
    for verb in (operations.lock, operations.mark_good):
        with pytest.raises(Refused, match="no longer lists pre-upgrade"):
            verb(row, actor=rosa, words="too late")


# -- known good -----------------------------------------------------------------------------------


def test_known_good_says_why_by_whom_and_since_when(snapshot, rosa):
    operations.mark_good(snapshot, actor=rosa, words="all tests pass")
    row = fresh(snapshot)
    assert (row.good_why, row.good_by_name) == ("all tests pass", "Rosa")
    assert row.good_at == timezone.now()
    assert told("snapshot.good")["words"] == "all tests pass"


def test_known_good_can_be_taken_back(snapshot, rosa, alice):
    operations.mark_good(snapshot, actor=rosa, words="all tests pass")
    operations.unmark_good(snapshot, actor=alice, words="the disk was full")
    assert not fresh(snapshot).is_good
    assert told("snapshot.not_good")["words"] == "the disk was full"
    with pytest.raises(Refused, match="is not marked as known good"):
        operations.unmark_good(snapshot, actor=alice, words="again")


def test_what_is_not_completed_is_not_known_to_be_good(stage, server, oscar, rosa):
    operation = stage.send(take(server, oscar))
    with pytest.raises(Refused, match="“in_progress” at the provider, not completed"):
        operations.mark_good(operation.snapshot, actor=rosa, words="it must be")


# -- what it is for -------------------------------------------------------------------------------


def test_an_operator_says_what_a_snapshot_is_for(snapshot, oscar):
    day = date(2026, 12, 24)
    operations.describe(
        snapshot, actor=oscar, purpose=" the move ", ticket="OPS-7", owner="Vera", keep_until=day
    )
    row = fresh(snapshot)
    said = (row.purpose, row.ticket, row.owner, row.keep_until)
    assert said == ("the move", "OPS-7", "Vera", day)
    operations.describe(snapshot, actor=oscar, purpose="the move", owner="Vera", keep_until=day)
    change = Event.objects.get(verb="snapshot.ticket", data__before="OPS-7")
    assert change.data["after"] == ""
    assert told("snapshot.purpose")["after"] == "the move"
    assert Event.objects.filter(verb__startswith="snapshot.").count() == 5


def test_to_say_the_same_again_says_nothing(snapshot, oscar):
    operations.describe(snapshot, actor=oscar, purpose="the move")
    before = fresh(snapshot).revision
    operations.describe(snapshot, actor=oscar, purpose="the move ")
    assert Event.objects.filter(verb__startswith="snapshot.").count() == 1
    assert fresh(snapshot).revision == before


def test_a_viewer_does_not(snapshot, vera):
    with pytest.raises(NotAllowed, match="You may not say what snapshots are for"):
        operations.describe(snapshot, actor=vera, purpose="mine")


def test_what_does_not_fit_or_is_over_is_refused_where_it_was_typed(snapshot, oscar):
    for field, value, refusal in (
        ("purpose", "x" * 201, "201 characters; 200 fit"),
        ("owner", "x" * 101, "101 characters; 100 fit"),
        ("keep_until", date(2026, 11, 22), "This day is over already"),
    ):
        with pytest.raises(Refused, match=refusal) as refused:
            operations.describe(snapshot, actor=oscar, **{field: value})
        assert refused.value.field == field
    assert not Event.objects.filter(verb__startswith="snapshot.").exists()
    fits = {"purpose": "x" * 200, "ticket": "x" * 100, "owner": "x" * 100}
    operations.describe(snapshot, actor=oscar, keep_until=date(2026, 11, 23), **fits)


def test_a_day_that_has_passed_since_may_stay(stage, snapshot, oscar):
    day = date(2026, 11, 23)
    operations.describe(snapshot, actor=oscar, keep_until=day)
    assert not fresh(snapshot).is_kept_long_enough
    stage.later(days=2)
    assert fresh(snapshot).is_kept_long_enough
    operations.describe(snapshot, actor=oscar, purpose="still here", keep_until=day)
    assert fresh(snapshot).purpose == "still here"


def test_what_is_said_when_it_is_asked_for_is_there_when_it_is(stage, server, oscar):
    operation = take(server, oscar, purpose="the move", keep_until=date(2026, 12, 24))
    assert operation.about == {"purpose": "the move", "keep_until": "2026-12-24"}
    made = stage.send(operation).snapshot
    assert (made.purpose, made.keep_until) == ("the move", date(2026, 12, 24))


def test_a_day_that_is_over_is_refused_when_it_is_asked_for_too(server, oscar):
    with pytest.raises(Refused, match="This day is over already"):
        take(server, oscar, keep_until=date(2026, 11, 22))


def test_of_somebody_without_a_name_the_address_is_kept_as_far_as_it_fits(snapshot, rosa):
    rosa.name, rosa.email = "", f"{'r' * 120}@example.com"
    operations.mark_good(snapshot, actor=rosa, words="all tests pass")
    row = lock(snapshot, rosa)
    batch = delete_all([other := row.server.snapshots.exclude(pk=row.pk).get()], rosa)
    asked = batch.operations.get(snapshot=other)
    names = (row.good_by_name, row.locked_by_name, batch.asked_by_name, asked.asked_by_name)
    assert set(names) == {"r" * 100}


def test_so_it_is_when_no_answer_came_and_our_marker_is_found(stage, server, oscar):
    stage.provider.faults.add("close_after", method="POST")
    operation = stage.send(take(server, oscar, purpose="the move"))
    assert operation.state == State.IN_DOUBT
    assert stage.watch(operation, times=1).snapshot.purpose == "the move"


def test_the_same_form_for_another_purpose_is_not_the_same(server, oscar):
    operation = take(server, oscar, purpose="the move")
    again = {"request_key": operation.request_key}
    assert take(server, oscar, purpose="the move", **again) == operation
    with pytest.raises(Refused, match="already used for something else"):
        take(server, oscar, purpose="another", **again)


def test_of_a_removed_account_nothing_is_said_any_more(account, snapshot, rosa, alice):
    accounts.remove(account, actor=alice, typed=account.label)
    for verb in (operations.lock, operations.mark_good):
        with pytest.raises(Refused, match="was removed from Northwind"):
            verb(snapshot, actor=rosa, words="too late")
