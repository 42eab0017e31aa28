"""Everything that runs in a campaign, as processes of its own, each of which may be struck.

Web, two workers and two beats, as in an installation; a Valkey; the simulated provider; SQLite or
a PostgreSQL. What dies is started again after a second, and a worker that has been silent for 45
seconds although the broker answers is replaced, as the product's own supervisor does it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
import requests
from celery import Celery
from kombu.exceptions import OperationalError

from dashboard import machine
from dashboard.environment import BASE_DIR
from dashboard.house import PATIENCE_WITH_WORKER
from dashboard.supervisor import tied_to
from snapshots import queue
from tests.house.processes import Seen, descendants, kill_all
from tests.services import Postgres, free_port, start_valkey

WORKERS = ("worker-1", "worker-2")
BEATS = ("beat-1", "beat-2")
CHILDREN = 3  # processes of each worker
PAUSE = 1.0  # seconds before what has died is started again


@dataclass
class Town:
    """The processes by name, and where they are reached."""

    home: Path
    pace: int
    postgres: Postgres | None = None
    app: str = "dashboard"  # the Celery app of the workers
    workers: tuple[str, ...] = WORKERS
    beats: tuple[str, ...] = BEATS
    wsgi: str = "dashboard.wsgi"
    web_port: int = field(default_factory=free_port)
    broker_port: int = field(default_factory=free_port)
    provider_port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)  # gone or frozen on purpose: leave them alone
    ended: dict[str, float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    replaced: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    begun: float = field(default_factory=time.monotonic)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def provider(self) -> str:
        return f"http://127.0.0.1:{self.provider_port}"

    @property
    def broker(self) -> str:
        return f"redis://127.0.0.1:{self.broker_port}/0"

    def environment(self, name: str = "") -> dict[str, str]:
        """What a process is told. Every worker has a heartbeat of its own."""
        return os.environ | {
            "REDIS_URL": self.broker,
            "SITE_URL": self.url,
            "PROVIDER_API_URLS": f"{self.provider}/api/v1",
            "PROVIDER_PACE": str(self.pace),
            "WITNESS_FILE": str(self.home / "witness"),
            "EMAIL_URL": f"filemail:///{self.home / 'mail'}",
            "HEARTBEAT_FILE": str(self.heartbeat(name)) if name in WORKERS else "",
            "WORKER_CONCURRENCY": str(CHILDREN),
            "WEB_CONCURRENCY": "2",
            "LOG_LEVEL": "WARNING",
            "LOG_FORMAT": "text",
        }

    def heartbeat(self, name: str) -> Path:
        return self.home / f"{name}.heartbeat"

    def say(self, words: str) -> None:
        print(f"{time.monotonic() - self.begun:6.1f} s: {words}", file=sys.stderr, flush=True)

    # -- starting and stopping ---------------------------------------------------------------------

    @contextmanager
    def open(self) -> Iterator[Town]:
        """All of it runs, and is looked after."""
        (self.home / "mail").mkdir()
        stopped = threading.Event()
        try:
            for name in ("valkey", "provider"):
                self.start(name)
            for name in (*self.workers, *self.beats, "web"):
                self.start(name)
            self.wait_for_web()
            attendant = threading.Thread(target=self._attend, args=(stopped,), daemon=True)
            attendant.start()
            self.say("everything runs")
            yield self
        finally:
            stopped.set()
            with self.lock:
                for name in reversed(list(self.running)):
                    self.kill(name)

    def wait_for_web(self, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while not machine.is_healthy("127.0.0.1", self.web_port, "127.0.0.1"):
            if time.monotonic() > until:
                raise RuntimeError(f"the web did not start; see {self.home}/web.log")
            time.sleep(0.1)

    def start(self, name: str) -> None:
        with self.lock:
            self.started[name] = time.monotonic()
            self.ended.pop(name, None)
            if name == "valkey":
                self.running[name] = start_valkey(self.broker_port, self.home / "valkey.log")
                return
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", *self._command(name)],
                env=self.environment(name),
                cwd=BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=(self.home / f"{name}.log").open("ab"),
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=tied_to(os.getpid()),
            )

    def _command(self, name: str) -> list[str]:
        if name in WORKERS:
            quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
            return ["celery", "-A", self.app, "-q", "worker", "-n", f"{name}@town", *quiet]
        if name in BEATS:
            return ["celery", "-A", "dashboard", "-q", "beat", "--pidfile="]
        if name == "web":
            bind = f"--bind=127.0.0.1:{self.web_port}"
            return ["gunicorn", bind, "--log-level=warning", self.wsgi]
        log = self.home / "provider-calls.log"
        where = [f"--port={self.provider_port}", f"--log={log}", "--seed=empty", "--control"]
        return ["snapshots.provider.simulator", *where, f"--pace={self.pace}"]

    def kill(self, name: str) -> None:
        """kill -9 of a whole process group."""
        with self.lock:
            process = self.running.pop(name, None)
            if process is None:
                return
            family = descendants(process.pid)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            kill_all(family)
            process.wait(20)
            self.ended[name] = time.monotonic()

    def freeze(self, name: str) -> None:
        with self.lock:
            self.away.add(name)
            self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        with self.lock:
            self._signal(name, signal.SIGCONT)
            self.away.discard(name)

    def take_away(self, name: str) -> None:
        """Kill it, and let nobody start it again before `bring_back`."""
        with self.lock:
            self.away.add(name)
            self.kill(name)

    def bring_back(self, name: str) -> None:
        with self.lock:
            self.away.discard(name)
            if name not in self.running:
                self.start(name)

    def _signal(self, name: str, number: int) -> None:
        if process := self.running.get(name):
            with suppress(ProcessLookupError):
                if name == "valkey":  # it leads no group
                    process.send_signal(number)
                else:
                    os.killpg(process.pid, number)

    # -- looking after it --------------------------------------------------------------------------

    def _attend(self, stopped: threading.Event) -> None:
        seen = {name: (0.0, time.monotonic()) for name in self.workers}
        while not stopped.wait(0.1):
            with self.lock:
                if stopped.is_set():
                    return
                for name, process in list(self.running.items()):
                    if process.poll() is not None and name not in self.away:
                        self.kill(name)  # what it forked may still be there
                now = time.monotonic()
                for name, at in list(self.ended.items()):
                    if name not in self.away and now - at > PAUSE:
                        self.start(name)
                for name in self.workers:
                    self._watch(name, seen)

    def _watch(self, name: str, seen: dict[str, tuple[float, float]]) -> None:
        """Replace a worker that is alive and silent, as `dashboard.house.WorkerWatch` does."""
        beat, now = machine.modified(self.heartbeat(name)), time.monotonic()
        last, since = seen[name]
        if beat != last or name in self.away:
            seen[name] = beat, now
        elif now - max(since, self.started.get(name, 0)) > PATIENCE_WITH_WORKER:
            seen[name] = beat, now
            if self.broker_answers():
                self.replaced += 1
                self.kill(name)

    def broker_answers(self) -> bool:
        return "valkey" not in self.away and machine.broker_answers(self.broker)

    # -- whom to strike ----------------------------------------------------------------------------

    def children(self) -> list[Seen]:
        """The worker processes that do the work."""
        with self.lock:
            return [
                child
                for name in self.workers
                if name in self.running and name not in self.away
                for child in self.family(self.running[name].pid)
            ]

    def family(self, pid: int) -> list[Seen]:
        return sorted(descendants(pid), key=lambda one: one.pid)

    def calling(self) -> list[Seen]:
        """Those of them that have a connection to the provider at this moment."""
        inodes = connected_to(self.provider_port)
        return [child for child in self.children() if sockets(child.pid) & inodes] if inodes else []

    def flush_broker(self) -> None:
        with suppress(redis.RedisError), redis.Redis(port=self.broker_port) as client:
            client.flushall()

    def announce(self, task: str, pks: list[int], times: int = 1) -> bool:
        """Send messages to the workers as anybody could; False if there is no broker."""
        if "valkey" in self.away:
            return False
        with Celery(broker=self.broker, set_as_current=False) as app:
            app.conf.broker_transport_options = queue.IN_A_HURRY
            for arguments in [[pk] for pk in pks] or [[]] * times:
                try:
                    app.send_task(f"snapshots.{task}", arguments, retry=False, ignore_result=True)
                except (OperationalError, OSError):
                    return False
        return True

    # -- the provider ------------------------------------------------------------------------------

    def control(self, verb: str, what: str, /, **body: Any) -> Any:
        """Ask the simulator's control surface."""
        address = f"{self.provider}/_sim/{what}"
        answer = requests.request(verb, address, json=body or None, timeout=20)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def outside(self, what: str, **more: Any) -> Any:
        """What is done without the API."""
        return self.control("POST", "outside", do=what, **more)["result"]

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30) -> bool:
        until = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > until:
                return False
            time.sleep(0.1)
        return True


def connected_to(port: int) -> set[str]:
    """Inodes of this machine's established connections to a port."""
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[2].endswith(f":{port:04X}") and fields[3] == "01":
            found.add(fields[9])
    return found


def sockets(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                found.add(str(entry.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found
