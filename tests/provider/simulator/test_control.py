"""The control surface, the clock, and changes made outside."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from snapshots.provider.simulator import DEMO_TOKEN, Simulator
from snapshots.provider.simulator.faults import KINDS

from .conftest import Caller, raw, request


class Control:
    def __init__(self, sim: Simulator) -> None:
        self.base = f"{sim.origin}/_sim/"

    def __call__(self, method: str, path: str = "", body: Any = None, **more: Any) -> Any:
        return requests.request(method, self.base + path, json=body, timeout=5, **more)

    def outside(self, do: str, **fields: Any) -> Any:
        answer = self("POST", "outside", {"do": do, **fields})
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]


@pytest.fixture
def control(sim: Simulator) -> Control:
    return Control(sim)


def test_it_tells_what_there_is(control: Control, sim: Simulator) -> None:
    body = control("GET").json()
    assert body["url"] == sim.url
    assert set(body["faults"]) == set(KINDS)
    assert "delete_snapshot" in body["outside"]
    assert body["seeds"] == ["empty", "demo", "documentation"]


def test_the_clock_moves_by_control_calls_only(
    control: Control, sim: Simulator, api: Caller, web: str
) -> None:
    assert control("GET", "clock").json()["iso"] == "2025-01-16T16:15:00Z"
    api.create(web)
    assert control("POST", "clock", {"advance": 600}).json()["iso"] == "2025-01-16T16:25:00Z"
    assert api.snapshots()[0]["status"] == "completed"
    answer = control("POST", "clock", {"set": "2026-01-01T00:00:00Z"}).json()
    assert (answer["iso"], answer["mode"]) == ("2026-01-01T00:00:00Z", "frozen")
    assert control("POST", "clock", {"set": 0}).json()["iso"] == "1970-01-01T00:00:00Z"
    assert control("GET", "clock").json()["now"] == 0


def test_the_clock_can_run_and_be_frozen_again(control: Control, sim: Simulator) -> None:
    assert control("POST", "clock", {"mode": "real"}).json()["mode"] == "real"
    first = sim.clock.now()
    while sim.clock.now() == first:
        pass
    control("POST", "clock", {"advance": 3600})
    assert 3600 <= sim.clock.now() - first < 3700
    control("POST", "clock", {"mode": "frozen"})
    assert sim.clock.now() == sim.clock.now()


@pytest.mark.parametrize(
    "body", [{"set": "soon"}, {"set": True}, {"advance": "x"}, {"mode": "fast"}, {"go": 1}, [], 3]
)
def test_a_clock_call_that_makes_no_sense_is_400(control: Control, body: Any) -> None:
    answer = control("POST", "clock", body)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_faults_are_armed_listed_released_and_disarmed(control: Control, api: Caller) -> None:
    armed = control("POST", "faults", {"kind": "answer", "status": 503, "times": "forever"})
    assert armed.status_code == 201
    id = armed.json()["id"]
    assert api.get("/servers/").status_code == 503
    [listed] = control("GET", "faults").json()["faults"]
    assert (listed["id"], listed["used"], listed["options"]["status"]) == (id, 1, 503)
    assert control("DELETE", f"faults/{id}").status_code == 204
    assert control("DELETE", f"faults/{id}").status_code == 404
    assert api.get("/servers/").status_code == 200
    control("POST", "faults", {"kind": "hang"})
    assert control("POST", "faults/release").json() == {"released": 1}
    assert api.get("/servers/").status_code == 200
    assert control("DELETE", "faults").status_code == 204
    assert control("GET", "faults").json() == {"faults": []}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "x"},
        {"kind": "answer", "colour": 1},
        {"kind": ["answer"]},
        {"kind": "answer", "status": "x"},
        {"kind": "answer", "path": "("},
    ],
)
def test_a_fault_that_makes_no_sense_is_400(control: Control, body: Any) -> None:
    assert control("POST", "faults", body).status_code == 400
    assert control("GET", "faults").json() == {"faults": []}


def test_the_log_is_read_on_from_a_number(control: Control, api: Caller) -> None:
    api.get("/servers/")
    api.get("/snapshots/")
    entries = control("GET", "log").json()["entries"]
    assert [e["n"] for e in entries] == [1, 2, 3, 4]
    assert control("GET", "log?after=2&limit=1").json()["entries"] == [entries[2]]
    assert control("GET", "log?after=x").status_code == 400


def test_the_world_is_shown_without_any_token(
    control: Control, sim: Simulator, token: str, api: Caller, snap: str
) -> None:
    sim.faults.add("late", now="timeout")
    api.delete(f"/snapshots/{snap}/")
    answer = control("GET", "world")
    assert token not in answer.text
    assert [s["id"] for s in answer.json()["snapshots"]] == [snap]


def test_everything_can_be_done_outside(
    control: Control, sim: Simulator, token: str, api: Caller, web: str
) -> None:
    made = control.outside("create_snapshot", server=int(web), name="panel")
    assert api.snapshots()[0]["status"] == "in_progress"
    sim.clock.advance(minutes=10)
    control.outside("rename_snapshot", snapshot=made, name="renamed")
    assert api.snapshots()[0]["name"] == "renamed"
    control.outside("change_snapshot", snapshot=made, status="odd", created_at="2020-01-01")
    assert api.snapshots()[0]["created_at"] == "2020-01-01T00:00:00Z"
    control.outside("change_snapshot", snapshot=made, status="completed")
    control.outside("restore_snapshot", snapshot=int(made), ends="stopped")
    assert api.status(web) == "restoring"
    sim.clock.advance(minutes=15)
    assert api.status(web) == "stopped"
    control.outside("power", server=web, action="start")
    assert api.status(web) == "active"
    control.outside("rename_server", server=web, name="renamed")
    control.outside("change_server", server=web, status="suspended")
    row = api.get("/servers/").json()["results"][0]
    assert (row["name"], row["status"]) == ("renamed", "suspended")
    second = control.outside("create_server", account=token, name="web-2", storage=40)
    assert api.status(second) == "active"
    control.outside("delete_snapshot", snapshot=made)
    control.outside("delete_server", server=web)
    assert (api.snapshots(), len(api.get("/servers/").json()["results"])) == ([], 1)
    other = control.outside("create_account", name="Other", dialect="live")
    reader = control.outside("create_token", account=other, permissions=["servers:read"])
    assert Caller(sim, reader).get("/servers/").status_code == 200
    control.outside("keep_descriptions", account=token, keep=False)
    assert api.create(second, "a", "words").json()["description"] == ""
    control.outside("set_permissions", token=token, permissions=[])
    assert api.get("/servers/").status_code == 403
    control.outside("revoke_token", token=token)
    assert api.get("/account/me/").status_code == 401
    new = control.outside("reissue_token", token=token)
    assert Caller(sim, new).get("/account/me/").status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"do": "explode"}, 400),
        ({}, 400),
        ({"do": "_overwrite"}, 400),
        ({"do": "delete_snapshot"}, 400),
        ({"do": "delete_snapshot", "snapshot": 1}, 404),
        ({"do": "revoke_token", "token": "vps_nobody"}, 404),
        ({"do": "change_server", "server": 12345, "id": "1"}, 400),
        ({"do": "power", "server": 12345, "action": "start"}, 409),
    ],
)
def test_what_cannot_be_done_outside_is_told(
    control: Control, web: str, body: Any, status: int
) -> None:
    answer = control("POST", "outside", body)
    assert answer.status_code == status
    assert answer.json()["error"]


def test_a_reset_begins_again(control: Control, sim: Simulator, token: str) -> None:
    control("POST", "faults", {"kind": "answer"})
    assert control("POST", "reset", {"seed": "demo"}).status_code == 204
    assert control("GET", "faults").json() == {"faults": []}
    assert Caller(sim, token).get("/servers/").status_code == 401
    assert Caller(sim, DEMO_TOKEN).get("/servers/").json()["count"] == 12
    assert control("POST", "reset", {"seed": "x"}).status_code == 400


@pytest.mark.parametrize(("method", "path"), [("GET", "x"), ("PUT", "clock"), ("DELETE", "log")])
def test_an_unknown_control_call_is_404(control: Control, method: str, path: str) -> None:
    assert control(method, path).status_code == 404


def test_a_page_in_a_browser_cannot_control(control: Control) -> None:
    answer = control("GET", "world", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 404


def test_control_calls_are_not_in_the_log(control: Control, sim: Simulator) -> None:
    control("GET", "world")
    assert sim.log == []


def test_without_control_there_is_none() -> None:
    with Simulator(control=False) as sim:
        assert raw(sim, request("GET", "/_sim/world")).startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"])
def test_another_machine_cannot_control(sim: Simulator, peer: str) -> None:
    from snapshots.provider.simulator.server import is_this_machine

    assert not is_this_machine(peer)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_can(peer: str) -> None:
    from snapshots.provider.simulator.server import is_this_machine

    assert is_this_machine(peer)
