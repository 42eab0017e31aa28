"""The supervisor, with real and small processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.house import WorkerWatch
from dashboard.supervisor import CannotStart, Supervisor
from tests import services
from tests.house.processes import Seen, child, descendants, kill_all, until


@dataclass
class Crew:
    """A running supervisor and all that it ever started."""

    process: subprocess.Popen[str]
    seen: set[Seen] = field(default_factory=set)

    def look(self) -> set[Seen]:
        self.seen |= descendants(self.process.pid)
        return self.seen

    def program(self, word: str) -> int:
        return child(self.process.pid, word)

    def said(self, words: str) -> str:
        """The next line with `words` in it."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.look()
            if words in line:
                return line
        raise AssertionError(f"it ended without saying {words!r}")


def children(crew: Crew) -> set[int]:
    return {crew.program("stubborn"), crew.program("polite")}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    crews: list[Crew] = []

    def start(*names: str) -> Crew:
        command = [sys.executable, "-m", "tests.house.crew", str(tmp_path), *names]
        crew = Crew(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        crews.append(crew)
        return crew

    yield start
    for crew in crews:
        kill_all(crew.look())
        crew.process.kill()
        crew.process.wait()


def test_it_stops_the_last_started_first_and_leaves_nothing(start: Any) -> None:
    crew = start("plain", "polite", "stubborn")
    crew.said("all up")
    crew.process.send_signal(signal.SIGINT)
    crew.said("all down")
    assert crew.process.wait(30) == 0
    assert not [each for each in crew.seen if each.is_alive]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_stop_it_too(start: Any, number: int) -> None:
    crew = start("plain")
    crew.said("all up")
    crew.process.send_signal(number)
    assert crew.process.wait(30) == 0
    assert not [each for each in crew.seen if each.is_alive]


def test_what_ends_is_started_again_later_each_time(start: Any) -> None:
    crew = start("plain", "polite")
    crew.said("all up")
    before = crew.program("polite")
    os.kill(before, signal.SIGKILL)
    assert "polite ended (signal 9); starting it again in 1 s" in crew.said("starting it again")
    until(lambda: crew.program("polite") not in {0, before})
    os.kill(crew.program("polite"), signal.SIGKILL)
    assert "in 2 s" in crew.said("starting it again")


def test_what_an_ended_program_forked_is_gone_before_it_starts_again(start: Any) -> None:
    crew = start("plain")
    crew.said("all up")
    until(lambda: len(crew.look()) == 2)
    forked = [each for each in crew.look() if each.pid != crew.program("plain is up")]
    os.kill(crew.program("plain is up"), signal.SIGKILL)
    crew.said("starting it again")
    until(lambda: not any(each.is_alive for each in forked))


def test_kill_9_of_the_supervisor_takes_the_programs_with_it(start: Any) -> None:
    crew = start("stubborn", "polite")
    crew.said("all up")
    programs = [each for each in crew.look() if each.pid in children(crew)]
    assert len(programs) == 2
    crew.process.kill()
    until(lambda: not any(each.is_alive for each in programs))


def test_a_frozen_program_dies_with_the_supervisor_as_well(start: Any) -> None:
    crew = start("polite")
    crew.said("all up")
    [frozen] = [each for each in crew.look() if each.pid in children(crew)]
    os.kill(frozen.pid, signal.SIGSTOP)
    crew.process.kill()
    until(lambda: not frozen.is_alive)


def test_a_second_signal_does_not_wait(start: Any, tmp_path: Path) -> None:
    crew = start("stubborn")
    crew.said("all up")
    crew.process.send_signal(signal.SIGINT)
    crew.process.send_signal(signal.SIGINT)
    assert crew.process.wait(30) == 0


def test_what_cannot_start_is_told_with_its_last_words_and_nothing_stays(start: Any) -> None:
    crew = start("plain", "broken")
    assert crew.said("broken ended at once")
    assert crew.said("the disk is full")
    assert crew.process.wait(30) == 1
    assert not [each for each in crew.seen if each.is_alive]


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Supervisor]:
    before = {number: signal.getsignal(number) for number in (1, 2, 15)}
    yield Supervisor(tmp_path, print)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_command_that_fails_gives_its_last_line(alone: Supervisor) -> None:
    with pytest.raises(CannotStart, match=r"^no such team$"):
        alone.once("ask", ["sh", "-c", "echo asking; echo CommandError: no such team; exit 1"])


def test_a_secret_goes_in_by_standard_input(alone: Supervisor) -> None:
    assert alone.once("count", ["wc", "-c"], input=b"twelve bytes").strip() == "12"


class Watched:
    """A supervisor that only notes what it is asked to replace."""

    def __init__(self) -> None:
        self.programs = [SimpleNamespace(name=name) for name in ("valkey", "worker", "beat", "web")]
        self.replaced: list[str] = []

    def replace(self, program: Any, why: str) -> None:
        self.replaced.append(program.name)


def test_a_silent_worker_is_replaced_with_beat(tmp_path: Path, monkeypatch: Any) -> None:
    with services.valkey() as url:
        monkeypatch.setenv("REDIS_URL", url)
        watched = Watched()
        watch = WorkerWatch(watched, tmp_path / "heartbeat", patience=0.3)  # type: ignore[arg-type]
        until(lambda: watch.look() or watched.replaced)
    assert watched.replaced == ["worker", "beat"]


def test_a_beating_worker_is_not_replaced(tmp_path: Path, monkeypatch: Any) -> None:
    heartbeat = tmp_path / "heartbeat"
    watched = Watched()
    watch = WorkerWatch(watched, heartbeat, patience=0.3)  # type: ignore[arg-type]
    with services.valkey() as url:
        monkeypatch.setenv("REDIS_URL", url)
        beats = iter(range(10))

        def beat() -> bool:
            heartbeat.touch()
            watch.look()
            return next(beats, None) is None

        until(beat)
    assert watched.replaced == []


def test_while_the_broker_is_away_silence_is_no_fault(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    watched = Watched()
    watch = WorkerWatch(watched, tmp_path / "heartbeat", patience=0.1)  # type: ignore[arg-type]
    looks = iter(range(12))
    until(lambda: watch.look() or next(looks, None) is None)
    assert watched.replaced == []
