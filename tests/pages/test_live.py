"""One small request keeps a page live; it costs nothing while nothing has changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.test import RequestFactory
from django.utils import timezone

from dashboard import live
from dashboard.live import END, Fragment
from dashboard.seen import MOST_ROWS, Seen, Since
from snapshots.models import Account, Operation, Server, State
from snapshots.permissions import visible_servers
from tests.conftest import Stage, delete, take

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def a_page_of_ours(monkeypatch: Any) -> Iterator[None]:
    """A live page with one region, as a page's view would register it."""

    def regions(request: HttpRequest, pk: int, since: Since) -> Iterator[Fragment]:
        server = get_object_or_404(visible_servers(request.user), pk=pk)
        if since.has_changed(server.account_id):
            yield Fragment("shell/_slots.html", {"taken": since.changed(server.account_id)})

    monkeypatch.setitem(live.REGIONS, "testpage", regions)
    monkeypatch.setitem(live.REGIONS, "finished", lambda request, since: [END])
    yield


def token_of(user: Any) -> str:
    request = RequestFactory().get("/")
    request.user = user
    return live.watching(request, "shell").since


def poll(client: Any, scope: str, since: str = "", **more: Any) -> Any:
    return client.get("/live/", {"scope": scope, "since": since, **more}, headers=HTMX)


def interval(response: Any) -> float:
    return int(re.search(r'hx-trigger="every (\d+)ms', response.content.decode())[1]) / 1000


def test_nothing_has_changed_is_204_and_three_queries(
    account, vera, client_of, django_assert_max_num_queries
):
    client, since = client_of(vera), token_of(vera)
    with django_assert_max_num_queries(3):
        response = poll(client, "testpage:1", since)
    assert response.status_code == 204
    assert response.content == b""


def test_a_change_sends_the_region_the_tray_and_a_new_poller(server, rosa, vera, client_of):
    since = token_of(vera)
    take(server, rosa)
    response = poll(client_of(vera), f"testpage:{server.pk}", since)
    html = response.content.decode()
    assert response.status_code == 200
    assert 'id="tray" hx-swap-oob="morph"' in html
    assert 'id="live" hx-swap-oob="outerHTML"' in html
    assert "before-update" in html
    new = re.search(r"since=([^&\"]+)", html)[1]
    assert new != since
    assert poll(client_of(vera), f"testpage:{server.pk}", new).status_code == 204


def test_every_fragment_is_wrapped_so_that_table_rows_survive(server, rosa, vera, client_of):
    since = token_of(vera)
    take(server, rosa)
    html = poll(client_of(vera), "shell", since).content.decode()
    assert html.startswith("<template>")
    assert html.count("<template>") == html.count("</template>") == 2


@pytest.mark.parametrize(
    "token",
    [
        "",
        "w",
        "x-1.2",
        "0-1",
        "0-1.2.3",
        "0-zzzzzzzzzzzzzzzzz.1",
        "0-1.zzzzzzzzzzzzz",
        "0-1.2!!",
        "0--",
        "ä",
        "0-" * 999,
    ],
)
def test_a_token_that_is_not_ours_gives_everything(server, vera, client_of, token):
    response = poll(client_of(vera), f"testpage:{server.pk}", token)
    assert response.status_code == 200
    assert "-1 of" in response.content.decode()


def test_another_teams_server_is_not_found(server, mallory, client_of):
    assert poll(client_of(mallory), f"testpage:{server.pk}").status_code == 404
    assert poll(client_of(mallory), "testpage:99999").status_code == 404


def test_every_answer_tells_when_the_reader_s_accounts_were_last_looked_at(
    account, vera, mallory, client_of
):
    told = {"X-Looks": f"{account.pk}={account.complete_pass_at:%Y-%m-%dT%H:%M:%S}"}
    for since in ("", token_of(vera)):
        assert told.items() <= poll(client_of(vera), "shell", since).headers.items()
    assert poll(client_of(mallory), "shell").headers["X-Looks"] == ""


@pytest.mark.parametrize("scope", ["", "nonsense", "testpage:x", "testpage:1:2", "TESTPAGE:1", "é"])
def test_an_unknown_scope_is_not_found(vera, client_of, scope):
    assert poll(client_of(vera), scope).status_code == 404


def test_another_teams_change_is_no_change_for_me(server, rosa, mallory, client_of):
    since = token_of(mallory)
    take(server, rosa)
    assert poll(client_of(mallory), "shell", since).status_code == 204


def test_leaving_a_team_changes_what_is_seen(server, vera, client_of):
    since = token_of(vera)
    vera.memberships.all().delete()
    html = poll(client_of(vera), "shell", since).content.decode()
    assert html and "web-1" not in html


def test_trouble_shows_up_without_a_new_revision(account, vera, client_of):
    since = token_of(vera)
    Account.objects.update(trouble="HTTP 503 <b>", trouble_since=timezone.now())
    html = poll(client_of(vera), "shell", since).content.decode()
    assert "not answering as it should" in html
    assert "HTTP 503 &lt;b&gt;" in html


def test_work_that_nobody_takes_is_told(server, rosa, vera, client_of, settings, tmp_path):
    settings.HEARTBEAT_FILE = str(tmp_path / "never-written")
    since = token_of(vera)
    operation = take(server, rosa)
    assert "Work is waiting" not in poll(client_of(vera), "shell", since).content.decode()
    Operation.objects.filter(pk=operation.pk).update(due_at=timezone.now() - timedelta(minutes=1))
    since = token_of(vera)
    html = poll(client_of(vera), "shell", since.replace("w", "0", 1)).content.decode()
    assert "Work is waiting" in html
    Path(settings.HEARTBEAT_FILE).touch()
    moment = timezone.now().timestamp()
    os.utime(settings.HEARTBEAT_FILE, (moment, moment))
    html = poll(client_of(vera), "shell", since).content.decode()
    assert "Work is waiting" not in html and html


# -- how often ------------------------------------------------------------------------------------


def test_an_idle_page_asks_once_a_minute(account, vera, client_of):
    assert 57 <= interval(poll(client_of(vera), "shell")) <= 63


def test_after_my_own_action_the_page_asks_every_two_seconds(server, rosa, vera, client_of):
    take(server, rosa)
    assert interval(poll(client_of(rosa), "shell")) < 2.2
    assert 14 < interval(poll(client_of(vera), "shell")) < 16  # only queued


def test_and_slower_again_half_a_minute_later(stage: Stage, server, rosa, client_of):
    take(server, rosa)
    html = poll(client_of(rosa), "shell").content.decode()
    since, until = re.search(r"since=([^&\"]+)&amp;until=(\d+)", html).groups()
    client = client_of(rosa)
    assert poll(client, "shell", since, until=until).status_code == 204
    stage.traveller.shift(timedelta(seconds=32))
    later = poll(client, "shell", since, until=until)
    assert interval(later) > 14
    assert "tray" not in later.content.decode(), "nothing but the poller has changed"


def test_a_running_operation_is_asked_for_every_five_seconds(server, rosa, vera, client_of):
    operation = take(server, rosa)
    begun = timezone.now()
    Operation.objects.filter(pk=operation.pk).update(
        state=State.RUNNING, sent_at=begun, accepted_at=begun
    )
    client = client_of(vera)
    assert 4.5 < interval(poll(client, f"testpage:{server.pk}")) < 5.5
    Operation.objects.update(accepted_at=begun - timedelta(minutes=4))
    assert interval(poll(client, "shell")) < 2.2, "it may end any moment now"


def test_running_elsewhere_is_asked_for_more_slowly(server, rosa, vera, client_of, monkeypatch):
    operation = take(server, rosa)
    Operation.objects.filter(pk=operation.pk).update(state=State.RUNNING)
    monkeypatch.setitem(live.REGIONS, "server", lambda request, pk, since: [])
    assert 14 < interval(poll(client_of(vera), f"server:{server.pk + 1}")) < 16
    assert interval(poll(client_of(vera), f"server:{server.pk}")) < 5.5


def test_a_finished_page_stops_asking(account, vera, client_of):
    html = poll(client_of(vera), "finished").content.decode()
    assert 'hx-trigger="live:now from:body"' in html
    assert "data-ended" in html


# -- what is said ---------------------------------------------------------------------------------


def test_the_end_of_my_own_operation_elsewhere_is_a_flash(
    server, rosa, vera, client_of, monkeypatch
):
    monkeypatch.setitem(live.REGIONS, "server", lambda request, pk, since: [])
    operation = take(server, rosa)
    since = token_of(rosa)
    revision = Account.next_revision(server.account_id)
    Operation.objects.filter(pk=operation.pk).update(
        state=State.FAILED, ended_at=timezone.now(), revision=revision
    )
    mine = poll(client_of(rosa), f"server:{server.pk + 1}", since).content.decode()
    assert "<span>Snapshot before-update of web-1: Failed</span>" in mine
    assert 'class="flash is-danger" role="alert"' in mine
    here = poll(client_of(rosa), f"server:{server.pk}", since).content.decode()
    assert 'class="flash' not in here, "the page itself shows it"
    theirs = poll(client_of(vera), "shell", since).content.decode()
    assert 'class="flash' not in theirs


def test_rows_that_changed_and_too_many(server, rosa, vera, db):
    before = {server.account_id: Seen(3, False)}
    now = {server.account_id: Seen(5, False)}
    servers = visible_servers(vera)
    servers.update(revision=3)
    servers.filter(pk=server.pk).update(revision=4)
    itself, worked_on = (Server, "id"), (Operation, "server_id")
    assert Since(before, now).rows(itself) == {server.pk}
    assert Since(now, now).rows(itself) == set()
    assert Since(None, now).rows(itself) is None
    assert Since({}, now).rows(itself) is None
    other = servers.exclude(pk=server.pk).get()
    Operation.objects.filter(pk=take(other, rosa).pk).update(revision=5)
    assert Since(before, now).rows(itself, worked_on) == {server.pk, other.pk}
    account = server.account
    for n in range(MOST_ROWS):
        Server.objects.create(account=account, name="node", remote_id=f"node-{n}", revision=4)
    assert Since(before, now).rows(itself) is None


def test_lists_see_the_query_string_of_their_page(account, vera, client_of, monkeypatch):
    seen: list[str] = []
    monkeypatch.setitem(
        live.REGIONS, "list", lambda request, since: seen.append(request.GET.get("page")) or []
    )
    client_of(vera).get(
        "/live/",
        {"scope": "list", "since": ""},
        headers=HTMX | {"HX-Current-URL": "http://testserver/servers/?page=3&scope=x"},
    )
    assert seen == ["3"]


def test_a_cross_site_request_is_refused(account, vera, client_of):
    response = client_of(vera).get("/live/?scope=shell", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.status_code == 403


def test_nobody_polls_without_signing_in(client, db):
    assert poll(client, "shell").status_code == 401


def test_what_ended_while_its_page_was_made_is_asked_for_at_once(stage, snapshot, rosa):
    """The page has read it as waiting, and the tray as ended: nothing runs, and yet it is old."""
    operation = delete(snapshot, rosa)
    request = RequestFactory().get("/")
    request.user = rosa
    live.watching(request, f"operation:{operation.pk}")
    assert stage.send(operation).state == State.SUCCEEDED
    assert live.pace_of(request, f"operation:{operation.pk}").seconds == live.OURS


def test_what_had_ended_before_is_not(stage, snapshot, rosa):
    operation = stage.send(delete(snapshot, rosa))
    request = RequestFactory().get("/")
    request.user = rosa
    assert live.pace_of(request, f"operation:{operation.pk}").seconds == live.IDLE
