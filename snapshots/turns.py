"""Whose turn it is, where no backlog may keep another from its turn."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

Row = TypeVar("Row", bound=Model)
QUOTA = 200  # rows a pass


def turn(rows: QuerySet[Row]) -> list[Row]:
    """The first of them; if they fill the quota, others in half of its places, by lot.

    So that however many fail again and again, what comes after them is not forgotten.
    """
    first = list(rows[:QUOTA])
    if len(first) < QUOTA:
        return first
    del first[QUOTA // 2 :]
    others = rows.exclude(pk__in=[row.pk for row in first]).order_by("?")
    return [*first, *others[: QUOTA - len(first)]]
