"""`make test`: every test on SQLite, those in a browser apart, and again on PostgreSQL.

Says plainly at the end what ran and what could not. Where it may, it installs what is missing;
with CI=true anything missing is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from dashboard import machine
from tests import services

# The browser's driver keeps an event loop running, which other tests cannot bear.
BROWSER = "tests/browser"
# Neither the wire, a page in a browser, our own start nor the model depend on the database.
ONCE = ("tests/provider", "tests/house", "tests/campaigns/test_model.py", BROWSER)


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
            (machine.broker_binary, "Valkey is missing: no test with a real broker and workers."),
            (services.chromium, "Chromium is missing: no test in a browser."),
            (services.postgres_programs, "PostgreSQL is missing: nothing ran on it."),
        )
        if not is_there()
    ]
    if missing and os.environ.get("CI") == "true":
        print("\n".join(["CI must run everything.", *missing]), file=sys.stderr)
        return 1

    if chosen:
        results = [on("SQLite", chosen)]
    else:
        results = [on("SQLite", [f"--ignore={BROWSER}"])]
        if services.chromium():
            results.append(on("SQLite, in a browser", [BROWSER]))
    if services.postgres_programs():
        with services.postgres() as url:
            results.append(on("PostgreSQL", chosen or [f"--ignore={path}" for path in ONCE], url))

    print("\n" + "\n".join([*(words for words, _ in results), *missing]))
    return max(code for _, code in results)


def on(what: str, arguments: list[str], url: str = "") -> tuple[str, int]:
    """Run pytest. What to tell of it at the end, and its exit code."""
    print(f"\n== Tests on {what}", flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    if url:
        environment["DATABASE_URL"] = url
    begin = time.monotonic()
    command = [sys.executable, "-m", "pytest", "--no-header", *arguments]
    code = subprocess.run(command, env=environment).returncode
    verdict = "passed" if code == 0 else f"FAILED (pytest's exit code {code})"
    return f"Tests on {what}: {verdict} in {time.monotonic() - begin:.0f} s.", code


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
