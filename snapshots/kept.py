"""SQL that the models wrote, kept: for a few rows it takes longer to write than to answer.

Each verb does what the models' own does, with the SQL that they wrote the first time. No signals
are sent, to which nothing here listens.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.models import Model, Q, QuerySet
from django.db.models.query import get_related_populators
from django.db.models.sql import InsertQuery, UpdateQuery

M = TypeVar("M", bound=Model)
MOST = 500  # statements; then they are written anew


class Written(NamedTuple):
    """A statement, the first of its parameters, and what reads a row of its answer."""

    sql: str
    parameters: tuple[Any, ...] = ()
    read: Callable[[tuple[Any, ...]], Any] = tuple


_kept: dict[Hashable, Written] = {}


def ask(
    key: Hashable, write: Callable[[], QuerySet[Any, tuple[Any, ...]]], values: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """What the `values_list` finds that `write` gives.

    Its SQL must depend on nothing but `key`, and on the number of `values`: what it is narrowed by
    last, so that they are the last of its parameters.
    """
    return _found(("values", key, len(values)), write, values, _values)


def rows(key: Hashable, write: Callable[[], QuerySet[M]], values: Sequence[Any] = ()) -> list[M]:
    """The same of whole rows, with the related ones that `write` selects."""
    return _found(("rows", key, len(values)), write, values, _models)


def insert(row: Model) -> None:
    """What `row.save(force_insert=True)` does, for a row whose key the database gives."""
    model, database = type(row), connections[DEFAULT_DB_ALIAS]
    key, *fields = model._meta.concrete_fields

    def write() -> Written:
        query = InsertQuery(model)
        query.insert_values(fields, [row])
        compiler = query.get_compiler(connection=database)
        compiler.returning_fields = [key]
        [(sql, _values)] = compiler.as_sql()
        return Written(sql)

    values = [field.get_db_prep_save(field.pre_save(row, True), database) for field in fields]
    with database.cursor() as cursor:
        cursor.execute(_written(("insert", model), write).sql, values)
        [row.pk] = cursor.fetchone()
    row._state.adding, row._state.db = False, database.alias


def update(model: type[Model], where: Mapping[str, Any], values: Mapping[str, Any]) -> int:
    """What `model.objects.filter(**where).update(**values)` does: fields equal to something."""
    database = connections[DEFAULT_DB_ALIAS]

    def write() -> Written:
        query = UpdateQuery(model)
        query.add_q(Q(*where.items()))  # by name, it would sort them
        query.add_update_values(dict(values))
        sql, _values = query.get_compiler(connection=database).as_sql()
        return Written(sql)

    both = [*values.items(), *where.items()]
    key = "update", model, len(values), tuple((name, value is None) for name, value in both)
    field: Any = model._meta.get_field
    parameters = [
        field(name).get_db_prep_save(getattr(value, "pk", value), database)
        for name, value in both
        if value is not None  # that stands in the SQL
    ]
    with database.cursor() as cursor:
        cursor.execute(_written(key, write).sql, parameters)
        return int(cursor.rowcount)


# -- the pieces -----------------------------------------------------------------------------------


def _written(key: Hashable, write: Callable[[], Written]) -> Written:
    if key not in _kept:
        if len(_kept) >= MOST:
            _kept.clear()
        _kept[key] = write()
    return _kept[key]


def _found(
    key: Hashable,
    ask: Callable[[], QuerySet[Any, Any]],
    values: Sequence[Any],
    reader: Callable[[Any], Callable[[tuple[Any, ...]], Any]],
) -> list[Any]:
    def write() -> Written:
        compiler = ask().query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        return Written(sql, tuple(parameters[: len(parameters) - len(values)]), reader(compiler))

    try:
        sql, parameters, read = _written(key, write)
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, *values])
        return [read(row) for row in cursor.fetchall()]


def _values(compiler: Any) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Reads a row as `compiler.results_iter` does."""
    converters = compiler.get_converters([column for column, *_ in compiler.select])

    def read(row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = list(row)
        for place, (convert, column) in converters.items():
            for function in convert:
                values[place] = function(values[place], column, connection)
        return tuple(values)

    return read if converters else tuple


def _models(compiler: Any) -> Callable[[tuple[Any, ...]], Any]:
    """Reads a row as a QuerySet does that is not told to give anything else."""
    values, info, select = _values(compiler), compiler.klass_info, compiler.select
    model, place = info["model"], slice(info["select_fields"][0], info["select_fields"][-1] + 1)
    names = [column.target.attname for column, *_ in select[place]]
    related = get_related_populators(info, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]  # which a later Django has

    def read(row: tuple[Any, ...]) -> Any:
        row = values(row)
        found = model.from_db(DEFAULT_DB_ALIAS, names, row[place])
        for one in related:
            one.populate(row, found)
        return found

    return read
