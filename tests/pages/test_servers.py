"""The list of servers, and one server with its timeline."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.pages.factories import a_server, a_snapshot, an_account, an_operation, queries, text


@pytest.fixture
def account(team):
    return an_account(team)


@pytest.fixture
def web(account):
    return a_server(account)


def names(response):
    return [server.name for server in response.context["page"].object_list]


# -- the list -------------------------------------------------------------------------------------


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
    assert names(client.get("/servers/", {"state": "slots-full"})) == ["full"]
    assert names(client.get("/servers/", {"state": "no-recent-snapshot"})) == ["elsewhere", "old"]


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


def test_more_than_fifty_are_paged(account, alice, client_of):
    for n in range(53):
        a_server(account, f"node-{n:02d}")
    client = client_of(alice)
    assert len(names(client.get("/servers/"))) == 50
    second = client.get("/servers/", {"page": "2", "q": "node"})
    assert names(second) == ["node-50", "node-51", "node-52"]
    assert "51–53 of 53" in text(second)
    assert "?page=1&amp;q=node" in second.content.decode()


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
    assert queries(client, "/servers/") == few <= 13


def test_an_empty_list_says_why(team, alice, client_of):
    client = client_of(alice)
    assert "manage.py connect_account" in text(client.get("/servers/"))
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


# -- one server -----------------------------------------------------------------------------------


def test_the_page_tells_what_the_server_is(web, vera, client_of):
    page = text(client_of(vera).get(f"/servers/{web.pk}/"))
    for words in ("web-1", "203.0.113.10", "us-west", "Standard VPS", "Debian 12", web.remote_id):
        assert words in page
    assert "0 of 5 slots" in page
    assert "No snapshots yet" in page


def test_the_timeline_tells_who_took_what_and_when(web, oscar, rosa, client_of):
    a_snapshot(web, "found-there", days=20)
    ours = a_snapshot(web, "taken-here", days=2, description="Before the update [ref:abcdefghij]")
    an_operation("create", web, "succeeded", oscar, snapshot=ours)
    answer = client_of(rosa).get(f"/servers/{web.pk}/")
    page = text(answer)
    timeline = page[page.index("web-1 as it is at this moment") :]
    assert timeline.index("taken-here") < timeline.index("found-there")
    assert "Asked for by Oscar" in page
    assert "Found at the provider" in page
    assert "Before the update" in page
    assert "abcdefghij" not in page
    assert "No snapshot for 18 days" in page
    assert "2 of 5 slots" in page
    assert "Restore taken-here" in page
    assert f'href="/snapshots/{ours.pk}/restore/"' in answer.content.decode()


def test_no_snapshot_for_a_while_is_said_before_the_first_too(web, rosa, client_of):
    a_snapshot(web, "old", days=9)
    assert "No snapshot for 9 days" in text(client_of(rosa).get(f"/servers/{web.pk}/"))


def test_a_restore_that_happened_is_marked(web, rosa, client_of):
    old = a_snapshot(web, "pre-upgrade", days=9)
    when = timezone.now() - timedelta(days=4)
    an_operation("restore", web, "succeeded", rosa, snapshot=old, ended_at=when)
    page = text(client_of(rosa).get(f"/servers/{web.pk}/"))
    assert "Restored to pre-upgrade" in page


def test_a_snapshot_under_way_stands_in_its_place_and_is_not_called_done(web, oscar, client_of):
    client = client_of(oscar)
    operation = an_operation("create", web, "queued", oscar, name="coming")
    page = client.get(f"/servers/{web.pk}/")
    assert f'id="operation-{operation.pk}"' in page.content.decode()
    assert "Queued" in text(page)
    taken = a_snapshot(web, "coming", days=0, status="in_progress", size_mb=None)
    now = timezone.now()
    type(operation).objects.update(
        state="running", snapshot=taken, remote_id=taken.remote_id, sent_at=now, accepted_at=now
    )
    page = client.get(f"/servers/{web.pk}/")
    assert f'id="operation-{operation.pk}"' not in page.content.decode()
    assert "<progress" in page.content.decode()
    assert "In progress" in text(page)
    assert "Completed" not in text(page)
    assert "1 of 5 slots" in text(page)


def test_snapshots_that_are_gone_are_folded_below(web, vera, client_of):
    a_snapshot(web, "removed", days=9, gone_at=timezone.now())
    page = text(client_of(vera).get(f"/servers/{web.pk}/"))
    assert "1 snapshot that is gone removed" not in page  # its time comes between
    assert "1 snapshot that is gone" in page
    assert "0 of 5 slots" in page


def test_a_busy_server_says_with_what_and_offers_nothing_else(web, rosa, oscar, client_of):
    old = a_snapshot(web, "pre-upgrade", days=9)
    operation = an_operation("restore", web, "running", rosa, snapshot=old)
    answer = client_of(oscar).get(f"/servers/{web.pk}/")
    assert "web-1 is busy: Rosa asked to restore it to pre-upgrade" in text(answer)
    assert f'href="/operations/{operation.pk}/"' in answer.content.decode()
    assert "/snapshots/new/" not in answer.content.decode()


def test_another_teams_work_on_the_same_machine_is_not_told(web, alice, mallory, client_of):
    theirs = mallory.teams.get()
    same = a_server(an_account(theirs), "their-name", remote_id=web.remote_id)
    an_operation("create", same, "running", mallory, name="secret-name")
    page = text(client_of(alice).get(f"/servers/{web.pk}/"))
    assert "web-1 is busy. Please try again in a few minutes." in page
    assert "Mallory" not in page
    assert "secret-name" not in page


def test_a_viewer_reads_why_there_are_no_buttons(web, vera, client_of):
    old = a_snapshot(web, "pre-upgrade", days=9)
    answer = client_of(vera).get(f"/servers/{web.pk}/")
    assert "You may not take snapshots in Northwind. Alice can give you that right." in text(answer)
    assert "You may not restore servers in Northwind." in text(answer)
    for path in (f"/snapshots/{old.pk}/restore/", f"/snapshots/{old.pk}/delete/", "/new/"):
        assert path not in answer.content.decode()


def test_the_page_costs_the_same_however_much_there_is(web, rosa, client_of):
    client = client_of(rosa)
    few = queries(client, f"/servers/{web.pk}/")
    for n in range(40):
        one = a_snapshot(web, f"nightly-{n}", days=n)
        an_operation("create", web, "succeeded", rosa, snapshot=one)
        an_operation("restore", web, "succeeded", rosa, snapshot=one)
    assert queries(client, f"/servers/{web.pk}/") == few <= 14
