"""The whole provider in one object: world, clock, faults, log, state file and server."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from . import fleet
from .api import BASE, Call, Reply, answer, token_of
from .assumptions import Assumptions
from .clock import Clock, epoch, iso
from .distortions import distort, shown_world, twist
from .faults import Faults
from .history import History, excerpt, without_tokens
from .nouns import Coming
from .outside import Outside
from .server import Server
from .store import Store, UnreadableError
from .visit import Visit, about_call
from .world import World


class Simulator:
    """The provider, served over HTTP. The package's docstring shows how to use one.

    Safe to use from any thread: one lock is held around every look at the world.
    """

    def __init__(
        self,
        seed: str = "empty",
        *,
        pace: float = 1.0,
        now: float | str | datetime | None = None,
        frozen: bool = True,
        state: str | Path | None = None,
        log: str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        control: bool = True,
        assumptions: Assumptions | None = None,
    ) -> None:
        """Load the state file, or begin with a seed ("empty", "demo", "documentation")."""
        if not 0 < pace < float("inf"):
            raise ValueError("pace is a number above 0")
        self._lock = threading.RLock()
        self._assumptions = assumptions
        self.pace = pace
        # The port first: if it is taken, the state and log there belong to somebody else.
        self._server = Server(self, host, port, control=control)
        try:
            self._begin(seed, now, frozen, state, log)
        except BaseException:
            self._server.server_close()
            raise

    def _begin(
        self,
        seed: str,
        now: float | str | datetime | None,
        frozen: bool,
        state: str | Path | None,
        log: str | Path | None,
    ) -> None:
        if seed not in fleet.SEEDS:
            raise ValueError(f"no seed {seed!r}; there are {', '.join(fleet.SEEDS)}")
        self.clock = Clock(now, frozen=frozen)
        self._world = World(self._assumptions, pace=self.pace)
        self._store = Store(Path(state)) if state else None
        self._saved = -1
        saved = self._store.load() if self._store else None
        if saved is None:
            fleet.SEEDS[seed](self._world, self.clock.now())
        else:
            try:
                self._world.load(saved["world"])
                self.clock.load(saved["clock"])
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise UnreadableError(f"the state file {state} is damaged: {error!r}") from error
        self.history = History(Path(log) if log else None, self.clock.now)
        self.faults = Faults(self.clock.now, self._picture)
        self.outside = Outside(self)
        self._catch_up(saved)
        self._save()

    # Starting and stopping ----------------------------------------------------------------------

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a path; the control surface is `origin + "/_sim/"`."""
        host = str(self._server.server_address[0])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def url(self) -> str:
        """The base url for a client: with `/api/v1`, without a last slash."""
        return self.origin + BASE

    def start(self) -> Simulator:
        """Serve in threads of this process until `stop`."""
        self._server.begin()
        return self

    def stop(self) -> None:
        """Close the port, let go of calls that hang, and close the files."""
        self.faults.clear()
        self._server.end()
        self.history.close()

    def __enter__(self) -> Simulator:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # Building a world ---------------------------------------------------------------------------

    def account(
        self,
        name: str = "Test Company",
        dialect: str = "documented",
        *,
        keeps_descriptions: bool = True,
    ) -> str:
        """A new account; returns a token that may do everything."""
        with self.changing() as world:
            account = world.add_account(name, dialect, keeps_descriptions=keeps_descriptions)
            return world.add_token(account.id).secret

    def token(self, account: str, name: str = "", permissions: Iterable[str] = ("*:*",)) -> str:
        """One more token of an account, which is named by any of its tokens, its name or id."""
        with self.changing() as world:
            return world.add_token(self.account_id(account), name, permissions).secret

    def server(
        self,
        account: str,
        name: str,
        status: str = "active",
        storage: int = 80,
        **fields: Any,
    ) -> str:
        """A server of an account; returns its id, always as a string."""
        with self.changing() as world:
            where = self.account_id(account)
            now = self.clock.now()
            return world.add_server(
                where, name, status=status, storage=storage, now=now, **fields
            ).id

    def snapshot(
        self,
        server: str | int,
        name: str,
        status: str = "completed",
        created_at: float | str | datetime | None = None,
        description: str = "",
        **fields: Any,
    ) -> str:
        """A snapshot that is simply there; returns its id, always as a string.

        One put there as `in_progress` stays so: create through the API, or with
        `outside.create_snapshot`, for one that ends.
        """
        at = self.clock.now() if created_at is None else epoch(created_at)
        with self.changing() as world:
            return world.add_snapshot(
                str(server), name, status=status, created_at=at, description=description, **fields
            ).id

    def account_id(self, account: str) -> str:
        """The id of an account, found by token, name or id; KeyError if there is none."""
        with self._lock:
            if account in self._world.tokens:
                return self._world.tokens[account].account
            for each in self._world.accounts.values():
                if account in (each.id, each.name):
                    return each.id
        raise KeyError(f"no account with the token, name or id {without_tokens(account)!r}")

    # Looking and changing -----------------------------------------------------------------------

    @property
    def world(self) -> World:
        """The world as it is by now, to look at.

        Change it through `outside` or `changing()`; hold it with `changing()` to go through a
        whole dictionary of it while calls are coming in.
        """
        with self.changing() as world:
            return world

    @property
    def log(self) -> list[dict[str, Any]]:
        """Every line of the log so far, oldest first."""
        # In this order: an answer that was read comes before what the reader then let happen.
        self.history.catch_up()
        self.settle()
        return self.history.entries

    def calls(
        self, method: str | None = None, path: str | None = None, event: str = "arrived"
    ) -> list[dict[str, Any]]:
        """The log's lines of one event, by method and a part of the path if given."""
        return [
            entry
            for entry in self.log
            if entry["event"] == event
            and method in (None, entry.get("method"))
            and (path is None or path in entry.get("path", ""))
        ]

    @contextmanager
    def changing(self) -> Iterator[World]:
        """Hold the world as it is by now, alone, and save what was changed."""
        with self._lock:
            self.settle()
            yield self._world
            self._save()

    def settle(self) -> None:
        """Bring about what has become due by the clock, in order, and log it."""
        with self._lock:
            now = self.clock.now()
            while (coming := self._world.due(now)) is not None:
                if coming.kind == "call":
                    self._apply_late(coming)
                    continue
                self._world.bring(coming)
                self._save()
                self.history.write(
                    "settled",
                    what=coming.kind,
                    ids=[coming.target],
                    due=iso(coming.at, precise=True),
                    **coming.details,
                )

    def reset(self, seed: str = "empty") -> None:
        """Begin again from a seed: no faults, a new world. The clock and the log go on."""
        if seed not in fleet.SEEDS:
            raise ValueError(f"no seed {seed!r}; there are {', '.join(fleet.SEEDS)}")
        self.faults.clear()
        with self._lock:
            self._world = World(self._assumptions, pace=self.pace)
            fleet.SEEDS[seed](self._world, self.clock.now())
            self._save(always=True)
            self.history.write("outside", what="reset", seed=seed)

    def clock_changed(self) -> None:
        """Save where the clock stands, and let happen what is due by it."""
        with self._lock:
            self.settle()
            self._save(always=True)

    # One call -----------------------------------------------------------------------------------

    def arrived(self, call: Call) -> Visit:
        """Log a call, choose its faults. Nothing is done before `Visit.work`."""
        with self._lock:
            self.settle()
            token = token_of(call, self._world)
            server = self._server_of(call)
        faults = self.faults.choose(call.method, call.path, token, server)
        about = about_call(call, token, server, faults)
        entry = self.history.write("arrived", **about, body=excerpt(call.body))
        return Visit(self, call, entry["call"], about, faults)

    def apply(self, visit: Visit, now: float | None = None) -> Reply:
        """Do the work of a call, save it, log it: in this order, and before anybody is told."""
        with self._lock:
            if now is None:
                self.settle()
                now = self.clock.now()
            world = shown_world(self._world, visit.faults)
            reply = answer(visit.call, world, now, twist(visit.faults))
            if reply.effect is not None:
                done = {**visit.about, **reply.effect, "effect": reply.effect["what"]}
                del done["what"]
                done |= {"call": visit.id, "status": reply.status}
                # The state carries its own log line: if we are killed between the two writes,
                # the next start adds what the log lacks.
                self._save(always=True, journal=done)
                self.history.write("applied", **done)
        distort(reply, visit.faults)
        return reply

    def postpone(self, visit: Visit, seconds: float) -> None:
        """Have the work of a call done later, whoever still waits for it."""
        call = visit.call
        details = {
            "method": call.method,
            "path": call.path,
            "query": call.query,
            "headers": call.headers,
            "body": base64.b64encode(call.body).decode(),
            "about": visit.about,
        }
        with self.changing() as world:
            world.later(self.clock.now() + seconds, "call", visit.id, details)

    def _apply_late(self, coming: Coming) -> None:
        details = coming.details
        call = Call(
            details["method"],
            details["path"],
            details["query"],
            details["headers"],
            base64.b64decode(details["body"]),
        )
        self.apply(Visit(self, call, coming.target, details["about"], []), now=coming.at)
        self._save()

    def _server_of(self, call: Call) -> str:
        """The server a call is about, as far as it can be told before the work."""
        parts = call.path.strip("/").split("/")
        if parts[0] == "servers" and len(parts) > 1:
            return parts[1]
        if parts[0] == "snapshots" and len(parts) > 1:
            snapshot = self._world.snapshots.get(parts[1])
            return snapshot.server if snapshot else ""
        return call.server_asked()

    # Saving -------------------------------------------------------------------------------------

    def _picture(self) -> World:
        with self.changing() as world:
            return world.still()

    def _save(self, *, always: bool = False, journal: dict[str, Any] | None = None) -> None:
        if self._store is None or (self._saved == self._world.changes and not always):
            return
        self._store.save(
            {"world": self._world.export(), "clock": self.clock.export(), "journal": journal}
        )
        self._saved = self._world.changes

    def _catch_up(self, saved: dict[str, Any] | None) -> None:
        """Log what was applied and saved and not yet logged when the last process was killed."""
        journal = saved and saved.get("journal")
        if journal and not self.history.has("applied", journal["call"]):
            self.history.write("applied", **journal, after_restart=True)
