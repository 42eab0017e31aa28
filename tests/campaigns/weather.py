"""The provider's bad days: which of its faults are armed when, decided by the seed.

*Assumed* of the provider, as in docs/operations.md, and so kept to here: a request that has left
takes effect before the quiet window is over or never; a readable refusal has done nothing; no two
looks in a row, a proof apart, both miss what is there. And nobody deletes by hand what is new.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.campaigns.town import Town

CHANGES = [("POST", None), ("POST", "/restore/"), ("POST", "^/snapshots/$"), ("DELETE", None)]
REFUSED = {"body": {"detail": "no"}}
# What a change meets: name, options, how often.
ON_CHANGES: list[tuple[str, dict[str, Any], float]] = [
    ("close_before", {}, 2),
    ("close_before", {"rst": True}, 2),
    ("close_after", {}, 2),
    ("close_after", {"rst": True}, 2),
    ("late", {"seconds": 3}, 2),
    ("late", {"seconds": 20, "now": "rst"}, 2),
    ("late", {"seconds": 12, "now": "timeout"}, 1),
    ("hang", {"seconds": 3, "when": "before"}, 2),
    ("hang", {"seconds": 4, "when": "after"}, 2),
    ("hang", {"seconds": 23, "when": "before"}, 1),
    ("hang", {"seconds": 23, "when": "after"}, 1),
    ("cut", {"at": 9}, 1),
    ("cut", {"at": 30}, 1),
    ("cut", {"at": 190, "rst": True}, 1),
    ("garbage", {}, 1),
    ("garbage", {"apply": False}, 1),
    ("drip", {"size": 8, "seconds": 0.05}, 1),
    ("flood", {"what": "headers", "mb": 1}, 0.5),
    ("flood", {"what": "gzip", "mb": 4}, 0.5),
    ("other_ids", {}, 1),
    ("other_ids", {"what": "server"}, 1),
    ("extra_fields", {}, 0.5),
    ("unknown_status", {}, 0.5),
    ("answer", {"status": 200, "body": "<html>welcome</html>"}, 1),
    ("answer", {"status": 200, "body": {}, "apply": True}, 1),
    ("answer", {"status": 302, "headers": {"Location": "/elsewhere/"}}, 0.5),
    ("answer", {"status": 400, **REFUSED}, 1),
    ("answer", {"status": 403, **REFUSED}, 0.5),
    ("answer", {"status": 404, "body": {"detail": "Not found."}}, 1),
    ("answer", {"status": 409, **REFUSED}, 0.5),
    ("answer", {"status": 429, **REFUSED, "headers": {"Retry-After": "2"}}, 1),
    ("answer", {"status": 429, **REFUSED, "headers": {"Retry-After": "soon"}}, 0.5),
    ("answer", {"status": 500, "body": "oops"}, 1),
    ("answer", {"status": 502, "body": "<html>", "apply": True}, 2),
    ("answer", {"status": 503}, 1),
    ("create_fails", {}, 1),
    ("drops_description", {}, 1),
    ("never_restoring", {}, 1),
    ("restore_ends", {"status": "stopped"}, 0.5),
    ("drops_newer", {}, 0.5),
]
# What a look meets. Those that hide what is there come rarely: see above.
ON_LOOKS: list[tuple[str, dict[str, Any], float]] = [
    ("partial", {}, 3),
    ("duplicates", {}, 2),
    ("foreign_next", {}, 1),
    ("answer", {"status": 500}, 2),
    ("answer", {"status": 429, "headers": {"Retry-After": "1"}}, 1),
    ("close_before", {"rst": True}, 2),
    ("cut", {"at": 400}, 2),
    ("garbage", {}, 1),
    ("hang", {"seconds": 9}, 0.5),
    ("drip", {"size": 50, "seconds": 0.02}, 0.5),
]
HIDING = ("empty", "stale", "partial, and counted so")
APART = 45.0  # seconds between two looks at one account that hide something
OTHERS = ("401", "by hand", "by hand", "rename")


@dataclass(frozen=True)
class Gust:
    at: float
    what: str
    options: dict[str, Any]
    which: float


def plan(seed: str, seconds: float, a_minute: float, accounts: int) -> list[Gust]:
    """What will be armed, and when. The same seed plans the same."""
    chance = random.Random(seed)
    gusts, at = [], 0.0
    hidden = dict.fromkeys(range(accounts), -APART)
    while (at := at + chance.expovariate(a_minute / 60)) < seconds:
        which, sort = chance.random(), chance.random()
        if sort < 0.70:
            what, options, _ = _one_of(chance, ON_CHANGES)
            method, path = chance.choice(CHANGES)
            gusts.append(Gust(at, what, {"method": method, "path": path} | options, which))
        elif sort < 0.88:
            what, options, _ = _one_of(chance, ON_LOOKS)
            looks = {"method": "GET", "path": "^/(servers|snapshots)/$"}
            gusts.append(Gust(at, what, looks | options, which))
        elif sort < 0.95:
            account = int(which * accounts)
            if at - hidden[account] >= APART:
                hidden[account] = at
                gusts.append(Gust(at, chance.choice(HIDING), {}, which))
        else:
            gusts.append(Gust(at, chance.choice(OTHERS), {}, which))
    return gusts


def _one_of(chance: random.Random, known: list[Any]) -> Any:
    [one] = chance.choices(known, [weight for *_, weight in known])
    return one


@dataclass
class Weather:
    """Arms what was planned, and writes down what was."""

    town: Town
    gusts: list[Gust]
    tokens: list[str]  # of the accounts; a refused one is replaced by the owner
    armed: Counter[str] = field(default_factory=Counter)

    def run(self, begun: float, over: threading.Event) -> None:
        for gust in self.gusts:
            while (left := gust.at - (time.monotonic() - begun)) > 0:
                if over.wait(min(left, 0.5)):
                    return
            with suppress(requests.RequestException, LookupError):
                self._bring(gust)
                self.armed[gust.what] += 1

    def _bring(self, gust: Gust) -> None:
        token = self.tokens[int(gust.which * len(self.tokens))]
        match gust.what:
            case "empty" | "stale":
                span = {"seconds": 0.9 * 60 / self.town.pace} if gust.what == "stale" else {}
                self._fault(gust.what, token=token, **span)
            case "partial, and counted so":
                self._fault("partial", token=token, count_too=True)
            case "401":
                answer = {"status": 401, "body": {"detail": "Invalid token."}}
                self._fault("answer", method="POST", token=token, **answer)
            case "by hand":
                self._by_hand(gust.which)
            case "rename":
                server = self._some("servers", gust.which)
                self.town.outside("rename_server", server=server["id"], name=server["name"] + "x")
            case _:
                self._fault(gust.what, **gust.options)

    def _fault(self, kind: str, /, **options: Any) -> None:
        chosen = {name: value for name, value in options.items() if value is not None}
        self.town.control("POST", "faults", kind=kind, **chosen)

    def _by_hand(self, which: float) -> None:
        """Somebody takes a snapshot in the provider's panel, or deletes one that is whole."""
        server = self._some("servers", which)
        if which < 0.5:
            name = f"by-hand-{int(which * 1e6)}"
            self.town.outside("create_snapshot", server=server["id"], name=name)
        else:
            old = self._some("snapshots", which, "by-hand", "nightly")
            self.town.outside("delete_snapshot", snapshot=old["id"])

    def _some(self, what: str, which: float, *names: str) -> Any:
        there = [
            one
            for one in self.town.control("GET", "world")[what]
            if not names or one["name"].startswith(names)
        ]
        return there[int(which * len(there))]
