"""Rows that the database will not change, as if something about them were wrong for ever."""

from django.db import connection

HOW = {
    "sqlite": """CREATE TRIGGER broken BEFORE UPDATE OF state ON {table}
        WHEN {which} BEGIN SELECT RAISE(ABORT, 'broken'); END""",
    "postgresql": """CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$;
        CREATE TRIGGER broken BEFORE UPDATE OF state ON {table}
        FOR EACH ROW WHEN ({which}) EXECUTE FUNCTION broken()""",
}


def broken(table: str, which: str) -> None:
    """From now on, until the test is undone, no state changes of those in `table` that are so."""
    with connection.cursor() as cursor:
        cursor.execute(HOW[connection.vendor].format(table=table, which=which))
