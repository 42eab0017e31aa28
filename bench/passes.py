"""A look at 10,000 servers and 50,000 snapshots, against fetching and writing them by hand.

By hand means: `requests` and `json`, one SELECT a table, a comparison in a dict, and `executemany`
in batches as large as ours; no validation, no models, no audit. Both ask the same provider turn by
turn, each for an account of its own in the same tables.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any
from unittest import mock

import requests
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from bench import seed
from dashboard import machine
from dashboard.environment import BASE_DIR
from snapshots import inventory
from snapshots.inventory.rows import BATCH
from snapshots.models import Account, Pass, Snapshot

SERVERS, SNAPSHOTS = 10_000, 50_000


def measure(repeats: int = 5) -> list[dict[str, Any]]:
    with provider() as url:
        ours, raw = account(url, "ours"), account(url, "raw")
        with Transactions() as writing:
            found = [_row("first look, all new", look(ours))]
            look(raw)
            for _ in range(2):  # compares, and remembers what it compared
                look(ours)
            by_hand = ByHand(raw, url)
            found += [
                versus("unchanged", by_hand, ours, repeats),
                versus("unchanged, nothing remembered", by_hand, ours, repeats, forget(ours)),
                versus(
                    "all changed", by_hand, ours, repeats, lambda: requests.post(f"{url}/next/")
                ),
            ]
        found.append({"name": "longest write transaction", "ms": writing.longest * 1000})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return [*found, {"name": "memory at most, MB", "mb": peak / 1024}]


def versus(
    name: str,
    by_hand: ByHand,
    ours: Account,
    repeats: int,
    before: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """The two in turn. `before` is done once for each turn of both."""
    theirs, own = [], []
    for _ in range(repeats):
        before()
        begun = time.perf_counter()
        by_hand.look()
        theirs.append(time.perf_counter() - begun)
        own.append(look(ours))
    return _row(name, median(own), median(theirs))


def _row(name: str, seconds: float, raw: float | None = None) -> dict[str, Any]:
    return {"name": name, "ms": seconds * 1000} | (
        {"raw": raw * 1000, "ratio": seconds / raw} if raw else {}
    )


def look(account: Account) -> float:
    """One pass. How long it took."""
    Account.objects.filter(pk=account.pk).update(
        next_pass_at=timezone.now(), reads_left=30, applied_pass_at=None
    )
    begun = time.perf_counter()
    inventory.observe(account.pk)
    seconds = time.perf_counter() - begun
    last = Pass.objects.filter(account=account).latest("begun_at")
    if not last.complete or Snapshot.objects.filter(account=account).count() != SNAPSHOTS:
        raise RuntimeError(f"the look was not complete: {last.trouble}")
    return seconds


def forget(account: Account) -> Callable[[], object]:
    return lambda: Account.objects.filter(pk=account.pk).update(mirrored="")


def account(url: str, name: str) -> Account:
    made = seed.fleet(0, name).account
    Account.objects.filter(pk=made.pk).update(
        api_url=url, complete_pass_at=None, applied_pass_at=None
    )
    settings.PROVIDER_API_URLS = [url]
    return made


@contextmanager
def provider() -> Iterator[str]:
    port = machine.free_port()
    command = [sys.executable, "-m", "bench.provider", str(port), str(SERVERS), str(SNAPSHOTS)]
    process = subprocess.Popen(command, cwd=BASE_DIR)
    try:
        while not machine.answers(port):
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.kill()
        process.wait(10)


class ByHand:
    """The least that anybody would write for the same job."""

    def __init__(self, account: Account, url: str) -> None:
        self.account, self.url = account, url
        self.web = requests.Session()
        self.web.trust_env = False

    def look(self) -> None:
        servers = self._fetch("servers")
        snapshots = self._fetch("snapshots")
        self._write(
            "snapshots_server",
            ["status", "name", "location"],
            {str(s["id"]): (s["status"], s["name"], s["location"]) for s in servers},
        )
        self._write(
            "snapshots_snapshot",
            ["size_mb", "name", "status", "description"],
            {
                str(s["id"]): (s["size_mb"], s["name"], s["status"], s["description"])
                for s in snapshots
            },
        )

    def _fetch(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.web.get(f"{self.url}/{what}/").json()["results"]
        return found

    def _write(self, table: str, columns: list[str], wanted: dict[str, tuple[Any, ...]]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, remote_id, {', '.join(columns)} FROM {table}"
                " WHERE account_id = %s AND gone_at IS NULL",
                [self.account.pk],
            )
            rows = cursor.fetchall()
        changed = [
            (*wanted[remote_id], pk)
            for pk, remote_id, *row in rows
            if wanted[remote_id] != tuple(row)
        ]
        settings = ", ".join(f"{column} = %s" for column in columns)
        for at in range(0, len(changed), BATCH):
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE snapshots_account SET revision = revision + 1 WHERE id = %s",
                    [self.account.pk],
                )
                cursor.executemany(
                    f"UPDATE {table} SET {settings}, revision = revision + 1 WHERE id = %s",
                    changed[at : at + BATCH],
                )


class Transactions:
    """The longest that anything of ours held SQLite's one writer."""

    longest = 0.0

    def __enter__(self) -> Transactions:
        enter, leave = transaction.Atomic.__enter__, transaction.Atomic.__exit__
        begun: list[float] = []

        def entered(atomic: Any) -> None:
            enter(atomic)
            begun.append(time.perf_counter())

        def left(atomic: Any, *error: Any) -> None:
            leave(atomic, *error)
            self.longest = max(self.longest, time.perf_counter() - begun.pop())

        self._patches = [
            mock.patch.object(transaction.Atomic, "__enter__", entered),
            mock.patch.object(transaction.Atomic, "__exit__", left),
        ]
        for patch in self._patches:
            patch.start()
        return self

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()
