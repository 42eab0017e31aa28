"""Restoring a server: asked with the name typed, sent at most once, done when seen done."""

import uuid
from datetime import timedelta

import pytest

from snapshots import accounts, events, operations
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Account, Event, Operation, Reason, State
from snapshots.provider.client import Client
from tests.conftest import Stage, fresh, restore
from tests.pages.factories import a_snapshot


def posts(stage, event="arrived"):
    return stage.provider.calls("POST", "/restore/", event)


def test_a_restore_is_done_after_restoring_and_two_settled_readings(stage, snapshot, rosa):
    operation = stage.send(restore(snapshot, rosa))
    assert (operation.state, operation.reason) == (State.RUNNING, "accepted")
    assert stage.watch(operation).state == State.RUNNING
    assert fresh(snapshot.server).status == "restoring"

    assert stage.watch(operation, times=1, minutes=15).state == State.RUNNING
    assert stage.watch(operation, times=1).state == State.SUCCEEDED
    assert len(posts(stage, "applied")) == 1


def test_a_stale_active_right_after_the_answer_is_not_success(stage, snapshot, rosa):
    stage.provider.faults.add("stale", path="/servers/", seconds=300)
    operation = stage.send(restore(snapshot, rosa))
    assert stage.watch(operation, times=4).state == State.RUNNING


def test_a_restore_that_ends_stopped_is_done_too(stage, snapshot, rosa):
    stage.provider.faults.add("restore_ends", status="stopped")
    operation = stage.watch(stage.send(restore(snapshot, rosa)))
    operation = stage.watch(operation, minutes=8)
    assert operation.state == State.SUCCEEDED
    assert operation.details == {"words": "stopped"}


def test_a_word_we_do_not_know_leaves_it_running(stage, snapshot, rosa):
    stage.provider.faults.add("restore_ends", status="quarantined")
    operation = stage.watch(stage.send(restore(snapshot, rosa)))
    assert stage.watch(operation, times=5, minutes=8).state == State.RUNNING


def test_never_seen_restoring_within_the_documented_time_needs_a_person(stage, snapshot, rosa):
    stage.provider.faults.add("never_restoring")
    operation = stage.send(restore(snapshot, rosa))
    operation = stage.watch(operation, times=4, minutes=4)
    assert (operation.state, operation.reason) == (State.NEEDS_PERSON, "never_restoring")


@pytest.mark.parametrize("typed", ["web-1", "  WEB-1 ", "web‐1".replace("‐", "-"), "ｗｅｂ-1"])
def test_the_name_is_compared_as_people_do(snapshot, rosa, typed):
    assert restore(snapshot, rosa, typed=typed).state == State.QUEUED


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Please type web-1 to confirm"),
        ("web-11", "not the name of the server you are restoring, which is web-1"),
        ("DB-1", "You typed DB-1, which is another of your servers"),
        ("pre-upgrade", "not the name of the server"),
    ],
)
def test_a_wrong_name_gets_a_sentence_and_starts_nothing(snapshot, rosa, typed, sentence):
    with pytest.raises(Refused, match=sentence) as refusal:
        restore(snapshot, rosa, typed=typed)
    assert refusal.value.field == "typed"
    assert not Operation.objects.exists()


def test_an_operator_may_take_but_not_restore(snapshot, oscar):
    with pytest.raises(NotAllowed, match="You may not restore servers"):
        restore(snapshot, oscar)


def test_what_changed_since_the_page_was_opened_must_be_read_again(stage, account, snapshot, rosa):
    seen = operations.plan(snapshot).sealed(rosa)
    stage.provider.snapshot(snapshot.server.remote_id, "fresh")
    stage.look(account)
    with pytest.raises(Refused, match="has changed meanwhile"):
        restore(snapshot, rosa, seen=seen)


def test_of_a_snapshot_without_a_date_nobody_can_say_what_is_younger(snapshot, server):
    nightly = server.snapshots.get(name="nightly")
    lost = a_snapshot(server, "lost", created_at=None)
    plan = operations.plan(lost)
    assert (plan.newer, plan.undated, plan.age) == ([], [nightly, snapshot], None)
    plan = operations.plan(snapshot)
    assert (plan.newer, plan.undated) == ([nightly], [lost])
    assert plan.age == timedelta(days=2, seconds=1)  # which the look at it took


def changed_outside(stage, snapshot, how):
    web = snapshot.server.remote_id
    match how:
        case "newer":
            stage.provider.snapshot(web, "by-someone")
        case "newer gone":
            other = snapshot.server.snapshots.get(name="nightly")
            stage.provider.outside.delete_snapshot(other.remote_id)
        case "gone":
            stage.provider.outside.delete_snapshot(snapshot.remote_id)
        case "renamed server":
            with stage.provider.changing() as world:
                world.servers[web].name = "web-2"
        case "dated":
            with stage.provider.changing() as world:
                world.snapshots[snapshot.remote_id].created_at -= 60
        case "renamed":
            with stage.provider.changing() as world:
                world.snapshots[snapshot.remote_id].name = "pre-pre-upgrade"
        case "status":
            with stage.provider.changing() as world:
                world.snapshots[snapshot.remote_id].status = "archiving"


@pytest.mark.parametrize(
    ("how", "reason", "words"),
    [
        ("newer", "changed", "new snapshot by-someone"),
        ("newer gone", "changed", "newer snapshots no longer listed: 1"),
        ("gone", "snapshot_missing", "no longer listed"),
        ("renamed server", "changed", "server_name: web-1 → web-2"),
        ("renamed", "changed", "name: pre-upgrade → pre-pre-upgrade"),
        ("dated", "changed", "created_at: 2026-11-21T14:02:00+00:00 → 2026-11-21T14:01:00+00:00"),
        ("status", "not_completed", "archiving"),
    ],
)
def test_changed_facts_stop_it_just_before_sending(stage, snapshot, rosa, how, reason, words):
    operation = restore(snapshot, rosa)
    changed_outside(stage, snapshot, how)
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, reason)
    assert words in operation.why
    assert not posts(stage)


def test_a_restore_not_sent_within_ten_minutes_expires(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    stage.later(minutes=10)
    assert stage.send(operation).state == State.EXPIRED
    assert not posts(stage)


def test_a_busy_provider_ends_it_and_asks_for_a_new_confirmation(stage, snapshot, rosa):
    stage.provider.faults.add(
        "answer", path="/restore/", status=429, body={"detail": "Request was throttled."}
    )
    operation = stage.send(restore(snapshot, rosa))
    assert (operation.state, operation.reason) == (State.FAILED, "busy_confirm")
    assert restore(snapshot, rosa).state == State.QUEUED


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("close_before", {}),
        ("close_after", {}),
        ("close_after", {"rst": True}),
        ("cut", {"at": 20}),
        ("garbage", {}),
        ("answer", {"status": 502, "body": "<html>Bad gateway</html>"}),
        ("answer", {"status": 200, "body": "{}", "apply": True}),
        ("answer", {"status": 302, "headers": {"Location": "/"}}),
        ("other_ids", {}),
    ],
)
def test_no_clear_answer_puts_it_in_doubt_and_it_is_never_sent_again(
    stage, snapshot, rosa, fault, options
):
    stage.provider.faults.add(fault, path="/restore/", **options)
    operation = stage.send(restore(snapshot, rosa))
    assert operation.state == State.IN_DOUBT
    assert stage.send(operation).state == State.IN_DOUBT
    operations.sweep()
    assert len(posts(stage)) == 1


def test_in_doubt_and_seen_restoring_it_runs_and_ends_well(stage, snapshot, rosa):
    stage.provider.faults.add("close_after", path="/restore/")
    operation = stage.send(restore(snapshot, rosa))
    assert operation.state == State.IN_DOUBT
    assert stage.watch(operation, times=1).state == State.RUNNING
    assert stage.watch(operation, minutes=15).state == State.SUCCEEDED


def test_in_doubt_and_nothing_seen_it_is_before_a_person_within_three_minutes(
    stage, snapshot, rosa
):
    stage.provider.faults.add("close_before", path="/restore/")
    operation = stage.send(restore(snapshot, rosa))
    stage.later(seconds=151)
    operations.sweep()  # no pass is needed: the provider may be down
    operation = fresh(operation)
    assert (operation.state, operation.reason) == (State.NEEDS_PERSON, "undecided")
    assert (operation.ended_at, operation.holds) == (None, True)


def test_until_a_person_decides_the_machine_stays_locked(stage, snapshot, rosa, vera):
    stage.provider.faults.add("close_before", path="/restore/")
    operation = stage.send(restore(snapshot, rosa))
    stage.later(seconds=151)
    operations.sweep()
    with pytest.raises(Refused, match="web-1 is busy: Rosa asked to restore it"):
        restore(snapshot, rosa)
    operation = fresh(operation)
    with pytest.raises(NotAllowed):
        operations.give_verdict(operation, actor=vera, happened=False, words="no")
    with pytest.raises(Refused, match="say what you saw"):
        operations.give_verdict(operation, actor=rosa, happened=False, words=" ")
    operations.give_verdict(operation, actor=rosa, happened=False, words="panel shows nothing")
    told = events.sentence(Event.objects.latest("pk"))
    assert told == "said that web-1 was not restored to pre-upgrade: panel shows nothing"
    assert fresh(operation).state == State.NOT_APPLIED
    assert restore(snapshot, rosa).state == State.QUEUED


def test_a_worker_lost_while_sending_leaves_it_in_doubt(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    stage.provider.faults.add("hang", path="/restore/", seconds=0)
    # The row as a worker leaves it that dies between its claim and its answer.
    operations.states.move(
        operation, State.SENDING, changes={"claim_deadline": operation.send_before}
    )
    stage.later(minutes=10)
    operations.sweep()
    operation = fresh(operation)
    assert (operation.state, operation.reason) == (State.IN_DOUBT, "claim_lost")
    assert not posts(stage)


def test_somebody_elses_restore_is_not_taken_for_ours(stage, snapshot, rosa):
    nightly = snapshot.server.snapshots.get(name="nightly")
    stage.provider.outside.restore_snapshot(nightly.remote_id)
    operation = stage.send(restore(snapshot, rosa))
    assert (operation.state, operation.reason) == (State.FAILED, "changed")
    assert not posts(stage)


def test_what_was_confirmed_while_somebody_else_restores_it_is_not_sent_either(
    stage, account, snapshot, rosa
):
    """Nothing has changed since, and whose it is could not be told from ours afterwards."""
    stage.provider.outside.restore_snapshot(snapshot.remote_id)
    stage.look(account)
    snapshot.server.refresh_from_db()
    operation = stage.send(restore(snapshot, rosa))
    assert (operation.state, operation.reason) == (State.FAILED, "changed")
    assert operation.details == {"what": "the server is being restored already"}
    assert not posts(stage)


def test_settled_readings_close_together_are_not_believed(stage, snapshot, rosa):
    operation = stage.watch(stage.send(restore(snapshot, rosa)), times=1, seconds=10)
    stage.provider.outside.change_server(snapshot.server.remote_id, status="active")
    assert stage.watch(operation, times=3, seconds=9).state == State.RUNNING


def test_a_provider_that_cannot_be_asked_is_not_said_to_have_shown_anything(stage, snapshot, rosa):
    operation = stage.send(restore(snapshot, rosa))
    stage.provider.stop()
    stage.later(minutes=16)
    operations.sweep()
    assert fresh(operation).reason == "unseen"


class Slow(Client):
    """A worker that is stopped for an hour between its look and its claim."""

    stage: Stage

    def snapshots(self, server_id=None):
        listing = super().snapshots(server_id)
        self.stage.later(hours=1)
        return listing


def test_a_worker_that_was_stopped_after_its_look_does_not_send_late(
    stage, snapshot, rosa, monkeypatch
):
    Slow.stage = stage
    operation = restore(snapshot, rosa)
    monkeypatch.setattr("snapshots.models.account.Client", Slow)
    assert stage.send(operation).state == State.QUEUED
    monkeypatch.undo()
    assert stage.send(operation).state == State.EXPIRED
    assert not posts(stage)


def test_a_provider_that_cannot_be_reached_was_sent_nothing(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    stage.provider.stop()
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.QUEUED, "no_read")
    assert operation.attempts.count() == 0


# -- with a safety snapshot first ------------------------------------------------------------------


def test_the_restore_waits_until_the_safety_snapshot_is_listed_completed(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = operation.children.get()
    assert stage.send(operation).state == State.QUEUED
    assert operations.due() == [child.pk]

    child = stage.send(child)
    assert stage.send(operation).state == State.QUEUED
    assert stage.watch(child, minutes=5).state == State.SUCCEEDED

    assert operations.due() == [operation.pk]
    assert stage.send(operation).state == State.RUNNING
    assert len(posts(stage)) == 1


def test_a_failed_safety_snapshot_means_that_nothing_is_restored(stage, snapshot, rosa):
    stage.provider.faults.add("create_fails")
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = stage.send(operation.children.get())
    assert stage.watch(child, minutes=11).state == State.FAILED
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "child_failed")
    assert not posts(stage)


def test_a_verdict_does_not_replace_a_safety_snapshot_that_is_not_listed(
    stage, snapshot, rosa, oscar
):
    stage.provider.faults.add("forgets", seconds=5)
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = stage.watch(stage.send(operation.children.get()), times=4)
    assert child.state == State.NEEDS_PERSON
    with pytest.raises(NotAllowed, match="You may not restore servers"):
        operations.give_verdict(child, actor=oscar, happened=True, words="fine")
    operations.give_verdict(child, actor=rosa, happened=True, words="fine")
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "child_failed")
    assert not posts(stage)


def test_a_safety_snapshot_deleted_outside_stops_the_restore(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = stage.watch(stage.send(operation.children.get()), minutes=5)
    stage.provider.outside.delete_snapshot(child.remote_id)
    assert stage.send(operation).reason == "child_failed"
    assert not posts(stage)


def test_an_operator_cannot_stop_a_restore_by_its_safety_snapshot(stage, snapshot, rosa, oscar):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    with pytest.raises(NotAllowed):
        operations.cancel(operation.children.get(), actor=oscar)


def test_stopped_while_paused_it_ends_with_its_snapshot(stage, account, snapshot, rosa, alice):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = stage.send(operation.children.get())
    operations.cancel(operation, actor=rosa)
    accounts.pause(account, actor=alice)
    operations.sweep()
    assert fresh(operation).state == State.QUEUED
    assert stage.watch(child, times=6).state == State.SUCCEEDED
    operations.sweep()
    assert (fresh(operation).state, fresh(operation).reason) == (State.CANCELLED, Reason.STOPPED_BY)


def test_stopped_while_paused_it_is_cancelled_not_expired(stage, account, snapshot, rosa, alice):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = stage.send(operation.children.get())
    operations.cancel(fresh(operation), actor=rosa)
    assert Event.objects.get(verb="restore.stop_asked").actor == rosa
    accounts.pause(account, actor=alice)
    stage.watch(child, minutes=5)
    stage.later(minutes=11)
    operations.sweep()
    assert fresh(operation).state == State.CANCELLED


def test_waiting_for_a_person_costs_the_pages_nothing(stage, account, snapshot, rosa):
    stage.provider.faults.add("forgets", seconds=5)
    operation = restore(snapshot, rosa, safety_snapshot=True)
    stage.watch(stage.send(operation.children.get()), times=4)
    stage.later(hours=1)
    operations.sweep()
    before = fresh(account).revision
    operations.sweep()
    assert fresh(account).revision == before


def test_the_same_form_with_and_without_safety_snapshot_is_not_the_same(snapshot, rosa):
    key = uuid.uuid4()
    restore(snapshot, rosa, request_key=key)
    with pytest.raises(Refused, match="already used for something else"):
        restore(snapshot, rosa, request_key=key, safety_snapshot=True)


def test_the_restore_may_be_sent_ten_minutes_after_its_safety_snapshot_not_later(
    stage, snapshot, rosa
):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = stage.send(operation.children.get())
    stage.later(minutes=20)
    assert stage.watch(child).state == State.SUCCEEDED
    stage.later(minutes=10)
    assert stage.send(operation).state == State.EXPIRED


def test_cancelling_before_the_safety_snapshot_was_sent_ends_both(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    operations.cancel(operation, actor=rosa)
    assert {o.state for o in Operation.objects.all()} == {State.CANCELLED}
    assert not stage.provider.calls("POST")


def test_cancelling_while_the_safety_snapshot_runs_ends_the_restore_with_it(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = stage.send(operation.children.get())
    operations.cancel(fresh(operation), actor=rosa)
    assert fresh(operation).state == State.QUEUED
    assert stage.watch(child, minutes=5).state == State.SUCCEEDED
    operation = stage.send(operation)
    assert (operation.state, operation.why) == (
        State.CANCELLED,
        "Rosa stopped it; it was not sent",
    )
    assert not posts(stage)


def test_nothing_else_fits_between_safety_snapshot_and_restore(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = stage.send(operation.children.get())
    stage.watch(child, minutes=5)
    with pytest.raises(Refused, match="web-1 is busy"):
        restore(snapshot, rosa)


def test_with_no_free_slot_a_safety_snapshot_is_refused_in_words(stage, account, snapshot, rosa):
    for name in ("three", "four", "five"):
        stage.provider.snapshot(snapshot.server.remote_id, name)
    stage.look(account)
    with pytest.raises(Refused, match="All 5 slots") as refusal:
        restore(snapshot, rosa, safety_snapshot=True)
    assert refusal.value.field == "safety_snapshot"
    assert not Operation.objects.exists()


def test_a_paused_account_sends_nothing_and_the_restore_expires_unsent(
    stage, account, snapshot, rosa
):
    operation = restore(snapshot, rosa)
    Account.objects.filter(pk=account.pk).update(paused="person")
    assert stage.send(operation).state == State.QUEUED
    stage.later(minutes=11)
    operations.sweep()
    assert fresh(operation).state == State.EXPIRED
