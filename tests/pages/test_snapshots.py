"""One snapshot and its history."""

from django.utils import timezone

from snapshots import events
from tests.conftest import fresh, restore, take
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation, text


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


def test_the_page_leads_to_the_next_older_and_the_next_newer(team, vera, client_of):
    web = a_server(an_account(team))
    for name, days in (("oldest", 9), ("older", 6), ("this", 4), ("newer", 2), ("newest", 1)):
        a_snapshot(web, name, days=days)
    a_snapshot(web, "broken", days=3, status="failed")
    a_snapshot(web, "gone", days=5, gone_at=timezone.now())
    this = web.snapshots.get(name="this")
    page = text(client_of(vera).get(f"/snapshots/{this.pk}/"))
    assert "Next older older 6 days ago" in page
    assert "Next newer newer 48 h ago" in page or "Next newer newer 2 days ago" in page
