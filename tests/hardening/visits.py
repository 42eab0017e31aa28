"""One request of one person, all of it undone; and which tables it wrote to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.test import Client

from dashboard.views.invitations import OPENED
from tests.hardening.asks import ASKS, Ask, address_of
from tests.hardening.scene import Scene

# A session may be begun, and a limit counted, by whoever only looks.
PASSING = {"django_session", "cache"}
# That somebody was refused is told in the history.
TOLD = {"snapshots_event"}
WRITES = re.compile(r'^\s*(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)"?', re.I)


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def digest(
    tables: Iterable[str] = (), *, without: Iterable[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """What stands in the tables; in all but sessions and the cache unless some are named."""
    with connection.cursor() as cursor:
        tables = tables or set(connection.introspection.table_names(cursor)) - PASSING
        return {table: _rows(cursor, table, set(without)) for table in sorted(tables)}


def _rows(cursor: Any, table: str, without: set[str]) -> list[dict[str, Any]]:
    cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)} ORDER BY 1")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [{name: row[name] for name in names if name not in without} for row in rows]


@contextmanager
def writes() -> Iterator[set[str]]:
    """The tables that are written to, undone or not."""
    tables: set[str] = set()

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if found := WRITES.match(sql):
            tables.add(found[1])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield tables


def ready(scene: Scene, row: str, who: str, *, checks_csrf: bool = False) -> Client:
    """A browser of theirs, with the link opened that the row is about."""
    client, opened = scene.client(who, checks_csrf=checks_csrf), ASKS.get(row, Ask()).opened
    if opened:
        session = client.session
        session[OPENED] = scene.ours.things[opened].secret_hash
        session.save()
        client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    return client


def body_of(scene: Scene, row: str, who: str) -> dict[str, Any]:
    """What is posted there by somebody who may."""
    return ASKS.get(row, Ask()).body(scene.ours, scene.people.get(who))


def visit(
    scene: Scene, row: str, who: str, method: str, headers: dict[str, str] | None = None
) -> tuple[Any, set[str]]:
    """The answer with what it `said`, and the tables that are not as they were. Undone."""
    with undone():
        client = ready(scene, row, who)
        data = body_of(scene, row, who) if method == "POST" else None
        with writes() as written:
            ask = getattr(client, method.lower())
            answer = ask(address_of(row, scene.ours), data, headers=headers or {})
            answer.said = b"".join(answer).decode() if answer.streaming else answer.content.decode()
        if not written <= PASSING:
            after = digest(written)
    if not written <= PASSING:
        before = digest(written)
        written = {table for table in written if before[table] != after[table]}
    return answer, written
