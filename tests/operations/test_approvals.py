"""The second person: who it can be, what they agree to, and what is sent without one (nothing)."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from snapshots import invitations, operations, tags, teams
from snapshots.errors import NotAllowed, Refused
from snapshots.events import line
from snapshots.models import (
    Account,
    Approval,
    Epoch,
    Event,
    Kind,
    Membership,
    Operation,
    Reason,
    Role,
    Server,
    Snapshot,
    State,
    Tag,
    Team,
    User,
)
from snapshots.operations import approvals, epoch
from snapshots.teams import Only
from tests.campaigns.checker import complaints
from tests.conftest import fresh, member, restore, take
from tests.operations.test_meanwhile import meanwhile

CHECKED = 'FROM "snapshots_epoch"'  # where it is looked whether it still waits
LOCKED = "UPDATE snapshots_account"  # where a decision begins to be written


@pytest.fixture(autouse=True)
def guarded(server):
    """Everything of Northwind needs a second person."""
    Team.objects.update(guard="guarded", guard_by_name="Alice")


@pytest.fixture
def asked(snapshot, rosa, bob):
    return restore(snapshot, rosa)


def approve(operation, actor, **more):
    operation = fresh(operation)
    more.setdefault("typed", operation.server.name)
    more.setdefault("seen", approvals.sealed(operation, actor))
    approvals.approve(operation, actor=actor, **more)
    return fresh(operation)


def break_glass(operation, actor, words="The shop is down", **more):
    operation = fresh(operation)
    more.setdefault("typed", operation.server.name)
    more.setdefault("seen", approvals.sealed(operation, actor))
    approvals.break_glass(operation, actor=actor, words=words, **more)
    return fresh(operation)


def sent(stage):
    return stage.provider.calls("POST", "/restore/")


# -- asking ---------------------------------------------------------------------------------------


def test_a_restore_of_a_guarded_server_waits_and_holds_nothing(stage, asked, server, oscar):
    assert asked.state == State.AWAITING_APPROVAL
    assert asked.send_before == asked.created_at + timedelta(hours=4)
    verbs = Event.objects.filter(operation=asked).values_list("verb", flat=True)
    assert {"restore.asked", "restore.approval_wanted"} <= set(verbs)
    assert take(server, oscar).state == State.QUEUED
    assert operations.due() == [Operation.objects.get(kind=Kind.CREATE).pk]
    assert stage.send(asked).state == State.AWAITING_APPROVAL
    assert not sent(stage)


@pytest.mark.parametrize("guard", ["open", "careful"])
def test_without_that_level_nobody_is_waited_for(snapshot, rosa, guard):
    Server.objects.update(guard=guard)
    assert restore(snapshot, rosa).state == State.QUEUED


def test_of_a_sealed_server_nothing_is_asked(snapshot, rosa):
    Server.objects.update(guard="sealed")
    with pytest.raises(Refused, match="sealed"):
        restore(snapshot, rosa)


def test_the_same_form_twice_is_one_request_and_with_other_choices_none(snapshot, rosa):
    key = uuid.uuid4()
    first = restore(snapshot, rosa, request_key=key, safety_snapshot=True)
    assert restore(snapshot, rosa, request_key=key, safety_snapshot=True) == first
    with pytest.raises(Refused, match="already used"):
        restore(snapshot, rosa, request_key=key)
    bare = restore(snapshot, rosa, request_key=(other := uuid.uuid4()))
    assert restore(snapshot, rosa, request_key=other) == bare


def test_nothing_is_asked_while_something_holds_the_machine(server, snapshot, rosa, oscar):
    take(server, oscar)
    with pytest.raises(Refused, match="web-1 is busy: Oscar asked for the snapshot"):
        restore(snapshot, rosa)


# -- approving ------------------------------------------------------------------------------------


def test_a_second_person_lets_it_go_on_as_if_it_had_been_confirmed_now(
    stage, team, asked, bob, rosa
):
    Team.objects.update(hold=30)
    stage.later(minutes=10)
    done = approve(asked, bob)
    assert done.state == State.QUEUED
    assert done.approved_at == timezone.now()
    assert done.hold_until == done.due_at == timezone.now() + timedelta(seconds=30)
    assert done.send_before == done.due_at + timedelta(minutes=10)
    said = Approval.objects.get(operation=asked)
    assert (said.what, said.by, said.by_name) == ("approved", bob, "Bob")
    assert said.digest == asked.plan.digest == asked.plan.agreed
    line = Event.objects.get(operation=asked, verb="restore.approved")
    assert (line.actor, line.team) == (bob, team)
    stage.later(seconds=31)
    assert stage.send(done).state == State.RUNNING
    assert len(sent(stage)) == 1


def test_the_safety_snapshot_is_taken_when_it_is_approved_and_not_before(
    stage, snapshot, rosa, bob
):
    asked = restore(snapshot, rosa, safety_snapshot=True)
    assert not asked.children.exists()
    stage.later(hours=3)
    done = approve(asked, bob)
    child = done.children.get()
    assert (child.state, child.asked_by, child.name) == (
        State.QUEUED,
        rosa,
        f"before-restore-{timezone.now():%Y%m%d-%H%M%S}",
    )
    assert done.send_before == timezone.now() + timedelta(hours=1)
    stage.send(child)
    stage.watch(child, times=5)
    assert stage.send(done).state == State.RUNNING


def test_what_makes_room_goes_when_it_is_approved_and_not_before(
    stage, server, snapshot, rosa, bob
):
    for name in ("one", "two", "three"):
        stage.provider.snapshot(server.remote_id, name, created_at=snapshot.created_at)
    stage.look(server.account)
    going = Snapshot.objects.get(server=server, name="one")
    more = {"safety_snapshot": True, "going": going, "typed_going": "one"}
    key = uuid.uuid4()
    asked = restore(snapshot, rosa, request_key=key, **more)
    assert restore(snapshot, rosa, request_key=key, **more) == asked
    Snapshot.objects.filter(pk=going.pk).update(name="two")
    with pytest.raises(Refused, match=r"since Rosa asked: the snapshot that is to make room\."):
        approve(asked, bob)
    Snapshot.objects.filter(pk=going.pk).update(name="one")
    operations.lock(going, actor=rosa, words="The audit needs it")
    with pytest.raises(Refused, match="one is locked"):
        approve(asked, bob)
    operations.unlock(going, actor=rosa, words="It has been")
    done = approve(asked, bob)
    deletion = done.children.get().children.get()
    assert (deletion.kind, deletion.snapshot, deletion.state) == ("delete", going, State.QUEUED)
    assert operations.due() == [deletion.pk]


def test_a_safety_snapshot_that_has_no_room_any_more_is_not_approved(
    stage, server, snapshot, rosa, bob
):
    asked = restore(snapshot, rosa, safety_snapshot=True)
    server.account.__class__.objects.update(slots=2)
    with pytest.raises(Refused, match="All 2 slots"):
        approve(asked, bob)


def test_what_forbids_a_restore_by_now_forbids_to_approve_it(asked, rosa, bob):
    for rows, said, words in (
        (Account.objects, {"paused": "token"}, "The provider refuses the token of Production"),
        (Server.objects, {"guard": "sealed"}, "web-1 is sealed"),
    ):
        rows.update(**said)
        with pytest.raises(Refused, match=words):
            approve(asked, bob)
        rows.update(**dict.fromkeys(said, ""))
    assert approvals.objection(fresh(asked)) == ""
    operations.cancel(asked, actor=rosa)
    assert "does not wait for a second person" in str(approvals.objection(fresh(asked)))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_without_the_right_nobody_approves_or_rejects(asked, team, role):
    other = member("Otto", role, team)
    for act in (
        lambda: approve(asked, other),
        lambda: approvals.reject(fresh(asked), actor=other, words="No"),
    ):
        with pytest.raises(NotAllowed, match=r"You may not approve restores .* Alice can give"):
            act()


def test_nobody_approves_what_they_asked_for(asked, rosa, snapshot, alice):
    with pytest.raises(Refused, match=r"You asked for it.* These can: Alice, Bob"):
        approve(asked, rosa)
    with pytest.raises(Refused, match="You asked for it: you can cancel it"):
        approvals.reject(asked, actor=rosa, words="Changed my mind")
    own = restore(snapshot, alice)
    with pytest.raises(Refused, match="You asked for it"):
        approve(own, alice)


def test_whom_the_asker_let_in_lately_is_no_second_person(stage, team, snapshot, alice, rosa):
    asked = restore(snapshot, alice)
    invited, _secret = invitations.invite(team, Role.RESTORER, actor=alice)
    paul = invitations.join(
        invited, name="Paul", password="an uncommon long phrase 7", email="p@example.com"
    )
    vera = member("Vera", Role.VIEWER, team)
    teams.change_role(Membership.objects.get(user=vera), Role.RESTORER, actor=alice)
    assert approvals.approvers(asked) == [rosa]
    for person in (paul, fresh(vera)):
        with pytest.raises(Refused, match=r"Alice, who asked for it, let you in .* Rosa"):
            approve(asked, person)
    stage.later(hours=24, seconds=1)
    later = restore(snapshot, alice, request_key=uuid.uuid4())
    assert set(approvals.approvers(later)) == {paul, rosa, vera}


def test_what_somebody_else_changed_about_them_does_not_matter(team, asked, alice):
    vera = member("Vera", Role.VIEWER, team)
    teams.change_role(Membership.objects.get(user=vera), Role.RESTORER, actor=alice)
    assert approve(asked, fresh(vera)).state == State.QUEUED


def test_who_does_not_reach_the_server_is_no_second_person(team, asked, alice, server, bob):
    tags.set_tags(server, "shop", actor=alice)
    other = Tag.objects.create(team=team, word="lab")
    membership = Membership.objects.get(user=bob)
    teams.change_role(membership, Role.RESTORER, actor=alice, only=Only(tags=[other]))
    assert approvals.approvers(asked) == [alice]
    with pytest.raises(NotAllowed, match="does not reach so far"):
        approve(asked, fresh(bob))


def test_who_reaches_it_by_a_tag_that_the_asker_has_just_given_it_is_no_second_person(
    stage, team, server, snapshot, account, alice, rosa, bob
):
    olga, paul = member("Olga", Role.OWNER, team), member("Paul", Role.RESTORER, team)
    lab = Tag.objects.create(team=team, word="lab")
    for person, only in ((bob, Only(tags=[lab])), (paul, Only([account], [lab]))):
        teams.change_role(Membership.objects.get(user=person), Role.RESTORER, actor=olga, only=only)
    asked = restore(snapshot, alice)
    assert approvals.approvers(asked) == [olga, paul, rosa]
    tags.set_tags(server, "lab shop", actor=alice)
    assert approvals.approvers(asked) == [olga, paul, rosa]
    with pytest.raises(Refused, match=r"Alice, who asked for it, gave .* Olga, Paul, Rosa"):
        approve(asked, fresh(bob))
    stage.later(hours=24, seconds=1)
    tags.set_tags(server, "lab", actor=alice)  # which it has had since
    later = restore(snapshot, alice)
    assert approvals.approvers(later) == [fresh(bob), olga, paul, rosa]
    assert approve(later, fresh(bob)).state == State.QUEUED


def test_who_needs_a_second_factor_and_has_none_is_not_named(team, asked, alice, bob):
    Team.objects.update(second_factor=True)
    assert approvals.approvers(fresh(asked)) == []
    assert "Nobody else" in approvals.who([])


def test_of_many_who_could_approve_it_five_are_named():
    people = [User(name=name) for name in "ABCDEF"]
    assert approvals.who(people) == "These can: A, B, C, D, E."


def test_the_name_is_typed_by_the_second_person_too(asked, bob):
    with pytest.raises(Refused, match="Please type web-1"):
        approve(asked, bob, typed="")
    with pytest.raises(Refused, match="another of your servers"):
        approve(asked, bob, typed="db-1")


def test_what_another_page_showed_is_no_approval(stage, snapshot, asked, bob, alice, rosa):
    other = restore(snapshot, rosa)
    plan = operations.plan(snapshot).sealed(bob)
    for seen, words in (
        ("", "Please read what this restore means"),
        (plan, "Please read what this restore means"),
        (approvals.sealed(asked, bob)[:-1] + "x", "Please read what this restore means"),
        (approvals.sealed(asked, alice), "made for somebody else"),
        (approvals.sealed(other, bob), "made for another restore"),
    ):
        with pytest.raises(Refused, match=words):
            approve(asked, bob, seen=seen)
    seen = approvals.sealed(asked, bob)
    stage.later(minutes=15, seconds=1)
    with pytest.raises(Refused, match="more than 15 minutes old"):
        approve(asked, bob, seen=seen)


def test_what_has_changed_since_it_was_asked_for_is_named(stage, asked, server, bob):
    assert approvals.objection(asked) == ""
    stage.provider.outside.rename_server(server.remote_id, "web-2")
    stage.look(server.account)
    with pytest.raises(Refused, match=r"since Rosa asked: name of the server: web-1 → web-2\."):
        approve(asked, bob, typed="web-2")
    assert "web-1 → web-2" in approvals.objection(fresh(asked))


def test_a_snapshot_that_has_gone_is_not_approved(stage, asked, snapshot, bob):
    stage.provider.outside.delete_snapshot(snapshot.remote_id)
    stage.watch(asked)
    with pytest.raises(Refused, match="no longer lists pre-upgrade"):
        approve(asked, bob)


def test_what_was_done_to_the_server_meanwhile_is_a_change(stage, asked, server, bob, oscar):
    made = take(server, oscar)
    with pytest.raises(Refused, match="web-1 is busy: Oscar"):
        approve(asked, bob)
    assert fresh(asked).state == State.AWAITING_APPROVAL
    stage.send(made)
    stage.watch(made, times=5)
    assert fresh(made).state == State.SUCCEEDED
    with pytest.raises(Refused, match="a new snapshot, before-update"):
        approve(asked, bob)


def test_an_asker_who_lost_the_right_asks_for_nothing(asked, rosa, bob):
    Membership.objects.filter(user=rosa).update(role=Role.VIEWER)
    with pytest.raises(Refused, match="Rosa, who asked for it, no longer has the right"):
        approve(asked, bob)


def test_an_approver_who_loses_the_right_while_deciding_decides_nothing(asked, bob):
    demote = Membership.objects.filter(user=bob)
    with (
        meanwhile(LOCKED, lambda: demote.update(role=Role.VIEWER)),
        pytest.raises(Refused, match="You no longer have the right"),
    ):
        approve(asked, bob)
    assert fresh(asked).state == State.AWAITING_APPROVAL


def test_an_account_that_is_removed_while_somebody_decides_is_sent_nothing(asked, bob):
    gone = {"removed_at": timezone.now(), "paused": "removed"}
    with (
        meanwhile(LOCKED, lambda: Account.objects.update(**gone)),
        pytest.raises(Refused, match="Production was removed from Northwind"),
    ):
        approve(asked, bob)
    assert fresh(asked).state == State.AWAITING_APPROVAL


def test_what_is_cancelled_while_somebody_decides_stays_cancelled(asked, rosa, bob):
    with (
        meanwhile(CHECKED, lambda: operations.cancel(fresh(asked), actor=rosa)),
        pytest.raises(Refused, match="Too late"),
    ):
        approve(asked, bob)
    assert fresh(asked).state == State.CANCELLED
    assert not Approval.objects.exists()


def test_of_two_plans_for_one_server_one_is_let_go(stage, asked, snapshot, rosa, bob):
    other = restore(snapshot, rosa)
    approve(asked, bob)
    with pytest.raises(Refused, match="web-1 is busy: Rosa asked to restore it"):
        approve(other, bob)
    assert fresh(other).state == State.AWAITING_APPROVAL
    assert not Approval.objects.filter(operation=other).exists()


def test_nothing_is_decided_twice(asked, bob, alice):
    approve(asked, bob)
    for act in (
        lambda: approve(asked, alice),
        lambda: break_glass(asked, alice),
        lambda: approvals.reject(fresh(asked), actor=alice, words="No"),
    ):
        with pytest.raises(Refused, match="does not wait for a second person any more"):
            act()
    stale = Operation.objects.get(pk=asked.pk)
    stale.state, stale.version = State.AWAITING_APPROVAL, 0
    with pytest.raises(Refused, match="Too late"):
        approvals.reject(stale, actor=alice, words="No")


def test_what_a_second_person_said_is_not_changed(asked, bob):
    approve(asked, bob)
    for change in (
        lambda: Approval.objects.update(by_name="Mallory"),
        lambda: Approval.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


# -- the other ends -------------------------------------------------------------------------------


def test_a_second_person_says_no_with_a_reason(asked, bob):
    with pytest.raises(Refused, match="Please say why"):
        approvals.reject(asked, actor=bob, words="  ")
    with pytest.raises(Refused, match="501 characters"):
        approvals.reject(asked, actor=bob, words="x" * 501)
    approvals.reject(fresh(asked), actor=bob, words="Wrong  server")
    ended = fresh(asked)
    assert (ended.state, ended.reason) == (State.CANCELLED, Reason.REJECTED)
    assert ended.why == "Bob rejected it: Wrong server; nothing was sent"
    said = Approval.objects.get()
    assert (said.what, said.words) == ("rejected", "Wrong server")
    assert Event.objects.filter(operation=asked, verb="restore.rejected", actor=bob).exists()


def test_nobody_decides_and_it_expires(stage, asked, bob):
    stage.later(hours=4)
    with pytest.raises(Refused, match="does not wait for a second person any more"):
        approve(asked, bob)
    operations.sweep()
    ended = fresh(asked)
    assert (ended.state, ended.reason) == (State.EXPIRED, Reason.NOBODY_DECIDED)


def test_whoever_asked_takes_it_back(asked, rosa):
    operations.cancel(asked, actor=rosa)
    assert fresh(asked).state == State.CANCELLED


def test_an_owner_breaks_the_glass_with_a_reason(stage, snapshot, alice, rosa, bob):
    asked = restore(snapshot, alice)
    with pytest.raises(NotAllowed, match="without the second person in an emergency"):
        break_glass(asked, bob)
    with pytest.raises(Refused, match="Please say why"):
        break_glass(asked, alice, words="")
    done = break_glass(asked, alice)
    said = Approval.objects.get()
    assert (said.what, said.by, said.words) == ("emergency", alice, "The shop is down")
    line = Event.objects.get(operation=asked, verb="restore.emergency")
    assert line.data["words"] == "The shop is down"
    assert line.to_tell
    assert stage.send(done).state == State.RUNNING


# -- before it is sent ----------------------------------------------------------------------------


def test_an_approver_who_lost_the_right_since_is_none(stage, asked, bob):
    done = approve(asked, bob)
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    ended = stage.send(done)
    assert (ended.state, ended.reason) == (State.FAILED, Reason.APPROVER_LEFT)
    assert ended.why.startswith("Bob, who approved it, no longer has the right")
    assert not sent(stage)


def test_an_owner_who_is_none_any_more_lets_nothing_go_alone(stage, asked, alice):
    member("Olga", Role.OWNER, asked.team)
    done = break_glass(asked, alice)
    Membership.objects.filter(user=alice).update(role=Role.ADMIN)
    ended = stage.send(done)
    assert (ended.state, ended.reason) == (State.FAILED, Reason.APPROVER_LEFT)
    assert not sent(stage)


def test_a_server_that_is_guarded_meanwhile_needs_a_second_person(stage, snapshot, rosa):
    Team.objects.update(guard="careful")
    queued = restore(snapshot, rosa)
    Team.objects.update(guard="guarded")
    ended = stage.send(queued)
    assert (ended.state, ended.reason) == (State.FAILED, Reason.NOT_APPROVED)
    assert not sent(stage)


def test_an_approval_of_something_else_is_none(stage, asked, bob):
    done = approve(asked, bob)
    done.plan.facts["server"] = "db-1"
    done.plan.save()
    assert stage.send(done).reason == Reason.NOT_APPROVED
    assert not sent(stage)


def test_a_claim_asks_one_question_more_for_a_guarded_server(stage, asked, snapshot, rosa, bob):
    asked = approve(asked, bob)
    db = Server.objects.get(name="db-1")
    Server.objects.filter(pk=db.pk).update(guard="careful")
    stage.provider.snapshot(db.remote_id, "nightly", created_at=snapshot.created_at)
    stage.look(db.account)
    count = []
    for one in (restore(Snapshot.objects.get(server=db), rosa), asked):
        with CaptureQueriesContext(connection) as told:
            assert stage.send(one).state == State.RUNNING
        count.append(len(told))
    assert count[1] == count[0] + 1


# -- a database that was put back -----------------------------------------------------------------


def test_what_waits_in_a_database_that_was_put_back_may_have_been_sent(
    stage, asked, snapshot, rosa, bob
):
    other = restore(snapshot, rosa)
    epoch.stop(Epoch.Why.SAID)
    for act in (
        lambda: approve(asked, bob),
        lambda: approvals.reject(fresh(asked), actor=bob, words="No"),
    ):
        with pytest.raises(Refused, match="does not wait"):
            act()
    with pytest.raises(Refused, match="Too late to cancel"):
        operations.cancel(fresh(asked), actor=rosa)
    assert "2 operations are not in doubt yet; the tick will see to it." in epoch.still_to_do()
    operations.sweep()
    operations.sweep()
    states = [(one.state, one.reason) for one in (fresh(asked), fresh(other))]
    assert states == [(State.IN_DOUBT, Reason.PUT_BACK), (State.WAITING, Reason.PUT_BACK)]
    assert "may have been approved" in lines(asked)
    with pytest.raises(Refused, match="Too late to cancel"):
        operations.cancel(fresh(other), actor=rosa)
    stage.later(hours=5)
    operations.sweep()
    assert fresh(other).state == State.WAITING
    assert not sent(stage)


def lines(operation):
    return " ".join(line(event) for event in Event.objects.filter(operation=operation))


def test_the_checker_of_the_campaigns_sees_what_went_out_without_one(stage, snapshot, rosa, bob):
    Team.objects.update(guard="careful")
    done = stage.send(restore(snapshot, rosa))
    assert done.state == State.RUNNING
    assert complaints(stage.provider.log) == []
    Server.objects.filter(pk=done.server_id).update(guard="guarded")
    assert complaints(stage.provider.log) == [
        f"{done}: attempt 1 went out, and no second person had approved it"
    ]
    said = {"operation": done, "by": rosa, "at": done.created_at}
    Approval.objects.create(**said, what="approved")
    assert complaints(stage.provider.log) == [f"{done}: whoever asked for it approved it"]
