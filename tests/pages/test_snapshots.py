"""The list of snapshots over all servers, and one snapshot's history."""

import pytest
from django.utils import timezone

from snapshots import events
from tests.conftest import fresh, restore, take
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation, queries, text


@pytest.fixture
def web(team):
    return a_server(an_account(team))


def names(response):
    return [snapshot.name for snapshot in response.context["page"].object_list]


def test_the_newest_stands_first_with_server_maker_and_size(web, oscar, vera, client_of):
    a_snapshot(web, "older", days=3)
    ours = a_snapshot(web, "newer", days=1)
    an_operation("create", web, "succeeded", oscar, snapshot=ours)
    answer = client_of(vera).get("/snapshots/")
    assert names(answer) == ["newer", "older"]
    page = text(answer)
    assert "newer web-1 Production 24 h ago Asked for by Oscar Completed 5.1 GB" in page
    assert "Found at the provider" in page


def test_the_list_is_filtered_by_server_account_state_and_name(team, web, alice, client_of):
    other = a_server(an_account(team, "Staging"), "db-1")
    a_snapshot(web, "of-web")
    a_snapshot(other, "of-db", status="in_progress", size_mb=None)
    a_snapshot(web, "gone", gone_at=timezone.now())
    client = client_of(alice)
    assert names(client.get("/snapshots/", {"server": web.pk})) == ["of-web"]
    assert names(client.get("/snapshots/", {"account": other.account_id})) == ["of-db"]
    assert names(client.get("/snapshots/", {"state": "in_progress"})) == ["of-db"]
    assert names(client.get("/snapshots/", {"state": "not-listed"})) == ["gone"]
    assert names(client.get("/snapshots/", {"q": "WEB"})) == ["of-web"]


def test_another_teams_server_in_the_address_is_ignored_and_not_named(
    web, alice, mallory, client_of
):
    a_snapshot(web, "ours")
    theirs = a_server(an_account(mallory.teams.get(), "Their account"), "their-server")
    a_snapshot(theirs, "their-snapshot")
    answer = client_of(alice).get("/snapshots/", {"server": theirs.pk, "q": ""})
    assert names(answer) == ["ours"]
    assert "their" not in text(answer).lower().replace("others", "")


def test_a_hundred_snapshots_cost_no_more_queries_than_one(web, oscar, alice, client_of):
    an_operation("create", web, "succeeded", oscar, snapshot=a_snapshot(web))
    client = client_of(alice)
    few = queries(client, "/snapshots/")
    for n in range(100):
        server = a_server(web.account, f"node-{n}")
        an_operation("create", server, "succeeded", oscar, snapshot=a_snapshot(server, f"s{n}"))
    assert queries(client, "/snapshots/") == few <= 13


def test_empty_lists_say_why(web, alice, client_of):
    client = client_of(alice)
    assert "No snapshots yet" in text(client.get("/snapshots/"))
    assert "No snapshot matches" in text(client.get("/snapshots/", {"q": "nothing"}))


def test_the_history_begins_with_who_asked_for_it(stage, server, oscar, client_of):
    operation = stage.watch(stage.send(take(server, oscar, note="Why not")), minutes=6)
    page = text(client_of(oscar).get(f"/snapshots/{operation.snapshot_id}/"))
    assert "Oscar asked for the snapshot before-update of web-1" in page
    assert "The snapshot before-update of web-1 is complete" in page
    assert "Why not" in page
    assert "Succeeded" in page


def test_a_snapshot_taken_elsewhere_and_removed_elsewhere_keeps_its_page(
    stage, account, server, vera, client_of
):
    made = stage.provider.snapshot(server.remote_id, "from-outside")
    stage.look(account)
    found = server.snapshots.get(name="from-outside")
    client = client_of(vera)
    assert "of web-1 was taken outside this dashboard" in text(
        client.get(f"/snapshots/{found.pk}/")
    )
    stage.provider.outside.delete_snapshot(made)
    for _ in range(2):
        stage.later(minutes=1)
        stage.look(account)
    assert fresh(found).gone_at
    page = text(client.get(f"/snapshots/{found.pk}/"))
    assert "The provider no longer lists it." in page
    assert "of web-1 is no longer listed by the provider" in page
    assert "Its history stays." in page


def test_a_snapshot_deleted_here_says_by_whom(web, rosa, client_of):
    snapshot = a_snapshot(web, "old", gone_at=timezone.now())
    operation = an_operation("delete", web, "succeeded", rosa, snapshot=snapshot)
    events.record(
        events.Verb.DELETE_SUCCEEDED,
        team=web.account.team,
        server=web,
        snapshot=snapshot,
        operation=operation,
    )
    page = text(client_of(rosa).get(f"/snapshots/{snapshot.pk}/"))
    assert "Rosa asked to delete it, and it is gone since" in page
    assert "The snapshot old of web-1 was deleted" in page
    assert "Delete snapshot" not in page


def test_while_it_is_being_restored_nothing_else_is_offered(snapshot, rosa, client_of):
    restore(snapshot, rosa)
    page = text(client_of(rosa).get(f"/snapshots/{snapshot.pk}/"))
    assert "web-1 is busy: Rosa asked to restore it to pre-upgrade" in page
    assert "Delete snapshot" not in page


def test_a_status_we_do_not_know_is_shown_as_it_came(web, vera, client_of):
    snapshot = a_snapshot(web, "odd", status="marinating")
    page = text(client_of(vera).get(f"/snapshots/{snapshot.pk}/"))
    assert "“marinating”" in page
    assert "Completed" not in page
