"""Whether what we need is there. Each probe returns what it found, or raises what is wrong.

For `/readyz`, which tells a word of each, and for `manage.py doctor`, which tells the rest.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import redis
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from redis.backoff import NoBackoff
from redis.retry import Retry

from dashboard.tray import heartbeat_age

HEARTBEAT_OLD = timedelta(seconds=60)
Probe = Callable[[], str]


class Trouble(Exception):
    """What is wrong, in a few words, and what to do about it."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.advice = advice


def all_within(seconds: float, probes: dict[str, Probe]) -> dict[str, bool]:
    """Each probe's verdict. What has not answered by then is not there, however long it hangs."""
    answers: SimpleQueue[tuple[str, bool]] = SimpleQueue()

    def ask(name: str, probe: Probe) -> None:
        try:
            probe()
            answers.put((name, True))
        except Exception:  # whatever it is, the item is not ready
            answers.put((name, False))
        finally:
            connection.close()  # this thread's own

    for name, probe in probes.items():
        Thread(target=ask, args=(name, probe), name=f"probe {name}", daemon=True).start()
    found = dict.fromkeys(probes, False)
    until = time.monotonic() + seconds
    for _ in probes:
        try:
            name, is_fine = answers.get(timeout=max(until - time.monotonic(), 0))
        except Empty:
            break
        found[name] = is_fine
    return found


def database() -> str:
    begun = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return f"{connection.display_name} answers in {(time.monotonic() - begun) * 1000:.0f} ms"


def migrations() -> str:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        raise Trouble(f"{len(plan)} not applied", "Run: manage.py migrate")
    return "all applied"


def broker() -> str:
    """Redis answers, and takes what is given: one that is full or a replica only answers."""
    with _redis() as client:
        key = "holdfast-probe"
        client.set(key, "1", ex=10)
        client.delete(key)
        waiting: Any = client.llen("celery")
        return f"{client.info('server')['redis_version']} takes messages; {waiting} waiting"


def _redis() -> redis.Redis:
    url = settings.CELERY_BROKER_URL.replace("redis+socket://", "unix://")
    client: redis.Redis = redis.Redis.from_url(
        url, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )
    return client


def worker() -> str:
    return _fresh(heartbeat_age(), "the worker", "celery --app=dashboard worker")


def beat() -> str:
    tick = Path(f"{settings.HEARTBEAT_FILE}.tick")
    try:
        age = timedelta(seconds=max(0.0, time.time() - tick.stat().st_mtime))
    except OSError:
        age = timedelta.max
    return _fresh(age, "beat", "celery --app=dashboard beat --pidfile=")


def _fresh(age: timedelta, who: str, command: str) -> str:
    if age < HEARTBEAT_OLD:
        return f"a sign of life {age.total_seconds():.0f} s ago"
    since = "ever" if age == timedelta.max else f"for {age.total_seconds():.0f} s"
    raise Trouble(f"no sign of life of {who} {since}", f"See whether it runs: {command}")
