"""Whoever strikes processes, brokers and databases: what and when is decided by the seed."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from django.db import connection
from django.db.utils import DatabaseError

from snapshots.models import Account, Operation
from snapshots.models.operation import OPEN
from tests.campaigns.town import BEATS, WORKERS, Town
from tests.house.processes import Seen

LEASE = 30.0  # seconds of a claim, which no pace scales
# How often each is done, of all that is done.
STRIKES = {
    "kill a process": 34,
    "kill a process in a call": 24,
    "kill a worker": 12,
    "freeze a process in a call": 8,
    "freeze a process": 4,
    "freeze a worker": 1,
    "empty the broker": 2,
    "kill the broker": 1.2,
    "broker gone for a while": 0.6,
    "broker frozen for a while": 0.6,
    "kill the database": 1.2,
    "stop the database at once": 1.2,
    "kill the web": 1,
    "kill a process of the web": 1.5,
    "kill a beat": 1,
    "messages ten times": 6,
    "two ticks": 3,
}
KILLS = ("kill a process", "kill a process in a call", "kill a worker")
ON_POSTGRES = ("kill the database", "stop the database at once")


@dataclass(frozen=True)
class Strike:
    at: float  # seconds from the begin
    what: str
    chance: float  # which of those that there are
    lasts: float  # seconds, where it lasts


def plan(seed: str, seconds: float, a_minute: float, *, postgres: bool) -> list[Strike]:
    """What will be done, and when. The same seed plans the same."""
    chance = random.Random(seed)
    weights = {k: v for k, v in STRIKES.items() if postgres or k not in ON_POSTGRES}
    strikes, at = [], 0.0
    while (at := at + chance.expovariate(a_minute / 60)) < seconds:
        [what] = chance.choices(list(weights), list(weights.values()))
        lasts = LEASE + chance.uniform(1, 5) if "freeze" in what else chance.uniform(4, 15)
        strikes.append(Strike(at, what, chance.random(), lasts))
    return strikes


@dataclass
class Nemesis:
    """Does what was planned. What was meant for somebody who is not there is not counted."""

    town: Town
    strikes: list[Strike]
    done: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    waiting: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    frozen: set[Seen] = field(default_factory=set)

    def run(self, begun: float, over: threading.Event) -> None:
        pending = list(self.strikes)
        while pending and not over.is_set():
            now = time.monotonic() - begun
            self._undo(time.monotonic())
            if pending[0].at <= now:
                self._strike(pending.pop(0))
            else:
                over.wait(min(0.1, pending[0].at - now))
        while self.waiting and not over.is_set():
            self._undo(time.monotonic())
            over.wait(0.1)
        self._undo(float("inf"))

    def _undo(self, now: float) -> None:
        for at, undo in [one for one in self.waiting if one[0] <= now]:
            undo()
            self.waiting.remove((at, undo))

    def _later(self, seconds: float, undo: Callable[[], None]) -> None:
        self.waiting.append((time.monotonic() + seconds, undo))

    def _strike(self, strike: Strike) -> None:
        done = STRIKE[strike.what](self, strike)
        if done is False:
            return
        self.done[strike.what] += 1
        self.kills += strike.what in KILLS

    # -- processes ---------------------------------------------------------------------------------

    def _victim(self, strike: Strike) -> Seen | None:
        """A process that works; one in a call is waited for a little."""
        until = time.monotonic() + 1.5
        while True:
            there = self.town.calling() if "in a call" in strike.what else self.town.children()
            if there := [one for one in there if one not in self.frozen]:
                return there[int(strike.chance * len(there))]
            if time.monotonic() > until:
                return None
            time.sleep(0.005)

    def kill_process(self, strike: Strike) -> bool:
        victim = self._victim(strike)
        return victim is not None and _signal(victim, signal.SIGKILL)

    def freeze_process(self, strike: Strike) -> bool:
        victim = self._victim(strike)
        if victim is None or len(self.frozen) > 2 or not _signal(victim, signal.SIGSTOP):
            return False
        self.frozen.add(victim)

        def thaw() -> None:
            self.frozen.discard(victim)
            _signal(victim, signal.SIGCONT)

        self._later(strike.lasts, thaw)
        return True

    def kill_worker(self, strike: Strike) -> bool:
        name = WORKERS[int(strike.chance * len(WORKERS))]
        if name in self.town.away or name not in self.town.running:
            return False
        self.town.kill(name)
        return True

    def freeze_worker(self, strike: Strike) -> bool:
        name = WORKERS[int(strike.chance * len(WORKERS))]
        if set(WORKERS) & self.town.away or name not in self.town.running:
            return False
        self.town.freeze(name)
        self._later(strike.lasts, lambda: self.town.thaw(name))
        return True

    def kill_beat(self, strike: Strike) -> None:
        self.town.kill(BEATS[int(strike.chance * len(BEATS))])

    def kill_web(self, strike: Strike) -> bool:
        if strike.what == "kill the web":
            self.town.kill("web")
            return True
        process = self.town.running.get("web")
        there = self.town.family(process.pid) if process else []
        return bool(there) and _signal(there[int(strike.chance * len(there))], signal.SIGKILL)

    # -- the broker and the database ---------------------------------------------------------------

    def empty_broker(self, strike: Strike) -> bool:
        if "valkey" in self.town.away:
            return False
        self.town.flush_broker()
        return True

    def kill_broker(self, strike: Strike) -> bool:
        """It comes back empty: at once, or after a while."""
        if "valkey" in self.town.away:
            return False
        if strike.what == "kill the broker":
            self.town.kill("valkey")
        else:
            self.town.take_away("valkey")
            self._later(strike.lasts, lambda: self.town.bring_back("valkey"))
        return True

    def freeze_broker(self, strike: Strike) -> bool:
        if "valkey" in self.town.away:
            return False
        self.town.freeze("valkey")
        self._later(strike.lasts, lambda: self.town.thaw("valkey"))
        return True

    def kill_database(self, strike: Strike) -> bool:
        server = self.town.postgres
        if server is None:
            return False
        if strike.what == "kill the database":
            server.kill()
        else:
            server.stop(signal.SIGQUIT)
        time.sleep(strike.lasts / 10)
        server.start()
        return True

    # -- messages ----------------------------------------------------------------------------------

    def repeat_messages(self, strike: Strike) -> bool:
        """Each that could be on its way is on its way ten times."""
        try:
            connection.close()
            rows = Operation.objects.filter(state__in=OPEN).order_by("-pk")[:20]
            pks, accounts = [row.pk for row in rows], list(Account.objects.all())
        except DatabaseError:
            return False
        self.town.announce("send", pks * 10)
        self.town.announce("observe", [account.pk for account in accounts] * 3)
        return True

    def tick_twice(self, strike: Strike) -> bool:
        return self.town.announce("tick", [], times=2)


STRIKE: dict[str, Callable[[Nemesis, Strike], bool | None]] = {
    "kill a process": Nemesis.kill_process,
    "kill a process in a call": Nemesis.kill_process,
    "kill a worker": Nemesis.kill_worker,
    "freeze a process in a call": Nemesis.freeze_process,
    "freeze a process": Nemesis.freeze_process,
    "freeze a worker": Nemesis.freeze_worker,
    "empty the broker": Nemesis.empty_broker,
    "kill the broker": Nemesis.kill_broker,
    "broker gone for a while": Nemesis.kill_broker,
    "broker frozen for a while": Nemesis.freeze_broker,
    "kill the database": Nemesis.kill_database,
    "stop the database at once": Nemesis.kill_database,
    "kill the web": Nemesis.kill_web,
    "kill a process of the web": Nemesis.kill_web,
    "kill a beat": Nemesis.kill_beat,
    "messages ten times": Nemesis.repeat_messages,
    "two ticks": Nemesis.tick_twice,
}


def _signal(whom: Seen, number: int) -> bool:
    with suppress(ProcessLookupError):
        if whom.is_alive:
            os.kill(whom.pid, number)
            return True
    return False
