"""The database itself refuses to change or delete a line of the history.

Triggers, which the ORM knows nothing of: they are put in place after every `migrate`, and taken
away before one that has something to do, since SQLite loses them with a table that is made anew,
and PostgreSQL would not let a column of theirs be altered.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

from snapshots.models.event import Event

TABLE = Event._meta.db_table
TRIGGERS = ("history_is_not_changed", "history_is_not_deleted", "history_is_not_emptied")
# Set once, by the sealer; and what only says whether messages were written already.
LATER = ("seq", "mac", "sealed_at")
FREE = ("to_tell",)
WORDS = "lines of the history are neither changed nor deleted"


def on(vendor: str) -> list[str]:
    """What puts the triggers in place."""
    said = [str(f.column) for f in Event._meta.concrete_fields if f.name not in (*LATER, *FREE)]
    if vendor == "postgresql":
        return [*off(vendor), *_postgresql(said)]
    return [*off(vendor), *_sqlite(said)]


def off(vendor: str) -> list[str]:
    """What takes them away: for a migration, and for tests that empty their database."""
    table = f" ON {TABLE}" if vendor == "postgresql" else ""
    return [f"DROP TRIGGER IF EXISTS {name}{table}" for name in TRIGGERS]


def _postgresql(said: list[str]) -> list[str]:
    change, delete, empty = TRIGGERS

    def differ(columns: Any) -> str:
        old, new = (", ".join(f"{row}.{one}" for one in columns) for row in ("OLD", "NEW"))
        return f"({old}) IS DISTINCT FROM ({new})"

    changed = f"{differ(said)} OR (OLD.seq IS NOT NULL AND {differ(LATER)})"
    return [
        f"""
        CREATE OR REPLACE FUNCTION history_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '{WORDS}' USING ERRCODE = 'integrity_constraint_violation';
        END $$
        """,
        f"CREATE TRIGGER {change} BEFORE UPDATE ON {TABLE} FOR EACH ROW WHEN ({changed})"
        " EXECUTE FUNCTION history_is_kept()",
        f"CREATE TRIGGER {delete} BEFORE DELETE ON {TABLE} FOR EACH ROW"
        " EXECUTE FUNCTION history_is_kept()",
        f"CREATE TRIGGER {empty} BEFORE TRUNCATE ON {TABLE} FOR EACH STATEMENT"
        " EXECUTE FUNCTION history_is_kept()",
    ]


def _sqlite(said: list[str]) -> list[str]:
    change, delete, _empty = TRIGGERS

    def differ(columns: Any) -> str:
        return "(" + " OR ".join(f"OLD.{one} IS NOT NEW.{one}" for one in columns) + ")"

    changed = f"{differ(said)} OR (OLD.seq IS NOT NULL AND {differ(LATER)})"
    refuse = f"BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
    return [
        f"CREATE TRIGGER {change} BEFORE UPDATE ON {TABLE} WHEN {changed} {refuse}",
        f"CREATE TRIGGER {delete} BEFORE DELETE ON {TABLE} {refuse}",
    ]


def before_migrate(*, using: str, plan: list[Any], **_: Any) -> None:
    if plan and _columns(using):
        _run(using, off(connections[using].vendor))


def after_migrate(*, using: str, **_: Any) -> None:
    if _columns(using) >= {field.column for field in Event._meta.concrete_fields}:
        _run(using, on(connections[using].vendor))


def in_place(using: str = "default") -> bool:
    """Whether the database refuses."""
    with connections[using].cursor() as cursor:
        if connections[using].vendor == "postgresql":
            cursor.execute(
                "SELECT count(*) FROM pg_trigger WHERE tgname = ANY(%s) AND tgenabled = 'O'",
                [list(TRIGGERS)],
            )
            return bool(cursor.fetchone()[0] == len(TRIGGERS))
        cursor.execute(
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s", [TABLE]
        )
        return bool(cursor.fetchone()[0] == len(TRIGGERS) - 1)


def _columns(using: str) -> set[str]:
    """Of the table as it is at this point of the migrations; none if there is no table."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if TABLE not in connection.introspection.table_names(cursor):
            return set()
        return {one.name for one in connection.introspection.get_table_description(cursor, TABLE)}


def _run(using: str, statements: list[str]) -> None:
    with connections[using].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
