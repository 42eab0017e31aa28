"""Ways that are seldom gone."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from snapshots import accounts, operations
from snapshots.errors import Refused
from snapshots.models import Account, Epoch, Operation, Reason, Snapshot, State
from snapshots.operations import epoch
from snapshots.provider.client import Client
from tests.conftest import delete, fresh, restore, take
from tests.pages.factories import a_server, a_snapshot, an_account


def test_one_form_makes_one_operation_of_every_kind(stage, account, snapshot, rosa):
    key = uuid.uuid4()
    assert restore(snapshot, rosa, request_key=key) == restore(snapshot, rosa, request_key=key)
    other = a_snapshot(a_server(account, "other"), "old")
    other = Snapshot.objects.select_related("server__account__team", "account__team").get(
        pk=other.pk
    )
    key = uuid.uuid4()
    assert delete(other, rosa, request_key=key) == delete(other, rosa, request_key=key)
    stopped, key = a_server(account, "stopped", status="stopped"), uuid.uuid4()
    first, second = (
        operations.request_start(stopped, actor=rosa, request_key=key) for _ in range(2)
    )
    assert first == second


def test_a_note_that_does_not_fit_is_refused_with_its_length(server, oscar):
    with pytest.raises(Refused, match="901 characters; 900 fit") as refusal:
        take(server, oscar, note="x" * 901)
    assert refusal.value.field == "note"
    assert take(server, oscar, note="x" * 900).state == State.QUEUED


def test_a_second_verdict_changes_nothing(stage, snapshot, rosa):
    stage.provider.faults.add("close_before", path="/restore/")
    operation = stage.send(restore(snapshot, rosa))
    stage.later(minutes=3)
    operations.sweep()
    first, second = fresh(operation), fresh(operation)
    operations.give_verdict(first, actor=rosa, happened=False, words="it is as it was")
    for late in (second, fresh(operation)):
        with pytest.raises(Refused, match="not waiting for a person any more"):
            operations.give_verdict(late, actor=rosa, happened=True, words="no, it is not")
    assert fresh(operation).state == State.NOT_APPLIED


def test_things_of_several_teams_are_not_asked_for_together(team, alice, mallory):
    ours = a_server(an_account(team))
    theirs = a_server(an_account(mallory.teams.get()))
    with pytest.raises(Refused, match="several teams"):
        operations.request_creates([ours, theirs], actor=alice, request_key=uuid.uuid4())


def test_a_server_that_is_being_restored_is_neither_stopped_nor_said_to_be(
    stage, server, snapshot, rosa
):
    stop = take(server, rosa, stop_first=True).needs
    stage.provider.outside.restore_snapshot(snapshot.remote_id)
    stop = stage.send(stop)
    assert (stop.state, stop.reason) == (State.FAILED, Reason.CHANGED)
    assert stop.details == {"what": "the server is being restored"}


def test_an_error_of_ours_while_sending_leaves_it_in_doubt(stage, server, oscar, monkeypatch):
    def fail(*_: object) -> None:
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(Client, "create_snapshot", fail)
    operation = stage.send(take(server, oscar))
    assert (operation.state, operation.reason) == (State.IN_DOUBT, Reason.OUR_FAULT)


def test_a_token_replaced_between_look_and_claim_sends_nothing(stage, server, oscar, monkeypatch):
    class Replaced(Client):
        def snapshots(self, *asked, **more):
            listing = super().snapshots(*asked, **more)
            server.account.__class__.objects.update(token_version=7)
            return listing

    monkeypatch.setattr("snapshots.models.account.Client", Replaced)
    assert stage.send(take(server, oscar)).state == State.QUEUED
    assert stage.provider.calls("POST") == []


def test_a_server_that_the_provider_lists_no_more_is_sent_nothing(stage, server, oscar):
    operation = take(server, oscar)
    stage.provider.outside.delete_server(server.remote_id)
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, Reason.SERVER_MISSING)


def test_what_is_not_listed_whole_is_no_ground_for_sending(stage, server, oscar):
    stage.provider.faults.add("partial", path="/snapshots/")
    operation = stage.send(take(server, oscar))
    assert (operation.state, operation.reason) == (State.QUEUED, Reason.NO_READ)
    assert operation.details == {"words": "the listing was not complete"}
    assert stage.provider.calls("POST") == []
    stage.later(seconds=5)
    assert stage.send(operation).state == State.RUNNING


def test_a_token_that_is_refused_at_the_change_itself_stops_the_account(stage, server, oscar):
    stage.provider.faults.add(
        "answer", method="POST", status=401, body={"detail": "Invalid token."}
    )
    operation = stage.send(take(server, oscar))
    assert operation.state == State.FAILED
    assert fresh(operation.account).paused == Account.Paused.TOKEN


def test_a_witness_that_cannot_be_read_stops_sending_until_it_can(
    stage, server, oscar, settings, tmp_path: Path
):
    settings.WITNESS_FILE = str(tmp_path / "witness")
    operations.sweep()
    operation = take(server, oscar)
    text = (tmp_path / "witness").read_text()
    (tmp_path / "witness").unlink()
    (tmp_path / "witness").mkdir()
    operations.sweep()
    assert stage.send(operation).state == State.QUEUED
    assert not epoch.stopped()
    (tmp_path / "witness").rmdir()
    (tmp_path / "witness").write_text(text)
    assert stage.send(operation).state == State.RUNNING


def test_stopped_twice_it_keeps_the_first_reason_and_says_what_is_left(stage, server, oscar):
    assert epoch.still_to_do() == ["Nothing is stopped."]
    take(server, oscar)
    epoch.stop(Epoch.Why.SAID)
    epoch.stop(Epoch.Why.BEHIND)
    assert epoch.stopped().why == Epoch.Why.SAID
    assert "1 operations are not in doubt yet; the tick will see to it." in epoch.still_to_do()
    epoch.go_on()
    assert epoch.may_send()


# -- what a look costs ----------------------------------------------------------------------------


def test_what_is_read_before_sending_is_taken_from_the_budget_and_so_is_every_page(
    stage, account, server, team, alice, oscar
):
    Account.objects.update(reads_left=30, reads_at=timezone.now())
    assert stage.send(take(server, oscar)).state == State.RUNNING
    assert fresh(account).reads_left == 28

    token = stage.provider.account("Large", "live")
    for n in range(21):  # one more than a page
        stage.provider.server(token, f"large-{n}")
    large = accounts.connect(
        team, label="Large", api_url=stage.provider.url, token=token, actor=alice
    )
    stage.look(large)
    row = large.servers.select_related("account__team").last()
    Account.objects.update(reads_left=30, reads_at=timezone.now())
    assert stage.send(take(row, oscar)).state == State.RUNNING
    assert fresh(large).reads_left == 30 - 3  # the first page, the one server, its snapshots


def test_without_a_read_left_it_is_tried_again_in_five_seconds(stage, account, server, oscar):
    operation = take(server, oscar)
    calls = len(stage.provider.calls())
    Account.objects.update(reads_left=1, reads_at=timezone.now())
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.QUEUED, Reason.PACED)
    assert operation.due_at == timezone.now() + timedelta(seconds=5)
    assert len(stage.provider.calls()) == calls


def test_what_is_not_to_be_sent_now_costs_no_call(stage, team, server, snapshot, rosa):
    calls = len(stage.provider.calls())
    team.hold = 30
    team.save()
    held = restore(fresh(snapshot), rosa, safety_snapshot=True)
    child = held.children.get()
    assert stage.send(held).state == State.QUEUED  # not due
    Operation.objects.filter(pk=held.pk).update(due_at=timezone.now())
    assert stage.send(held).state == State.QUEUED  # its safety snapshot is not there
    assert len(stage.provider.calls()) == calls

    assert stage.send(child).state == State.RUNNING
    operations.cancel(fresh(held), actor=rosa)
    child = stage.watch(child, minutes=5)
    calls = len(stage.provider.calls())
    assert stage.send(held).state == State.CANCELLED
    late = delete(snapshot, rosa)
    Operation.objects.filter(pk=late.pk).update(send_before=timezone.now())
    assert stage.send(late).state == State.EXPIRED
    assert stage.send(late).state == State.EXPIRED
    assert len(stage.provider.calls()) == calls
