"""POST /snapshots/{id}/restore/ and DELETE /snapshots/{id}/."""

from __future__ import annotations

import pytest

from snapshots.provider.simulator import Simulator

from .conftest import Caller


def test_a_restore_shows_restoring_and_then_active_after_5_to_15_minutes(
    sim: Simulator, token: str, api: Caller
) -> None:
    for storage in (20, 80, 640):
        server = sim.server(token, f"disk-{storage}", storage=storage)
        snapshot = sim.snapshot(server, "one")
        assert api.post(f"/snapshots/{snapshot}/restore/").status_code == 200
        assert api.status(server) == "restoring"
        sim.clock.advance(minutes=5, seconds=-1)
        assert api.status(server) == "restoring"
        sim.clock.advance(minutes=10, seconds=1)
        assert api.status(server) == "active"


def test_a_stopped_server_can_be_restored_and_is_active_afterwards(
    sim: Simulator, token: str, api: Caller
) -> None:
    server = sim.server(token, "web", status="stopped")
    snapshot = sim.snapshot(server, "one")
    assert api.post(f"/snapshots/{snapshot}/restore/").status_code == 200
    sim.clock.advance(minutes=15)
    assert api.status(server) == "active"


def test_a_restore_needs_no_body_and_minds_none(api: Caller, snap: str) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = api("POST", f"/snapshots/{snap}/restore/", data=b"{not json", headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("status", ["suspended", "restoring", "migrating"])
def test_a_server_in_no_valid_state_is_not_restored(
    sim: Simulator, api: Caller, web: str, snap: str, status: str
) -> None:
    sim.outside.change_server(web, status=status)
    answer = api.post(f"/snapshots/{snap}/restore/")
    assert answer.status_code == 400
    assert answer.json() == {"detail": "Server is not in a valid state for restoration."}


def test_while_restoring_nothing_else_may_be_done_to_the_server(
    sim: Simulator, api: Caller, web: str, snap: str
) -> None:
    other = sim.snapshot(web, "other")
    api.post(f"/snapshots/{snap}/restore/")
    assert api.post(f"/snapshots/{snap}/restore/").status_code == 400
    assert api.post(f"/snapshots/{other}/restore/").status_code == 400
    assert api.create(web).status_code == 400
    assert api.post(f"/servers/{web}/power/", {"action": "stop"}).status_code == 400
    assert api.delete(f"/snapshots/{snap}/").status_code == 400
    assert api.delete(f"/snapshots/{other}/").status_code == 204


def test_a_create_in_progress_refuses_a_restore(api: Caller, web: str, snap: str) -> None:
    api.create(web, "running")
    assert api.post(f"/snapshots/{snap}/restore/").status_code == 400


@pytest.mark.parametrize("status", ["in_progress", "failed", "odd"])
def test_only_a_completed_snapshot_can_be_restored_or_deleted(
    sim: Simulator, api: Caller, web: str, status: str
) -> None:
    snapshot = sim.snapshot(web, "one", status=status)
    restored = api.post(f"/snapshots/{snapshot}/restore/")
    deleted = api.delete(f"/snapshots/{snapshot}/")
    assert (restored.status_code, deleted.status_code) == (400, 400)
    assert "cannot be restored" in restored.json()["detail"]
    assert "cannot be deleted" in deleted.json()["detail"]


@pytest.mark.parametrize("id", ["1", "0", "-1", "x", "9" * 400, "%20", "802", "..", "%C3%A4"])
def test_a_snapshot_that_does_not_exist_is_404(api: Caller, snap: str, id: str) -> None:
    for answer in (api.post(f"/snapshots/{id}/restore/"), api.delete(f"/snapshots/{id}/")):
        if id == "..":  # the client itself folds this one away
            assert answer.status_code in (404, 405)
            continue
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


def test_a_delete_is_for_ever(sim: Simulator, api: Caller, snap: str) -> None:
    assert api.delete(f"/snapshots/{snap}/").status_code == 204
    assert api.delete(f"/snapshots/{snap}/").status_code == 404
    assert api.snapshots() == []


def test_a_restore_keeps_newer_snapshots(sim: Simulator, api: Caller, web: str, snap: str) -> None:
    sim.clock.advance(60)
    newer = sim.snapshot(web, "newer")
    api.post(f"/snapshots/{snap}/restore/")
    sim.clock.advance(minutes=15)
    assert [s["id"] for s in api.snapshots()] == [int(newer), int(snap)]


def test_the_live_dialect_restores_and_deletes_by_uuid(sim: Simulator) -> None:
    token = sim.account("Larkfield", "live")
    api, web = Caller(sim, token), sim.server(token, "shop-1")
    snapshot = sim.snapshot(web, "one")
    body = api.post(f"/snapshots/{snapshot}/restore/").json()
    assert body["snapshot"] == {
        "uuid": snapshot,
        "name": "one",
        "created_at": "2025-01-16T16:15:00.000000Z",
    }
    assert body["server"]["status"] == "restoring"
    sim.clock.advance(minutes=15)
    assert api.delete(f"/snapshots/{snapshot}/").status_code == 204
