"""A restore is confirmed for the facts that were read, by who read them, for 15 minutes."""

from datetime import timedelta

import pytest

from snapshots import operations
from snapshots.errors import Refused
from snapshots.models import Account, Event, Operation, Snapshot, State
from snapshots.operations import Fate
from tests.conftest import delete, fresh, restore, take
from tests.pages.factories import an_operation


def restored(stage, snapshot, actor, **more):
    """The snapshot's server, put back to it, and looked at once afterwards."""
    operation = restore(snapshot, actor, **more)
    for child in operation.children.all():
        stage.watch(stage.send(child), minutes=5)
    operation = stage.watch(stage.send(operation))
    operation = stage.watch(operation, minutes=8)
    assert operation.state == State.SUCCEEDED
    for _ in range(2):
        stage.later(minutes=20)
        stage.look(operation.account)
    return operation


def again(snapshot):
    """The row and all that hangs on it, read afresh."""
    rows = Snapshot.objects.select_related("server__account__team", "account__team")
    return rows.get(pk=snapshot.pk)


# -- the facts ------------------------------------------------------------------------------------


def test_the_plan_is_kept_with_the_restore(stage, snapshot, rosa):
    plan = operations.plan(snapshot)
    stage.later(minutes=3)
    kept = restore(snapshot, rosa, seen=plan.sealed(rosa), why_without="Rebuilt daily").plan
    assert kept.facts == plan.facts
    assert kept.digest == kept.agreed
    assert kept.confirmed_at - kept.shown_at == timedelta(minutes=3)
    assert kept.why_without == "Rebuilt daily"


def test_it_says_what_was_done_to_the_server_since(stage, server, snapshot, rosa):
    assert operations.plan(snapshot).since == {}
    made = stage.watch(stage.send(take(server, rosa)), minutes=5).snapshot
    stage.send(delete(again(made), rosa))
    assert operations.plan(again(snapshot)).since == {"create": 1, "delete": 1}


@pytest.mark.parametrize("status", ["active", "stopped"])
def test_it_says_whether_the_server_ran_when_the_snapshot_was_taken(
    stage, account, server, rosa, status
):
    with stage.provider.changing() as world:
        world.servers[server.remote_id].status = status
    stage.look(account)
    made = stage.watch(stage.send(take(server, rosa)), minutes=5).snapshot
    assert operations.plan(again(made)).taken_while == status


def test_of_a_snapshot_taken_elsewhere_it_is_not_known(snapshot):
    assert operations.plan(snapshot).taken_while == ""


# -- confirming -----------------------------------------------------------------------------------


def change(stage, snapshot, what):
    web = snapshot.server.remote_id
    match what:
        case "stopped" | "renamed" | "moved":
            with stage.provider.changing() as world:
                server = world.servers[web]
                server.status = "stopped" if what == "stopped" else server.status
                server.name = "web-9" if what == "renamed" else server.name
                server.ip_address = "203.0.113.99" if what == "moved" else server.ip_address
        case "new":
            stage.provider.snapshot(web, "by-someone")
        case "gone":
            nightly = Snapshot.objects.get(name="nightly")
            stage.provider.outside.delete_snapshot(nightly.remote_id)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("stopped", "state of the server: active → stopped"),
        ("renamed", "name of the server: web-1 → web-9"),
        ("moved", "address of the server: .* → 203.0.113.99"),
        ("new", "a new snapshot, by-someone"),
        ("gone", "nightly is no longer listed"),
    ],
)
def test_a_fact_that_changed_refuses_it_and_is_named(stage, account, snapshot, rosa, what, words):
    seen = operations.plan(snapshot).sealed(rosa)
    change(stage, snapshot, what)
    for _ in range(2):  # an absence takes two looks
        stage.look(account)
        stage.later(minutes=1)
    with pytest.raises(Refused, match=words):
        restore(again(snapshot), rosa, seen=seen)
    assert not Operation.objects.exists()


def test_several_changes_are_all_named(stage, account, snapshot, rosa):
    seen = operations.plan(snapshot).sealed(rosa)
    change(stage, snapshot, "stopped")
    change(stage, snapshot, "new")
    stage.look(account)
    with pytest.raises(Refused, match="active → stopped; a new snapshot, by-someone"):
        restore(again(snapshot), rosa, seen=seen)


def test_what_was_done_from_here_meanwhile_is_named(stage, server, snapshot, rosa):
    seen = operations.plan(snapshot).sealed(rosa)
    stage.send(delete(Snapshot.objects.get(name="nightly"), rosa))
    with pytest.raises(Refused, match="something was done to the server"):
        restore(again(snapshot), rosa, seen=seen)


def test_a_refusal_is_in_the_history_with_the_difference(stage, account, snapshot, rosa):
    seen = operations.plan(snapshot).sealed(rosa)
    change(stage, snapshot, "new")
    stage.look(account)
    with pytest.raises(Refused):
        restore(again(snapshot), rosa, seen=seen)
    line = Event.objects.filter(verb="refused").latest("pk")
    assert "by-someone" in str(line.data)


def test_a_plan_holds_for_fifteen_minutes(stage, snapshot, rosa):
    seen = operations.plan(snapshot).sealed(rosa)
    stage.later(minutes=15)
    assert restore(snapshot, rosa, seen=seen).state == State.QUEUED


def test_after_that_it_must_be_read_again(stage, snapshot, rosa):
    seen = operations.plan(snapshot).sealed(rosa)
    stage.later(minutes=15, seconds=1)
    with pytest.raises(Refused, match="more than 15 minutes old"):
        restore(snapshot, rosa, seen=seen)


def test_a_plan_is_for_who_read_it(snapshot, rosa, alice):
    with pytest.raises(Refused, match="made for somebody else"):
        restore(snapshot, rosa, seen=operations.plan(snapshot).sealed(alice))


def test_a_plan_is_for_the_snapshot_it_shows(snapshot, rosa):
    other = Snapshot.objects.get(name="nightly")
    with pytest.raises(Refused, match="name of the snapshot: nightly → pre-upgrade"):
        restore(snapshot, rosa, seen=operations.plan(other).sealed(rosa))


@pytest.mark.parametrize("seen", ["", "x", "0" * 64, "e30:1uN:abc"])
def test_what_we_did_not_sign_is_not_believed(snapshot, rosa, seen):
    with pytest.raises(Refused, match="Please read what this restore means"):
        restore(snapshot, rosa, seen=seen)


def test_a_server_that_was_stopped_after_the_confirmation_is_not_restored(stage, snapshot, rosa):
    operation = restore(snapshot, rosa)
    change(stage, snapshot, "stopped")
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "changed")
    assert "server_status: active → stopped" in operation.why
    assert not stage.provider.calls("POST", "/restore/")


def test_one_of_which_the_time_is_known_now_is_named(stage, account, snapshot, rosa):
    nightly = Snapshot.objects.get(name="nightly")
    taken_at = nightly.created_at
    Snapshot.objects.filter(pk=nightly.pk).update(created_at=None)
    seen = operations.plan(snapshot).sealed(rosa)
    Snapshot.objects.filter(pk=nightly.pk).update(created_at=taken_at)
    with pytest.raises(Refused, match="what is known of nightly"):
        restore(again(snapshot), rosa, seen=seen)
    Snapshot.objects.filter(pk=nightly.pk).update(created_at=snapshot.created_at)
    with pytest.raises(Refused, match="what is known of nightly"):  # it is older, and still listed
        restore(again(snapshot), rosa, seen=seen)


def test_another_snapshot_under_the_same_id_is_named(snapshot, rosa):
    seen = operations.plan(snapshot).sealed(rosa)
    Snapshot.objects.filter(name="nightly").update(name="weekly")
    with pytest.raises(Refused, match="a new snapshot, weekly"):
        restore(again(snapshot), rosa, seen=seen)


def test_facts_that_an_older_version_showed_are_read_again(snapshot, rosa):
    plan = operations.plan(snapshot)
    plan.facts["weather"] = "fair"
    with pytest.raises(Refused, match="what such a page shows"):
        restore(snapshot, rosa, seen=plan.sealed(rosa))


# -- going without a safety snapshot --------------------------------------------------------------


def test_without_a_safety_snapshot_somebody_says_why(snapshot, rosa):
    with pytest.raises(Refused, match="Please say why you go without") as refusal:
        restore(snapshot, rosa, why_without="  ")
    assert refusal.value.field == "why_without"
    with pytest.raises(Refused, match="501 characters; 500 fit"):
        restore(snapshot, rosa, why_without="x" * 501)


def test_the_reason_is_in_the_history(snapshot, rosa):
    operation = restore(snapshot, rosa, why_without="Rebuilt daily")
    line = Event.objects.get(operation=operation, verb="restore.bare")
    assert line.data["words"] == "Rebuilt daily"


def test_with_one_a_reason_is_not_kept(snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True, why_without="I typed too much")
    assert operation.plan.why_without == ""


# -- what becomes of newer snapshots --------------------------------------------------------------


def test_before_any_restore_the_fate_of_newer_snapshots_is_not_known(snapshot):
    plan = operations.plan(snapshot)
    assert (plan.fate, plan.seen) == (Fate.UNKNOWN, 0)


def test_a_provider_that_keeps_them_is_learned(stage, snapshot, rosa):
    restored(stage, snapshot, rosa, safety_snapshot=True)
    plan = operations.plan(again(snapshot))
    assert (plan.fate, plan.seen) == (Fate.KEPT, 2)  # nightly, and the safety snapshot


def test_a_provider_that_deletes_them_is_learned(stage, snapshot, rosa):
    stage.provider.faults.add("drops_newer")
    restored(stage, snapshot, rosa, safety_snapshot=True)
    plan = operations.plan(again(snapshot))
    assert (plan.fate, plan.seen) == (Fate.DELETED, 2)


def test_one_that_does_now_this_and_now_that_is_not_known(stage, snapshot, rosa):
    restored(stage, snapshot, rosa)
    stage.provider.faults.add("drops_newer")
    restored(stage, again(snapshot), rosa)
    plan = operations.plan(again(snapshot))
    assert (plan.fate, plan.seen) == (Fate.UNKNOWN, 2)


def test_what_we_deleted_ourselves_says_nothing(stage, snapshot, rosa):
    restored(stage, snapshot, rosa)
    stage.send(delete(again(Snapshot.objects.get(name="nightly")), rosa))
    plan = operations.plan(again(snapshot))
    assert (plan.fate, plan.seen) == (Fate.UNKNOWN, 0)


def test_one_that_nobody_has_looked_at_since_keeps_nothing_of_the_others_back(
    stage, snapshot, rosa
):
    done = restored(stage, snapshot, rosa)
    looked = fresh(done.account).complete_pass_at
    more = {"confirmed": done.confirmed, "ended_at": looked}
    an_operation("restore", snapshot.server, "succeeded", rosa, **more)
    assert operations.plan(again(snapshot)).seen == 1


def test_until_somebody_looked_nothing_is_learned(stage, snapshot, rosa):
    operation = stage.watch(stage.send(restore(snapshot, rosa)))
    operation = stage.watch(operation, minutes=8)
    Account.objects.update(complete_pass_at=operation.ended_at)
    assert operations.plan(again(snapshot)).seen == 0


def test_what_the_last_look_lacks_was_neither_kept_nor_deleted_yet(stage, snapshot, rosa):
    operation = stage.watch(stage.send(restore(snapshot, rosa)))
    operation = stage.watch(operation, minutes=8)
    assert operation.state == State.SUCCEEDED
    stage.provider.outside.delete_snapshot(Snapshot.objects.get(name="nightly").remote_id)
    stage.look(operation.account)
    assert operations.plan(again(snapshot)).seen == 0
    stage.later(minutes=1)
    stage.look(operation.account)
    assert operations.plan(again(snapshot)).fate == Fate.DELETED


def test_what_went_while_nobody_could_look_says_nothing(stage, snapshot, rosa):
    """It may have been the restore, or somebody in the panel within the hour."""
    operation = stage.watch(stage.send(restore(snapshot, rosa)))
    while operation.state != State.SUCCEEDED:
        operation = stage.watch(operation, times=1, minutes=4)
    nightly = Snapshot.objects.get(name="nightly")
    stage.provider.outside.delete_snapshot(nightly.remote_id)
    stage.later(minutes=40)
    stage.watch(operation)
    assert not again(nightly).gone_at <= operation.ended_at + timedelta(minutes=30)
    assert operations.plan(again(snapshot)).seen == 0


# -- the way back ---------------------------------------------------------------------------------


def test_the_way_back_is_there_once_a_look_after_the_end_still_lists_it(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    assert operations.way_back(operation) == ""
    (child,) = operation.children.all()
    stage.watch(stage.send(child), minutes=5)
    operation = stage.watch(stage.send(operation))
    operation = stage.watch(operation, minutes=8)
    assert operation.state == State.SUCCEEDED
    Account.objects.update(complete_pass_at=operation.ended_at)
    assert operations.way_back(fresh(operation)) == "unknown"
    stage.look(operation.account)
    assert operations.way_back(fresh(operation)) == "there"


def test_while_the_last_look_lacks_it_no_way_back_is_claimed(stage, snapshot, rosa):
    operation = restored(stage, snapshot, rosa, safety_snapshot=True)
    assert operations.way_back(fresh(operation)) == "there"
    stage.provider.outside.delete_snapshot(operation.children.get().remote_id)
    stage.look(operation.account)
    assert operations.way_back(fresh(operation)) == "unknown"
    stage.later(minutes=1)
    stage.look(operation.account)
    assert operations.way_back(fresh(operation)) == "gone"


def test_a_provider_that_dropped_it_leaves_no_way_back(stage, snapshot, rosa):
    stage.provider.faults.add("drops_newer")
    operation = restored(stage, snapshot, rosa, safety_snapshot=True)
    assert operations.way_back(operation) == "gone"


def test_without_a_safety_snapshot_there_is_no_way_back(stage, snapshot, rosa):
    assert operations.way_back(restored(stage, snapshot, rosa)) == ""
