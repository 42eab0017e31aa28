"""Who may make whom what. The last owner stays, also when two go at once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from snapshots import teams
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Event, Membership, Role, State, User
from snapshots.notices import webhooks
from snapshots.permissions import may
from tests.conftest import fresh, member, take
from tests.operations.test_guarantees import at_once


def membership_of(person):
    return Membership.objects.select_related("team", "user").get(user=person)


@pytest.fixture
def ada(team):
    return member("Ada", Role.ADMIN, team)


@pytest.fixture
def crew(team, alice, ada, rosa, oscar, vera):
    """One person for each role."""
    return {"owner": alice, "admin": ada, "restorer": rosa, "operator": oscar, "viewer": vera}


def people(team):
    return {one.user.name: one.role for one in team.memberships.select_related("user")}


ROLES = [role.value for role in reversed(Role)]


OTHERS = [(actor, target) for actor in ROLES for target in ROLES]
BELOW = {
    "owner": set(ROLES),  # the highest give and take their own role too
    "admin": {"restorer", "operator", "viewer"},
}


@pytest.mark.parametrize(("actor", "target"), OTHERS)
@pytest.mark.parametrize("role", ROLES)
def test_roles_are_given_and_taken_below_ones_own(team, crew, actor, target, role):
    member("Another owner", Role.OWNER, team)
    theirs = membership_of(member("Another", Role(target), team))
    before = people(team)
    if {target, role} <= BELOW.get(actor, set()):
        teams.change_role(theirs, Role(role), actor=crew[actor])
        assert fresh(theirs).role == role
    else:
        with pytest.raises(NotAllowed):
            teams.change_role(theirs, Role(role), actor=crew[actor])
        assert people(team) == before


@pytest.mark.parametrize("actor", ROLES)
@pytest.mark.parametrize("role", ROLES)
def test_who_manages_people_gives_up_their_own_role_and_takes_no_higher_one(
    team, crew, actor, role
):
    member("Another owner", Role.OWNER, team)
    mine, before = membership_of(crew[actor]), people(team)
    if role in {"owner": ROLES, "admin": ROLES[1:]}.get(actor, []):
        teams.change_role(mine, Role(role), actor=crew[actor])
        assert fresh(mine).role == role
    else:
        with pytest.raises(NotAllowed):
            teams.change_role(mine, Role(role), actor=crew[actor])
        assert people(team) == before


@pytest.mark.parametrize(("actor", "target"), OTHERS)
@pytest.mark.parametrize("verb", [teams.remove_member, teams.suspend])
def test_people_are_removed_and_suspended_below_ones_own_role(team, crew, actor, target, verb):
    member("Another owner", Role.OWNER, team)
    theirs = membership_of(member("Another", Role(target), team))
    if target in BELOW.get(actor, set()):
        verb(theirs, actor=crew[actor])
        assert not Membership.objects.filter(pk=theirs.pk, suspended_at=None).exists()
    else:
        with pytest.raises(NotAllowed):
            verb(theirs, actor=crew[actor])
        assert fresh(theirs).suspended_at is None


@pytest.mark.parametrize("actor", ROLES)
def test_everybody_leaves_and_who_manages_people_removes_themselves_but_nobody_suspends_themselves(
    team, crew, actor
):
    member("Another owner", Role.OWNER, team)
    mine = membership_of(crew[actor])
    with pytest.raises(Refused):
        teams.suspend(mine, actor=crew[actor])
    if actor in BELOW:
        teams.remove_member(mine, actor=crew[actor])
    else:
        with pytest.raises(NotAllowed):
            teams.remove_member(mine, actor=crew[actor])
        teams.leave(team, actor=crew[actor])
    assert not Membership.objects.filter(pk=mine.pk).exists()


def test_somebody_of_another_team_has_no_say(team, rosa, mallory):
    with pytest.raises(NotAllowed, match="manage people in Northwind"):
        teams.change_role(membership_of(rosa), Role.VIEWER, actor=mallory)
    with pytest.raises(NotAllowed):
        teams.remove_member(membership_of(rosa), actor=mallory)


def test_the_last_owner_is_neither_demoted_nor_removed_nor_leaves(team, alice, ada):
    mine = membership_of(alice)
    for attempt in (
        lambda: teams.change_role(mine, Role.ADMIN, actor=alice),
        lambda: teams.remove_member(mine, actor=alice),
        lambda: teams.leave(team, actor=alice),
    ):
        with pytest.raises(Refused, match="without an owner"):
            attempt()
    assert fresh(mine).role == Role.OWNER


def test_an_owner_who_is_switched_off_does_not_count(team, alice):
    other = member("Olga", Role.OWNER, team)
    User.objects.filter(pk=other.pk).update(is_active=False)
    with pytest.raises(Refused, match="without an owner"):
        teams.leave(team, actor=alice)


def test_one_who_was_demoted_since_the_click_began_changes_nothing(team, alice, ada, rosa):
    assert may(ada, "manage_people", team)  # read, as at the begin of a request
    Membership.objects.filter(user=ada).update(role=Role.VIEWER)
    with pytest.raises(NotAllowed):
        teams.change_role(membership_of(rosa), Role.ADMIN, actor=ada)
    assert membership_of(rosa).role == Role.RESTORER


def test_a_lowered_role_stops_what_was_asked_for_and_not_sent(stage, team, server, alice, oscar):
    operation = take(server, oscar)
    theirs = membership_of(oscar)
    assert teams.unsent(theirs) == 1
    teams.change_role(theirs, Role.VIEWER, actor=alice)
    done = stage.send(operation)
    assert (done.state, done.reason) == (State.FAILED, "right_withdrawn")


def test_every_change_is_told(team, alice, rosa, vera):
    teams.change_role(membership_of(rosa), Role.OPERATOR, actor=alice)
    teams.change_role(membership_of(rosa), Role.OPERATOR, actor=alice)  # nothing changes
    teams.remove_member(membership_of(rosa), actor=alice)
    teams.leave(team, actor=vera)
    teams.rename_team(team, " North  wind ", actor=alice)
    from snapshots.events import sentence

    told = [sentence(one) for one in Event.objects.order_by("-pk")[:4]]
    assert told == [
        "renamed the team Northwind to North wind",
        "left the team, in which they were Viewer",
        "removed Rosa, who was Operator",
        "changed the role of Rosa from Restorer to Operator",
    ]


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_team_needs_a_name_that_fits(alice, team, name):
    with pytest.raises(Refused) as refusal:
        teams.create_team(name, owner=alice)
    assert refusal.value.field == "name"
    with pytest.raises(Refused):
        teams.rename_team(team, name, actor=alice)


def test_who_changes_a_team_keeps_nobody_from_writing_about_it(team, alice, rosa):
    """Only PostgreSQL locks rows, and could lock them for whoever refers to them too."""
    webhook, _secret = webhooks.add_own(
        team, name="Chat", address="https://chat.example.com/", actor=rosa
    )
    with CaptureQueriesContext(connection) as asked:
        webhooks.new_secret(webhook, actor=rosa)
        teams.remove_member(rosa.memberships.get(), actor=alice)
    assert not [query["sql"] for query in asked if query["sql"].endswith("FOR UPDATE")]


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_remove_each_other_leave_one(team, alice):
    def duel(one, other):
        first, second = membership_of(one), membership_of(other)
        at_once(
            lambda: teams.remove_member(second, actor=one),
            lambda: teams.remove_member(first, actor=other),
        )
        return team.memberships.get(role=Role.OWNER).user  # exactly one

    for n in range(5):
        alice = duel(alice, member(f"Olga {n}", Role.OWNER, team))


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_leave_at_once_leave_one(team, alice):
    other = member("Olga", Role.OWNER, team)
    results = at_once(
        lambda: teams.leave(team, actor=alice), lambda: teams.leave(team, actor=other)
    )
    assert sum(isinstance(one, Refused) for one in results) == 1
    assert team.memberships.count() == 1
