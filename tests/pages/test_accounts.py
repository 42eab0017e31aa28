"""Accounts: how they are, and pausing them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from snapshots import accounts
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


@pytest.fixture
def account(team):
    return an_account(team, identity="ops@northwind.example")


def test_the_list_counts_servers_and_snapshots(account, vera, client_of):
    web, db = a_server(account), a_server(account, "db-1")
    a_server(account, "gone", gone_at=timezone.now())
    for server in (web, web, db):
        a_snapshot(server)
    a_snapshot(web, gone_at=timezone.now())
    page = text(client_of(vera).get("/accounts/"))
    assert "Production ops@northwind.example Northwind Connected just now 2 3" in page


def test_no_account_yet_tells_the_one_next_step(team, alice, client_of):
    page = text(client_of(alice).get("/accounts/"))
    assert "No accounts yet" in page
    assert "Connect account" in page


def test_the_page_tells_whose_it_is_and_what_its_token_may(account, vera, client_of):
    account.permissions = ["servers:*", "snapshots:read", "*:*", "odd:thing", "<b>x</b>"]
    account.save()
    page = text(client_of(vera).get(f"/accounts/{account.pk}/"))
    for words in (
        "ops@northwind.example",
        "https://provider.example/api/v1",
        "ends in f3Qa",
        "Read and change servers servers:*",
        "Read snapshots snapshots:read",
        "Read and change everything in the account *:*",
        "odd:thing",
        "<b>x</b>",
        "5 snapshots per server",
        "Whether newer snapshots survive a restore. Plan as if they do not.",
    ):
        assert words in page


def test_trouble_is_told_with_the_providers_words_and_since_when(account, vera, client_of):
    account.trouble = "HTTP 503: <i>come back later</i>"
    account.trouble_since = timezone.now() - timedelta(minutes=5)
    account.save()
    page = text(client_of(vera).get(f"/accounts/{account.pk}/"))
    assert "The provider is not answering as it should." in page
    assert "<i>come back later</i>" in page
    assert "It began on" in page


def test_a_refused_token_says_what_stops_and_what_to_do(account, alice, client_of):
    account.paused, account.paused_at = "token", timezone.now()
    account.save()
    answer = client_of(alice).get(f"/accounts/{account.pk}/")
    page = text(answer)
    assert "The provider refuses this account’s token since" in page
    assert "Nothing is read or sent until it is replaced" in page
    assert "/resume/" not in answer.content.decode()


def test_pausing_and_resuming_without_scripts(account, alice, client_of):
    client = client_of(alice)
    address = f"/accounts/{account.pk}/"
    answer = client.post(address + "pause/", form_on(client.get(address), address + "pause/"))
    assert (answer.status_code, answer.url) == (303, address)
    assert fresh(account).paused == "person"
    page = client.get(address)
    assert "Alice paused this account on" in text(page)
    client.post(address + "resume/", form_on(page, address + "resume/"))
    assert fresh(account).paused == ""


def test_pausing_twice_is_told(account, alice, client_of):
    client = client_of(alice)
    client.post(f"/accounts/{account.pk}/pause/")
    answer = client.post(f"/accounts/{account.pk}/pause/")
    assert answer.status_code == 409
    assert "Production is paused already." in text(answer)


def test_a_restorer_may_not_pause_and_reads_why(account, rosa, client_of):
    client = client_of(rosa)
    answer = client.get(f"/accounts/{account.pk}/")
    assert "You may not manage provider accounts in Northwind." in text(answer)
    assert "/pause/" not in answer.content.decode()
    assert client.post(f"/accounts/{account.pk}/pause/").status_code == 403
    assert fresh(account).paused == ""


def test_a_get_never_pauses(account, alice, client_of):
    answer = client_of(alice).get(f"/accounts/{account.pk}/pause/", follow=True)
    assert answer.redirect_chain == [(f"/accounts/{account.pk}/", 302)]
    assert "Nothing was done." in answer.content.decode()
    assert fresh(account).paused == ""


def test_many_servers_cost_no_more_queries(account, alice, client_of):
    client = client_of(alice)
    a_snapshot(a_server(account))
    few = queries(client, f"/accounts/{account.pk}/")
    for n in range(60):
        a_snapshot(a_server(account, f"node-{n}"))
    assert queries(client, f"/accounts/{account.pk}/") == few <= 10
    assert "All servers of this account" in text(client.get(f"/accounts/{account.pk}/"))


def test_a_large_account_is_counted_without_multiplying(account, alice, client_of):
    servers = [a_server(account, f"node-{n}") for n in range(20)]
    for server in servers:
        for _ in range(3):
            a_snapshot(server)
    with CaptureQueriesContext(connection) as asked:
        page = text(client_of(alice).get("/accounts/"))
    assert "20 60" in page
    counts = [one["sql"] for one in asked if "server_count" in one["sql"]]
    assert len(counts) == 1
    assert 'JOIN "snapshots_snapshot"' not in counts[0]


# -- a removed account ----------------------------------------------------------------------------


@pytest.fixture
def removed(account, alice):
    server = a_server(account, status="stopped")
    snapshot = a_snapshot(server)
    accounts.remove(account, typed="Production", actor=alice)
    return {"account": account, "server": server, "snapshot": snapshot}


@pytest.mark.parametrize("noun", ["account", "server", "snapshot"])
def test_its_pages_stay_readable_and_offer_nothing(removed, alice, client_of, noun):
    answer = client_of(alice).get(f"/{noun}s/{removed[noun].pk}/")
    page = answer.content.decode()
    assert answer.status_code == 200
    main = page[page.index("<main") : page.index("</main>")]
    assert "<form" not in main
    for action in ("/new/", "/start/", "/restore/", "/delete/", "/token/", "/remove/", "/change/"):
        assert action not in main.replace("/accounts/new/", ""), action
    words = "removed this account from Northwind" if noun == "account" else "nothing can be asked"
    assert words in text(answer)


def test_its_failures_need_no_attention_any_more(account, alice, client_of):
    an_operation("create", a_server(account), "failed", alice)
    client = client_of(alice)
    another = an_account(account.team, "Another")
    a_snapshot(a_server(another, "db-1"))
    assert client.get("/").context["failed"]
    accounts.remove(account, typed="Production", actor=alice)
    assert not client.get("/").context["failed"]


@pytest.mark.parametrize("address", ["/", "/servers/", "/snapshots/", "/accounts/"])
def test_it_stands_in_no_list(removed, alice, client_of, address):
    page = text(client_of(alice).get(address))
    assert "Production" not in page.replace("removed the account Production", "")
    assert "web-1" not in page
    assert "nightly" not in page


@pytest.mark.parametrize(
    "address",
    [
        "/servers/{server}/snapshots/new/",
        "/snapshots/{snapshot}/restore/",
        "/snapshots/{snapshot}/delete/",
        "/accounts/{account}/pause/",
        "/accounts/{account}/look/",
        "/accounts/{account}/token/",
        "/accounts/{account}/remove/",
    ],
)
def test_nothing_of_it_can_be_posted_to(removed, alice, client_of, address):
    pks = {noun: row.pk for noun, row in removed.items()}
    assert client_of(alice).post(address.format(**pks)).status_code == 404


def test_an_open_page_of_its_server_tells_the_removal(account, alice, client_of):
    server, client = a_server(account), client_of(alice)
    page = client.get(f"/servers/{server.pk}/").content.decode()
    since = page.split("since=")[1].split("&")[0].split('"')[0]
    accounts.remove(account, typed="Production", actor=alice)
    answer = client.get("/live/", {"scope": f"server:{server.pk}", "since": since})
    assert "Production was removed from Northwind" in answer.content.decode()
