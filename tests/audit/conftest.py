"""A history with a chain, and somebody who has the database but not the key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from snapshots import audit, events
from snapshots.models import Event, Team, append_only


def write(team: Team, number: int) -> None:
    with transaction.atomic():
        for one in range(number):
            events.record(events.Verb.TEAM_RENAMED, team=team, actor=None, before=f"name {one}")


@pytest.fixture
def history(team: Team) -> list[audit.Head]:
    """Sixty lines in two passes of the sealer. The heads that were kept elsewhere."""
    heads = []
    for _ in range(2):
        write(team, 30 - Event.objects.count() % 30)
        audit.seal()
        heads.append(audit.head())
    return heads


@contextmanager
def without_triggers() -> Iterator[Any]:
    """Whoever owns the database can take them away. What they did is undone at the end."""
    with transaction.atomic(), connection.cursor() as cursor:
        connection.check_constraints()
        for statement in append_only.off(connection.vendor):
            cursor.execute(statement)
        yield cursor
        transaction.set_rollback(True)
