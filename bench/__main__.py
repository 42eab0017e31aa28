"""`make bench` measures everything and writes docs/bench.md; here one chooses.

python -m bench pages                      every page and poll, on SQLite and PostgreSQL
python -m bench pages --only servers       names that begin so (servers, poll, admin ...)
python -m bench pages --only servers --sizes 100 --on SQLite --repeats 15
python -m bench pages --only servers --sizes 100 --show      the queries themselves
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import house, report
from dashboard.environment import BASE_DIR

DATABASES = ("SQLite", "PostgreSQL")
PARTS = ("pages", "passes", "calls", "claims")
SIZES = [10, 100, 1000, 3000, 5000]


def main() -> None:
    parser = argparse.ArgumentParser("python -m bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all if none is said")
    parser.add_argument("--on", choices=DATABASES, help="one database only")
    parser.add_argument("--only", action="append", default=[], help="pages whose name begins so")
    parser.add_argument("--sizes", help="numbers of servers, commas between")
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--show", action="store_true", help="print the queries of each page")
    parser.add_argument("--write", action="store_true", help="write docs/bench.md")
    said = parser.parse_args()
    order = {
        "sizes": [int(size) for size in said.sizes.split(",")] if said.sizes else SIZES,
        "only": said.only,
        "repeats": said.repeats,
        "show": said.show,
    }
    results: report.Results = {}
    for part in said.parts or PARTS:
        for database in [said.on] if said.on else DATABASES:
            print(f"\n{part} on {database}", flush=True)
            rows = run(part, database, order)
            results.setdefault(part, {})[database] = rows
            for row in rows:
                print(told(row), flush=True)
    if said.write:
        report.write(BASE_DIR / "docs" / "bench.md", results)
        print("\nWritten to docs/bench.md")


def run(part: str, database: str, order: dict[str, Any]) -> list[dict[str, Any]]:
    """What one part found on a fresh database."""
    with house.place(database) as environment, TemporaryDirectory() as directory:
        answer = Path(directory) / "answer.json"
        command = [sys.executable, "-m", "bench.inside", json.dumps(order | {"part": part})]
        subprocess.run([*command, str(answer)], env=environment, cwd=BASE_DIR, check=True)
        found: list[dict[str, Any]] = json.loads(answer.read_text())
        return found


def told(row: dict[str, Any]) -> str:
    if "bytes" not in row:
        return "  " + "  ".join(
            f"{k} {v:.2f}" if type(v) is float else str(v) for k, v in row.items()
        )
    return (
        f"  {row['name']:<16}{row['size']:>6}  {row['ratio']:6.2f}x {row['ms']:8.1f} ms"
        f" {row['queries']:>4} queries {row['bytes'] / 1024:8.1f} KB"
    )


if __name__ == "__main__":
    main()
