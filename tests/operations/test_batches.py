"""Several at once: each taken or refused for itself, and in turn where they share a machine."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from snapshots import accounts, operations
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Batch, Event, Operation, Server, Snapshot, State
from snapshots.operations.batches import _team
from snapshots.said import again
from tests.conftest import NOW, fresh, take
from tests.operations.test_guarantees import at_once
from tests.pages.factories import a_server, an_account


@pytest.fixture
def both(account) -> list[Server]:
    rows = Server.objects.filter(account=account).select_related("account__team")
    return list(rows.order_by("-name"))  # web-1, db-1


@pytest.fixture
def copies(server) -> list[Snapshot]:
    rows = Snapshot.objects.filter(server=server)
    return list(rows.select_related("server__account__team", "account__team").order_by("name"))


def snapshot_all(servers, actor, **more):
    more.setdefault("request_key", uuid.uuid4())
    return operations.request_creates(servers, actor=actor, **more)


def delete_all(snapshots, actor, **more):
    more.setdefault("request_key", uuid.uuid4())
    more.setdefault("typed", operations.delete_phrase(len(snapshots)))
    return operations.request_deletes(snapshots, actor=actor, **more)


def test_a_snapshot_of_each_server_with_a_name_of_its_own(both, oscar):
    batch = snapshot_all(both, oscar)
    names = batch.operations.order_by("pk").values_list("name", flat=True)
    stamp = f"{NOW:%Y%m%d-%H%M}"
    assert list(names) == [f"web-1-{stamp}", f"db-1-{stamp}"]
    assert batch.refused == []
    assert set(batch.operations.values_list("state", flat=True)) == {State.QUEUED}


def test_accounts_are_locked_in_the_order_of_their_numbers_whatever_machines_are_called(
    team, oscar
):
    """Or two batches could wait for each other."""
    first, second = (
        an_account(team, name, api_url=f"https://{name}.example/api/v1") for name in "za"
    )
    with CaptureQueriesContext(connection) as asked:
        snapshot_all([a_server(second), a_server(first)], oscar)
    locked = [one["sql"] for one in asked if one["sql"].startswith("UPDATE snapshots_account ")]
    for sql, account in zip(locked, (first, second), strict=False):
        assert f"WHERE id = {account.pk} RETURNING" in sql


def test_what_is_refused_of_one_server_hinders_no_other(both, oscar, rosa):
    web, db = both
    take(web, rosa)
    batch = snapshot_all(both, oscar)
    assert [one.server for one in batch.operations.all()] == [db]
    [line] = fresh(batch).refused
    assert line["server"] == web.pk
    assert again(line["why"]).startswith("web-1 is busy: Rosa asked for the snapshot before-update")
    assert Event.objects.filter(verb="refused", server=web, actor=oscar).exists()


def test_running_servers_are_stopped_meanwhile_where_that_was_asked(stage, both, rosa):
    _web, db = both
    stage.provider.outside.power(db.remote_id, "stop")
    stage.look(db.account)
    both = [Server.objects.select_related("account__team").get(pk=one.pk) for one in both]
    batch = snapshot_all(both, rosa, stop_first=True)
    kinds = {
        server.name: list(
            batch.operations.filter(server=server).order_by("pk").values_list("kind", flat=True)
        )
        for server in both
    }
    assert kinds == {"web-1": ["stop", "create", "start"], "db-1": ["create"]}


def test_several_deletions_on_one_server_follow_one_another(stage, copies, rosa):
    batch = delete_all(copies, rosa)
    first, second = batch.operations.order_by("pk")
    assert [first.state, second.state] == [State.QUEUED, State.WAITING]
    assert operations.line(second) == [first]

    assert stage.send(first).state == State.SUCCEEDED
    assert fresh(second).state == State.QUEUED
    assert operations.line(fresh(second)) == []
    assert stage.send(second).state == State.SUCCEEDED
    assert len(stage.provider.calls("DELETE", "/snapshots/", "applied")) == 2


def test_one_that_fails_does_not_keep_the_next_from_its_turn(stage, copies, rosa):
    first, second = delete_all(copies, rosa).operations.order_by("pk")
    stage.provider.faults.add("answer", method="DELETE", status=400, body={"detail": "no"})
    assert stage.send(first).state == State.FAILED
    assert stage.send(second).state == State.SUCCEEDED


def test_one_in_doubt_keeps_the_rest_waiting(stage, copies, rosa):
    first, second = delete_all(copies, rosa).operations.order_by("pk")
    stage.provider.faults.add("close_after", method="DELETE")
    assert stage.send(first).state == State.IN_DOUBT
    operations.sweep()
    assert fresh(second).state == State.WAITING


def test_what_waits_too_long_is_not_sent(stage, copies, rosa):
    _first, second = delete_all(copies, rosa).operations.order_by("pk")
    stage.later(hours=6)
    operations.sweep()  # ends the first, which gives the second its turn, too late
    operations.sweep()
    assert fresh(second).state == State.EXPIRED


def test_the_tick_gives_the_turn_where_nobody_else_did(copies, rosa):
    first, second = delete_all(copies, rosa).operations.order_by("pk")
    Operation.objects.filter(pk=first.pk).update(state=State.CANCELLED)  # as if another team's
    operations.sweep()
    assert fresh(second).state == State.QUEUED


def test_the_phrase_must_be_typed(copies, rosa):
    with pytest.raises(Refused, match="Please type “delete 2 snapshots”") as refusal:
        delete_all(copies, rosa, typed="delete 3 snapshots")
    assert refusal.value.field == "typed"
    assert not Operation.objects.exists()


def test_one_form_makes_one_batch_however_often_it_is_sent(both, oscar):
    key = uuid.uuid4()
    assert snapshot_all(both, oscar, request_key=key) == snapshot_all(both, oscar, request_key=key)
    assert (Batch.objects.count(), Operation.objects.count()) == (1, 2)


def test_the_same_form_from_somebody_else_is_refused(both, oscar, rosa):
    key = uuid.uuid4()
    snapshot_all(both, oscar, request_key=key)
    with pytest.raises(Refused, match="already used for something else"):
        snapshot_all(both, rosa, request_key=key)


def test_a_name_the_provider_would_refuse_is_refused_before_anything_is_written(both, oscar):
    with pytest.raises(Refused, match="Not allowed: !") as refusal:
        snapshot_all(both, oscar, name_pattern="{server}!")
    assert refusal.value.field == "name"
    with pytest.raises(Refused, match="The note has 901 characters"):
        snapshot_all(both[:1], oscar, note="x" * 901)
    assert not Batch.objects.exists()


def test_nothing_selected_and_too_much(both, oscar):
    with pytest.raises(Refused, match="Nothing is selected"):
        snapshot_all([], oscar)
    with pytest.raises(Refused, match="102 are selected; 100 can be done at once"):
        snapshot_all(both * 51, oscar)
    team = both[0].account.team
    assert _team([team] * 100) == team


def test_a_viewer_may_not(both, vera):
    with pytest.raises(NotAllowed, match="You may not take snapshots in Northwind"):
        snapshot_all(both, vera)


def test_nor_does_an_operator_delete(copies, oscar):
    with pytest.raises(NotAllowed, match="You may not delete snapshots in Northwind"):
        delete_all(copies, oscar)
    assert not Batch.objects.exists()


def test_a_worker_is_told_of_each_that_is_its_turn(
    copies, rosa, caplog, django_capture_on_commit_callbacks
):
    """No broker is there in tests: what would have been told it is in the log."""
    with django_capture_on_commit_callbacks(execute=True):
        first, _second = delete_all(copies, rosa).operations.order_by("pk")
    assert f"no nudge for send [{first.pk}]" in caplog.text


@pytest.mark.parametrize(
    ("server_name", "expected"),
    [
        ("web.example.com", "web-example-com-2025"),
        ("ümläut", "ml-ut-2025"),
        ("…", "server-7-2025"),
        ("x" * 80, "x" * 59 + "-2025"),
    ],
)
def test_names_fit_the_providers_alphabet(server_name, expected):
    server = Server(pk=7, name=server_name)
    assert operations.snapshot_name("{server}-2025", server, NOW + timedelta()) == expected


def test_of_a_servers_name_at_least_one_letter_is_left():
    """Else several servers would get one name, from a pattern that seems to fit."""
    server = Server(pk=7, name="web")
    for length in (63, 64):
        pattern = "x" * length + "{server}"
        assert operations.snapshot_name(pattern, server, NOW) == "x" * length + "w"


@pytest.mark.django_db(transaction=True)
def test_two_people_who_select_the_same_in_another_order_do_not_lock_each_other_out(
    stage, account, both, team, alice, rosa, oscar
):
    """Over several accounts, each of which a batch locks until all of it is written."""
    token = stage.provider.account("Other")
    for name in ("mail-1", "mail-2", "mail-3"):
        stage.provider.server(token, name)
    other = accounts.connect(
        team, label="Other", api_url=stage.provider.url, token=token, actor=alice
    )
    stage.look(other)
    there = list(Server.objects.filter(account=other).select_related("account__team"))
    for _round in range(8):
        batches = at_once(
            lambda: snapshot_all([*both, *there], rosa),
            lambda: snapshot_all([*there, *both], oscar),
        )
        assert [type(batch) for batch in batches] == [Batch, Batch]
        for asked in Operation.objects.filter(state=State.QUEUED):
            operations.cancel(asked, actor=rosa)
