"""Rows as the database keeps them: tuples, compared and written without a model for each.

An account may have tens of thousands. Nothing holds SQLite's one writer for longer than others are
willing to wait: what is written is written in batches, each in a transaction of its own.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import compress, islice
from operator import ne
from typing import Any, TypeVar

from django.db import connection, models, transaction
from django.db.models.functions import Cast

from snapshots.models import Account, Server, Snapshot

T = TypeVar("T")
BATCH = 500  # rows a transaction
TOLD = 100  # rows a transaction, where each has a line of its own in the audit
STATE = ("missing_since", "gone_at")  # None, both, of whatever is listed
LISTED = (None, None)

Model = type[Server] | type[Snapshot]
# A row: its remote id, the fields that were asked for, `STATE`, our id.
Row = tuple[Any, ...]


def stored(at: datetime | None) -> datetime | str | None:
    """A moment in UTC, as the database gives and takes it where Django does not convert."""
    return at if at is None or connection.vendor != "sqlite" else str(at)[:-6]


def present(account: Account, model: Model, shown: Sequence[str]) -> dict[str, Row]:
    """The rows that are not gone, by remote id. Moments are as `stored`."""
    wanted = [_unconverted(model, name) for name in (*shown, *STATE)]
    rows = model.objects.filter(account=account, gone_at=None)
    return {row[0]: row for row in rows.values_list("remote_id", *wanted, "pk")}


def _unconverted(model: Model, name: str) -> str | Cast:
    """SQLite keeps moments as text; to make them moments costs more than all else about a row."""
    is_moment = isinstance(model._meta.get_field(name), models.DateTimeField)
    if is_moment and connection.vendor == "sqlite":
        return Cast(name, models.TextField())
    return name


class Changes:
    """What is to be written, sorted by which fields differ: each index that is set costs."""

    def __init__(self, model: Model, shown: Sequence[str]) -> None:
        self.model = model
        self.fields = (*shown, *STATE)
        self.sorted: dict[tuple[bool, ...], list[tuple[Any, ...]]] = {}

    def __bool__(self) -> bool:
        return bool(self.sorted)

    def note(self, pk: int, ours: Sequence[Any], listed: Sequence[Any]) -> None:
        """Row `pk` has the values `ours`, and is to have those that are `listed`."""
        differing = tuple(map(ne, ours, listed))
        self.sorted.setdefault(differing, []).append((*compress(listed, differing), pk))

    def write(self, account: Account) -> None:
        for differing, rows in self.sorted.items():
            fields = [*compress(self.fields, differing)]
            for batch in batches(rows):
                with transaction.atomic():
                    self._update(fields, batch, Account.next_revision(account.pk))

    def _update(self, fields: list[str], rows: list[tuple[Any, ...]], revision: int) -> None:
        """One statement for many rows: Django's `bulk_update` takes many times as long."""
        columns = "".join(f"{connection.ops.quote_name(field)} = %s, " for field in fields)
        table = self.model._meta.db_table
        statement = f"UPDATE {table} SET {columns}revision = {revision:d} WHERE id = %s"  # noqa: S608
        with connection.cursor() as cursor:
            cursor.executemany(statement, rows)


def batches(rows: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    rest = iter(rows)
    while batch := list(islice(rest, size)):
        yield batch


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector, which would walk all rows again and again and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
