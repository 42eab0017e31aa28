"""Every token of the simulator begins alike: where that beginning is seen, a token is seen.

While tests run, everything that leaves this process is looked at: what goes to the database, to the
log and into mails, and each page that the test client gets, errors included. What the workers of
`tests/flow` wrote and what went through their broker is looked at when they stop.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.core import mail
from django.db import connection, connections
from django.db.backends.signals import connection_created
from django.test import Client

WORD = b"vps_sim_"


def _encoded() -> list[bytes]:
    """The word in base64, wherever in a group of three bytes it begins: what is always the same."""
    forms = []
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + WORD)
        first = (before * 8 + 5) // 6
        last = (before + len(WORD)) * 8 // 6
        forms.append(whole[first:last])
    return forms


FORMS = [WORD, *_encoded()]
hits: list[str] = []


def look(at: object, where: str) -> None:
    """Note where a token is seen."""
    said = at if isinstance(at, bytes) else str(at).encode(errors="replace")
    for form in FORMS:
        if form in said:
            place = said.index(form)
            hits.append(f"{where}: ...{said[max(place - 80, 0) : place + 8]!r}")


class _Log(logging.Handler):
    """As it is said, before a formatter takes anything out; with its traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        look(logging.Formatter().format(record), f"the log of {record.name}")


def _asked(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    for row in params if many and isinstance(params, list) else [params or ()]:
        for value in row.values() if isinstance(row, dict) else row:
            if isinstance(value, str | bytes):
                if len(value) >= len(WORD):
                    look(value, f"the database, {sql[:80]}")
            elif hasattr(value, "obj"):  # JSON for PostgreSQL
                look(value.obj, f"the database, {sql[:80]}")
    return execute(sql, params, many, context)


def _connected(connection: Any, **_: Any) -> None:
    if _asked not in connection.execute_wrappers:
        connection.execute_wrappers.append(_asked)


def begin() -> None:
    """From now on."""
    logging.getLogger().addHandler(_Log())
    connection_created.connect(_connected)
    for known in connections.all(initialized_only=True):
        _connected(known)
    request = Client.request

    def watched(client: Client, **asked: Any) -> Any:
        answer = request(client, **asked)
        if not answer.streaming:
            look(answer.content, f"the page {asked.get('PATH_INFO')}")
        look(answer.headers, f"the headers of {asked.get('PATH_INFO')}")
        return answer

    Client.request = watched  # type: ignore[method-assign]


def look_at_mail() -> None:
    for sent in getattr(mail, "outbox", []):
        look(sent.message().as_bytes(), "a mail")


def look_at_the_whole_database() -> None:
    """As a dump has it: every column of every row."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            _look_at_rows(cursor.fetchall(), table)


def _look_at_rows(rows: Iterable[Any], table: str) -> None:
    for row in rows:
        look(row, f"the table {table}")
