"""Who is told of what, and who is not."""

from __future__ import annotations

import json

import pytest
from django.core import mail

from snapshots import accounts, events, guards, notices, operations, teams
from snapshots.errors import Refused
from snapshots.events import Verb, topic_of
from snapshots.models import (
    Delivery,
    Event,
    Kind,
    Lowering,
    Membership,
    Role,
    Team,
    Topic,
    Wish,
)
from snapshots.notices import wishes
from snapshots.operations import approvals
from tests.conftest import delete, fresh, member, restore, take
from tests.notices.conftest import a_tick, subjects

pytestmark = pytest.mark.usefixtures("mailing")
SUFFIXES = {
    "succeeded": "finished",
    "said_yes": "finished",
    "failed": "failed",
    "expired": "failed",
    "not_applied": "failed",
    "said_no": "failed",
    "in_doubt": "in_doubt",
    "needs_person": "needs_person",
    "slow": "slow",
    "approval_wanted": "approval",
    "approved": "approval",
    "rejected": "failed",
    "emergency": "emergency",
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("suffix", "topic"), SUFFIXES.items())
def test_every_kind_of_operation_is_told_of_by_the_end_of_its_verb(kind, suffix, topic):
    assert topic_of(f"{kind}.{suffix}") == topic


@pytest.mark.parametrize(
    "verb", ["create.asked", "restore.sending", "refused", "invitation.expired", "server.gone"]
)
def test_nobody_is_told_of_the_rest(verb):
    assert topic_of(verb) is None


def test_the_one_who_asked_is_told_that_it_finished_and_nobody_else(
    stage, server, oscar, alice, rosa
):
    stage.watch(stage.send(take(server, oscar)), minutes=5)
    a_tick()
    assert subjects(oscar) == ["[Northwind] The snapshot before-update of web-1 is complete"]
    assert len(mail.outbox) == 1


def test_an_owner_is_told_of_everybodys_failures(stage, server, oscar, alice, rosa):
    token = stage.tokens[server.account_id]
    stage.provider.outside.set_permissions(token, ["servers:read"])
    stage.send(take(server, oscar))
    a_tick()
    assert len(subjects(oscar)) == len(subjects(alice)) == 1
    assert subjects(alice)[0].startswith("[Northwind] Could not take the snapshot before-update")
    assert subjects(rosa) == []


def test_the_account_is_paused_owners_and_admins_are_told_but_not_who_paused_it(
    account, alice, vera, team
):
    ada = member("Ada", Role.ADMIN, team)
    accounts.pause(account, actor=alice)
    a_tick()
    assert subjects(ada) == [
        "[Northwind] Alice paused Production: nothing is sent, looking goes on"
    ]
    assert subjects(alice) == subjects(vera) == []


def test_a_refused_token_is_told(stage, account, alice, oscar):
    stage.provider.outside.revoke_token(stage.tokens[account.pk])
    stage.look(account)
    a_tick()
    assert subjects(alice)[0].startswith("[Northwind] The provider refuses the token of Production")
    assert subjects(oscar) == []


def a_line(verb: str, team: Team, **about) -> Event:
    return events.record(Verb(verb), team=team, **about)


def choose(person, team, **chosen):
    wishes.choose(fresh(person), team, chosen)


def test_muted_is_muted_and_everything_is_everything(server, team, oscar, rosa):
    operation = take(server, oscar)
    choose(oscar, team, failed="nothing")
    choose(rosa, team, failed="everything", finished="everything")
    a_line("create.failed", team, operation=operation, server=server)
    a_line("create.succeeded", team, operation=operation, server=server)
    a_tick()
    assert len(subjects(rosa)) == 2
    assert subjects(oscar) == ["[Northwind] The snapshot before-update of web-1 is complete"]


@pytest.mark.parametrize("topic", ["failed", "in_doubt", "needs_person", "account_paused"])
def test_an_owner_cannot_mute_what_needs_somebody(alice, team, topic):
    for scope in ("nothing", "mine"):
        with pytest.raises(Refused):
            choose(alice, team, **{topic: scope})


def test_what_an_admin_muted_does_not_stay_muted_when_they_become_owner(server, team, oscar):
    ada = member("Ada", Role.ADMIN, team)
    choose(ada, team, failed="nothing")
    Membership.objects.filter(user=ada).update(role=Role.OWNER)
    a_line("create.failed", team, operation=take(server, oscar), server=server)
    a_tick()
    assert len(subjects(ada)) == 1


def test_saving_an_owners_page_does_not_keep_what_is_fixed(alice, team):
    choose(alice, team, failed="everything", finished="nothing")
    assert list(Wish.objects.values_list("topic", "scope")) == [("finished", "nothing")]


@pytest.mark.parametrize(
    "chosen", [{"failed": "loud"}, {"weather": "everything"}, {"account_paused": "mine"}]
)
def test_only_what_is_offered_can_be_chosen(vera, team, chosen):
    with pytest.raises(Refused):
        choose(vera, team, **chosen)
    assert not Wish.objects.exists()


def test_a_stranger_chooses_nothing_and_hears_nothing(server, team, oscar, mallory):
    with pytest.raises(Refused):
        choose(mallory, team, failed="everything")
    Wish.objects.create(user=mallory, team=team, topic="failed", scope="everything")
    a_line("create.failed", team, operation=take(server, oscar), server=server)
    a_tick()
    assert subjects(mallory) == []
    assert not Delivery.objects.filter(user=mallory).exists()


@pytest.mark.parametrize("how", ["removed", "suspended"])
def test_who_has_left_before_it_is_sent_gets_nothing(server, team, oscar, alice, how):
    a_line("create.failed", team, operation=take(server, oscar), server=server)
    notices.write_messages()
    if how == "removed":
        Membership.objects.filter(user=oscar).delete()
    else:
        type(oscar).objects.filter(pk=oscar.pk).update(is_active=False)
    notices.deliver()
    assert subjects(oscar) == []
    row = Delivery.objects.get(user=oscar)
    assert (row.state, row.trouble) == ("dropped", "not_a_member")
    assert len(subjects(alice)) == 1


def test_a_suspended_person_is_not_written_to_at_all(server, team, oscar):
    type(oscar).objects.filter(pk=oscar.pk).update(is_active=False)
    a_line("create.failed", team, operation=take(server, oscar), server=server)
    a_tick()
    assert not Delivery.objects.filter(user=oscar).exists()


def test_without_a_mail_server_no_mail_is_written_and_the_outbox_empties(
    settings, server, team, oscar
):
    settings.EMAIL_IS_SENT = False
    a_line("create.failed", team, operation=take(server, oscar), server=server)
    a_tick()
    assert not Delivery.objects.exists()
    assert not Event.objects.filter(to_tell=True).exists()


def test_a_restore_with_its_safety_snapshot_is_one_message(stage, snapshot, rosa):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    child = operation.children.get()
    stage.watch(stage.send(child), minutes=5)
    assert fresh(child).state == "succeeded"
    a_tick()
    assert subjects(rosa) == []
    stage.watch(stage.send(operation), times=6, minutes=3)
    assert fresh(operation).state == "succeeded"
    a_tick()
    assert subjects(rosa) == ["[Northwind] web-1 is back at pre-upgrade"]


def test_a_restore_in_doubt_is_told_to_owner_and_asker(stage, snapshot, rosa, alice, oscar):
    operation = restore(snapshot, rosa)
    stage.provider.faults.add("close_before", path="/restore/")
    assert stage.send(operation).state == "in_doubt"
    a_tick()
    assert len(subjects(rosa)) == len(subjects(alice)) == 1
    assert "It is not known whether web-1 is being restored" in subjects(rosa)[0]
    assert subjects(oscar) == []
    assert "Nothing is sent a second time by itself." in mail.outbox[0].body


def test_a_verdict_is_not_told_to_who_gave_it(server, team, oscar, alice):
    operation = take(server, oscar)
    a_line("create.said_no", team, operation=operation, server=server, actor=alice, words="gone")
    a_tick()
    assert subjects(alice) == []
    assert len(subjects(oscar)) == 1


def test_a_cancelled_operation_is_told_to_nobody(server, oscar):
    operations.cancel(take(server, oscar), actor=oscar)
    a_tick()
    assert mail.outbox == []


def test_a_deletion_is_told_too(stage, snapshot, rosa):
    stage.send(delete(snapshot, rosa))
    a_tick()
    assert subjects(rosa) == ["[Northwind] The snapshot pre-upgrade of web-1 was deleted"]


def test_each_line_is_told_once_however_often_the_tick_runs(server, team, oscar):
    a_line("create.failed", team, operation=take(server, oscar), server=server)
    for _ in range(3):
        a_tick()
    assert len(subjects(oscar)) == 1


def test_a_person_in_two_teams_is_told_by_each_of_its_own(server, team, oscar, mallory):
    elsewhere = mallory.teams.get()
    teams.add_member(elsewhere, oscar, Role.OWNER)
    a_line("create.failed", team, operation=take(server, oscar), server=server)
    a_tick()
    assert [subject[:11] for subject in subjects(oscar)] == ["[Northwind]"]
    assert "Elsewhere" not in mail.outbox[0].body
    assert subjects(mallory) == []


def test_defaults_are_told_plainly():
    table = {(role, topic): wishes.default(role, topic) for role in Role for topic in Topic}
    assert table[Role.VIEWER, Topic.ACCOUNT_PAUSED] == "nothing"
    assert table[Role.RESTORER, Topic.FAILED] == "mine"
    assert {table[role, topic] for role in (Role.OWNER, Role.ADMIN) for topic in wishes.ALWAYS} == {
        "everything"
    }
    assert table[Role.OWNER, Topic.SLOW] == "mine"
    assert {role: table[role, Topic.APPROVAL] for role in (Role.OPERATOR, Role.RESTORER)} == {
        Role.OPERATOR: "nothing",
        Role.RESTORER: "everything",
    }
    assert {table[role, Topic.EMERGENCY] for role in Role} == {"everything"}


@pytest.fixture
def asked(server, snapshot, rosa):
    """Rosa has asked to restore web-1, which needs a second person."""
    Team.objects.update(guard="guarded")
    return restore(snapshot, rosa)


def decided(operation, actor, verb="approve", **more):
    seen = approvals.sealed(operation, actor)
    more |= {} if verb == "reject" else {"typed": operation.server.name, "seen": seen}
    getattr(approvals, verb)(operation, actor=actor, **more)
    mail.outbox.clear()
    a_tick()


def test_who_can_be_the_second_person_is_told_that_one_is_wanted(
    asked, alice, rosa, oscar, mallory, team
):
    bob = member("Bob", Role.RESTORER, team)
    a_tick()
    words = "Rosa asks for a second person’s approval to restore web-1 to pre-upgrade"
    assert subjects(alice) == subjects(bob) == [f"[Northwind] {words}"]
    assert "approve it or say no" in mail.outbox[0].body
    assert f"/operations/{asked.pk}/" in mail.outbox[0].body
    assert subjects(rosa) == subjects(oscar) == subjects(mallory) == []
    decided(asked, bob)
    assert subjects(rosa) == subjects(alice)
    assert subjects(rosa) == ["[Northwind] Bob approved the restore of web-1 to pre-upgrade"]


def test_whoever_asked_is_told_of_a_no_and_why(asked, alice, rosa):
    decided(asked, alice, "reject", words="Not on a Friday")
    [subject] = subjects(rosa)
    assert subject.endswith("rejected the restore of web-1 to pre-upgrade: Not on a Friday")


def test_everybody_is_told_of_an_emergency_and_nobody_can_mute_that(
    asked, alice, rosa, oscar, vera, team
):
    for person in (rosa, oscar, vera):
        with pytest.raises(Refused, match="Everybody is told"):
            wishes.choose(person, team, {"emergency": "nothing"})
        Wish.objects.create(user=person, team=team, topic="emergency", scope="nothing")
    decided(asked, alice, "break_glass", words="The shop is down")
    for person in (rosa, oscar, vera):
        assert subjects(person)[0].endswith("as an emergency: The shop is down")


# -- a guard level is to be lowered ---------------------------------------------------------------


@pytest.fixture
def adam(team):
    return member("Adam", Role.ADMIN, team)


def lower(thing, actor):
    type(thing).objects.filter(pk=thing.pk).update(guard="guarded")
    mail.outbox.clear()
    wish = guards.set_level(thing, "careful", actor=actor, why="The migration")
    a_tick()
    return wish


def test_who_could_lower_a_guard_level_is_told_that_somebody_asks(
    server, team, alice, adam, rosa, vera, mallory, receiving
):
    choose(vera, team, approval="everything")
    there = receiving(topics=["approval"])
    wish = lower(server, alice)
    [subject] = subjects(adam)
    assert subject.startswith(
        "[Northwind] Alice asks a second person to let the guard level of web-1"
    )
    assert "approve it or say no" in mail.outbox[0].body
    assert f"/lowerings/{wish.pk}/" in mail.outbox[0].body
    assert len(mail.outbox) == 1
    [(_headers, body)] = there.heard
    assert json.loads(body)["data"]["lowering"] == {
        "id": wish.pk,
        "asked_by": "Alice",
        "url": f"https://snapshots.example.com/lowerings/{wish.pk}/",
    }


def test_whoever_cannot_decide_it_any_more_is_not_asked_to(server, team, alice, adam):
    type(server).objects.filter(pk=server.pk).update(guard="guarded")
    mail.outbox.clear()
    guards.set_level(server, "careful", actor=alice, why="The migration")
    notices.write_messages()
    Membership.objects.filter(user=adam).update(role=Role.RESTORER)
    a_tick()
    assert not mail.outbox
    [row] = Delivery.objects.filter(event__verb="guard.lower_asked")
    assert (row.state, row.trouble) == ("dropped", "not_a_member")


def test_whoever_asked_for_a_lower_level_is_told_what_became_of_it(team, alice, adam):
    def decided(act):
        wish = lower(team, adam)
        act(wish)
        mail.outbox.clear()
        a_tick()
        return subjects(adam)[0]

    words = "the guard level of Northwind"
    said_no = decided(lambda wish: guards.reject(wish, actor=alice, words="Not on a Friday"))
    assert said_no == (
        f"[Northwind] Alice rejected that {words} goes to Careful, as Adam asked: Not on a Friday"
    )
    said_yes = decided(lambda wish: guards.approve(wish, actor=alice))
    assert said_yes.startswith(f"[Northwind] Alice approved what Adam asked for: {words} goes")
    overtaken = decided(lambda wish: guards.set_level(team, "sealed", actor=alice))
    assert overtaken.startswith("[Northwind] Alice set another guard level of Northwind meanwhile")

    def nobody_decides(wish):
        Membership.objects.filter(user=adam).update(role=Role.RESTORER)
        Lowering.objects.filter(pk=wish.pk).update(expires_at=wish.created_at)
        guards.expire()

    assert decided(nobody_decides).startswith("[Northwind] Nobody approved in time that the guard")
