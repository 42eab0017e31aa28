"""SQL that the models wrote, kept: for a few rows it takes longer to write than to answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

MOST = 500  # questions; then they are written anew
Converters = dict[int, tuple[list[Callable[..., Any]], Any]]
_kept: dict[Hashable, tuple[str, list[Any], Converters]] = {}


def ask(
    key: Hashable, write: Callable[[], QuerySet[Any, tuple[Any, ...]]], values: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """What the `values_list` finds that `write` gives.

    Its SQL must depend on nothing but `key`, and on the number of `values`: what it is narrowed by
    last, so that they are the last of its parameters.
    """
    if (key, len(values)) not in _kept:
        if len(_kept) >= MOST:
            _kept.clear()
        compiler = write().query.get_compiler(connection=connection)
        try:
            sql, parameters = compiler.as_sql()
        except EmptyResultSet:
            return []
        converters = compiler.get_converters([column for column, *_ in compiler.select])
        _kept[key, len(values)] = sql, parameters[: len(parameters) - len(values)], converters
    sql, parameters, converters = _kept[key, len(values)]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, *values])
        rows = cursor.fetchall()
    return [_converted(row, converters) for row in rows] if converters else rows


def _converted(row: tuple[Any, ...], converters: Converters) -> tuple[Any, ...]:
    values = list(row)
    for place, (convert, column) in converters.items():
        for function in convert:
            values[place] = function(values[place], column, connection)
    return tuple(values)
