"""What the bench runs on: fresh databases, gunicorn as in production, and one plain HTTP client."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

from bench.counting import HEADER
from dashboard import machine
from dashboard.environment import BASE_DIR
from tests import services

KEYS = {
    "SECRET_KEY": "only for the bench, " * 3,
    "TOKEN_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}
A_DAY = 86_400


@contextmanager
def place(database: str) -> Iterator[dict[str, str]]:
    """The environment of a fresh installation on `database`, with collected static files."""
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as home:
        heartbeat = Path(home) / "heartbeat"
        heartbeat.touch()
        os.utime(heartbeat, (time.time() + A_DAY,) * 2)  # the worker is well, all day long
        environment = (
            os.environ
            | KEYS
            | {
                "DJANGO_SETTINGS_MODULE": "bench.settings",
                "DATA_DIR": home,
                "STATIC_ROOT": f"{home}/static",
                "HEARTBEAT_FILE": str(heartbeat),
                "LOG_LEVEL": "ERROR",
                "SITE_URL": "http://localhost",
                "DATABASE_URL": f"sqlite:///{home}/bench.sqlite3",
            }
        )
        if database == "SQLite":
            yield environment
        else:
            with services.postgres() as url:
                yield environment | {"DATABASE_URL": url}


class Reply(NamedTuple):
    status: int
    body: bytes
    queries: int
    seconds: float


class Web:
    """Gunicorn with one sync worker: then a request's time is its cost."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.port = machine.free_port()
        command = [sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{self.port}", "--workers=1"]
        self.process = subprocess.Popen(
            [*command, "--log-level=warning"], env=environment, cwd=BASE_DIR
        )
        until = time.monotonic() + 30
        while not machine.answers(self.port):
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("gunicorn did not start")
            time.sleep(0.05)

    def get(self, path: str, cookie: str, *, count: str = "", **headers: str) -> Reply:
        """One request on a connection of its own."""
        sent = (
            {"Host": "localhost", "Cookie": cookie} | headers | ({HEADER: count} if count else {})
        )
        begun = time.perf_counter()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers=sent)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        seconds = time.perf_counter() - begun
        return Reply(answer.status, body, int(answer.headers.get(HEADER, 0)), seconds)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
