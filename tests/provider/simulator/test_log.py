"""The log: what a checker may rely on."""

from __future__ import annotations

import json
import time
from pathlib import Path

from snapshots.provider.simulator import Simulator
from snapshots.provider.simulator.history import LONGEST, History

from .conftest import Caller


def events(sim: Simulator) -> list[str]:
    return [entry["event"] for entry in sim.log]


def test_a_change_is_arrived_applied_answered_under_one_call_id(
    sim: Simulator, api: Caller, web: str
) -> None:
    api.create(web, "a", "words [ref:abcde12345] more")
    arrived, applied, answered = sim.log
    assert events(sim) == ["arrived", "applied", "answered"]
    for entry in sim.log:
        assert entry["call"] == arrived["call"]
        assert (entry["method"], entry["path"]) == ("POST", "/snapshots/")
        assert entry["token"] == "northwind-1"
        assert entry["server"] == web
        assert entry["marker"] == "[ref:abcde12345]"
        assert entry["fault"] is None
        assert entry["at"] == "2025-01-16T16:15:00.000000Z"
        assert abs(entry["wall"] - time.time()) < 60
    assert json.loads(arrived["body"])["name"] == "a"
    assert (applied["effect"], applied["ids"], applied["status"]) == ("create", ["801"], 201)
    assert (answered["status"], answered["complete"]) == (201, True)


def test_restores_deletes_and_power_tell_what_they_changed(
    sim: Simulator, api: Caller, web: str, snap: str
) -> None:
    api.post(f"/snapshots/{snap}/restore/")
    sim.clock.advance(minutes=15)
    api.delete(f"/snapshots/{snap}/")
    api.post(f"/servers/{web}/power/", {"action": "stop"})
    applied = sim.calls(event="applied")
    assert [(e["effect"], e["ids"], e["server"]) for e in applied] == [
        ("restore", [snap], web),
        ("delete", [snap], web),
        ("stop", [web], web),
    ]


def test_what_changed_nothing_is_not_applied(sim: Simulator, api: Caller, web: str) -> None:
    api.get("/servers/")
    api.create(web, "not a name")
    api.create("1")
    Caller(sim, None).create(web)
    # By call: the next may arrive before the answer to the last is written down.
    answers = {entry["call"]: entry["status"] for entry in sim.calls(event="answered")}
    assert [answers[entry["call"]] for entry in sim.calls()] == [200, 400, 404, 401]
    assert not sim.calls(event="applied")


def test_what_ends_by_itself_is_settled_when_it_was_due(
    sim: Simulator, api: Caller, web: str
) -> None:
    id = str(api.create(web).json()["id"])
    sim.clock.advance(minutes=30)
    last = sim.log[-1]
    assert (last["event"], last["what"], last["ids"]) == ("settled", "created", [id])
    assert (last["status"], last["at"] > last["due"]) == ("completed", True)


def test_changes_from_outside_are_told_apart(sim: Simulator, snap: str) -> None:
    sim.outside.delete_snapshot(snap)
    [entry] = sim.log
    assert (entry["event"], entry["what"], entry["ids"]) == ("outside", "delete_snapshot", [snap])


def test_numbers_rise_without_a_gap_and_go_on_after_a_restart(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "calls.log"
    with Simulator(log=log) as sim:
        Caller(sim, sim.account("A")).get("/servers/")
        before = sim.log
    with Simulator(log=log) as sim:
        assert sim.log == before
        Caller(sim, sim.account("A")).get("/servers/")
        assert len(sim.log) == 4  # looking waits until the answer is written down
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["n"] for line in lines] == [1, 2, 3, 4]
    assert len({line["call"] for line in lines}) == 2


def test_a_last_line_torn_by_a_crash_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "calls.log"
    with Simulator(log=log) as sim:
        Caller(sim, sim.account("A")).get("/servers/")
        assert len(sim.log) == 2  # looking waits until the answer is written down
    with log.open("ab") as file:
        file.write(b'{"n": 3, "event": "arr')
    with Simulator(log=log) as sim:
        assert len(sim.log) == 2
        Caller(sim, sim.account("A")).get("/servers/")
        assert len(sim.log) == 4
    assert [json.loads(line)["n"] for line in log.read_text().splitlines()] == [1, 2, 3, 4]


def test_no_token_is_ever_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "calls.log"
    with Simulator(log=log) as sim:
        token = sim.account("North Wind")
        api = Caller(sim, token)
        api.get(f"/servers/?status={token}")
        api.post(f"/servers/{token}/power/", {"action": token})
        api.create(sim.server(token, "web"), token, f"see {token}")
        Caller(sim, "vps_live_unknown-secret").get("/servers/")
        sim.outside.reissue_token(token)
        with sim.changing() as world:
            secrets = list(world.tokens)
    text = log.read_text()
    for secret in [token, *secrets, "unknown-secret"]:
        assert secret not in text
    assert "vps_[hidden]" in text


def test_a_long_body_is_only_quoted_in_part(sim: Simulator, api: Caller, web: str) -> None:
    api.create(web, "a", "x" * 5000)
    assert len(sim.log[0]["body"]) == 300


def test_the_log_can_be_asked_by_method_path_and_event(
    sim: Simulator, api: Caller, snap: str
) -> None:
    api.get("/servers/")
    api.post(f"/snapshots/{snap}/restore/")
    assert len(sim.calls()) == 2
    assert len(sim.calls("GET")) == 1
    assert len(sim.calls("POST", "/restore/", "applied")) == 1
    assert sim.calls("DELETE") == []


def test_a_long_log_is_put_aside_while_it_is_written_and_numbered_on(tmp_path: Path) -> None:
    path = tmp_path / "calls.log"
    history = History(path, lambda: 0.0)
    while not (tmp_path / "calls.log.1").exists():
        history.write("outside", words="x" * 100_000)
    history.write("outside", words="the last")
    history.close()
    kept = [entry["n"] for entry in history.entries]
    assert path.stat().st_size < LONGEST
    again = History(path, lambda: 0.0)
    assert [entry["n"] for entry in again.entries] == kept
    assert again.write("outside")["n"] == kept[-1] + 1
    again.close()
