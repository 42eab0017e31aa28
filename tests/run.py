"""`make test`: every test on SQLite, then again on PostgreSQL what a database can change.

Says plainly at the end what ran and what could not. Where it may, it installs what is missing;
with CI=true anything missing is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from dashboard import house
from tests import services

# Neither the wire, nor a page in a browser, nor our own start depend on the database.
ONCE = ("tests/provider", "tests/browser", "tests/house")


def main(chosen: list[str]) -> int:
    """Run pytest on each database, with `chosen` as its arguments if there are any."""
    for package, is_there in (
        ("chromium", services.chromium),
        ("postgresql", services.postgres_programs),
    ):
        if not is_there():
            install(package)
    missing = [
        sentence
        for is_there, sentence in (
            (house.broker_binary, "Valkey is missing: no test with a real broker and workers."),
            (services.chromium, "Chromium is missing: no test in a browser."),
            (services.postgres_programs, "PostgreSQL is missing: nothing ran on it."),
        )
        if not is_there()
    ]
    if missing and os.environ.get("CI") == "true":
        print("\n".join(["CI must run everything.", *missing]), file=sys.stderr)
        return 1

    results = [on("SQLite", chosen)]
    if services.postgres_programs():
        with ExitStack() as stack:
            url = stack.enter_context(services.postgres())
            results.append(on("PostgreSQL", chosen or [f"--ignore={path}" for path in ONCE], url))

    print("\n" + "\n".join([*(words for words, _ in results), *missing]))
    return max(code for _, code in results)


def on(database: str, arguments: list[str], url: str = "") -> tuple[str, int]:
    """What pytest said in one word, and its exit code."""
    print(f"\n== Tests on {database}", flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    if url:
        environment["DATABASE_URL"] = url
    begin = time.monotonic()
    code = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments], env=environment
    ).returncode
    verdict = "passed" if code == 0 else f"FAILED (pytest's exit code {code})"
    return f"Tests on {database}: {verdict} in {time.monotonic() - begin:.0f} s.", code


def install(package: str) -> None:
    """Where we are root on Debian or Ubuntu; elsewhere nothing happens."""
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or not apt:
        return
    print(f"Installing {package} with apt-get ...", flush=True)
    quiet = {
        "stdout": subprocess.DEVNULL,
        "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    }
    if subprocess.run([apt, "-qq", "update"], **quiet).returncode == 0:
        subprocess.run([apt, "-qq", "install", "-y", "--no-install-recommends", package], **quiet)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    sys.exit(main(sys.argv[1:]))
