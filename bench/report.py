"""docs/bench.md: each target with whether it is met, then all ratios."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]
Results = dict[str, dict[str, Rows]]  # part -> database -> rows
PAGES = ("overview", "servers", "snapshots", "activity", "server", "account", "admin")
HEAD = """# What things cost

Written by `make bench`. Everything here is a ratio to something bare that ran in the same minutes
on the same machine, turn by turn: the milliseconds of another machine would say nothing. "Bare" is
a signed-in view that reads `request.user` and answers one line, behind the same middleware, under
gunicorn with one sync worker; figures are medians.
"""


def write(path: Path, results: Results) -> None:
    path.write_text(
        "\n".join([HEAD, *_machine(), *_targets(results), *_pages(results), *_rest(results)])
    )


def _machine() -> Iterator[str]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    yield (
        f"{datetime.now(UTC):%-d %B %Y}, {os.cpu_count()} cores of {model}, Python"
        f" {platform.python_version()}, {platform.system()} {platform.release()}; load at the end"
        f" {load} (1, 5, 15 minutes).\n"
    )


# -- targets --------------------------------------------------------------------------------------


def _targets(results: Results) -> Iterator[str]:
    yield "## Targets\n"
    yield "Pages are judged on PostgreSQL, looks and changes by the worse of the two.\n"
    yield "| | at most | SQLite | PostgreSQL | |"
    yield "|---|---|---|---|---|"
    for part, words, most, found in _wanted(results):
        # Pages are judged by the database that serves teams; the rest by the worse of the two.
        judged = found[1:] if part == "pages" else found
        measured = [value for value in judged if value is not None]
        met = "met" if measured and max(measured) <= most else "**missed**"
        shown = " | ".join("–" if value is None else _short(value) for value in found)
        yield f"| {words} | {_short(most)} | {shown} | {met if measured else 'not measured'} |"
    yield ""


def _wanted(results: Results) -> Iterator[tuple[str, str, float, list[float | None]]]:
    def of(
        part: str, row: dict[str, Any], key: str, over: dict[str, Any] | None = None
    ) -> list[Any]:
        values = []
        for database in ("SQLite", "PostgreSQL"):
            rows = results.get(part, {}).get(database, [])
            value = _find(rows, row, key)
            below = _find(rows, over, key) if over else 1
            values.append(value / below if value is not None and below else None)
        return values

    hundred = {"name": "servers", "size": 100}
    yield "pages", "list of 100 servers, times bare", 12, of("pages", hundred, "ratio")
    yield "pages", "its queries", 6, of("pages", hundred, "queries")
    yield "pages", "its KB", 80, of("pages", hundred, "kb")
    admin = {"name": "admin", "size": 100}
    words = "it, times Django's admin list of the same rows"
    yield "pages", words, 0.5, of("pages", hundred, "ratio", admin)
    behind = {"name": "servers", "size": 5000}
    words = "100 of 5,000, times 100 of 100"
    yield "pages", words, 1.1, of("pages", behind, "ratio", hundred)
    for changed, most in ((0, 1.3), (1, 2.5), (20, 7)):
        poll = {"name": f"poll, {changed} changed", "size": 100}
        words = f"poll, {changed} of 100 rows changed, times bare"
        yield "pages", words, most, of("pages", poll, "ratio")
    unchanged = of("pages", {"name": "poll, 0 changed"}, "queries")
    yield "pages", "queries of an unchanged poll", 3, unchanged
    words = "look at 10,000 servers and 50,000 snapshots, unchanged, times by hand"
    yield "passes", words, 1.1, of("passes", {"name": "unchanged"}, "ratio")
    yield "passes", "the same, all changed", 2, of("passes", {"name": "all changed"}, "ratio")
    longest = of("passes", {"name": "longest write transaction"}, "ms")
    yield "passes", "longest write transaction of these looks, ms", 100, [longest[0], None]
    claims = [value and 1 / value for value in of("claims", {"name": "claims"}, "ratio")]
    words = "empty tasks in the time of one change (claim, attempt, finish, two audit lines)"
    yield "claims", words, 2, claims
    words = "provider's calls a minute with 100 operations running"
    yield "calls", words, 12, of("calls", {"running": 100}, "a minute")


def _find(rows: Rows, like: dict[str, Any], key: str) -> float | None:
    for row in rows:
        if like.items() <= row.items():
            return row["bytes"] / 1024 if key == "kb" else row[key]
    return None


# -- figures --------------------------------------------------------------------------------------


def _pages(results: Results) -> Iterator[str]:
    for database, rows in results.get("pages", {}).items():
        sizes = sorted({row["size"] for row in rows if row["size"]})
        bare = next(row for row in rows if row["name"] == "bare")
        yield f"## Pages on {database}\n"
        yield (
            "By number of servers, with five snapshots each, and two operations under way in all:"
            " times bare, queries, KB. Bare is"
            f" {bare['ms']:.1f} ms and {bare['queries']} queries. `admin` is Django's own list of"
            " the servers, for comparison.\n"
        )
        yield f"| | {' | '.join(f'{size:,}' for size in sizes)} |"
        yield "|---|" + "---|" * len(sizes)
        polls = dict.fromkeys(row["name"] for row in rows if row["name"].startswith("poll"))
        for name in (*PAGES, *polls):
            cells = [
                next((_cell(row) for row in rows if (row["name"], row["size"]) == (name, size)), "")
                for size in sizes
            ]
            yield f"| {name} | {' | '.join(cells)} |"
        yield ""


def _cell(row: dict[str, Any]) -> str:
    return f"{row['ratio']:.1f}x, {row['queries']}, {row['bytes'] / 1024:.0f}"


def _rest(results: Results) -> Iterator[str]:
    yield "## A look at 10,000 servers and 50,000 snapshots\n"
    yield (
        "Against fetching the same listings with `requests` and `json`, reading our rows with one\n"
        "SELECT a table, and `executemany` in batches as large as ours: no validation, no audit.\n"
        '"Unchanged" is the same answer again, which is known by its digest; "nothing remembered"\n'
        "compares every row, as happens once an hour and whenever something of ours has changed.\n"
    )
    yield "| | | ms | by hand, ms | times |"
    yield "|---|---|---|---|---|"
    for database, rows in results.get("passes", {}).items():
        for row in rows:
            if "ms" in row:
                raw = [f"{row['raw']:.0f}", f"{row['ratio']:.2f}"] if "raw" in row else ["", ""]
                yield f"| {database} | {row['name']} | {row['ms']:.0f} | {' | '.join(raw)} |"
    memory = [
        row["mb"] for rows in results.get("passes", {}).values() for row in rows if "mb" in row
    ]
    yield f"\nThe process that did all this took {max(memory, default=0):.0f} MB at most.\n"
    yield "## Calls and changes\n"
    yield (
        "Provider's calls a minute while so many creates run in one account, against the\n"
        "simulator over HTTP in real time, at twenty times the provider's pace:\n"
    )
    yield "| | 1 | 10 | 100 |"
    yield "|---|---|---|---|"
    for database, rows in results.get("calls", {}).items():
        yield f"| {database} | {' | '.join(_short(row['a minute']) for row in rows)} |"
    yield (
        '\nTasks a second, two worker processes, one account. "By hand" is two commits in plain'
        "\nSQL, each with its conditional UPDATE and its audit line, and nothing else. PostgreSQL"
        "\nruns with fsync off here, which flatters every figure but that of the empty task.\n"
    )
    yield "| | empty | by hand | change | of empty |"
    yield "|---|---|---|---|---|"
    for database, rows in results.get("claims", {}).items():
        for row in rows:
            rates = " | ".join(f"{row[name]:.0f}" for name in ("empty", "by_hand", "change"))
            yield f"| {database} | {rates} | {row['ratio']:.2f} |"
    yield ""


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 20 or value == int(value) else f"{value:.2f}"
