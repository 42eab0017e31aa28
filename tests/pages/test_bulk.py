"""Several at once: a snapshot of each selected server, the end of each selected snapshot."""

import re

import pytest

from snapshots.models import Batch, Operation, State
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

TAKE, DELETE = "/servers/snapshots/new/", "/snapshots/delete/"


@pytest.fixture
def account(team):
    return an_account(team)


@pytest.fixture
def web(account):
    return a_server(account)


@pytest.fixture
def other(account):
    return a_server(account, "db-1")


def ids(name, *rows):
    return {name: [row.pk for row in rows]}


def asked(response):
    """The batch to which an answer leads."""
    assert response.status_code == 303
    return Batch.objects.get(pk=re.fullmatch(r"/batches/(\d+)/", response["Location"])[1])


# -- take -----------------------------------------------------------------------------------------


def test_each_selected_server_gets_its_snapshot_and_its_line(web, other, oscar, client_of):
    client = client_of(oscar)
    page = client.get(TAKE, ids("server", web, other))
    assert "Take a snapshot of each of 2 servers" in text(page)
    sent = form_on(page, TAKE) | ids("server", web, other) | {"note": "before the update"}
    batch = asked(client.post(TAKE, sent))
    assert {o.server for o in batch.operations.all()} == {web, other}
    names = {o.name for o in batch.operations.all()}
    assert {name.split("-2")[0] for name in names} == {"web-1", "db-1"}
    told = text(client.get(f"/batches/{batch.pk}/"))
    assert "Asked for by Oscar in Northwind" in told
    assert "0 of 2 succeeded. Each goes on by itself" in told
    assert told.count("Queued") >= 2


def test_what_cannot_be_asked_for_is_left_out_with_its_reason(
    account, web, other, oscar, client_of
):
    an_operation("create", other, "running", oscar, name="coming")
    full = a_server(account, "full")
    for n in range(5):
        a_snapshot(full, f"nightly-{n}")
    page = client_of(oscar).get(TAKE, ids("server", web, other, full))
    words = text(page)
    assert "Take a snapshot of 1 server" in words
    assert "db-1 is busy: Oscar asked for the snapshot coming" in words
    assert "All 5 slots of full are taken" in words
    assert page.content.decode().count('name="server"') == 1


def test_what_changed_meanwhile_is_a_refused_line_and_the_others_go_on(
    web, other, oscar, client_of
):
    client = client_of(oscar)
    sent = form_on(client.get(TAKE, ids("server", web, other)), TAKE) | ids("server", web, other)
    an_operation("create", other, "running", oscar, name="coming")
    batch = asked(client.post(TAKE, sent))
    assert [o.server for o in batch.operations.all()] == [web]
    told = text(client.get(f"/batches/{batch.pk}/"))
    assert "Refused db-1 is busy" in told
    assert "0 of 2 succeeded" in told


def test_the_selection_survives_a_refusal(web, other, oscar, client_of):
    client = client_of(oscar)
    sent = form_on(client.get(TAKE, ids("server", web, other)), TAKE) | ids("server", web, other)
    answer = client.post(TAKE, sent | {"name_pattern": "ä {server}", "note": "why"})
    assert answer.status_code == 422
    assert not Operation.objects.exists()
    page = answer.content.decode()
    assert re.findall(r'name="server" value="(\d+)"', page) == [str(other.pk), str(web.pk)]
    assert "why" in page
    assert "Nothing was asked for" in text(answer)


def test_one_page_asks_once_however_often_it_is_sent(web, other, oscar, client_of):
    client = client_of(oscar)
    sent = form_on(client.get(TAKE, ids("server", web, other)), TAKE) | ids("server", web, other)
    first, second = client.post(TAKE, sent), client.post(TAKE, sent)
    assert first["Location"] == second["Location"]
    assert Operation.objects.count() == 2


def test_nothing_selected_says_so(web, oscar, client_of):
    client = client_of(oscar)
    assert "No server is selected." in text(client.get(TAKE))
    answer = client.post(TAKE, {"name_pattern": "{server}"})
    assert answer.status_code == 422
    assert "Nothing is selected." in text(answer)


def test_all_that_match_need_no_boxes(account, web, other, oscar, client_of):
    page = client_of(oscar).get(TAKE, {"all": "1", "q": "web"})
    assert re.findall(r'name="server" value="(\d+)"', page.content.decode()) == [str(web.pk)]


def test_more_than_can_be_asked_for_at_once_is_said_and_refused(account, oscar, client_of):
    servers = [a_server(account, f"node-{n:03d}") for n in range(101)]
    client = client_of(oscar)
    page = client.get(TAKE, ids("server", *servers))
    assert "More than 100 are selected." in text(page)
    answer = client.post(TAKE, form_on(page, TAKE) | ids("server", *servers))
    assert answer.status_code == 422
    assert not Operation.objects.exists()


def test_running_servers_may_be_stopped_first_by_those_who_may(web, other, rosa, oscar, client_of):
    other.status = "stopped"
    other.save()
    assert (
        'name="stop_first"' not in client_of(oscar).get(TAKE, ids("server", web)).content.decode()
    )
    client = client_of(rosa)
    sent = form_on(client.get(TAKE, ids("server", web, other)), TAKE) | ids("server", web, other)
    batch = asked(client.post(TAKE, sent | {"stop_first": "on"}))
    kinds = {(o.server.name, o.kind) for o in batch.operations.all()}
    assert kinds == {("web-1", "stop"), ("web-1", "create"), ("web-1", "start"), ("db-1", "create")}
    told = text(client.get(f"/batches/{batch.pk}/"))
    assert "Waits for: Stop of web-1" in told
    assert "Start of web-1: Waiting" in told
    assert "0 of 2 succeeded" in told


def test_who_may_not_is_told_and_others_see_nothing(web, vera, mallory, client_of):
    refused = client_of(vera).get(TAKE, ids("server", web))
    assert refused.status_code == 403
    assert "You may not take snapshots in Northwind." in text(refused)
    assert "No server is selected." in text(client_of(mallory).get(TAKE, ids("server", web)))
    assert client_of(mallory).post(TAKE, ids("server", web)).status_code == 422


def test_a_hundred_servers_cost_no_more_questions_than_two(account, web, other, oscar, client_of):
    client = client_of(oscar)
    few = queries(client, f"{TAKE}?server={web.pk}&server={other.pk}")
    many = [a_server(account, f"node-{n:03d}").pk for n in range(98)]
    address = TAKE + "?" + "&".join(f"server={pk}" for pk in [web.pk, other.pk, *many])
    assert queries(client, address) == few


# -- delete ---------------------------------------------------------------------------------------


def test_one_phrase_deletes_all_that_are_selected(web, other, rosa, client_of):
    old, older, third = a_snapshot(web, "old"), a_snapshot(web, "older", days=9), a_snapshot(other)
    chosen = ids("snapshot", old, older, third)
    client = client_of(rosa)
    page = client.get(DELETE, chosen)
    assert "Type “delete 3 snapshots” to confirm" in text(page)
    assert "Afterwards there is nothing to restore web-1 to" in text(page)
    sent = form_on(page, DELETE) | chosen
    wrong = client.post(DELETE, sent | {"typed": "delete 2 snapshots"})
    assert wrong.status_code == 422
    assert not Operation.objects.exists()
    assert len(re.findall(r'name="snapshot" value="\d+"', wrong.content.decode())) == 3
    batch = asked(client.post(DELETE, sent | {"typed": "Delete 3 snapshots"}))
    states = sorted(batch.operations.values_list("server__name", "state"))
    assert states == [("db-1", "queued"), ("web-1", "queued"), ("web-1", "waiting")]
    assert "Waits for: Deletion of old of web-1" in text(client.get(f"/batches/{batch.pk}/"))


def test_what_cannot_be_deleted_is_left_out_of_the_phrase(web, rosa, client_of):
    done, coming = a_snapshot(web, "done"), a_snapshot(web, "coming", status="in_progress")
    page = text(client_of(rosa).get(DELETE, ids("snapshot", done, coming)))
    assert "Type “delete 1 snapshot” to confirm" in page
    assert "coming is “in_progress” at the provider, not completed." in page


def test_an_operator_may_not_delete_several_either(web, oscar, client_of):
    chosen = ids("snapshot", a_snapshot(web))
    assert client_of(oscar).get(DELETE, chosen).status_code == 403
    answer = client_of(oscar).post(DELETE, chosen | {"typed": "delete 1 snapshot"})
    assert answer.status_code == 403
    assert not Operation.objects.exists()


# -- the batch ------------------------------------------------------------------------------------


def test_a_batch_is_seen_by_its_team_and_nobody_else(web, other, oscar, vera, mallory, client_of):
    client = client_of(oscar)
    sent = form_on(client.get(TAKE, ids("server", web, other)), TAKE) | ids("server", web, other)
    batch = asked(client.post(TAKE, sent))
    assert client_of(vera).get(f"/batches/{batch.pk}/").status_code == 200
    assert client_of(mallory).get(f"/batches/{batch.pk}/").status_code == 404
    assert client_of(mallory).get(f"/live/?scope=batch:{batch.pk}").status_code == 404


def test_its_lines_are_live_until_all_have_ended(web, other, oscar, client_of):
    client = client_of(oscar)
    sent = form_on(client.get(TAKE, ids("server", web, other)), TAKE) | ids("server", web, other)
    batch = asked(client.post(TAKE, sent))
    page = client.get(f"/batches/{batch.pk}/").content.decode()
    poll = re.search(r'hx-get="(/live/[^"]+)"', page)[1].replace("&amp;", "&")
    assert client.get(poll).status_code == 204
    for operation in batch.operations.all():
        revision = web.account.next_revision(web.account_id)
        Operation.objects.filter(pk=operation.pk).update(
            state=State.SUCCEEDED, ended_at=operation.created_at, revision=revision
        )
    brought = client.get(poll).content.decode()
    assert 'id="lines" hx-swap-oob="morph"' in brought
    assert "2 of 2 succeeded." in brought
    assert "data-ended" in brought
    assert fresh(batch).operations.count() == 2
