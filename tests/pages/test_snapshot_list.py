"""The list of snapshots over all servers."""

from django.utils import timezone

from tests.pages.factories import a_server, a_snapshot, an_account, an_operation, queries, text


def names(response):
    return [snapshot.name for snapshot in response.context["listing"].rows]


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
    assert queries(client, "/snapshots/") == few <= 6
