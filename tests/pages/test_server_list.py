"""The list of servers: found, filtered, sorted, paged, live and taken away as a file."""


import pytest
from django.utils import timezone

from tests.pages.factories import (
    a_server,
    a_snapshot,
    an_account,
    an_operation,
    queries,
    text,
)


@pytest.fixture
def account(team):
    return an_account(team)


@pytest.fixture
def web(account):
    return a_server(account)


def names(response):
    return [server.name for server in response.context["listing"].rows]



def test_a_row_shows_state_newest_snapshot_and_slots(web, vera, client_of):
    a_snapshot(web, "old", days=9)
    a_snapshot(web, "newest", days=2)
    a_snapshot(web, "broken", days=0, status="failed")
    page = text(client_of(vera).get("/servers/"))
    assert "web-1 203.0.113.10" in page
    assert "Running" in page
    assert "newest 2 days ago, 5.1 GB" in page
    assert "2 of 5 slots" in page


def test_a_busy_server_shows_what_is_under_way_and_counts_the_coming_snapshot(
    web, oscar, vera, client_of
):
    an_operation("create", web, "queued", oscar, name="coming")
    page = text(client_of(vera).get("/servers/"))
    assert "Snapshot coming of web-1" in page
    assert "1 of 5 slots" in page


@pytest.mark.parametrize("q", ["web", "WEB-1", "203.0.113.77", "4711"])
def test_a_server_is_found_by_name_address_or_id(account, alice, client_of, q):
    a_server(account, "web-1", address="203.0.113.77", remote_id="4711")
    a_server(account, "db-1", address="198.51.100.1", remote_id="1")
    assert names(client_of(alice).get("/servers/", {"q": q})) == ["web-1"]


def test_lists_are_filtered_by_account_and_by_state(team, account, alice, client_of):
    other = an_account(team, "Staging")
    full, old = a_server(account, "full"), a_server(account, "old", status="stopped")
    a_server(other, "elsewhere")
    for n in range(5):
        a_snapshot(full, f"nightly-{n}")
    a_snapshot(old, "ancient", days=30)
    client = client_of(alice)
    assert names(client.get("/servers/", {"account": other.pk})) == ["elsewhere"]
    assert names(client.get("/servers/", {"state": "stopped"})) == ["old"]
    assert names(client.get("/servers/", {"slots": "full"})) == ["full"]
    assert names(client.get("/servers/", {"coverage": "stale"})) == ["elsewhere", "old"]


def test_a_filter_in_use_can_be_taken_away(web, alice, client_of):
    page = client_of(alice).get("/servers/", {"q": "web", "state": "active", "sort": "-name"})
    assert 'href="?state=active&amp;sort=-name"' in page.content.decode()
    assert "State: Running" in text(page)


def test_nonsense_in_the_address_is_ignored(web, alice, client_of):
    words = {"account": "x", "state": "y", "sort": "password", "page": "-9", "q": "\x00"}
    answer = client_of(alice).get("/servers/", words)
    assert answer.status_code == 200
    assert names(client_of(alice).get("/servers/", {"account": "9" * 30})) == ["web-1"]


def test_headers_sort_and_say_how(account, alice, client_of):
    for name, days in (("b", 1), ("a", 3), ("c", 2)):
        a_snapshot(a_server(account, name), days=days)
    client = client_of(alice)
    assert names(client.get("/servers/")) == ["a", "b", "c"]
    assert names(client.get("/servers/", {"sort": "-name"})) == ["c", "b", "a"]
    answer = client.get("/servers/", {"sort": "newest"})
    assert names(answer) == ["a", "c", "b"]
    assert answer.content.decode().count("aria-sort=") == 1


def test_more_than_a_hundred_are_paged(account, alice, client_of):
    for n in range(103):
        a_server(account, f"node-{n:03d}")
    client = client_of(alice)
    assert len(names(client.get("/servers/"))) == 100
    second = client.get("/servers/", {"page": "2", "q": "node"})
    assert names(second) == ["node-100", "node-101", "node-102"]
    assert "101–103 of 103" in text(second)
    assert 'href="?q=node&amp;page=1"' in second.content.decode()
    assert names(client.get("/servers/", {"page": "77", "q": "node"})) == names(second)


def test_search_while_typing_answers_with_the_results_and_a_tidy_address(web, alice, client_of):
    headers = {"HX-Request": "true", "HX-Target": "results"}
    answer = client_of(alice).get("/servers/", {"q": "web", "state": ""}, headers=headers)
    assert answer.headers["HX-Push-Url"] == "/servers/?q=web"
    assert answer.content.decode().lstrip().startswith('<div id="results"')


def test_a_hundred_servers_cost_no_more_queries_than_one(account, oscar, alice, client_of):
    a_snapshot(a_server(account))
    client = client_of(alice)
    few = queries(client, "/servers/")
    for n in range(100):
        server = a_server(account, f"node-{n:02d}")
        a_snapshot(server)
        an_operation("create", server, "queued", oscar)
    assert queries(client, "/servers/") == few <= 6


def test_an_empty_list_says_why(team, alice, client_of):
    client = client_of(alice)
    assert "No accounts yet" in text(client.get("/servers/"))
    account = an_account(team, complete_pass_at=None)
    assert "Production has not been read yet." in text(client.get("/servers/"))
    account.complete_pass_at = timezone.now()
    account.save()
    assert "The provider lists none in Production; last looked just now." in text(
        client.get("/servers/")
    )
    nothing = client.get("/servers/", {"q": "nowhere"})
    assert "No server matches" in text(nothing)
    assert "Clear all filters" in text(nothing)


def test_a_server_that_is_gone_leaves_the_list_and_can_still_be_found(web, alice, client_of):
    web.gone_at = timezone.now()
    web.save()
    client = client_of(alice)
    assert names(client.get("/servers/")) == []
    assert names(client.get("/servers/", {"state": "not-listed"})) == ["web-1"]
    page = text(client.get(f"/servers/{web.pk}/"))
    assert "The provider no longer lists web-1." in page
    assert "Take snapshot" not in page
