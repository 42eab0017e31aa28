"""State that survives: restarts, kills, torn files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from snapshots.provider.simulator import DEMO_TOKEN, Simulator
from snapshots.provider.simulator.store import UnreadableError

from .conftest import Caller

ROOT = Path(__file__).parents[3]
Start = Callable[..., "Process"]


class Process:
    """The simulator as a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "snapshots.provider.simulator", *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ready(self) -> str:
        assert self.popen.stdout is not None
        found = re.search(r"http://\S+/api/v1", self.popen.stdout.readline())
        assert found, self.popen.communicate()[1]
        return found.group()

    def end(self, number: int = signal.SIGKILL) -> int:
        os.kill(self.popen.pid, number)
        return self.popen.wait(10)


@pytest.fixture
def start() -> Iterator[Start]:
    processes: list[Process] = []

    def begin(*arguments: str) -> Process:
        processes.append(Process(*arguments))
        return processes[-1]

    yield begin
    for process in processes:
        process.popen.kill()
        process.popen.communicate()


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    state = tmp_path / "deep" / "state.json"
    with Simulator(state=state, now="2025-01-16T16:15:00Z") as sim:
        token = sim.account("A")
        api, web = Caller(sim, token), sim.server(token, "web")
        first = sim.snapshot(web, "first")
        made = str(api.create(web, "second").json()["id"])
        sim.clock.advance(100)
        sim.outside.rename_server(web, "renamed")
    with Simulator(state=state) as sim:
        api = Caller(sim, token)
        assert {str(s["id"]): s["status"] for s in api.snapshots()} == {
            first: "completed",
            made: "in_progress",
        }
        assert api.snapshots()[0]["server"]["name"] == "renamed"
        assert sim.clock.export()["iso"] == "2025-01-16T16:16:40Z"
        sim.clock.advance(minutes=10)
        assert api.snapshots(server_id=web)[0]["status"] == "completed"
        third = str(api.create(web, "third").json()["id"])
        assert int(third) == int(made) + 1


def test_work_put_off_survives_a_restart(tmp_path: Path) -> None:
    files = {"state": tmp_path / "state.json", "log": tmp_path / "calls.log"}
    with Simulator(**files) as sim:
        token = sim.account("A")
        api, web = Caller(sim, token), sim.server(token, "web")
        sim.faults.add("late", method="POST", seconds=60, now="timeout")
        assert api.create(web).status_code == 504
    with Simulator(**files) as sim:
        assert sim.faults.armed == []
        sim.clock.advance(60)
        [applied] = sim.calls(event="applied")
        assert applied["call"] == sim.calls("POST")[0]["call"]
        assert len(Caller(sim, token).snapshots()) == 1


def test_nothing_that_was_answered_is_lost_by_kill_9(start: Start, tmp_path: Path) -> None:
    state, log = tmp_path / "state.json", tmp_path / "calls.log"
    arguments = ("--port", "0", "--state", str(state), "--log", str(log), "--pace", "100000")
    headers = {"Authorization": f"Bearer {DEMO_TOKEN}"}
    answered: set[int] = set()
    deleted: set[int] = set()
    for round in range(3):
        process = start(*arguments)
        url = process.ready()

        def work(server: int, url: str = url, round: int = round) -> None:
            with requests.Session() as session:
                session.headers.update(headers)
                for number in range(1000):
                    try:
                        body = {"server_id": server, "name": f"r{round}-{number}"}
                        answer = session.post(f"{url}/snapshots/", json=body, timeout=5)
                        if answer.status_code != 201:
                            continue
                        id = answer.json()["id"]
                        answered.add(id)
                        answer = session.delete(f"{url}/snapshots/{id}/", timeout=5)
                        if answer.status_code == 204:
                            deleted.add(id)
                    except requests.RequestException:
                        return

        threads = [threading.Thread(target=work, args=(id,)) for id in (12345, 12346)]
        for thread in threads:
            thread.start()
        # Not at a chosen moment: in the middle of whatever the threads are at by then.
        while len(answered) < 20 * (round + 1):
            pass
        process.end()
        for thread in threads:
            thread.join(10)
    url = start(*arguments).ready()
    rows = requests.get(f"{url}/snapshots/", headers=headers, timeout=5).json()["results"]
    there = {row["id"] for row in rows}
    assert not there & deleted
    # A delete may have been applied and not answered: the log says which.
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    applied = [line for line in lines if line["event"] == "applied"]
    created = {int(line["ids"][0]) for line in applied if line["effect"] == "create"}
    removed = {int(line["ids"][0]) for line in applied if line["effect"] == "delete"}
    assert answered <= created
    assert deleted <= removed
    assert {id for id in there if id in created} == created - removed
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    assert len({line["call"] for line in applied}) == len(applied)


def test_an_effect_saved_but_not_yet_logged_is_logged_at_the_next_start(tmp_path: Path) -> None:
    files = {"state": tmp_path / "state.json", "log": tmp_path / "calls.log"}
    with Simulator(**files) as sim:
        token = sim.account("A")
        Caller(sim, token).create(sim.server(token, "web"))
        first = sim.calls(event="applied")[0]
    lines = files["log"].read_text().splitlines(keepends=True)
    files["log"].write_text("".join(line for line in lines[:1]))
    for _ in range(2):
        with Simulator(**files) as sim:
            [again] = sim.calls(event="applied")
            assert (again["call"], again["ids"]) == (first["call"], first["ids"])
            assert again["after_restart"] is True


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"version": 1}', '{"version": 1, "world": 3}']
)
def test_a_state_file_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    state = tmp_path / "state.json"
    state.write_text(text)
    with pytest.raises(UnreadableError, match="state"):
        Simulator(state=state)
    assert state.read_text() == text


def test_without_a_state_file_the_demo_fleet_is_there(start: Start, tmp_path: Path) -> None:
    url = start("--port", "0").ready()
    headers = {"Authorization": f"Bearer {DEMO_TOKEN}"}
    assert requests.get(f"{url}/servers/", headers=headers, timeout=5).json()["count"] == 12
    assert requests.get(url.replace("/api/v1", "/_sim/"), timeout=5).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_and_cleanly_when_told(start: Start, number: int) -> None:
    process = start("--port", "0")
    url = process.ready()
    with requests.Session() as session:  # an open connection keeps nobody waiting
        session.get(f"{url}/servers/", timeout=5)
        assert process.end(number) == 0
    assert process.popen.communicate()[1] == ""


def test_a_taken_port_is_refused_in_one_sentence(start: Start, sim: Simulator) -> None:
    process = start("--port", str(sim.port))
    out, error = process.popen.communicate(timeout=10)
    assert (process.popen.returncode, out) == (1, "")
    assert error == f"cannot serve on 127.0.0.1 port {sim.port}: Address already in use\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--pace", "0"),
        ("--pace", "-1"),
        ("--pace", "nan"),
        ("--pace", "x"),
        ("--port", "70000"),
        ("--seed", "x"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(
    arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    from snapshots.provider.simulator.__main__ import main

    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert exited.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_damaged_state_file_is_refused_in_one_sentence(start: Start, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("nope")
    process = start("--port", "0", "--state", str(state))
    error = process.popen.communicate(timeout=10)[1]
    assert process.popen.returncode == 1
    assert error.count("\n") == 1
