"""The list of servers: found, filtered, sorted, paged, live and taken away as a file."""

import csv
import io
import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from snapshots import teams
from snapshots.models import Account, Operation, Server
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


def test_a_safety_snapshot_to_come_is_counted_too_and_once(web, rosa, client_of):
    restore = an_operation("restore", web, "queued", rosa, snapshot=a_snapshot(web, "old"))
    safety = an_operation("create", web, "running", rosa, parent=restore)
    assert "2 of 5 slots" in text(client_of(rosa).get("/servers/"))
    listed = a_snapshot(web, "before-restore", status="creating")
    Operation.objects.filter(pk=safety.pk).update(snapshot=listed)
    assert "2 of 5 slots" in text(client_of(rosa).get("/servers/"))


def test_what_makes_room_and_what_it_is_made_for_take_one_slot(web, rosa, client_of):
    *_others, going = [a_snapshot(web, f"s{n}", days=n) for n in range(1, 6)]
    create = an_operation("create", web, "queued", rosa)
    deletion = an_operation("delete", web, "queued", rosa, snapshot=going, parent=create)
    assert "5 of 5 slots" in text(client_of(rosa).get("/servers/"))
    Operation.objects.filter(pk=deletion.pk).update(state="succeeded")
    going.gone_at = timezone.now()
    going.save()
    assert "5 of 5 slots" in text(client_of(rosa).get("/servers/"))


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


@pytest.mark.parametrize(
    ("coverage", "found"),
    [
        ("stale", ["bare", "old"]),
        ("none", ["bare"]),
        ("old", ["old"]),
        ("fresh", ["new"]),
        ("day", ["new"]),
        ("month", ["old"]),
    ],
)
def test_servers_are_found_by_how_far_back_they_can_go(account, alice, client_of, coverage, found):
    a_snapshot(a_server(account, "new"), days=0.5)
    a_snapshot(a_server(account, "old"), days=9)
    a_snapshot(a_server(account, "bare"), status="failed")
    assert names(client_of(alice).get("/servers/", {"coverage": coverage})) == found


def test_busy_servers_and_those_with_free_slots_are_found(account, oscar, alice, client_of):
    busy, full = a_server(account, "busy"), a_server(account, "full")
    an_operation("create", busy, "running", oscar)
    for n in range(5):
        a_snapshot(full, f"nightly-{n}")
    client = client_of(alice)
    assert names(client.get("/servers/", {"operation": "busy"})) == ["busy"]
    assert names(client.get("/servers/", {"operation": "idle"})) == ["full"]
    assert names(client.get("/servers/", {"slots": "free"})) == ["busy"]


def test_servers_are_found_by_their_guard_level_and_it_costs_no_question(account, alice, client_of):
    a_server(account, "free", guard="open")
    a_server(account, "shut", guard="sealed")
    a_server(account, "usual")
    client = client_of(alice)
    page = client.get("/servers/", {"guard": "careful"})
    assert names(page) == ["usual"]
    assert "Guard level: Careful" in text(page)
    assert 'id="chip-guard" href="?"' in page.content.decode()
    assert queries(client, "/servers/?guard=sealed") == queries(client, "/servers/")
    rows = json.loads(file(client, guard="sealed", format="json")[1])
    assert [(row["name"], row["guard"]) for row in rows] == [("shut", "sealed")]


def test_a_state_that_we_do_not_know_is_found_as_another(account, alice, client_of):
    a_server(account, "odd", status="melting")
    a_server(account, "even")
    assert names(client_of(alice).get("/servers/", {"state": "other"})) == ["odd"]


def test_the_chosen_team_narrows_the_list(web, alice, client_of):
    other = teams.create_team("Second", owner=alice)
    a_server(an_account(other, "Elsewhere"), "second-1")
    client = client_of(alice)
    assert names(client.get("/servers/")) == ["second-1", "web-1"]
    session = client.session
    session["team"] = other.pk
    session.save()
    assert names(client.get("/servers/")) == ["second-1"]


def test_servers_of_a_removed_account_are_in_no_list(web, alice, client_of):
    Account.objects.update(removed_at=timezone.now(), paused="removed")
    assert "No accounts yet" in text(client_of(alice).get("/servers/"))


# -- taken away as a file -------------------------------------------------------------------------


def file(client, **words):
    answer = client.get("/servers/", words)
    return answer, b"".join(answer.streaming_content).decode()


def test_the_file_has_what_the_filter_leaves(account, oscar, client_of):
    web = a_server(account)
    taken = timezone.now().replace(microsecond=0) - timedelta(days=1)
    a_snapshot(web, "nightly", created_at=taken)
    an_operation("restore", web, "running", oscar)
    a_server(account, "db-1")
    answer, body = file(client_of(oscar), q="web", format="csv")
    assert answer["Content-Type"].startswith("text/csv")
    assert re.search(r'filename="servers-\d{8}-\d{4}\.csv"', answer["Content-Disposition"])
    (row,) = csv.DictReader(io.StringIO(body))
    assert row["name"] == "web-1"
    assert row["newest_snapshot"] == "nightly"
    assert row["newest_at"] == f"{taken:%Y-%m-%dT%H:%M:%SZ}"
    assert (row["slots_taken"], row["slots"]) == ("1", "5")
    assert (row["operation"], row["operation_state"]) == ("restore", "running")
    _answer, body = file(client_of(oscar), q="web", format="json")
    (record,) = json.loads(body)
    assert record == {
        name: int(value) if name in {"id", "newest_size_mb", "slots_taken", "slots"} else value
        for name, value in row.items()
    }


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n", "  =", "\uff1d"])
def test_no_name_is_a_formula(account, alice, client_of, first):
    a_server(account, f"{first}HYPERLINK(1)")
    _answer, body = file(client_of(alice), format="csv")
    (row,) = csv.DictReader(io.StringIO(body, newline=""))
    assert row["name"] == f"'{first}HYPERLINK(1)"


@pytest.mark.parametrize("between", [";", "; ", "\t", "\n", ";\t"])
def test_nor_is_what_follows_where_others_begin_a_cell(account, alice, client_of, between):
    """A spreadsheet of another country takes the semicolon for the comma."""
    a_server(account, f"web{between}=HYPERLINK(1)")
    _answer, body = file(client_of(alice), format="csv")
    (row,) = csv.DictReader(io.StringIO(body, newline=""))
    assert row["name"] == f"web{between}'=HYPERLINK(1)"


def test_a_file_is_whole_however_long_the_list_and_asks_little(account, alice, client_of):
    for n in range(1100):
        a_server(account, f"node-{n:04d}", remote_id=str(n))
    _answer, body = file(client_of(alice), format="csv")
    assert [row["name"] for row in csv.DictReader(io.StringIO(body))] == [
        f"node-{n:04d}" for n in range(1100)
    ]


def test_a_file_of_nothing_is_still_a_file(account, alice, mallory, client_of):
    a_server(account, "secret-1")
    client = client_of(mallory)
    assert json.loads(file(client, format="json")[1]) == []
    assert "secret" not in file(client, format="csv")[1]


# -- live -----------------------------------------------------------------------------------------


def poll_of(client, address="/servers/"):
    """The poll of a page, as its browser would ask it later."""
    page = client.get(address).content.decode()
    path = re.search(r'hx-get="(/live/[^"]+)"', page)[1].replace("&amp;", "&")
    return lambda: client.get(path, headers={"HX-Current-URL": f"http://testserver{address}"})


def change(server, **fields):
    revision = Account.next_revision(server.account_id)
    Server.objects.filter(pk=server.pk).update(revision=revision, **fields)


def test_a_poll_brings_only_the_rows_that_changed(account, web, alice, client_of):
    other = a_server(account, "web-2")
    poll = poll_of(client_of(alice))
    assert poll().status_code == 204
    change(web, status="stopped")
    brought = poll().content.decode()
    assert f'<tr id="server-{web.pk}" hx-swap-oob="morph">' in brought
    assert "Stopped" in brought
    assert f"server-{other.pk}" not in brought
    assert 'id="results"' not in brought
    assert 'id="tray"' not in brought


def test_a_row_changes_with_its_operation_and_its_snapshots(account, web, oscar, client_of):
    other = a_server(account, "web-2")
    poll = poll_of(client_of(oscar))
    revision = Account.next_revision(account.pk)
    an_operation("create", web, "running", oscar, name="coming", revision=revision)
    a_snapshot(other, "found-there", revision=revision)
    brought = poll().content.decode()
    assert "Snapshot coming of web-1" in brought
    assert "found-there" in brought
    assert 'id="results"' not in brought


def test_while_only_servers_change_the_page_goes_on_at_its_pace(
    account, web, alice, oscar, client_of, django_assert_max_num_queries
):
    running = an_operation("create", web, "running", oscar, sent_at=timezone.now())
    client = client_of(alice)
    poll = poll_of(client)
    change(web, address="10.9.9.9")
    with django_assert_max_num_queries(7):
        brought = poll().content.decode()
    assert "10.9.9.9" in brought
    assert 'data-seconds="5"' in brought
    assert 'data-running="1"' in brought
    path = re.search(r'hx-get="(/live/[^"]+)"', brought)[1].replace("&amp;", "&")
    Operation.objects.filter(pk=running.pk).update(
        state="succeeded", ended_at=timezone.now(), revision=Account.next_revision(account.pk)
    )
    brought = client.get(path, headers={"HX-Current-URL": "/servers/"}).content.decode()
    assert 'data-seconds="60"' in brought
    assert 'data-running="0"' in brought
    assert 'id="tray"' in brought


@pytest.mark.parametrize("pace", ["0", "1", "-5", "x", "9" * 14])
def test_a_pace_that_is_none_of_ours_is_not_kept(account, web, alice, client_of, pace):
    client = client_of(alice)
    page = client.get("/servers/").content.decode()
    path = re.search(r'hx-get="(/live/[^"]+)"', page)[1].replace("&amp;", "&")
    change(web, status="stopped")
    brought = client.get(path.replace("pace=60", f"pace={pace}")).content.decode()
    assert 'data-seconds="60"' in brought


def test_a_list_comes_whole_when_a_row_comes_goes_or_moves(account, web, alice, client_of):
    other = a_server(account, "web-2")
    for new in ({"name": "zzz"}, {"gone_at": timezone.now()}):
        poll = poll_of(client_of(alice))
        change(web, **new)
        assert 'id="results" hx-swap-oob="morph"' in poll().content.decode()
        Server.objects.filter(pk=web.pk).update(name="web-1", gone_at=None)
    poll = poll_of(client_of(alice))
    change(other)
    a_server(account, "web-0")
    brought = poll().content.decode()
    assert 'id="results" hx-swap-oob="morph"' in brought
    assert "web-0" in brought


def test_a_poll_stays_within_filter_and_page(account, alice, client_of):
    rows = [a_server(account, f"node-{n:03d}") for n in range(101)]
    poll = poll_of(client_of(alice), "/servers/?q=node&page=2")
    change(rows[0], status="stopped")
    change(rows[100], status="stopped")
    brought = poll().content.decode()
    assert f"server-{rows[100].pk}" in brought
    assert f'server-{rows[0].pk}"' not in brought


# -- cheap ----------------------------------------------------------------------------------------


def test_a_hundred_rows_are_small_and_few_questions(account, oscar, client_of):
    for n in range(100):
        server = a_server(account, f"production-web-{n:03d}")
        a_snapshot(server, f"nightly-{n:03d}")
        if n < 3:
            an_operation("create", server, "running", oscar)
    client = client_of(oscar)
    for address in ("/servers/", "/snapshots/", "/activity/"):
        assert queries(client, address) <= 6
        assert len(client.get(address).content) <= 80 * 1024


def test_polls_ask_little(account, web, alice, client_of, django_assert_max_num_queries):
    for n in range(20):
        a_server(account, f"node-{n:02d}")
    poll = poll_of(client_of(alice))
    with django_assert_max_num_queries(3):
        assert poll().status_code == 204
    for server in Server.objects.all():
        change(server, status="stopped")
    with django_assert_max_num_queries(8):
        assert poll().content.decode().count("<tr ") == 21
