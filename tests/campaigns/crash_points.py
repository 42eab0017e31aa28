"""Every named place at which a process may die, for every kind of change: what becomes of it.

    python -m tests.faults --database sqlite --part crashes

Each case has a server of its own, so that all of them run at once, and those that die while they
look an account, whose lease they leave behind. See `crashes` for the places.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection

from snapshots.models import Operation, Server, Snapshot, State
from tests.campaigns.campaign import (
    History,
    Order,
    furnish,
    left_under_way,
    open_accounts,
    team_of,
    wait_for_rest,
)
from tests.campaigns.checker import complaints
from tests.campaigns.nemesis import LEASE
from tests.campaigns.people import Browser, Notes, form_of, typed
from tests.campaigns.town import Town
from tests.services import Postgres

KINDS = ("create", "restore", "delete", "stop", "start")
LINES = {  # what stands in one machine's line, and where it is struck
    "in a line's turn": ("stop, create, start", "delete, delete"),
    "in a parent's release": ("create, restore",),
}
PLACES = (
    "before a click is committed",
    "between rows and nudge",
    "between nudge and answer",
    "before the claim",
    "in the claim",
    "after the claim",
    "frozen after the claim",
    "after the witness",
    "after connecting",
    "after sending",
    "after the answer began",
    "after the answer",
    "in the record",
    "after the record",
    "in a look",
    "before settling",
    "after settling",
    *LINES,
)
NOT_SENT = (
    "after the claim",
    "frozen after the claim",
    "after the witness",
    "after connecting",
)
WATCHING = ("in a look", "before settling", "after settling")


@dataclass(frozen=True)
class Case:
    place: str
    kind: str

    @property
    def server(self) -> str:
        kind = self.kind.replace(", ", "-")
        return f"{kind}-{PLACES.index(self.place):02}"

    @property
    def armed(self) -> str:
        return f"{self.place}--{self.server}"

    def __str__(self) -> str:
        return f"{self.kind}, {self.place}"


CASES = [Case(place, kind) for place in PLACES for kind in LINES.get(place, KINDS)]


@dataclass
class Found:
    """What became of the cases."""

    cases: int
    seconds: float = 0
    complaints: list[str] = field(default_factory=list)
    ends: dict[str, Counter[str]] = field(default_factory=dict)  # by place


def crash_points(database: str, home: Path, postgres: Postgres | None, cases: list[Case]) -> Found:
    """Let a process die in every one of `cases`, and see. The database is new and empty."""
    begun, found = time.monotonic(), Found(len(cases))
    armed = home / "crashes"
    armed.mkdir()
    os.environ["CRASHES"] = str(armed)
    order = Order(database, pace=60, accounts=4)
    furnish()
    app = "tests.campaigns.crashes"
    town = Town(home, order.pace, postgres, app=app, wsgi=f"{app}:application")
    history, notes = History(town), Notes()
    with town.open():
        alice, team = team_of("Northwind")
        open_accounts(town, team, alice, shares(cases))
        for case in cases:
            (armed / case.armed).touch()
        history.start()
        over = threading.Event()
        with ThreadPoolExecutor(5) as threads:
            thawing = threads.submit(thaw, armed, over)
            browsers = [Browser(town, alice.email, notes) for _ in range(4)]
            try:
                town.say("people click")
                for browser in browsers:
                    browser.sign_in()
                parts = [cases[n::4] for n in range(4)]
                list(threads.map(_click_all, browsers, parts))
                town.say("what is undecided is waited for")
                wait_for_rest(order)
            finally:
                over.set()
            thawing.result()
        town.say("what may be under way is waited for")
        time.sleep(left_under_way(order))
        history.over.set()
        history.join()
        history.read()
    connection.close()
    found.complaints += complaints(history.entries)
    found.complaints += [f"a page was broken: {words}" for words in notes.broken]
    for case in cases:
        rows = list(Operation.objects.filter(server__name=case.server).order_by("pk"))
        ended = found.ends.setdefault(case.place, Counter())
        ended.update(f"{row.kind} {row.state}" for row in rows)
        found.complaints += [f"{case}: {words}" for words in about(case, rows, armed, history)]
    found.seconds = time.monotonic() - begun
    return found


def shares(cases: list[Case]) -> list[list[str]]:
    """The servers of each account."""
    together = [case.server for case in cases if case.place not in WATCHING]
    alone = [[case.server] for case in cases if case.place in WATCHING]
    return [together[0::3], together[1::3], together[2::3], *alone]


def thaw(armed: Path, over: threading.Event) -> None:
    """Whoever was frozen goes on, when the claim is over: and dies, or else it would send."""
    frozen: dict[Path, float] = {}
    while not over.wait(0.2):
        for file in armed.glob("frozen*.*"):
            since = frozen.setdefault(file, time.monotonic())
            if time.monotonic() - since > LEASE + 1:
                with suppress(ProcessLookupError):
                    os.kill(int(file.suffix[1:]), signal.SIGCONT)


# -- what people do -------------------------------------------------------------------------------


def _click_all(browser: Browser, share: list[Case]) -> None:
    for case in share:
        _prepare(browser.town, case)
        server = Server.objects.get(name=case.server)
        first = Snapshot.objects.filter(server=server).latest("created_at").pk
        match case.kind:
            case "create" | "stop, create, start":
                path, more = f"/servers/{server.pk}/snapshots/new/", {"name": case.server}
                if case.kind != "create":
                    more["stop_first"] = "on"
            case "stop":  # the first of its line; the line ends with it, or goes on
                path = f"/servers/{server.pk}/snapshots/new/"
                more = {"name": case.server, "stop_first": "on"}
            case "start":
                path, more = f"/servers/{server.pk}/start/", {}
            case "restore":
                why = {"why_without": "It is a crash point"}
                path, more = f"/snapshots/{first}/restore/", why
            case "create, restore":
                path, more = f"/snapshots/{first}/restore/", {"safety_snapshot": "on"}
            case "delete":
                path, more = f"/snapshots/{first}/delete/", {}
            case _:
                path, more = "/snapshots/delete/", {}
        _click(browser, path, more, server)
    connection.close()


def _click(browser: Browser, path: str, more: dict[str, Any], server: Server) -> None:
    if path == "/snapshots/delete/":
        pks = Snapshot.objects.filter(server=server).values_list("pk", flat=True)
        address = path + "?" + "&".join(f"snapshot={pk}" for pk in pks)
    else:
        address = f"/servers/{server.pk}/" if path.endswith("/start/") else path
    page = browser.read(address)
    form = form_of(page, path)
    if form is None:
        raise RuntimeError(f"{address} has no form for {path}")
    if "typed" in form:
        form["typed"] = typed(page)
    click = browser.send("click", path, form | more)
    if not click.accepted:
        raise RuntimeError(f"{path} was answered {click.statuses}")


def _prepare(town: Town, case: Case) -> None:
    """A delete is settled by a look only if its answer was lost."""
    if case.kind == "delete" and case.place in WATCHING:
        server = Server.objects.get(name=case.server).remote_id
        town.control("POST", "faults", kind="close_after", method="DELETE", server=server)


# -- what must have become of it ------------------------------------------------------------------


def about(case: Case, rows: list[Operation], armed: Path, history: History) -> Iterator[str]:
    if (armed / case.armed).exists():
        yield "nobody died there"
    wanted = case.kind.split(", ") if ", " in case.kind else [case.kind]
    if case.kind == "stop":
        wanted = ["stop", "create", "start"]
    if case.kind == "create, restore":
        wanted = ["restore", "create"]  # the parent's row comes first
    if [row.kind for row in rows] != wanted:
        yield f"there are {[row.kind for row in rows]}, not {wanted}"
        return
    struck = rows[0]
    allowed = _allowed(case, struck, _applied(history, struck))
    if struck.state not in allowed:
        yield f"it is {struck.state} ({struck.reason}), not {' or '.join(allowed)}"
    if struck.attempt_count != 1:
        yield f"it took {struck.attempt_count} attempts"
    if case.place in NOT_SENT and _applied(history, struck):
        yield "it was applied, though the process died before sending"
    for row in rows[1:]:
        followed = [State.SUCCEEDED]
        if case.kind == "stop" and struck.state != State.SUCCEEDED:
            followed = [State.FAILED]
        if row.state not in followed:
            yield f"{row}, which follows, is {row.state} ({row.reason})"


def _allowed(case: Case, row: Operation, applied: int) -> list[str]:
    if case.place in NOT_SENT or (case.place == "after sending" and not applied):
        return [State.NEEDS_PERSON if row.kind == "restore" else State.NOT_APPLIED]
    if row.kind == "restore" and not row.sightings.filter(status="restoring").exists():
        return [State.NEEDS_PERSON]  # at this pace it may be over before anybody looks
    return [State.SUCCEEDED]


def _applied(history: History, row: Operation) -> int:
    at = (row.created_at - timedelta(seconds=1)).astimezone(UTC)
    return sum(
        entry["event"] == "applied"
        and entry.get("server") == row.server.remote_id
        and entry["effect"] == row.kind
        and datetime.fromisoformat(entry["at"]) > at
        for entry in history.entries
    )
