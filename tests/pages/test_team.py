"""The team in the browser: who is in it, as what, and which team is looked at."""

from itertools import pairwise

import pytest

from dashboard.views.team import WHAT_ROLES_DO
from snapshots import teams
from snapshots.models import Membership, Role, Team
from snapshots.permissions import RESERVED, RIGHTS, TABLE
from tests.conftest import fresh, member
from tests.pages.factories import a_server, a_snapshot, an_account, form_on, queries, text


def of(person):
    return Membership.objects.get(user=person)


def test_the_page_tells_who_is_what_since_when(team, alice, rosa, vera, client_of):
    page = text(client_of(vera).get(f"/team/{team.pk}/"))
    assert "3 people" in page
    assert "Alice alice@example.com Owner" in page
    assert "Vera you vera@example.com Viewer" in page
    assert "You may not manage people in Northwind. Alice can give you that right." in page
    assert "Invite somebody" not in page


def test_the_table_of_rights_is_the_one_that_is_asked(team, alice, client_of):
    page = text(client_of(alice).get(f"/team/{team.pk}/"))
    for right, words in RIGHTS.items():
        line = [("yes" if right in TABLE[role] else "– no") for role in Role]
        said = f"{str(words)[0].upper()}{str(words)[1:]} {' '.join(line)}"
        assert (said in page) == (right not in RESERVED), right


def test_each_role_is_told_in_words_and_each_gives_more_than_the_one_below():
    assert set(WHAT_ROLES_DO) == set(Role)
    table = [TABLE[role] for role in Role]
    assert all(lower <= higher for lower, higher in pairwise(table))


def test_a_role_is_changed_and_holds_at_once(team, alice, oscar, client_of):
    client, theirs = client_of(alice), client_of(oscar)
    server = a_server(an_account(team))
    address = f"/members/{of(oscar).pk}/role/"
    assert theirs.get(f"/servers/{server.pk}/snapshots/new/").status_code == 200
    sent = form_on(client.get(address), address) | {"role": "viewer"}
    assert client.post(address, sent).status_code == 303
    assert theirs.get(f"/servers/{server.pk}/snapshots/new/").status_code == 403


def test_lowering_ones_own_role_warns(team, alice, rosa, client_of):
    client = client_of(alice)
    assert "This is your own role." in text(client.get(f"/members/{of(alice).pk}/role/"))
    assert "This is your own role." not in text(client.get(f"/members/{of(rosa).pk}/role/"))


def test_the_last_owner_reads_why_not(team, alice, client_of):
    client = client_of(alice)
    address = f"/members/{of(alice).pk}/role/"
    page = client.post(address, {"role": "viewer", "reach": "everything"})
    assert page.status_code == 422
    assert "would be left without an owner" in text(page)
    assert "without an owner" in text(client.post(f"/team/{team.pk}/leave/"))
    assert of(alice).role == Role.OWNER


def test_an_admin_is_offered_no_owner_and_touches_none(team, alice, rosa, client_of):
    client = client_of(member("Ada", Role.ADMIN, team))
    page = client.get(f"/members/{of(rosa).pk}/role/").content.decode()
    assert 'value="restorer"' in page
    assert 'value="admin"' not in page and 'value="owner"' not in page
    sent = {"role": "owner", "reach": "everything"}
    assert client.post(f"/members/{of(rosa).pk}/role/", sent).status_code == 422
    for what in ("role", "remove"):
        answer = client.get(f"/members/{of(alice).pk}/{what}/")
        assert answer.status_code == 403
        assert "Your role is Admin, and you give and take only those below it." in text(answer)
        assert client.post(f"/members/{of(alice).pk}/{what}/").status_code == 403
    page = client.get(f"/team/{team.pk}/").content.decode()
    assert f"/members/{of(alice).pk}/" not in page


def test_fields_that_no_form_has_change_nothing(team, alice, rosa, oscar, client_of):
    extra = {
        "role": "viewer",
        "reach": "everything",
        "user": alice.pk,
        "team": 999,
        "pk": of(oscar).pk,
        "email": "x@y.z",
    }
    client_of(alice).post(f"/members/{of(rosa).pk}/role/", extra)
    assert (of(rosa).role, of(rosa).team, of(oscar).role) == ("viewer", team, "operator")


def test_a_removed_member_sees_nothing_from_the_next_click_on(team, alice, rosa, client_of):
    client, theirs = client_of(alice), client_of(rosa)
    assert theirs.get(f"/team/{team.pk}/").status_code == 200
    page = client.get(f"/members/{of(rosa).pk}/remove/")
    assert "Rosa sees nothing of Northwind any more." in text(page)
    assert client.post(f"/members/{of(rosa).pk}/remove/").status_code == 303
    assert theirs.get(f"/team/{team.pk}/").status_code == 404


def test_one_may_leave(team, vera, client_of):
    client = client_of(vera)
    assert client.post(f"/team/{team.pk}/leave/").status_code == 303
    assert "You are in no team" in text(client.get("/team/"))


def test_anybody_may_begin_a_team_and_owns_it(vera, team, client_of):
    client = client_of(vera)
    address = "/team/new/"
    done = client.post(address, form_on(client.get(address), address) | {"name": "Second"})
    second = Team.objects.get(name="Second")
    assert done.url == f"/team/{second.pk}/"
    assert Membership.objects.get(team=second).role == Role.OWNER
    assert "Second is created, and it is yours." in text(client.get(done.url))
    assert client.post(address, {"name": " "}).status_code == 422


def test_a_team_is_renamed(team, alice, client_of):
    client, address = client_of(alice), f"/team/{team.pk}/name/"
    client.post(address, form_on(client.get(address), address) | {"name": "North"})
    assert fresh(team).name == "North"


# -- several teams ---------------------------------------------------------------------------------


@pytest.fixture
def second(alice, team):
    """Alice is in two teams, each with an account, a server and a snapshot."""
    other = teams.create_team("Second", owner=alice)
    for one, name in ((team, "north"), (other, "south")):
        a_snapshot(a_server(an_account(one, f"{name}-account"), f"{name}-1"), f"{name}-nightly")
    return other


def choose(client, pk, back="/servers/"):
    return client.post(
        "/team/chosen/", {"team": pk}, headers={"Referer": f"http://testserver{back}"}
    )


def test_with_one_team_there_is_nothing_to_switch(team, alice, client_of):
    assert "team-button" not in client_of(alice).get("/").content.decode()


@pytest.mark.parametrize(
    ("address", "thing"),
    [
        ("/", "1 of 1 server|2 of 2 servers"),
        ("/accounts/", "account ops"),
        ("/servers/", "1 203.0.113.10"),
        ("/snapshots/", "nightly"),
    ],
)
def test_the_chosen_team_narrows_the_lists(second, team, alice, client_of, address, thing):
    client = client_of(alice)

    def shown():
        page = text(client.get(address))
        if address == "/":
            return [words in page for words in thing.split("|")]
        return [f"{name}-{thing}" in page for name in ("south", "north")]

    everything = [False, True] if address == "/" else [True, True]
    assert shown() == everything
    choose(client, second.pk)
    assert shown() == [True, False]
    choose(client, "")
    assert shown() == everything


def test_what_is_not_chosen_can_still_be_opened(second, team, alice, client_of):
    client = client_of(alice)
    choose(client, second.pk)
    account = team.accounts.get()
    assert client.get(f"/accounts/{account.pk}/").status_code == 200


def test_a_team_of_others_cannot_be_chosen(second, alice, mallory, client_of):
    client = client_of(alice)
    for pk in (mallory.teams.get().pk, "0", "x", "9" * 30, "-1", ""):
        choose(client, pk)
        assert "team" not in client.session
        assert "north-1" in text(client.get("/servers/"))


def test_a_team_that_was_left_is_chosen_no_more(second, team, alice, client_of):
    client = client_of(alice)
    member("Olga", Role.OWNER, second)
    choose(client, second.pk)
    teams.leave(second, actor=alice)
    assert "north-1" in text(client.get("/servers/"))


@pytest.mark.parametrize(
    ("referer", "leads_to"),
    [
        ("http://testserver/servers/?q=x", "/servers/?q=x"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("http://testserver//evil.example", "/"),
        ("http://testserver/team/1/", "/team/"),
    ],
)
def test_the_switch_leads_back_and_never_elsewhere(second, alice, client_of, referer, leads_to):
    answer = client_of(alice).post("/team/chosen/", {"team": ""}, headers={"Referer": referer})
    assert (answer.status_code, answer.url) == (302, leads_to)


def test_team_leads_to_the_chosen_or_only_one(second, team, alice, vera, client_of):
    client = client_of(alice)
    assert "Your teams" in text(client.get("/team/"))
    choose(client, second.pk)
    assert client.get("/team/").url == f"/team/{second.pk}/"
    assert client_of(vera).get("/team/").url == f"/team/{team.pk}/"


def test_many_members_cost_no_more_queries(team, alice, client_of):
    client = client_of(alice)
    few = queries(client, f"/team/{team.pk}/")
    for n in range(20):
        member(f"Person{n}", Role.VIEWER, team)
    assert queries(client, f"/team/{team.pk}/") == few


def test_an_admin_sets_how_long_a_restore_can_be_thought_over(team, alice, client_of):
    client, address = client_of(alice), f"/team/{team.pk}/rules/"
    assert f'href="{address}"' in client.get(f"/team/{team.pk}/").content.decode()
    form = form_on(client.get(address), address)
    assert client.post(address, form | {"seconds": "90"}).status_code == 303
    team.refresh_from_db()
    assert team.hold == 90
    for wrong in ("301", "-1", "", "soon"):
        answer = client.post(address, form | {"seconds": wrong})
        assert answer.status_code == 422
        assert form_on(answer, address)["seconds"] == wrong


def test_an_admin_sets_how_long_a_deletion_can_be_taken_back(team, alice, client_of):
    client, address = client_of(alice), f"/team/{team.pk}/rules/"
    form = form_on(client.get(address), address)
    assert form["minutes"] == "0"
    answer = client.post(address, form | {"seconds": "60", "minutes": "31"})
    assert answer.status_code == 422
    assert "The grace lasts from 0 to 30 minutes." in text(answer)
    team.refresh_from_db()
    assert team.hold == 0  # all of it or nothing
    assert client.post(address, form | {"minutes": "5"}).status_code == 303
    team.refresh_from_db()
    assert team.grace == 5


def test_a_restorer_may_not_open_the_rules_and_is_told_who_can(team, rosa, client_of):
    answer = client_of(rosa).get(f"/team/{team.pk}/rules/")
    assert answer.status_code == 403
    assert "You may not set the rules for restores in Northwind. Alice can" in text(answer)
