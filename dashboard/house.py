"""`manage.py up`: the whole product on one machine, with nothing to configure.

Without an account of your own it is a demo with a simulated provider; with `VPS_API_TOKEN` it
connects that account, and with `DEMO=0` it is empty and says where its first owner is made. Demo
and others have directories of their own below `.data`, so that the demo's well-known passwords
never guard a real account. What a house needs to remember stands in its `house.env`, what it runs
with in `running.env`.
"""

from __future__ import annotations

import argparse
import base64
import fcntl
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TextIO
from urllib.parse import quote, urlsplit

from dashboard import machine
from dashboard.environment import BASE_DIR, COMPLAINT, LOOPBACK, remembered, text
from dashboard.machine import free_port
from dashboard.supervisor import CannotStart, Program, Stopped, Supervisor, not_too_long, tied_to

VENDOR_API = "https://admin.vps.org/api/v1"
FIRST_LINK_TOLD = "FIRST_LINK_TOLD"  # see `dashboard.first_link`
NO = {"0", "false", "no", "off"}
DEMO_PACE = "15"  # ten of the provider's minutes pass in forty seconds
PATIENCE_WITH_WORKER = 45.0  # a reconnecting worker may be silent for 30 s and more


def main(arguments: Sequence[str] = ()) -> int:
    """Run the house until it is told to stop. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="manage.py up", description=__doc__)
    parser.add_argument(
        "--stop-with-parent", action="store_true", help="stop when the process that started us dies"
    )
    options = parser.parse_args(arguments)
    if options.stop_with_parent:
        tied_to(os.getppid(), signal.SIGTERM)()
    begin = time.monotonic()
    try:
        house = House.from_environment()
        with house.locked():
            return house.run(begin)
    except CannotStart as reason:
        say(f"{COMPLAINT}{reason}", sys.stderr)
        return 1


@dataclass
class House:
    """One installation in one directory."""

    home: Path
    host: str
    port: int
    is_demo: bool
    token: str = ""
    owner_email: str = ""
    owner_password: str = ""
    running: dict[str, str] = field(default_factory=dict)  # what its programs share

    @classmethod
    def from_environment(cls) -> House:
        """What the environment asks for. Takes the secrets out of it. Raises `CannotStart`."""
        token, password = text("VPS_API_TOKEN"), text("OWNER_PASSWORD")
        for name in ("VPS_API_TOKEN", "OWNER_PASSWORD"):
            os.environ.pop(name, None)
        is_own = bool(token) or os.environ.get("DEMO", "").lower() in NO
        home = Path(
            os.environ.get("DATA_DIR") or BASE_DIR / ".data" / ("own" if is_own else "demo")
        )
        memory = remembered(home)
        is_demo = memory.get("DEMO") == "1" if memory else not is_own
        if is_demo and token:
            raise CannotStart(
                f"{home} holds the demo, whose passwords everybody knows."
                " Give your own account another DATA_DIR."
            )
        host = os.environ.get("HOST") or "127.0.0.1"
        if not is_demo and host not in LOOPBACK:
            raise CannotStart(
                f"HOST: with an account of your own it listens on 127.0.0.1 only, not on {host!r}."
                " docs/deployment.md tells how to serve others."
            )
        email = os.environ.get("OWNER_EMAIL") or ("owner@localhost" if token else "")
        return cls(home.resolve(), host, _port(), is_demo, token, email, password)

    @property
    def _heads(self) -> Path:
        return self.home / "heads"

    @property
    def _witness(self) -> Path:
        """What was sent; beside the directory, whose copy is a copy of the database too."""
        if os.access(self.home.parent, os.W_OK):
            return self.home.with_name(f"{self.home.name}.witness")
        return self.home / "witness"

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    # -- what it needs before it starts ------------------------------------------------------------

    def locked(self) -> IO[str]:
        """A lock on the directory, held while the file is open. Raises `CannotStart`."""
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (self.home / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CannotStart(f"it is running already, {lock.read().strip()}.") from None
        lock.truncate(0)
        lock.write(f"at {self.url} (process {os.getpid()})\n")
        lock.flush()
        return lock

    def furnish(self) -> dict[str, str]:
        """Make the keys at the first run, and set the settings that all programs share."""
        memory = remembered(self.home)
        if not memory:
            # Of a house that stood here before.
            self._witness.unlink(missing_ok=True)
            self._heads.unlink(missing_ok=True)
            memory = self._first_memory()
        self.running = {
            "SITE_URL": self.url,
            "ALLOWED_HOSTS": ",".join(self._names()),
            "HEARTBEAT_FILE": str(self.home / "heartbeat"),
            "WITNESS_FILE": str(self._witness),
            "AUDIT_HEAD_FILE": str(self._heads),
            "SERVE_STATIC_FROM_SOURCE": "1",
        }
        if self.is_demo:
            self.running["PROVIDER_PACE"] = os.environ.get("PROVIDER_PACE") or DEMO_PACE
            if not os.environ.get("EMAIL_URL"):  # which may name a password
                self.running["EMAIL_URL"] = f"filemail:///{quote(str(self.home / 'mail'))}"
        else:
            self.running["PROVIDER_API_URLS"] = os.environ.get("VPS_API_URL") or VENDOR_API
        os.environ.update(self.running, DATA_DIR=str(self.home), PYTHONUNBUFFERED="1")
        os.environ[FIRST_LINK_TOLD] = "1"  # by us, and not by each start of the web server
        return memory

    def _first_memory(self) -> dict[str, str]:
        memory = {
            "DEMO": "1" if self.is_demo else "0",
            "SECRET_KEY": secrets.token_hex(32),
            "TOKEN_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
            "AUDIT_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
        }
        if self.is_demo:  # accounts remember this address, so it must stay
            memory["PROVIDER_API_URLS"] = f"http://127.0.0.1:{free_port()}/api/v1"
        self._write("house.env", memory)
        return memory

    def _write(self, name: str, values: dict[str, str]) -> None:
        """For this person's eyes only."""
        file = self.home / name
        draft = file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
        draft.replace(file)

    def _names(self) -> list[str]:
        names = ["localhost", "127.0.0.1", "[::1]"]
        if self.host not in LOOPBACK:
            names += [self.host, socket.gethostname(), socket.getfqdn()]
            names += os.environ.get("ALLOWED_HOSTS", "").split(",")
            with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect(("192.0.2.1", 9))  # sends nothing; tells our address
                names.append(probe.getsockname()[0])
        return sorted({name for name in names if name and name != "0.0.0.0"})  # noqa: S104

    # -- running -----------------------------------------------------------------------------------

    def run(self, begin: float) -> int:
        try:
            machine.must_be_free(self.host, self.port)
        except machine.Taken as reason:
            raise CannotStart(f"{reason}. PORT=8001 make run takes another port.") from None
        memory = self.furnish()
        supervisor = Supervisor(self.home / "log", say)
        try:
            people = self._start(supervisor, memory)
            say(f"\nHoldfast is ready after {time.monotonic() - begin:.1f} s: {self.url}\n")
            say(f"{people}\n")
            keeps_mail = os.environ.get("EMAIL_URL", "").startswith("filemail:")
            kept = "Data, logs and mail" if keeps_mail else "Data and logs"
            say(f"{kept} are in {_short(self.home)}. Ctrl-C stops everything.\n")
            supervisor.watch(WorkerWatch(supervisor, self.home / "heartbeat").look)
        except Stopped:
            pass
        finally:
            ending = time.monotonic()
            supervisor.stop()
            say(f"Stopped in {time.monotonic() - ending:.1f} s.")
        return 0

    def _start(self, supervisor: Supervisor, memory: dict[str, str]) -> str:
        say("Preparing the database ...")  # first: it is also the first to read the settings
        supervisor.once("migrate", manage("migrate", "--verbosity=0"))
        supervisor.once("createcachetable", manage("createcachetable"))
        say("Starting everything ...")
        broker = self._broker()
        self._write("running.env", self.running)
        if broker:
            supervisor.start(broker)
        if self.is_demo:
            supervisor.start(self._simulator(memory["PROVIDER_API_URLS"]))
        people = self._people(supervisor)
        started = time.time()
        for program in (WORKER, BEAT):
            supervisor.start(Program(**program))
        supervisor.start(self._web(), within=60)
        heartbeat = self.home / "heartbeat"
        if not supervisor.wait_for(lambda: machine.modified(heartbeat) >= started, seconds=30):
            say("The worker gives no sign of life yet; see log/worker.log and log/beat.log.")
        return people

    def _people(self, supervisor: Supervisor) -> str:
        """Whoever signs in first, and what they are told."""
        if self.is_demo:
            return supervisor.once("seed_demo", manage("seed_demo", "--started-by-up"))
        if not self.owner_email:
            return "  " + supervisor.once("first_run", manage("first_run"))
        password = self.owner_password or secrets.token_urlsafe(12)
        owner = manage("create_owner", f"--email={self.owner_email}", "--first-only")
        is_new = supervisor.once("create_owner", owner, input=password.encode())
        told = f"  Sign in as  {self.owner_email}\n"
        if is_new and not self.owner_password:
            told += f"  Password    {password}   (shown this once)\n"
        elif is_new:
            told += "  Password    the one in OWNER_PASSWORD\n"
        if self.token:
            connect = manage(
                "connect_account", f"--url={os.environ['PROVIDER_API_URLS']}", "--replace"
            )
            told += "\n  " + supervisor.once("connect_account", connect, input=self.token.encode())
        return told

    # -- the programs ------------------------------------------------------------------------------

    def _broker(self) -> Program | None:
        """The embedded Valkey, or none if only REDIS_URL names one. Raises `CannotStart`."""
        binary = machine.broker_binary()
        if binary is None:
            if os.environ.get("REDIS_URL"):
                return None
            raise CannotStart(
                "there is no Valkey for this machine. Install valkey-server or redis-server,"
                " or name a running one in REDIS_URL."
            )
        port, password, directory = free_port(), secrets.token_hex(16), self.home / "valkey"
        directory.mkdir(exist_ok=True, mode=0o700)
        self.running["REDIS_URL"] = f"redis://:{password}@127.0.0.1:{port}/0"
        os.environ.update(self.running)
        lines = [
            "bind 127.0.0.1",
            f"port {port}",
            f"requirepass {password}",
            f'dir "{directory}"',
            "appendonly yes",
            'save ""',
        ]
        # By standard input: everybody may read command lines.
        configuration = "\n".join(lines).encode()
        return Program("valkey", [binary, "-"], lambda: machine.answers(port), input=configuration)

    def _simulator(self, address: str) -> Program:
        port = urlsplit(address).port or 0
        if not machine.is_free("127.0.0.1", port):
            raise CannotStart(f"port {port}, where the simulated provider was before, is taken.")
        module = [sys.executable, "-m", "snapshots.provider.simulator", "--host=127.0.0.1"]
        state = self.home / "simulator.json"
        log = not_too_long(self.home / "log" / "provider-calls.log")
        options = [f"--port={port}", f"--state={state}", f"--log={log}"]
        pace = f"--pace={os.environ['PROVIDER_PACE']}"
        return Program("simulator", [*module, *options, pace], lambda: machine.answers(port))

    def _web(self) -> Program:
        host = f"[{self.host}]" if ":" in self.host else self.host
        near = "127.0.0.1" if self.host == "0.0.0.0" else self.host  # noqa: S104
        command = [sys.executable, "-m", "gunicorn", f"--bind={host}:{self.port}"]
        return Program("web", command, lambda: machine.is_healthy(near, self.port))


def manage(*words: str) -> list[str]:
    return [sys.executable, str(BASE_DIR / "manage.py"), *words]


CELERY = [sys.executable, "-m", "celery", "--app=dashboard", "--quiet"]
WORKER = {
    "name": "worker",
    "command": [*CELERY, "worker", "--without-gossip", "--without-mingle", "--without-heartbeat"],
    # TERM lets it finish what it is sending (25 s at most), QUIT does not.
    "stop": ((signal.SIGTERM, 30), (signal.SIGQUIT, 5)),
}
BEAT = {"name": "beat", "command": [*CELERY, "beat", "--pidfile="]}


class WorkerWatch:
    """Replaces a worker that is alive but deaf or frozen, by the age of its heartbeat.

    Age is counted on our own clock from the last change we saw, so that neither a suspended
    laptop nor a changed clock kills a healthy worker; and not while the broker is away, which is
    no fault of the worker's. Beat is replaced with it: the silence may be beat's.
    """

    def __init__(
        self, supervisor: Supervisor, heartbeat: Path, patience: float = PATIENCE_WITH_WORKER
    ) -> None:
        self.supervisor, self.heartbeat, self.patience = supervisor, heartbeat, patience
        self.seen = 0.0
        self.since = time.monotonic()

    def look(self) -> None:
        beat = machine.modified(self.heartbeat)
        if beat != self.seen:
            self.seen, self.since = beat, time.monotonic()
        if time.monotonic() - self.since < self.patience:
            return
        self.since = time.monotonic()
        if machine.broker_answers(os.environ["REDIS_URL"]):
            for program in self.supervisor.programs:
                if program.name in {"worker", "beat"}:
                    self.supervisor.replace(program, f"was silent for {self.patience:g} s")


def _port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise CannotStart(f"PORT: {text!r} is not a port number.")
    return int(text)


def _short(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def say(sentence: str, stream: TextIO | None = None) -> None:
    with suppress(OSError):  # a closed terminal or pipe must not keep us from stopping in order
        print(sentence, file=stream, flush=True)
