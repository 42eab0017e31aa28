"""Suspended: let in no more at once, and again as what one was."""

import pytest
from django.test import Client

from snapshots import invitations, permissions, teams
from snapshots.errors import NotAllowed, Refused
from snapshots.events import sentence
from snapshots.models import Delivery, Event, Membership, Role, State, User
from snapshots.notices import webhooks
from snapshots.notices.outbox import write_messages
from snapshots.permissions import may, may_now
from tests.conftest import fresh, member, person, take
from tests.operations.test_guarantees import at_once
from tests.pages.factories import a_server, an_account, text


def suspended(somebody, by):
    """Suspend them, and read them anew as a request does."""
    teams.suspend(somebody.memberships.get(), actor=by)
    return User.objects.get(pk=somebody.pk)


def test_nothing_is_seen_or_may_be_done_any_more(server, rosa, alice):
    rosa, team = suspended(rosa, alice), server.account.team
    assert not permissions.visible_servers(rosa).exists()
    assert not permissions.visible_accounts(rosa).exists()
    assert not permissions.visible_events(rosa).exists()
    for right in permissions.RIGHTS:
        assert not may(rosa, right, team)
        assert not may_now(rosa.pk, right, team.pk, server.pk)
    with pytest.raises(NotAllowed):
        take(server, rosa)


def test_what_was_asked_for_and_not_sent_is_not_sent(stage, server, oscar, alice):
    asked = take(server, oscar)
    suspended(oscar, alice)
    done = stage.send(asked)
    assert (done.state, done.reason) == (State.FAILED, "right_withdrawn")


def test_all_sessions_end_at_once_and_nobody_elses(team, rosa, vera, alice, client_of):
    theirs, also_theirs, another = client_of(rosa), client_of(rosa), client_of(vera)
    assert theirs.get("/").status_code == 200
    suspended(rosa, alice)
    for client in (theirs, also_theirs):
        answer = client.get("/")
        assert answer.status_code == 302 and "/auth/login/" in answer["Location"]
    assert another.get("/").status_code == 200


def test_after_a_sign_in_one_reads_where_one_is_suspended_and_who_can_change_it(
    team, rosa, alice, client_of
):
    server = a_server(an_account(team))
    rosa = suspended(rosa, alice)
    client = client_of(rosa)
    for address in ("/", "/servers/", "/team/"):
        page = text(client.get(address))
        assert "You are suspended in Northwind." in page, address
        assert "Alice can let you in again." in page, address
        assert "web-1" not in page, address
    for address in (f"/team/{team.pk}/", f"/servers/{server.pk}/", f"/team/{team.pk}/leave/"):
        assert client.get(address).status_code == 404, address


def test_who_is_suspended_in_one_team_goes_on_in_the_others(team, rosa, alice, mallory, client_of):
    elsewhere = mallory.teams.get()
    teams.add_member(elsewhere, rosa, Role.VIEWER)
    teams.suspend(rosa.memberships.get(team=team), actor=alice)
    client = client_of(User.objects.get(pk=rosa.pk))
    assert client.get(f"/team/{elsewhere.pk}/").status_code == 200
    assert client.get(f"/team/{team.pk}/").status_code == 404
    assert "You are suspended" not in text(client.get("/"))
    assert "You are suspended" not in text(client.get("/servers/"))


def test_one_is_let_in_again_as_what_one_was(team, rosa, alice):
    suspended(rosa, alice)
    teams.resume(rosa.memberships.get(), actor=alice)
    assert User.objects.get(pk=rosa.pk).roles == {team.pk: Role.RESTORER}
    told = [sentence(one) for one in Event.objects.order_by("-pk")[:2]]
    assert told == ["let Rosa in again as Restorer", "suspended Rosa, who is Restorer"]


def test_twice_is_once(team, rosa, alice):
    suspended(rosa, alice)
    suspended(rosa, alice)
    teams.resume(rosa.memberships.get(), actor=alice)
    teams.resume(rosa.memberships.get(), actor=alice)
    assert Event.objects.filter(verb__in=["member.suspended", "member.resumed"]).count() == 2


def test_a_link_does_not_lead_around_it(team, rosa, alice):
    invitation, _secret = invitations.invite(team, Role.OPERATOR, actor=alice)
    suspended(rosa, alice)
    with pytest.raises(Refused, match="is in Northwind already"):
        invitations.accept(invitation, user=rosa)
    teams.leave(team, actor=rosa)  # nothing to leave
    assert rosa.memberships.get().suspended_at
    assert not fresh(invitation).accepted_at


def test_what_they_invited_is_void_while_it_lasts(team, alice):
    ada = member("Ada", Role.ADMIN, team)
    invitation, _secret = invitations.invite(team, Role.OPERATOR, actor=ada)
    suspended(ada, alice)
    with pytest.raises(Refused, match="Ada, who made this invitation, may no longer do so"):
        invitations.accept(invitation, user=person("Nora"))
    assert "Ada, who made" in invitations.pending(team)[0].objection
    teams.resume(ada.memberships.get(), actor=alice)
    assert invitations.accept(invitation, user=person("Nils")).role == Role.OPERATOR


def test_one_who_is_suspended_manages_nobody(team, rosa, alice):
    ada = member("Ada", Role.ADMIN, team)
    assert may(ada, permissions.MANAGE_PEOPLE, team)  # read, as at the begin of a request
    teams.suspend(Membership.objects.get(user=ada), actor=alice)
    with pytest.raises(NotAllowed, match="manage people in Northwind"):
        teams.suspend(rosa.memberships.get(), actor=ada)


def test_they_are_told_nothing(server, rosa, alice, settings):
    from tests.test_scopes import in_doubt

    settings.EMAIL_IS_SENT = True
    webhooks.add_own(
        server.account.team, name="Chat", address="https://chat.example.com/", actor=rosa
    )
    suspended(rosa, alice)
    in_doubt(server, rosa)
    write_messages()
    assert [row.user for row in Delivery.objects.all()] == [alice]


def test_the_last_owner_who_is_not_suspended_stays(team, alice):
    olga = member("Olga", Role.OWNER, team)
    suspended(olga, alice)
    for attempt in (
        lambda: teams.leave(team, actor=alice),
        lambda: teams.change_role(alice.memberships.get(), Role.ADMIN, actor=alice),
    ):
        with pytest.raises(Refused, match="without an owner"):
            attempt()


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_suspend_or_demote_each_other_leave_one(team, alice):
    verbs = [
        teams.suspend,
        lambda theirs, actor: teams.change_role(theirs, Role.ADMIN, actor=actor),
    ]
    one = alice
    for n, verb in enumerate(verbs * 2):
        other = member(f"Olga {n}", Role.OWNER, team)
        theirs, mine = (Membership.objects.get(user=who) for who in (other, one))
        at_once(
            lambda verb=verb, theirs=theirs, one=one: verb(theirs, actor=one),
            lambda verb=verb, mine=mine, other=other: verb(mine, actor=other),
        )
        one = team.memberships.get(role=Role.OWNER, suspended_at=None).user  # exactly one


# -- in the browser -------------------------------------------------------------------------------


def test_somebody_is_suspended_and_let_in_again(team, rosa, alice, client_of):
    client, pk = client_of(alice), rosa.memberships.get().pk
    page = text(client.get(f"/members/{pk}/suspend/"))
    assert "Rosa is signed out everywhere" in page
    assert client.post(f"/members/{pk}/suspend/").status_code == 303
    page = text(client.get(f"/team/{team.pk}/"))
    assert "Rosa suspended" in page and "Let in again" in page
    assert client.get(f"/members/{pk}/resume/").status_code == 302  # a button's address
    assert rosa.memberships.get().suspended_at
    assert client.post(f"/members/{pk}/resume/").status_code == 303
    assert rosa.memberships.get().suspended_at is None


@pytest.mark.parametrize("what", ["suspend", "resume"])
def test_who_may_not_reads_who_can_and_strangers_find_nothing(
    team, rosa, vera, mallory, client_of, what
):
    address = f"/members/{rosa.memberships.get().pk}/{what}/"
    answer = client_of(vera).post(address)
    assert answer.status_code == 403
    assert "You may not manage people in Northwind. Alice can give you that right." in text(answer)
    assert client_of(mallory).post(address).status_code == 404
    assert Client().post(address).status_code == 302
