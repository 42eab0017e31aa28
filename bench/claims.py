"""Claim, audit line and finish as Celery tasks, against a task that does nothing.

And against the same two commits in plain SQL: what is left for anybody to save.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import redis
from celery import current_app
from django.utils import timezone
from kombu import Connection

from bench import seed
from dashboard.environment import BASE_DIR
from snapshots.models import Kind, Operation, Snapshot, State
from tests import services

TURNS, EMPTY, CHANGES, WORKERS = 3, 1500, 300, 2
QUEUE = "celery"


def measure() -> list[dict[str, Any]]:
    fleet = seed.fleet(2 * TURNS * CHANGES, "claims")
    waiting = queued(fleet)
    with services.valkey() as url:
        rates: dict[str, list[float]] = {"empty": [], "by_hand": [], "change": []}
        for turn in range(TURNS):
            rates["empty"].append(rate(url, "bench.empty", list(range(EMPTY))))
            for name, first in (("by_hand", 2 * turn), ("change", 2 * turn + 1)):
                mine = waiting[first * CHANGES : (first + 1) * CHANGES]
                rates[name].append(rate(url, f"bench.{name}", mine))
    ended = Operation.objects.filter(pk__in=waiting, state=State.SUCCEEDED).count()
    if ended != len(waiting):
        raise RuntimeError(f"only {ended} of {len(waiting)} changes were made")
    found = {name: sorted(rates)[TURNS // 2] for name, rates in rates.items()}
    return [{"name": "claims", **found, "ratio": found["change"] / found["empty"]}]


def queued(fleet: seed.Fleet) -> list[int]:
    """A delete for each server, as it waits to be sent."""
    now = timezone.now()
    Operation.objects.filter(account=fleet.account, state=State.RUNNING).update(
        state=State.SUCCEEDED
    )
    one_of_each = Snapshot.objects.filter(account=fleet.account, name="weekly-0")
    made = Operation.objects.bulk_create(
        Operation(
            kind=Kind.DELETE,
            team=fleet.account.team,
            account=fleet.account,
            server=of.server,
            snapshot=of,
            lock_key=of.server.lock_key,
            request_key=UUID(int=10_000_000 + of.pk),
            asked_by=fleet.user,
            asked_by_name=fleet.user.name,
            name=of.name,
            send_before=now + timedelta(hours=1),
        )
        for of in one_of_each.select_related("server__account")
    )
    return [operation.pk for operation in made]


def rate(url: str, task: str, pks: list[int]) -> float:
    """Tasks a second, from the first that is taken to the last."""
    with Connection(url) as broker:
        for pk in pks:
            current_app.send_task(task, [pk], connection=broker)
    command = [sys.executable, "-m", "celery", "--app=dashboard", "--quiet", "worker"]
    options = ["--without-gossip", "--without-mingle", "--include=bench.tasks", f"-c{WORKERS}"]
    process = subprocess.Popen(
        [*command, *options],
        env=os.environ | {"REDIS_URL": url},
        cwd=BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with redis.Redis.from_url(url) as broker:
            while broker.llen(QUEUE) == len(pks):
                time.sleep(0.002)
            begun = time.perf_counter()
            while broker.llen(QUEUE):
                time.sleep(0.002)
            seconds = time.perf_counter() - begun
        time.sleep(0.5)  # the last ones are taken, not done
        return len(pks) / seconds
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
