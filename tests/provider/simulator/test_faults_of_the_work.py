"""Creates and restores that do not go as documented, and answers that say the wrong thing."""

from __future__ import annotations

import pytest

from snapshots.provider.simulator import Simulator

from .conftest import Caller


def test_a_create_ends_as_failed(sim: Simulator, api: Caller, web: str) -> None:
    sim.faults.add("create_fails")
    assert api.create(web).json()["status"] == "in_progress"
    sim.clock.advance(minutes=10)
    [row] = api.snapshots()
    assert (row["status"], row["size_mb"]) == ("failed", None)


def test_a_snapshot_is_forgotten_while_in_progress(sim: Simulator, api: Caller, web: str) -> None:
    sim.faults.add("forgets", seconds=90)
    api.create(web)
    sim.clock.advance(89)
    assert len(api.snapshots()) == 1
    sim.clock.advance(1)
    assert api.snapshots() == []
    sim.clock.advance(minutes=20)
    assert api.snapshots() == []


def test_a_description_is_not_kept(sim: Simulator, api: Caller, web: str) -> None:
    sim.faults.add("drops_description")
    assert api.create(web, "a", "words [ref:abcdefghij]").json()["description"] == ""
    assert api.snapshots()[0]["description"] == ""
    # The log tells what was sent, not what was kept.
    assert sim.calls(event="applied")[0]["marker"] == "[ref:abcdefghij]"


def test_a_restore_never_shows_itself(sim: Simulator, api: Caller, web: str, snap: str) -> None:
    sim.faults.add("never_restoring")
    assert api.post(f"/snapshots/{snap}/restore/").json()["server"]["status"] == "restoring"
    assert api.status(web) == "active"
    assert api.post(f"/snapshots/{snap}/restore/").status_code == 400
    sim.clock.advance(minutes=15)
    assert api.status(web) == "active"
    assert [e["what"] for e in sim.log if e["event"] == "settled"] == ["restored"]


@pytest.mark.parametrize("status", ["stopped", "rescue"])
def test_a_restore_ends_with_another_status(
    sim: Simulator, api: Caller, web: str, snap: str, status: str
) -> None:
    sim.faults.add("restore_ends", status=status)
    api.post(f"/snapshots/{snap}/restore/")
    assert api.status(web) == "restoring"
    sim.clock.advance(minutes=15)
    assert api.status(web) == status


def test_a_restore_drops_newer_snapshots(sim: Simulator, api: Caller, web: str, snap: str) -> None:
    older = sim.snapshot(web, "older", created_at="2025-01-01T00:00:00Z")
    sim.clock.advance(1)
    sim.snapshot(web, "newer")
    sim.faults.add("drops_newer")
    api.post(f"/snapshots/{snap}/restore/")
    assert len(api.snapshots()) == 3
    sim.clock.advance(minutes=15)
    assert [s["id"] for s in api.snapshots()] == [int(snap), int(older)]


def test_an_answer_names_other_ids_than_were_asked(
    sim: Simulator, api: Caller, web: str, snap: str
) -> None:
    sim.faults.add("other_ids", method="POST", times=2)
    made = api.create(web).json()
    assert made["server"]["id"] == int(web) + 100_000
    assert str(made["id"]) not in sim.world.snapshots
    sim.clock.advance(minutes=10)
    restored = api.post(f"/snapshots/{snap}/restore/").json()
    assert restored["snapshot"]["id"] == int(snap) + 100_000
    assert restored["server"]["id"] == int(web) + 100_000
    sim.clock.advance(minutes=15)
    sim.faults.add("other_ids", what="server", method="POST")
    restored = api.post(f"/snapshots/{snap}/restore/").json()
    assert restored["snapshot"]["id"] == int(snap)
    assert restored["server"]["id"] == int(web) + 100_000


def test_other_ids_are_uuids_in_the_live_dialect(sim: Simulator) -> None:
    token = sim.account("Larkfield", "live")
    api, web = Caller(sim, token), sim.server(token, "shop-1")
    sim.faults.add("other_ids", method="POST")
    made = api.create(web).json()
    assert made["server"]["uuid"] != web
    assert len(made["uuid"]) == 36
    assert made["uuid"] not in sim.world.snapshots


def test_unknown_fields_are_added_everywhere(sim: Simulator, api: Caller, snap: str) -> None:
    sim.faults.add("extra_fields", times=None, fields={"x_new": [None]})
    body = api.get("/snapshots/").json()
    assert body["x_new"] == [None]
    assert body["results"][0]["x_new"] == [None]
    assert body["results"][0]["server"]["x_new"] == [None]
    assert api.post(f"/snapshots/{snap}/restore/").json()["snapshot"]["x_new"] == [None]
    assert api.get("/account/me/").json()["x_new"] == [None]


def test_unknown_statuses_are_shown(sim: Simulator, api: Caller, web: str, snap: str) -> None:
    sim.faults.add("unknown_status", times=None, status="defragmenting")
    assert api.snapshots()[0]["status"] == "defragmenting"
    assert api.status(web) == "defragmenting"
    restored = api.post(f"/snapshots/{snap}/restore/").json()
    assert (restored["status"], restored["server"]["status"]) == ("success", "defragmenting")
    sim.faults.clear()
    assert api.status(web) == "restoring"


# Listings that lie


def test_a_listing_lags_behind_for_a_while(
    sim: Simulator, api: Caller, web: str, snap: str
) -> None:
    sim.faults.add("stale", seconds=60)
    api.post(f"/snapshots/{snap}/restore/")
    assert [s["status"] for s in api.get("/servers/").json()["results"]] == ["active"]
    assert api.status(web) == "restoring"
    sim.outside.delete_snapshot(snap)
    assert len(api.snapshots()) == 1
    sim.clock.advance(60)
    assert api.snapshots() == []
    assert [s["status"] for s in api.get("/servers/").json()["results"]] == ["restoring"]


@pytest.mark.parametrize(("count_too", "count"), [(False, 3), (True, 2)])
def test_a_listing_drops_a_row(
    sim: Simulator, api: Caller, web: str, count_too: bool, count: int
) -> None:
    for number in range(3):
        sim.snapshot(web, f"s{number}")
    sim.faults.add("partial", count_too=count_too)
    body = api.get("/snapshots/").json()
    assert (body["count"], len(body["results"])) == (count, 2)
    assert len(api.snapshots()) == 3


def test_a_listing_drops_named_rows(sim: Simulator, api: Caller, web: str, snap: str) -> None:
    kept = sim.snapshot(web, "kept")
    sim.faults.add("partial", ids=[snap])
    assert [s["id"] for s in api.snapshots()] == [int(kept)]


def test_a_listing_drops_a_page(sim: Simulator) -> None:
    token = sim.account("Larkfield", "live")
    for number in range(50):
        sim.server(token, f"s{number}")
    api = Caller(sim, token)
    sim.faults.add("partial", page=2, times=None)
    rows = [len(api.get(f"/servers/?page={n}").json()["results"]) for n in (1, 2, 3)]
    assert rows == [20, 0, 10]


def test_rows_can_be_hidden_without_a_trace(sim: Simulator) -> None:
    token = sim.account("Larkfield", "live")
    servers = [sim.server(token, f"s{number}") for number in range(41)]
    api = Caller(sim, token)
    sim.faults.add("hidden", ids=[servers[0]])
    body = api.get("/servers/?page=2").json()
    assert (body["count"], body["next"], len(body["results"])) == (40, None, 20)
    assert servers[0] in sim.world.servers


def test_a_listing_is_empty_once(sim: Simulator, api: Caller, snap: str) -> None:
    sim.faults.add("empty", path="/snapshots/")
    assert api.get("/snapshots/").json() == {"count": 0, "results": []}
    assert len(api.snapshots()) == 1


@pytest.mark.parametrize(("count_too", "count"), [(False, 1), (True, 2)])
def test_a_listing_shows_a_row_twice(
    sim: Simulator, api: Caller, snap: str, count_too: bool, count: int
) -> None:
    sim.faults.add("duplicates", count_too=count_too)
    body = api.get("/snapshots/").json()
    assert (body["count"], [s["id"] for s in body["results"]]) == (count, [int(snap)] * 2)


def test_a_listing_points_elsewhere(sim: Simulator, api: Caller, snap: str) -> None:
    sim.faults.add("foreign_next", url="http://elsewhere.example/")
    assert api.get("/snapshots/").json()["next"] == "http://elsewhere.example/"


def test_a_fault_of_listings_leaves_every_other_call_alone(
    sim: Simulator, api: Caller, web: str, snap: str
) -> None:
    fault = sim.faults.add("empty", method="", path="", times=None)
    assert api.status(web) == "active"
    assert api.post(f"/snapshots/{snap}/restore/").status_code == 200
    assert fault.used == 0
