"""The documentation shows the table that the code obeys."""

from pathlib import Path

from snapshots.operations.states import TABLE

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def test_the_table_of_states_in_the_documentation_is_the_one_in_the_code():
    rows = [f"| {t.before} | {t.after} | {t.who} | {t.when} |" for t in TABLE]
    assert "\n".join(["|---|---|---|---|", *rows, ""]) in PAGE.read_text()
