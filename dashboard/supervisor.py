"""Starts programs in order, keeps them running, stops them in reverse order, leaves nothing behind.

Every program leads a process group of its own and is tied to this process: the kernel kills it
when this process dies, even by SIGKILL. What a program forks must tie itself in the same way
(`tied_to` for gunicorn's and Celery's children), since the tie reaches one generation only.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dashboard.environment import COMPLAINT

QUICK_END = 60.0  # a program that ran this long begins its back-off anew
LONGEST_PAUSE = 30.0
KEPT_LOG = 5_000_000  # bytes; an older log is kept once, as name.log.1
PR_SET_PDEATHSIG = 1
_prctl = getattr(ctypes.CDLL(None), "prctl", None)  # Linux only; elsewhere kill -9 leaves orphans


class CannotStart(Exception):
    """Why the whole cannot start, in words for a person."""


class Stopped(Exception):
    """Somebody asked us to stop while something was starting."""


def tied_to(parent: int, by: int = signal.SIGKILL) -> Callable[[], None]:
    """To be called in a fresh child: have the kernel send it `by` when `parent` dies."""

    def tie() -> None:
        if _prctl is not None:
            _prctl(PR_SET_PDEATHSIG, int(by))
            if os.getppid() != parent:  # it died before the kernel knew
                os.kill(os.getpid(), by)

    return tie


@dataclass
class Program:
    """A program to keep running. `stop` lists what to send it, and how long to wait each time."""

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool] = lambda: True
    stop: Sequence[tuple[int, float]] = ((signal.SIGTERM, 10),)
    input: bytes = b""

    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause: float = 0.0
    start_at: float | None = None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Runs programs until a signal comes. To be used from the main thread."""

    def __init__(self, logs: Path, say: Callable[[str], None]) -> None:
        self.logs = logs
        self.say = say
        self.programs: list[Program] = []
        self.asked_to_stop = 0
        logs.mkdir(parents=True, exist_ok=True)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: object) -> None:
        self.asked_to_stop += 1

    # -- starting ----------------------------------------------------------------------------------

    def once(self, name: str, command: Sequence[str], *, input: bytes = b"") -> str:
        """Run a command to its end and return what it printed. Raises `CannotStart`, `Stopped`."""
        program = Program(name, command, input=input)
        log = self._spawn(program, log_mode="wb")
        while program.is_running:
            self._rest()
            if self.asked_to_stop:
                self._kill_group(program)
                raise Stopped
        said = log.read_text(errors="replace").strip("\n")
        if program.process and program.process.returncode:
            last = said.splitlines()[-1] if said else f"{name} failed without a word."
            raise CannotStart(last.removeprefix("CommandError: ").removeprefix(COMPLAINT))
        return said

    def start(self, program: Program, *, within: float = 30) -> None:
        """Start `program` and wait until it is ready. Raises `CannotStart`, `Stopped`."""
        self.programs.append(program)
        log = self._spawn(program)
        deadline = time.monotonic() + within
        while not program.is_ready():
            if not program.is_running or time.monotonic() > deadline:
                what = "is not ready" if program.is_running else "ended at once"
                raise CannotStart(f"{program.name} {what}.\n{_last_lines(log)}\n(from {log})")
            if self.asked_to_stop:
                raise Stopped
            self._rest()

    def wait_for(self, condition: Callable[[], bool], *, seconds: float) -> bool:
        """Whether `condition` came true in time. Raises `Stopped`."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.asked_to_stop:
                raise Stopped
            if time.monotonic() > deadline:
                return False
            self._rest()
        return True

    def _spawn(self, program: Program, *, log_mode: str = "ab") -> Path:
        log = not_too_long(self.logs / f"{program.name}.log")
        with log.open(log_mode) as output:
            process = subprocess.Popen(  # noqa: S603 - our own commands
                program.command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=tied_to(os.getpid()),
            )
        if process.stdin:
            with suppress(BrokenPipeError), process.stdin as stdin:
                stdin.write(program.input)
        program.process, program.start_at = process, None
        program.started_at = time.monotonic()
        return log

    # -- keeping running ---------------------------------------------------------------------------

    def watch(self, check: Callable[[], None] = lambda: None) -> None:
        """Start again what ends, longer apart each time, until a signal comes."""
        while not self.asked_to_stop:
            for program in self.programs:
                self._attend(program)
            check()
            self._rest()

    def _attend(self, program: Program) -> None:
        if program.is_running:
            return
        now = time.monotonic()
        if program.start_at is None:
            how = _how(program)
            self._kill_group(program)  # what it forked may still be there
            lasted = now - program.started_at
            program.pause = (
                1.0 if lasted >= QUICK_END else min(program.pause * 2 or 1.0, LONGEST_PAUSE)
            )
            program.start_at = now + program.pause
            self.say(f"{program.name} ended ({how}); starting it again in {program.pause:g} s.")
        elif now >= program.start_at:
            self._spawn(program)

    def replace(self, program: Program, why: str) -> None:
        """Kill `program` with all it forked; `watch` starts it again."""
        if program.is_running:
            self.say(f"{program.name} {why}; replacing it.")
            self._kill_group(program)

    # -- stopping ----------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop all programs, the last started first. A second signal makes it quick."""
        patience = self.asked_to_stop + 1
        for program in reversed(self.programs):
            for number, seconds in program.stop:
                if program.is_running and self.asked_to_stop < patience:
                    program.process.send_signal(number)  # type: ignore[union-attr]
                    self._wait_for(program, seconds, patience)
            self._kill_group(program)

    def _wait_for(self, program: Program, seconds: float, patience: int) -> None:
        begin, told = time.monotonic(), False
        while program.is_running and time.monotonic() < begin + seconds:
            if self.asked_to_stop >= patience:
                return
            if not told and time.monotonic() > begin + 3:
                self.say(f"Waiting for {program.name} to finish (Ctrl-C again: do not wait).")
                told = True
            self._rest()

    def _kill_group(self, program: Program) -> None:
        process, program.process = program.process, None
        if process is not None:  # once only: later the number may belong to somebody else
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @staticmethod
    def _rest() -> None:
        time.sleep(0.05)


def not_too_long(log: Path) -> Path:
    """The same name, for a file that is put aside if it has grown too long."""
    if log.exists() and log.stat().st_size > KEPT_LOG:
        log.replace(log.with_suffix(".log.1"))
    return log


def _how(program: Program) -> str:
    code = program.process.returncode if program.process else None
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _last_lines(log: Path, number: int = 12) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-number:])
