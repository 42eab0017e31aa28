"""One server with its timeline."""

from datetime import timedelta

import pytest
from django.utils import timezone

from snapshots import operations
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
    return an_account(team)


@pytest.fixture
def web(account):
    return a_server(account)


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
    timeline = page[page.index("web-1 as the provider showed it") :]
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
    assert queries(client, f"/servers/{web.pk}/") <= few <= 16


# -- what became of what --------------------------------------------------------------------------


def test_a_restore_tells_what_became_of_newer_snapshots_as_far_as_seen(web, rosa, client_of):
    now = timezone.now()
    old = a_snapshot(web, "pre-upgrade", days=9)
    stayed, deleted = a_snapshot(web, "stayed", days=7), a_snapshot(web, "deleted", days=6)
    deleted.gone_at = now
    deleted.save()
    gone = a_snapshot(web, "vanished", days=5, gone_at=now, missing_since=now)
    missing = a_snapshot(web, "not-in-the-last-look", days=5, missing_since=now)
    an_operation("delete", web, "succeeded", rosa, snapshot=deleted)
    ids = [one.remote_id for one in (stayed, deleted, gone, missing)] + ["of long ago"]
    at = now - timedelta(days=4)
    an_operation(
        "restore", web, "succeeded", rosa, snapshot=old, sent_at=at, confirmed={"newer": ids}
    )
    page = text(client_of(rosa).get(f"/servers/{web.pk}/"))
    assert "A newer snapshot is still listed: stayed" in page
    assert "A newer snapshot is no longer listed: vanished" in page
    assert "What became of 1 newer snapshot is too long ago to be shown here." in page
    assert "deleted as Rosa asked" in page
    assert "removed outside this dashboard" in page
    assert "Last restored on" in page


def test_what_acts_on_the_server_itself_stands_at_now(web, rosa, client_of):
    an_operation("start", web, "running", rosa, name="")
    page = text(client_of(rosa).get(f"/servers/{web.pk}/"))
    now = page[page.index(" Now ") : page.index("No snapshots yet")]
    assert "Running Start of web-1" in now


def test_a_stopped_server_can_be_started_by_who_may(web, rosa, oscar, client_of):
    address = f"/servers/{web.pk}/"
    assert "Start server" not in text(client_of(rosa).get(address))
    web.status = "stopped"
    web.save()
    client = client_of(rosa)
    answer = client.get(address)
    assert "Start server" in text(answer)
    page = text(client_of(oscar).get(address))
    assert "Start server" not in page
    assert "You may not start and stop servers in Northwind." in page
    done = client.post(f"{address}start/", form_on(answer, f"{address}start/"))
    assert done.status_code == 303
    assert "Start server" not in text(client.get(address))


def test_starting_what_runs_is_refused_in_words(web, rosa, client_of):
    answer = client_of(rosa).post(f"/servers/{web.pk}/start/")
    assert answer.status_code == 409
    assert not web.operations.exists()


def test_an_address_of_a_button_opened_as_a_page_leads_to_the_server(web, rosa, client_of):
    answer = client_of(rosa).get(f"/servers/{web.pk}/start/")
    assert (answer.status_code, answer.url) == (302, f"/servers/{web.pk}/")


def test_each_slot_is_a_box_with_its_word(web, rosa, client_of):
    operations.lock(a_snapshot(web, "kept", days=3), actor=rosa, words="the audit needs it")
    a_snapshot(web, "nightly", days=1)
    an_operation("create", web, "queued", rosa, name="coming")
    page = text(client_of(rosa).get(f"/servers/{web.pk}/"))
    assert "Slots 3 of 5 slots Locked kept Snapshot nightly Reserved coming Free Free" in page


def test_one_is_recommended_to_go_back_to_and_why(web, rosa, vera, client_of):
    good = a_snapshot(web, "works", days=3)
    a_snapshot(web, "nightly", days=1)
    operations.mark_good(good, actor=rosa, words="all tests pass")
    page = client_of(rosa).get(f"/servers/{web.pk}/")
    assert "To go back, works is recommended, taken 3 days ago." in text(page)
    assert "It is the last known good one. Rosa: “all tests pass”" in text(page)
    assert f'id="recommended-restore" href="/snapshots/{good.pk}/restore/"' in page.content.decode()
    body = client_of(vera).get(f"/servers/{web.pk}/").content.decode()
    assert "recommended-restore" not in body
