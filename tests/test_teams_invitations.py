"""An invitation makes its bearer a member: once, in time, and only while its maker may."""

import pytest

from snapshots import invitations, teams
from snapshots.errors import NotAllowed, Refused
from snapshots.events import sentence
from snapshots.models import Event, Invitation, Membership, Role, Team, User
from tests.conftest import fresh, member, person
from tests.operations.test_guarantees import at_once

PASSWORD = "a long enough one"


@pytest.fixture
def nora(db):
    return person("Nora")


def invite(team, actor, role=Role.OPERATOR, email=""):
    return invitations.invite(team, role, actor=actor, email=email)[0]


def role_of(user, team):
    found = Membership.objects.filter(user=user, team=team).first()
    return found.role if found else None


def test_only_a_hash_of_the_secret_is_kept(team, alice):
    invitation, secret = invitations.invite(team, Role.VIEWER, actor=alice)
    assert len(secret) == 43  # 256 bits
    assert secret not in str(list(Invitation.objects.values()))
    assert secret not in str(list(Event.objects.values()))
    assert invitation.secret_hash == invitations.fingerprint(secret)


def test_it_works_once(team, alice, nora, stage):
    invitation = invite(team, alice)
    invitations.accept(invitation, user=nora)
    assert role_of(nora, team) == Role.OPERATOR
    with pytest.raises(Refused, match="It works once"):
        invitations.accept(invitation, user=person("Nils"))
    assert fresh(invitation).accepted_by == nora
    told = [sentence(one) for one in Event.objects.order_by("-pk")[:3]]
    assert told == [
        "was refused: This invitation has been used. It works once.",
        "joined as Operator, invited by Alice",
        "made a link with which one person can join as Operator",
    ]


def test_it_works_for_three_days_to_the_second(team, alice, nora, stage):
    invitation = invite(team, alice)
    stage.later(hours=72, seconds=-1)
    assert invitations.objection(invitation) == ""
    stage.later(seconds=1)
    with pytest.raises(Refused, match="too old"):
        invitations.accept(invitation, user=nora)
    assert role_of(nora, team) is None


def test_one_that_was_withdrawn_works_no_more(team, alice, nora):
    invitation = invite(team, alice)
    invitations.withdraw(invitation, actor=alice)
    with pytest.raises(Refused, match="withdrawn"):
        invitations.accept(invitation, user=nora)
    with pytest.raises(Refused, match="already"):
        invitations.withdraw(invitation, actor=alice)


@pytest.mark.parametrize("email", ["Nora@Example.com", " nora@example.com "])
def test_one_for_an_address_is_for_nobody_else(team, alice, nora, email):
    invitation = invite(team, alice, email=email)
    with pytest.raises(Refused, match=r"for nora@example.com, and you are signed in as nils"):
        invitations.accept(invitation, user=person("Nils"))
    invitations.accept(invitation, user=nora)
    assert role_of(nora, team) == Role.OPERATOR


@pytest.mark.parametrize(("actor", "role"), [("ada", Role.OWNER), ("rosa", Role.VIEWER)])
def test_nobody_invites_above_their_own_role(team, rosa, actor, role):
    who = rosa if actor == "rosa" else member("Ada", Role.ADMIN, team)
    with pytest.raises(NotAllowed):
        invite(team, who, role)
    assert not Invitation.objects.exists()


def test_a_stranger_invites_nobody(team, mallory):
    with pytest.raises(NotAllowed):
        invite(team, mallory, Role.VIEWER)


@pytest.mark.parametrize("change", ["demoted", "removed", "switched off", "below", "unproved"])
def test_it_is_void_when_its_maker_may_no_longer_invite(team, alice, nora, change):
    olga = member("Olga", Role.OWNER, team)
    invitation = invite(team, olga, Role.OWNER if change == "below" else Role.VIEWER)
    theirs = Membership.objects.select_related("team", "user").get(user=olga)
    if change == "removed":
        teams.remove_member(theirs, actor=alice)
    elif change == "switched off":
        User.objects.filter(pk=olga.pk).update(is_active=False)
    elif change == "unproved":  # the team wants a second factor now, and Olga has none
        Team.objects.update(second_factor=True)
    else:
        role = Role.ADMIN if change == "below" else Role.OPERATOR
        teams.change_role(theirs, role, actor=alice)
    with pytest.raises(Refused, match="may no longer do so"):
        invitations.accept(fresh(invitation), user=nora)
    assert [bool(one.objection) for one in invitations.pending(team)] == [True]
    assert role_of(nora, team) is None


def test_a_member_stays_what_they_are_and_the_link_stays_unused(team, alice, rosa):
    invitation = invite(team, alice, Role.OWNER)
    with pytest.raises(Refused, match="Rosa is in Northwind already"):
        invitations.accept(invitation, user=rosa)
    assert role_of(rosa, team) == Role.RESTORER
    assert fresh(invitation).accepted_at is None
    with pytest.raises(Refused, match="already") as refusal:
        invite(team, alice, email="ROSA@example.com")
    assert refusal.value.field == "email"


def test_somebody_new_joins_with_a_name_and_a_password(team, alice):
    invitation = invite(team, alice, email="nora@example.com")
    user = invitations.join(invitation, name=" Nora  N ", password=PASSWORD)
    assert (user.email, user.name) == ("nora@example.com", "Nora N")
    assert user.check_password(PASSWORD)
    assert role_of(user, team) == Role.OPERATOR


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"name": " "}, "name"),
        ({"password": "short"}, "password"),
        ({"password": "password1234"}, "password"),
        ({"email": "no address"}, "email"),
        ({"email": "rosa@example.com"}, "email"),
    ],
)
def test_who_cannot_join_does_not_exist_afterwards(team, alice, rosa, words, field):
    invitation = invite(team, alice)
    given = {"name": "Nora", "password": PASSWORD, "email": "nora@example.com"} | words
    people = User.objects.count()
    with pytest.raises(Refused) as refusal:
        invitations.join(invitation, **given)
    assert refusal.value.field == field
    assert User.objects.count() == people
    assert fresh(invitation).accepted_at is None


def test_the_address_of_the_invitation_cannot_be_changed_by_who_joins(team, alice):
    invitation = invite(team, alice, email="nora@example.com")
    user = invitations.join(invitation, name="M", password=PASSWORD, email="mallory@example.com")
    assert user.email == "nora@example.com"


@pytest.mark.django_db(transaction=True)
def test_of_ten_who_open_the_same_link_at_once_one_joins(team, alice):
    invitation = invite(team, alice)
    crowd = [person(f"Person {n}".replace(" ", "")) for n in range(10)]
    results = at_once(
        *[lambda user=user: invitations.accept(fresh(invitation), user=user) for user in crowd]
    )
    assert sum(isinstance(one, Membership) for one in results) == 1
    assert team.memberships.count() == 2


@pytest.mark.django_db(transaction=True)
def test_withdrawing_against_accepting_exactly_one_wins(team, alice):
    for n in range(5):
        invitation, nora = invite(team, alice), person(f"Nora{n}")
        withdrawn, _joined = at_once(
            lambda i=invitation: invitations.withdraw(fresh(i), actor=alice),
            lambda i=invitation, u=nora: invitations.accept(fresh(i), user=u),
        )
        assert isinstance(withdrawn, Refused) == (role_of(nora, team) is not None)
