"""The first page: what needs attention, what runs, and how far back everything can go."""

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from snapshots import teams
from snapshots.models import Account, Operation, Server
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation, queries, text


def overview(user, client_of):
    return text(client_of(user).get("/"))


def test_before_the_first_account_there_is_one_next_step(team, alice, client_of):
    page = overview(alice, client_of)
    assert "No accounts yet" in page
    assert "Connect" in page
    assert "Needs attention" not in page


def test_when_all_is_well_it_says_so_and_since_when(web, vera, client_of):
    a_snapshot(web, days=1)
    page = overview(vera, client_of)
    assert "Nothing needs attention. Last checked" in page
    assert "The only server here can go back to a snapshot younger than 7 days." in page
    assert "Nothing is under way." in page


def test_calm_is_only_as_fresh_as_the_stalest_account(team, web, vera, client_of):
    a_snapshot(web, days=1)
    an_account(team, "Staging", complete_pass_at=None)
    assert "The first look at the provider is still to come." in overview(vera, client_of)


def test_coverage_counts_what_could_be_restored(web, vera, client_of):
    a_snapshot(web, days=1)
    old, none, broken = (a_server(web.account, name) for name in ("old", "none", "broken"))
    a_snapshot(old, days=8)
    a_snapshot(broken, days=0, status="failed")
    a_snapshot(none, days=1, gone_at=timezone.now())
    page = overview(vera, client_of)
    assert "1 of 4 servers can go back to a snapshot younger than 7 days." in page
    assert "2 have none to go back to." in page
    assert "2 servers have no snapshot to go back to broken none" in page
    assert "1 server can only go back more than 7 days old 8 days ago" in page
    assert "1 of 4 servers have a snapshot younger than 7 days." in page


def test_when_every_server_is_covered_the_first_line_says_so(web, vera, client_of):
    a_snapshot(web)
    a_snapshot(a_server(web.account, "db-1"))
    page = overview(vera, client_of)
    assert "All 2 servers can go back to a snapshot younger than 7 days." in page


def test_few_are_named_and_the_rest_is_counted(web, vera, client_of):
    for n in range(6):
        a_server(web.account, f"node-{n}")
    page = overview(vera, client_of)
    assert "7 servers have no snapshot to go back to node-0 node-1 node-2 node-3 and 3 more" in page


def test_what_is_slower_than_usual_needs_attention(web, rosa, client_of):
    a_snapshot(web)
    operation = an_operation("create", web, "running", rosa)
    assert "Nothing needs attention." in overview(rosa, client_of)
    Operation.objects.filter(pk=operation.pk).update(slow_at=timezone.now())
    page = overview(rosa, client_of)
    assert "Slow Snapshot nightly of web-1" in page
    assert "Nothing needs attention." not in page


def test_what_stands_in_line_says_what_it_waits_for(web, oscar, client_of):
    a_snapshot(web)
    stop = an_operation("stop", web, "running", oscar, name="")
    an_operation("create", web, "waiting", oscar, needs=stop)
    page = overview(oscar, client_of)
    assert "In line 1 Waiting Snapshot nightly of web-1 Waits for: Stop of web-1" in page
    assert "1 operation stands in line and goes on by itself." in page
    assert "Nothing needs attention." in page


def test_a_thousand_operations_are_counted_and_a_few_listed(web, oscar, client_of):
    for n in range(30):
        server = a_server(web.account, f"node-{n}")
        an_operation("create", server, "running", oscar)
        an_operation("delete", server, "waiting", oscar)
    page = overview(oscar, client_of)
    assert "Under way 30" in page
    assert "and 18 more under way" in page
    assert "In line 30" in page
    assert "and 18 more in line" in page


def test_it_says_when_each_account_is_looked_at_next(web, vera, client_of):
    due = timezone.now() + timedelta(minutes=5)
    Account.objects.update(next_pass_at=due)
    words = f"Production Last complete look just now. Next look at {due:%H:%M:%S}."
    assert words in overview(vera, client_of)
    Account.objects.update(next_pass_at=timezone.now(), complete_pass_at=None)
    page = overview(vera, client_of)
    assert "Production No complete look yet. The next look is due now." in page


def test_no_look_is_due_while_every_token_is_refused(web, vera, client_of):
    Account.objects.update(paused="token")
    assert "No look is due: the provider refuses every token." in overview(vera, client_of)


def test_the_chosen_team_alone_is_shown(web, alice, client_of):
    other = teams.create_team("Southwind", owner=alice)
    a_server(an_account(other, "Elsewhere"), "far-1")
    client = client_of(alice)
    assert "0 of 2 servers can go back" in text(client.get("/"))
    session = client.session
    session["team"] = other.pk
    session.save()
    page = text(client.get("/"))
    assert "0 of 1 server can go back" in page
    assert "web-1" not in page
    assert "Production" not in page


def test_doubt_failures_full_slots_and_trouble_are_listed(team, web, rosa, vera, client_of):
    for n in range(5):
        a_snapshot(web, f"nightly-{n}")
    stuck = a_server(web.account, "stuck")
    old = a_snapshot(stuck, "pre-upgrade", days=1)
    an_operation("restore", stuck, "needs_person", rosa, snapshot=old, reason="undecided")
    failing = a_server(web.account, "failing")
    a_snapshot(failing, days=1)
    an_operation("create", failing, "failed", rosa, reason="provider_said", details={"words": "no"})
    an_account(team, "Staging", paused="token")
    page = overview(vera, client_of)
    for words in (
        "Needs a person Restore of stuck to pre-upgrade",
        "The server is locked until somebody has looked.",
        "Failed Snapshot nightly of failing",
        "The provider refused: no",
        "Token refused Staging",
        "1 server has no free slot web-1",
    ):
        assert words in page
    assert "Nothing needs attention" not in page


def test_the_coming_snapshot_of_a_server_fills_its_last_slot(web, oscar, client_of):
    for n in range(4):
        a_snapshot(web, f"nightly-{n}")
    a_snapshot(web, "broken", status="failed")
    for _ in range(3):
        an_operation("create", web, "succeeded", oscar)
    assert "no free slot" not in overview(oscar, client_of)
    an_operation("create", web, "queued", oscar, name="coming")
    assert "1 server has no free slot web-1" in overview(oscar, client_of)


def test_a_failure_that_was_made_good_is_history(web, rosa, client_of):
    a_snapshot(web, days=1)
    an_operation("create", web, "failed", rosa)
    an_operation("create", web, "succeeded", rosa)
    assert "Nothing needs attention." in overview(rosa, client_of)


def test_an_old_failure_is_history(web, rosa, client_of):
    a_snapshot(web, days=1)
    an_operation("create", web, "failed", rosa, ended_at=timezone.now() - timedelta(days=2))
    assert "Nothing needs attention." in overview(rosa, client_of)


def test_a_restore_stands_there_once_with_its_safety_snapshot(web, rosa, client_of):
    old = a_snapshot(web, "pre-upgrade", days=1)
    parent = an_operation("restore", web, "queued", rosa, snapshot=old)
    an_operation("create", web, "running", rosa, name="before-restore", parent=parent)
    answer = client_of(rosa).get("/")
    assert "First the safety snapshot: before-restore" in text(answer)
    assert answer.content.decode().count('id="operation-') == 2  # the row and its link


def test_nothing_of_another_team_is_counted(web, mallory, client_of):
    a_snapshot(web, days=30)
    page = overview(mallory, client_of)
    assert "No accounts yet" in page
    assert "web-1" not in page


def test_a_hundred_servers_cost_no_more_queries(web, rosa, client_of):
    for n in range(100):
        server = a_server(web.account, f"node-{n}")
        old = a_snapshot(server, days=n % 20)
        an_operation("restore", server, "failed" if n % 2 else "running", rosa, snapshot=old)
    client = client_of(rosa)
    assert queries(client, "/") <= 15


def polled(client, address):
    """The page, and what its poll brings after something has changed."""
    page = client.get(address).content.decode()
    Account.objects.update(revision=F("revision") + 1)
    Operation.objects.update(revision=99)
    Server.objects.update(revision=99)
    poll = re.search(r'hx-get="(/live/[^"]+)"', page)[1].replace("&amp;", "&")
    current = {"HX-Current-URL": f"http://testserver{address}"}
    return page, client.get(poll, headers=current).content.decode()


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/accounts/",
        "/accounts/{account}/",
        "/servers/",
        "/servers/?q=web&sort=-name",
        "/servers/{server}/",
        "/snapshots/",
        "/snapshots/{snapshot}/",
        "/operations/{operation}/",
    ],
)
def test_a_poll_brings_the_same_regions_that_the_page_has(web, rosa, client_of, address):
    snapshot = a_snapshot(web, "pre-upgrade", days=1)
    operation = an_operation("restore", web, "needs_person", rosa, snapshot=snapshot)
    address = address.format(
        account=web.account_id, server=web.pk, snapshot=snapshot.pk, operation=operation.pk
    )
    page, brought = polled(client_of(rosa), address)
    regions = set(re.findall(r'id="([^"]+)" hx-swap-oob="morph', brought))
    assert regions - {"tray", "trouble"}
    for region in regions:
        assert f'id="{region}"' in page


def test_a_list_that_polls_stays_filtered(web, rosa, client_of):
    a_server(web.account, "db-1")
    _page, brought = polled(client_of(rosa), "/servers/?q=web")
    assert "web-1" in brought
    assert "db-1" not in brought


def test_a_verdict_that_is_being_typed_is_left_alone(web, rosa, client_of):
    snapshot = a_snapshot(web, "pre-upgrade", days=1)
    operation = an_operation("restore", web, "needs_person", rosa, snapshot=snapshot)
    client = client_of(rosa)
    page = client.get(f"/operations/{operation.pk}/").content.decode()
    Account.objects.update(revision=F("revision") + 1)  # something else has changed
    poll = re.search(r'hx-get="(/live/[^"]+)"', page)[1].replace("&amp;", "&")
    brought = client.get(poll).content.decode()
    assert "operation-head-" in brought
    assert "operation-verdict-" not in brought
