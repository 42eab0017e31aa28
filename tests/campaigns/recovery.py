"""How long it takes, at the provider's own pace: nothing is scaled here.

python -m tests.faults --database sqlite --part decisions
python -m tests.faults --database sqlite --part resumption
"""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from django.db import connection

from snapshots.models import Account, Attempt, Delivery, Event, Operation, Server, Snapshot, Topic
from tests.campaigns.campaign import furnish, open_accounts, team_of
from tests.campaigns.people import Browser, Notes, form_of, typed
from tests.campaigns.town import BEATS, WORKERS, Town
from tests.services import Postgres

DOUBTS = 10  # of each kind

OUTAGES = (20, 40, 20, 40)  # seconds that the broker is gone, or frozen


class Target(NamedTuple):
    percentile: int
    seconds: float


TARGETS = {
    "work resumes after kills and wipes": Target(99, 15),
    "work resumes after an outage of the broker": Target(100, 45),
    "a create in doubt is decided": Target(95, 300),
    "a restore in doubt is before a person": Target(100, 180),
    "and the message about it is sent": Target(100, 180),
}


@dataclass
class Measured:
    """Seconds, by what they were measured of."""

    seconds: float = 0
    complaints: list[str] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def judge(self) -> None:
        for what, found in self.times.items():
            target = TARGETS[what]
            if (took := percentile(found, target.percentile)) > target.seconds:
                self.complaints.append(f"{what} after {took:.1f} s, not {target.seconds:g}")


def percentile(found: list[float], of_hundred: int) -> float:
    return sorted(found)[max(math.ceil(len(found) * of_hundred / 100), 1) - 1]


def decisions(home: Path, postgres: Postgres | None) -> Measured:
    """What is in doubt is decided, or put before a person, in time. Nothing else is wrong."""
    measured, begun = Measured(), time.monotonic()
    furnish()
    town = Town(home, 1, postgres, workers=WORKERS[:1], beats=BEATS[:1])
    with town.open():
        alice, team = team_of("Northwind")
        names = [f"web-{n}" for n in range(DOUBTS)]
        open_accounts(town, team, alice, [["first", *names], [f"db-{n}" for n in range(DOUBTS)]])
        browser = Browser(town, alice.email, Notes())
        browser.sign_in()
        take(browser, Server.objects.get(name="first"))
        # A create "did not happen" only where descriptions are known to be kept.
        keeps = Account.objects.filter(keeps_descriptions=True)
        if not town.wait_until(keeps.exists, 60):
            measured.complaints.append("the first snapshot was not seen")
        for n in range(DOUBTS):
            kind = "close_after" if n % 2 else "close_before"
            for name in (f"web-{n}", f"db-{n}"):
                server = Server.objects.get(name=name)
                where = {"method": "POST", "server": server.remote_id, "rst": n % 4 > 1}
                town.control("POST", "faults", kind=kind, **where)
                if name.startswith("web"):
                    take(browser, server)
                else:
                    town.control("POST", "faults", kind="never_restoring", server=server.remote_id)
                    restore(browser, server)
        town.wait_until(lambda: len(list(told())) == DOUBTS and not in_doubt(), 400)
        connection.close()
    for operation in Operation.objects.filter(server__name__startswith="web-"):
        measured.times["a create in doubt is decided"].append(left_doubt(operation))
    for operation in Operation.objects.filter(kind="restore"):
        measured.times["a restore in doubt is before a person"].append(left_doubt(operation))
    measured.times["and the message about it is sent"] += told()
    measured.judge()
    measured.seconds = time.monotonic() - begun
    return measured


def in_doubt() -> bool:
    connection.close()
    return Operation.objects.filter(state__in=("queued", "sending", "in_doubt")).exists()


def told() -> Iterator[float]:
    """Seconds from sending until the first message of each went out."""
    connection.close()
    sent = Delivery.objects.filter(topic=Topic.NEEDS_PERSON, state=Delivery.State.SENT)
    for row in sent.select_related("event__operation"):
        yield (row.ended_at - row.event.operation.sent_at).total_seconds()


def left_doubt(operation: Operation) -> float:
    """Seconds from sending until it was in doubt no more; for ever, if it still is."""
    events = list(Event.objects.filter(operation=operation).order_by("id"))
    doubt = next((n for n, event in enumerate(events) if event.verb.endswith(".in_doubt")), None)
    if doubt is None or doubt + 1 == len(events):
        return math.inf
    return (events[doubt + 1].at - operation.sent_at).total_seconds()


def resumption(home: Path, postgres: Postgres | None, seed: int, rounds: int) -> Measured:
    """Work goes on after workers were killed, and after the broker was emptied, killed or away."""
    measured, begun, chance = Measured(), time.monotonic(), random.Random(f"{seed} resumption")
    furnish()
    town = Town(home, 1, postgres)
    with town.open():
        alice, team = team_of("Northwind")
        names = [f"web-{n}" for n in range(2 * (rounds + len(OUTAGES)))]
        open_accounts(town, team, alice, [names[n::4] for n in range(4)])
        browser = Browser(town, alice.email, Notes())
        browser.sign_in()
        servers = Server.objects.order_by("pk").iterator()
        strikes: list[Callable[[], None]] = [
            lambda: [town.kill(name) for name in WORKERS],
            town.flush_broker,
            lambda: town.kill(chance.choice(WORKERS)),
            lambda: town.kill("valkey"),
        ]
        for n in range(rounds):
            before = take(browser, next(servers))
            at = datetime.now(UTC)
            strikes[n % len(strikes)]()
            after = take(browser, next(servers))
            took = max(claimed_after(town, pk, at) for pk in (before, after))
            measured.times["work resumes after kills and wipes"].append(took)
            time.sleep(chance.uniform(0, 2))
        for n, seconds in enumerate(OUTAGES):
            is_frozen = n % 2 == 1
            town.freeze("valkey") if is_frozen else town.take_away("valkey")
            asked = [take(browser, next(servers)) for _ in range(2)]
            time.sleep(seconds)
            at = datetime.now(UTC)
            town.thaw("valkey") if is_frozen else town.bring_back("valkey")
            took = max(claimed_after(town, pk, at) for pk in asked)
            measured.times["work resumes after an outage of the broker"].append(took)
        connection.close()
    measured.judge()
    measured.seconds = time.monotonic() - begun
    return measured


def claimed_after(town: Town, pk: int, at: datetime) -> float:
    """Seconds from `at` until operation `pk` was first claimed; 0 if it had been by then."""
    attempts = Attempt.objects.filter(operation=pk)
    if not town.wait_until(attempts.exists, 120):
        return math.inf
    return max((attempts.earliest("number").claimed_at - at).total_seconds(), 0)


# -- what people do -------------------------------------------------------------------------------


def take(browser: Browser, server: Server) -> int:
    """Ask for a snapshot. Gives the operation's key."""
    path = f"/servers/{server.pk}/snapshots/new/"
    form = form_of(browser.read(path), path) or {}
    return _asked(browser, path, form | {"name": f"copy-{server.pk}"})


def restore(browser: Browser, server: Server) -> int:
    path = f"/snapshots/{Snapshot.objects.filter(server=server).latest('created_at').pk}/restore/"
    page = browser.read(path)
    form = (form_of(page, path) or {}) | {"typed": typed(page)}
    return _asked(browser, path, form | {"why_without": "It is measured"})


def _asked(browser: Browser, path: str, form: dict[str, str]) -> int:
    click = browser.send("click", path, form)
    if not click.accepted:
        raise RuntimeError(f"{path} was answered {click.statuses}")
    connection.close()
    return Operation.objects.get(request_key=click.key).pk
