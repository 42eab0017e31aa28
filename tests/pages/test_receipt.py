"""After a restore: the way back while it is there, and a receipt of everything that is kept."""

import json

import pytest

from snapshots import accounts
from snapshots.models import Snapshot, State
from tests.conftest import restore, take
from tests.operations.test_plan import again, restored
from tests.operations.test_room import (
    full,  # noqa: F401
    going,  # noqa: F401
    restore_with_room,
    target,  # noqa: F401
)
from tests.pages.factories import text


@pytest.fixture
def done(stage, snapshot, rosa):
    return restored(stage, snapshot, rosa, safety_snapshot=True)


def test_the_way_back_is_offered_while_the_safety_snapshot_is_there(done, rosa, client_of):
    safety = done.children.get().snapshot
    answer = client_of(rosa).get(f"/operations/{done.pk}/")
    assert "The provider still lists the safety snapshot" in text(answer)
    assert f'id="undo" href="/snapshots/{safety.pk}/restore/"' in answer.content.decode()


def test_if_the_provider_dropped_it_there_is_no_way_back(stage, snapshot, rosa, client_of):
    stage.provider.faults.add("drops_newer")
    done = restored(stage, snapshot, rosa, safety_snapshot=True)
    stage.watch(done)
    answer = client_of(rosa).get(f"/operations/{done.pk}/")
    assert "There is no way back: the provider no longer lists the safety snapshot" in text(answer)
    assert 'id="undo"' not in answer.content.decode()


def test_until_it_was_looked_up_no_way_back_is_offered(done, rosa, client_of):
    done.account.complete_pass_at = done.ended_at
    done.account.save()
    answer = client_of(rosa).get(f"/operations/{done.pk}/")
    assert "is still there is being looked up" in text(answer)
    assert 'id="undo"' not in answer.content.decode()


def test_when_the_last_look_lacks_it_neither_page_nor_receipt_says_that_it_is_there(
    stage, done, rosa, client_of
):
    stage.provider.outside.delete_snapshot(done.children.get().remote_id)
    stage.look(done.account)
    client = client_of(rosa)
    answer = client.get(f"/operations/{done.pk}/")
    assert "is still there is being looked up" in text(answer)
    assert 'id="undo"' not in answer.content.decode()
    receipt = json.loads(client.get(f"/operations/{done.pk}/receipt.json").content)
    assert receipt["safety_snapshot"]["listed"] is False


def test_an_account_that_was_removed_offers_no_way_back(done, alice, rosa, client_of):
    accounts.remove(done.account, typed=done.account.label, actor=alice)
    answer = client_of(rosa).get(f"/operations/{done.pk}/")
    assert "Production was removed from Northwind" in text(answer)
    assert 'id="undo"' not in answer.content.decode()


def test_a_restore_without_one_offers_nothing(stage, snapshot, rosa, client_of):
    done = restored(stage, snapshot, rosa)
    page = text(client_of(rosa).get(f"/operations/{done.pk}/"))
    assert "Undo this restore" not in page
    assert "being looked up" not in page


def test_the_receipt_tells_plan_people_times_answers_and_what_was_seen(done, rosa, client_of):
    page = text(client_of(rosa).get(f"/operations/{done.pk}/receipt/"))
    for words in (
        "Receipt of restore",
        "Restored web-1 to pre-upgrade",
        "Asked for by Rosa",
        "What was confirmed",
        "Newer snapshots nightly",
        done.plan.digest,
        "POST /snapshots/",
        "The provider accepted. HTTP 200.",
        "restoring",
        "Rosa asked to restore web-1 to pre-upgrade",
        "before-restore-",
    ):
        assert words in page


def test_the_receipt_shows_every_fact_that_its_digest_covers(
    stage, done, snapshot, rosa, client_of
):
    client = client_of(rosa)
    page = text(client.get(f"/operations/{done.pk}/receipt/"))
    assert "What restores here did to newer ones so far not known" in page
    assert "Done from here since it was taken nothing" in page
    Snapshot.objects.filter(name="nightly").update(created_at=None)
    second = restore(again(snapshot), rosa)
    page = text(client.get(f"/operations/{second.pk}/receipt/"))
    assert "Perhaps newer nightly" in page
    assert "What restores here did to newer ones so far they stayed" in page
    assert "Done from here since it was taken 1 snapshot taken, 1 restore" in page


def test_the_receipt_is_one_file_too(done, rosa, client_of):
    answer = client_of(rosa).get(f"/operations/{done.pk}/receipt.json")
    assert answer["Content-Disposition"] == f'attachment; filename="restore-{done.pk}.json"'
    receipt = json.loads(answer.content)
    assert receipt["plan"]["digest"] == done.plan.digest
    assert receipt["plan"]["facts"]["server"] == "web-1"
    assert (receipt["state"], receipt["asked_by"]) == (State.SUCCEEDED, "Rosa")
    assert receipt["safety_snapshot"]["listed"] is True
    assert [one["status"] for one in receipt["seen"]] == ["restoring", "active"]
    assert [one["outcome"] for one in receipt["attempts"]] == ["accepted"]
    assert receipt["history"][0]["who"] == "Rosa"


def test_while_it_is_under_way_the_receipt_says_so(snapshot, rosa, client_of):
    operation = restore(snapshot, rosa, why_without="Rebuilt daily")
    page = text(client_of(rosa).get(f"/operations/{operation.pk}/receipt/"))
    assert "This restore is not over." in page
    assert "What was sent, and what came back Nothing was sent." in page
    assert "none: “Rebuilt daily”" in page


def test_only_a_restore_has_a_receipt(server, rosa, client_of):
    operation = take(server, rosa)
    assert client_of(rosa).get(f"/operations/{operation.pk}/receipt/").status_code == 404


@pytest.mark.parametrize("path", ["receipt/", "receipt.json"])
def test_another_team_finds_no_receipt(snapshot, rosa, mallory, client_of, path):
    operation = restore(snapshot, rosa)
    assert client_of(rosa).get(f"/operations/{operation.pk}/{path}").status_code == 200
    assert client_of(mallory).get(f"/operations/{operation.pk}/{path}").status_code == 404


def test_what_was_deleted_to_make_room_is_in_the_receipt(target, going, rosa, client_of):  # noqa: F811
    operation = restore_with_room(target, rosa, going)
    address = f"/operations/{operation.pk}/receipt"
    client = client_of(rosa)
    assert f"Deleted before, to make room {going.name}" in text(client.get(f"{address}/"))
    receipt = json.loads(client.get(f"{address}.json").content)
    assert receipt["deleted_before"]["name"] == going.name
    assert f"Rosa asked to delete the snapshot {going.name}" in str(receipt["history"])
