"""Real workers: Celery, beat and Valkey as processes of their own, on the test's database."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.db import connection

from dashboard.supervisor import tied_to
from snapshots import accounts
from snapshots.models import Account, Operation, Server, Snapshot, Team, User
from snapshots.provider.simulator import Simulator
from tests import canary
from tests.conftest import fresh
from tests.services import free_port, start_valkey

PACE = 60  # ten of the provider's minutes in ten seconds


def database_url() -> str:
    """The test database, as another process finds it."""
    known = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{known['NAME']}"
    host = quote(known["HOST"], safe="")
    return f"postgres://{known['USER']}@{host}/{known['NAME']}"


@dataclass
class Works:
    """The processes behind the pages. Each may be killed, frozen and started again."""

    home: Path
    provider: Simulator
    port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def broker(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "DATABASE_URL": database_url(),
            "REDIS_URL": self.broker,
            "PROVIDER_API_URLS": self.provider.url,
            "PROVIDER_PACE": str(PACE),
            "HEARTBEAT_FILE": str(self.home / "heartbeat"),
            "AUDIT_HEAD_FILE": str(self.home / "heads"),
        }

    def start(self, *names: str) -> None:
        for name in names or ("valkey", "worker", "beat"):
            if name == "valkey":
                self.running[name] = start_valkey(self.port, self.home / "valkey.log")
                Thread(target=self._overhear, daemon=True).start()
                continue
            options = {
                "worker": ["-c", "2", "-l", "WARNING"],
                "beat": ["-s", str(self.home / "beat"), "--pidfile", "", "-l", "WARNING"],
            }[name]
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "dashboard", name, *options],
                env=self.environment,
                stdout=(self.home / f"{name}.log").open("ab"),
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=tied_to(os.getpid()),  # a killed test leaves no workers behind
            )

    def _overhear(self) -> None:
        """What everybody says to the broker, until it ends."""
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port)) as broker,
            (self.home / "broker.log").open("ab") as file,
        ):
            broker.sendall(b"MONITOR\r\n")
            while said := broker.recv(65536):
                file.write(said)

    def kill(self, name: str) -> None:
        """kill -9 of the process and of its children."""
        process = self.running.pop(name)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            process.kill()
        process.wait(10)

    def stop(self) -> None:
        for name in list(self.running):
            self.kill(name)

    def wait_for(self, what: Callable[[], Any], seconds: float = 45) -> Any:
        """The first true answer; fails with the workers' own words if there is none in time."""
        until = time.monotonic() + seconds
        while not (answer := what()):
            if time.monotonic() > until:
                logs = "".join(
                    p.read_text(errors="replace")[-3000:] for p in self.home.glob("*.log")
                )
                rows = list(Operation.objects.values("kind", "state", "reason", "due_at"))
                pytest.fail(f"waited {seconds} s in vain; operations: {rows}\n{logs}")
            time.sleep(0.05)
        return answer

    def wait_for_state(self, operation: Operation, *states: str, seconds: float = 45) -> Operation:
        self.wait_for(lambda: fresh(operation).state in states, seconds)
        return fresh(operation)


@pytest.fixture
def provider() -> Iterator[Simulator]:
    with Simulator(pace=PACE, frozen=False) as simulator:
        yield simulator


@pytest.fixture
def works(
    transactional_db: None,
    provider: Simulator,
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Works]:
    settings.PROVIDER_API_URLS = [provider.url]
    settings.PROVIDER_PACE = PACE
    cache.clear()  # which outlives a test: it is no table of a model
    works = Works(tmp_path, provider)
    monkeypatch.setenv("CELERY_BROKER_URL", works.broker)  # for the nudges of this process
    works.start()
    try:
        yield works
    finally:
        works.stop()
        canary.look_at_the_whole_database()
        for log in tmp_path.glob("*.log"):
            canary.look(log.read_bytes(), log.name)


@pytest.fixture
def account(works: Works, team: Team, alice: User, provider: Simulator) -> Account:
    token = provider.account("Northwind")
    web = provider.server(token, "web-1")
    provider.snapshot(web, "pre-upgrade", created_at=datetime(2026, 11, 1, tzinfo=UTC))
    account = accounts.connect(
        team, label="Production", api_url=provider.url, token=token, actor=alice
    )
    works.wait_for(lambda: Snapshot.objects.filter(account=account).exists())
    return account


@pytest.fixture
def server(account: Account) -> Server:
    return Server.objects.select_related("account__team").get(account=account, name="web-1")
