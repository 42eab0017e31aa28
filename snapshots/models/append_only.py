"""The database itself refuses to change or delete a line of the history, or an approval.

Triggers, which the ORM knows nothing of: they are put in place after every `migrate`, and taken
away before one that has something to do, since SQLite loses them with a table that is made anew,
and PostgreSQL would not let a column of theirs be altered.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Model

from snapshots.models.event import Event
from snapshots.models.plan import Approval

TABLE = Event._meta.db_table
WORDS = "lines of the history are neither changed nor deleted"


class Kept(NamedTuple):
    """A table, the names of its triggers, and which columns are set later: once, or as often as."""

    model: type[Model]
    triggers: tuple[str, str, str]
    later: tuple[str, ...] = ()
    free: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def columns(self) -> set[str]:
        return {str(field.column) for field in self.model._meta.concrete_fields}

    @property
    def said(self) -> list[str]:
        """What is never changed."""
        others = {*self.later, *self.free}
        fields = self.model._meta.concrete_fields
        return [str(field.column) for field in fields if field.name not in others]


# The sealer sets a place once; `to_tell` only says whether messages were written already.
HISTORY = Kept(
    Event,
    ("history_is_not_changed", "history_is_not_deleted", "history_is_not_emptied"),
    later=("seq", "mac", "sealed_at"),
    free=("to_tell",),
)
APPROVALS = Kept(
    Approval, ("approvals_are_not_changed", "approvals_are_not_deleted", "approvals_not_emptied")
)
ALL = (HISTORY, APPROVALS)


def off(vendor: str) -> list[str]:
    """What takes the triggers away: for tests that empty their database."""
    return [statement for kept in ALL for statement in _off(kept, vendor)]


def _on(kept: Kept, vendor: str) -> list[str]:
    """What puts them in place."""
    put = _postgresql(kept) if vendor == "postgresql" else _sqlite(kept)
    return [*_off(kept, vendor), *put]


def _off(kept: Kept, vendor: str) -> list[str]:
    table = f" ON {kept.table}" if vendor == "postgresql" else ""
    return [f"DROP TRIGGER IF EXISTS {name}{table}" for name in kept.triggers]


def _postgresql(kept: Kept) -> list[str]:
    change, delete, empty = kept.triggers

    def differ(columns: Any) -> str:
        old, new = (", ".join(f"{row}.{one}" for one in columns) for row in ("OLD", "NEW"))
        return f"({old}) IS DISTINCT FROM ({new})"

    changed = differ(kept.said)
    if kept.later:
        changed += f" OR (OLD.{kept.later[0]} IS NOT NULL AND {differ(kept.later)})"
    return [
        f"""
        CREATE OR REPLACE FUNCTION history_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{WORDS}' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """,
        f"CREATE TRIGGER {change} BEFORE UPDATE ON {kept.table} FOR EACH ROW WHEN ({changed})"
        " EXECUTE FUNCTION history_is_kept()",
        f"CREATE TRIGGER {delete} BEFORE DELETE ON {kept.table} FOR EACH ROW"
        " EXECUTE FUNCTION history_is_kept()",
        f"CREATE TRIGGER {empty} BEFORE TRUNCATE ON {kept.table} FOR EACH STATEMENT"
        " EXECUTE FUNCTION history_is_kept()",
    ]


def _sqlite(kept: Kept) -> list[str]:
    change, delete, _empty = kept.triggers

    def differ(columns: Any) -> str:
        return "(" + " OR ".join(f"OLD.{one} IS NOT NEW.{one}" for one in columns) + ")"

    changed = differ(kept.said)
    if kept.later:
        changed += f" OR (OLD.{kept.later[0]} IS NOT NULL AND {differ(kept.later)})"
    refuse = f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
    return [
        f"CREATE TRIGGER {change} BEFORE UPDATE ON {kept.table} WHEN {changed} {refuse}",
        f"CREATE TRIGGER {delete} BEFORE DELETE ON {kept.table} {refuse}",
    ]


def before_migrate(*, using: str, plan: list[Any], **_: Any) -> None:
    for kept in ALL if plan else ():
        if _columns(using, kept.table):
            _run(using, _off(kept, connections[using].vendor))


def after_migrate(*, using: str, **_: Any) -> None:
    for kept in ALL:
        if _columns(using, kept.table) >= kept.columns:
            _run(using, _on(kept, connections[using].vendor))


def in_place(using: str = "default") -> bool:
    """Whether the database refuses."""
    names = [name for kept in ALL for name in kept.triggers]
    with connections[using].cursor() as cursor:
        if connections[using].vendor == "postgresql":
            cursor.execute(
                "SELECT count(*) FROM pg_trigger WHERE tgname = ANY(%s) AND tgenabled = 'O'",
                [names],
            )
            return bool(cursor.fetchone()[0] == len(names))
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        emptied = {kept.triggers[2] for kept in ALL}  # which SQLite does by deleting
        return {name for (name,) in cursor.fetchall()} >= {*names} - emptied


def _columns(using: str, table: str) -> set[str]:
    """Of the table as it is at this point of the migrations; none if there is no table."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return set()
        return {one.name for one in connection.introspection.get_table_description(cursor, table)}


def _run(using: str, statements: list[str]) -> None:
    with connections[using].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
