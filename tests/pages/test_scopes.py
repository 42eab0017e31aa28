"""Who is limited meets nothing of the rest, wherever they look."""

import json
import re

import pytest
from django.utils import timezone

from snapshots import events, tags, teams
from snapshots.models import Account, Delivery, Event, Role, Tag, User
from snapshots.teams import Only
from tests.conftest import fresh
from tests.pages.factories import (
    a_server,
    a_snapshot,
    an_account,
    an_operation,
    form_on,
    queries,
    text,
)

HIDDEN = "canary"  # in every name of what is out of reach


@pytest.fixture
def web(team, alice):
    server = a_server(an_account(team, "Production"), "web-1")
    tags.set_tags(server, "web", actor=alice)
    return server


@pytest.fixture
def hidden(web, team, oscar):
    """A server of the same account and one of another, with all that can happen to them."""
    beside = a_server(web.account, f"beside-{HIDDEN}", plan=f"plan-{HIDDEN}")
    there = a_server(an_account(team, f"account-{HIDDEN}", trouble="broken"), f"there-{HIDDEN}")
    for server in (beside, there):
        taken = a_snapshot(server, f"nightly-{HIDDEN}", days=40, size_mb=99_999)
        for state in ("failed", "succeeded", "needs_person"):
            operation = an_operation("create", server, state, oscar, name=f"{state}-{HIDDEN}")
            events.record(
                events.Verb.CREATE_FAILED,
                team=team,
                account=server.account,
                server=server,
                snapshot=taken,
                operation=operation,
                why="",
            )
    Account.objects.update(revision=5)
    return beside, there


@pytest.fixture
def limited(web, hidden, rosa, alice, team):
    a_snapshot(web, "nightly")
    only = Only(tags=list(Tag.objects.filter(word="web")))
    teams.change_role(rosa.memberships.get(), Role.RESTORER, actor=alice, only=only)
    return User.objects.get(pk=rosa.pk)


EVERYWHERE = [
    *("/", "/servers/", "/snapshots/", "/activity/", "/accounts/", "/figures/", "/webhooks/"),
    *("/settings/messages/", "/servers/snapshots/new/?all=1", "/help/", "/team/"),
    *(f"/servers/?q={HIDDEN}", "/servers/?state=not-listed", "/servers/?sort=-newest"),
    *("/servers/?sort=-slots", "/servers/?coverage=stale", "/snapshots/?sort=-size"),
    *("/servers/?format=csv", "/snapshots/?format=json", "/activity/?format=csv"),
]


@pytest.mark.parametrize("address", EVERYWHERE)
def test_no_page_tells_of_what_is_out_of_reach(limited, client_of, address, alice):
    response = client_of(limited).get(address, follow=True)
    body = b"".join(response) if response.streaming else response.content
    body = body.decode().replace(f"q={HIDDEN}", "").replace(f'value="{HIDDEN}"', "")
    assert response.status_code == 200
    assert HIDDEN not in body.replace(f": {HIDDEN} ", "")


@pytest.mark.parametrize(
    "scope", ["overview", "servers", "snapshots", "activity", "accounts", "shell"]
)
def test_no_poll_tells_of_it(limited, client_of, scope):
    answer = client_of(limited).get("/live/", {"scope": scope, "since": "stale"})
    assert answer.status_code == 200
    assert HIDDEN not in answer.content.decode()


def test_what_is_out_of_reach_does_not_exist(limited, hidden, client_of, alice):
    client, owner = client_of(limited), client_of(alice)
    beside, there = hidden
    operation = beside.operations.first()
    addresses = [
        f"/servers/{beside.pk}/",
        f"/servers/{beside.pk}/figures/",
        f"/servers/{beside.pk}/snapshots/new/",
        f"/servers/{there.pk}/",
        f"/snapshots/{beside.snapshots.get().pk}/",
        f"/operations/{operation.pk}/",
        f"/accounts/{there.account_id}/",
    ]
    for address in addresses:
        assert owner.get(address).status_code == 200, address
        assert client.get(address).status_code == 404, address
    for scope in (f"server:{beside.pk}", f"operation:{operation.pk}"):
        assert client.get("/live/", {"scope": scope, "since": ""}).status_code == 404
    cancelled = client.post(f"/operations/{operation.pk}/cancel/")
    assert cancelled.status_code == 404
    assert client.get(f"/activity/?server={beside.pk}").status_code == 200


def test_counts_are_of_what_is_reached(limited, web, client_of):
    client = client_of(limited)
    assert "1 server" in text(client.get("/servers/"))
    assert "1 snapshot" in text(client.get("/snapshots/"))
    [account] = client.get("/accounts/").context["accounts"]
    assert (account.server_count, account.snapshot_count, account.under_way_count) == (1, 1, 0)
    tray = client.get("/").context["tray"]
    assert (tray.in_all, tray.needing, tray.running, tray.ended) == (0, 0, 0, [])


def test_a_limit_costs_no_questions(limited, web, alice, client_of):
    for address in ("/servers/", "/snapshots/", "/activity/"):
        mine, all_of_it = (queries(client_of(who), address) for who in (limited, alice))
        assert mine <= all_of_it, address


def test_an_unchanged_poll_costs_three_questions(limited, client_of, django_assert_max_num_queries):
    client = client_of(limited)
    since = client.get("/servers/").context["live"].since
    with django_assert_max_num_queries(3):
        assert client.get("/live/", {"scope": "servers", "since": since}).status_code == 204


def test_messages_of_the_past_are_shown_as_far_as_they_reach(limited, hidden, team, client_of):
    beside, _there = hidden
    event = Event.objects.filter(server=beside).first()
    Delivery.objects.create(team=team, event=event, user=limited, topic="failed", state="sent")
    assert HIDDEN not in text(client_of(limited).get("/settings/messages/"))


# -- tags in the browser --------------------------------------------------------------------------


def test_tags_are_set_shown_found_and_taken_away(web, alice, vera, client_of):
    client, address = client_of(alice), f"/servers/{web.pk}/tags/"
    sent = form_on(client.get(address), address)
    assert sent["tags"] == "web"
    assert client.post(address, {"tags": "web Prod"}).status_code == 303
    a_server(web.account, "db-1")
    for q in ("prod", "%23Prod"):
        page = text(client_of(vera).get(f"/servers/?tag={q}"))
        assert "1 server" in page and "#prod · #web" in page
    assert "No server matches" in text(client_of(vera).get("/servers/?tag=pro"))
    assert "prod web" in text(client_of(vera).get(f"/servers/{web.pk}/"))
    [row, _other] = sorted(
        json.loads(b"".join(client.get("/servers/?format=json"))), key=lambda one: -len(one["tags"])
    )
    assert row["tags"] == "prod web"


def test_tags_that_will_not_do_stay_typed(web, alice, client_of):
    page = client_of(alice).post(f"/servers/{web.pk}/tags/", {"tags": "we*b"})
    assert page.status_code == 422
    assert "“we*b” cannot be a tag" in text(page)
    assert 'value="we*b"' in page.content.decode()


def test_who_may_not_tag_reads_who_can(web, rosa, client_of):
    answer = client_of(rosa).get(f"/servers/{web.pk}/tags/")
    assert answer.status_code == 403
    assert "You may not tag servers in Northwind. Alice can give you that right." in text(answer)


def test_who_tags_reads_whose_reach_it_decides(limited, web, alice, client_of):
    page = text(client_of(alice).get(f"/servers/{web.pk}/tags/"))
    assert "Rosa: #web" in page


def test_a_change_of_tags_reaches_the_open_list(web, alice, vera, client_of):
    client = client_of(vera)
    watch = client.get("/servers/").context["live"]
    tags.set_tags(web, "web new", actor=alice)
    answer = client.get(
        "/live/", {"scope": "servers", "since": watch.since, "list": watch.list}
    ).content.decode()
    assert "#new" in answer


# -- limits in the browser ------------------------------------------------------------------------


def test_a_member_is_limited_and_let_go_again(web, team, alice, rosa, client_of):
    client, member = client_of(alice), rosa.memberships.get()
    address = f"/members/{member.pk}/role/"
    tag = Tag.objects.get()
    sent = {"role": "restorer", "reach": "only", "tags": [tag.pk], "accounts": [web.account_id]}
    assert client.post(address, sent).status_code == 303
    assert fresh(member).scope.words == "Production, #web"
    assert "only Production, #web" in text(client.get(f"/team/{team.pk}/"))
    page = client.get(address).content.decode()
    shown = [f'name="accounts" value="{web.account_id}"', f'name="tags" value="{tag.pk}"']
    for box in (*shown, 'name="reach" value="only"', 'name="role" value="restorer"'):
        assert re.search(f"{box}[^>]* checked", page), box
    assert client.post(address, {"role": "restorer", "reach": "everything"}).status_code == 303
    assert fresh(member).scope is None


def test_an_open_list_shows_what_is_reached_now(web, rosa, alice, client_of):
    beside = a_server(web.account, "db-1")
    client = client_of(rosa)
    watch = client.get("/servers/").context["live"]
    only = Only(tags=list(web.tags.all()))
    teams.change_role(rosa.memberships.get(), Role.RESTORER, actor=alice, only=only)
    polled = {"scope": "servers", "since": watch.since, "list": watch.list}
    answer = client.get("/live/", polled)
    assert "web-1" in answer.content.decode() and "db-1" not in answer.content.decode()
    since = client.get("/servers/").context["live"].since
    assert (
        client.get("/live/", {"scope": f"server:{beside.pk}", "since": watch.since}).status_code
        == 404
    )
    assert client.get("/live/", polled | {"since": since}).status_code == 204


def test_others_do_not_read_what_somebody_is_limited_to(limited, team, vera, client_of):
    assert "only #web" not in text(client_of(vera).get(f"/team/{team.pk}/"))
    assert "only #web" in text(client_of(limited).get(f"/team/{team.pk}/"))


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"role": "restorer", "reach": "only"}, "Choose the accounts or tags"),
        ({"role": "admin", "reach": "only", "tags": "mine"}, "cannot be limited"),
        ({"role": "restorer", "reach": "only", "tags": "theirs"}, "not one of the available"),
        ({"role": "restorer", "reach": "only", "tags": "x"}, "not a valid value"),
        ({"role": "restorer", "reach": "all"}, "not one of the available"),
        ({"role": "restorer"}, "Please say how far they reach."),
    ],
)
def test_a_limit_that_will_not_do_says_why(web, alice, rosa, mallory, client_of, sent, why):
    theirs = Tag.objects.create(team=mallory.teams.get(), word="web")
    known = {"mine": web.tags.get().pk, "theirs": theirs.pk}
    sent = sent | {"tags": known.get(sent.get("tags"), sent.get("tags", []))}
    page = client_of(alice).post(f"/members/{rosa.memberships.get().pk}/role/", sent)
    assert page.status_code == 422
    assert why in text(page)
    assert rosa.memberships.get().scope is None


def test_an_invitation_carries_its_limit(web, team, alice, vera, client_of):
    client = client_of(alice)
    sent = {"role": "operator", "reach": "only", "tags": [web.tags.get().pk], "email": ""}
    link = client.post(f"/team/{team.pk}/invite/", sent).context["link"]
    assert "only #web" in text(client.get(f"/team/{team.pk}/"))
    nora = User.objects.create_user("nora@example.com", name="Nora")
    theirs = client_of(nora)
    path = link[link.index("/join/") :]
    assert "You will reach only: #web." in text(theirs.get(path, follow=True))
    assert theirs.post("/join/", {"reach": "everything"}).status_code == 303
    assert nora.memberships.get().scope.words == "#web"
    assert timezone.now() > nora.memberships.get().since
