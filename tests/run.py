"""`make test`: every test on SQLite; beside it those in a browser, and again on PostgreSQL.

Says plainly at the end what ran and what could not. Where it may, it installs what is missing;
with CI=true anything missing is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from dashboard import machine
from tests import services

# The browser's driver keeps an event loop running, which other tests cannot bear.
BROWSER = "tests/browser"
# Hundreds of answers, each to every call, and what the busy and the many do.
ANSWERS = "tests/operations/test_answers.py"
BUSY = "tests/operations/test_busy.py"
RACES = ("tests/operations/test_races.py", "tests/operations/test_approval_races.py")
# Neither the wire, what an answer means, a page in a browser, our own start, who may open what nor
# the model depend on the database.
HOUSE = "tests/house"
# Pages that ask the database in their own way. What the others ask, the domain's tests ask too.
ASKING = (
    *("activity", "bulk", "figures", "guessing", "live", "overview", "restore", "scopes"),
    *("second_factor", "server_list", "servers", "sessions", "snapshot_list"),
)
OTHER_PAGES = tuple(
    str(path.relative_to(Path(__file__).parent.parent))
    for path in sorted((Path(__file__).parent / "pages").glob("test_*.py"))
    if path.stem.removeprefix("test_") not in ASKING
)
ONCE = (
    *("tests/provider", "tests/hardening", HOUSE, "tests/campaigns/test_model.py", BROWSER),
    *(ANSWERS, BUSY),
    *("tests/test_languages.py", "tests/notices/test_guard.py", "tests/notices/test_outside.py"),
    *("tests/notices/test_pages.py", "tests/notices/test_who.py"),
    *OTHER_PAGES,
)
# The protocol and the client, by their own tests: every line and branch, or it fails. That costs
# two thirds more time, so the other tests are not measured, nor those that reach no line of their
# own (`AGAIN`). What counts: pyproject.toml.
MEASURED = (
    "tests/operations",
    "tests/provider/client",
    "tests/test_accounts.py",
    "tests/test_accounts_removed.py",
    "tests/test_scopes.py",
)
AGAIN = (ANSWERS, BUSY, *RACES)
# Real workers are mostly waited for.
FLOW = "tests/flow"
# Processes die at named places, and what they leave is waited for.
DEATHS = "tests/campaigns/test_crash_points.py"
# So that all lanes are about as long.
BESIDE = (
    *(*AGAIN, "tests/hardening"),
    *("tests/campaigns/test_machine.py", "tests/campaigns/test_model.py"),
)
# Processes are killed at any moment and times are kept: beside nothing but each other.
CAMPAIGN = "tests/campaigns/test_campaign.py"

# A package of Debian's that has it, whether it is there, and what is to be said if not; nothing of
# what would only be quicker.
NEEDED: list[tuple[str, Callable[[], object], str]] = [
    ("", machine.broker_binary, "Valkey is missing: no test with a real broker and workers."),
    ("chromium-headless-shell", services.headless_chromium, ""),
    ("chromium", services.chromium, "Chromium is missing: no test in a browser."),
    ("postgresql", services.postgres_programs, "PostgreSQL is missing: nothing ran on it."),
    (
        "docker-compose",
        lambda: shutil.which("docker-compose"),
        "docker-compose is missing: nobody but us has read docker-compose.yml.",
    ),
]


def main(chosen: list[str]) -> int:
    """Run pytest on each database that it asks, with `chosen` as its arguments if there are any."""
    for package, is_there, _words in NEEDED:
        if package and not is_there():
            install(package)
    missing = [words for _package, is_there, words in NEEDED if words and not is_there()]
    if missing and os.environ.get("CI") == "true":
        print("\n".join(["CI must run everything.", *missing]), file=sys.stderr)
        return 1

    with ExitStack() as stack:
        url = stack.enter_context(services.postgres()) if services.postgres_programs() else ""
        if chosen:
            again = [one for one in chosen if not one.startswith(ONCE)] if url else []
            jobs = [Job("SQLite", chosen), *([Job("PostgreSQL", again, url)] if again else [])]
            results = [run(job) for job in jobs]
        else:
            results = everything(url)

    print("\n" + "\n".join([*(words for words, _ in results), *missing]))
    return int(any(code for _, code in results))  # a signal is a negative code


class Job(NamedTuple):
    what: str
    arguments: list[str]
    url: str = ""
    measured: bool = False


def everything(url: str) -> list[tuple[str, int]]:
    """All at once, since workers and browsers are waited for half of the time; then campaigns."""
    apart = (*MEASURED, *BESIDE, FLOW, BROWSER, HOUSE, DEATHS, CAMPAIGN)
    lanes = [
        [
            Job(
                "SQLite, every branch of the protocol and the client",
                [*MEASURED, *(f"--ignore={path}" for path in AGAIN)],
                measured=True,
            ),
            Job("SQLite", [f"--ignore={path}" for path in apart]),
        ],
        [Job("SQLite, beside the others", [*BESIDE])],
        [Job("SQLite, real workers", [FLOW, DEATHS])],
        [Job("the house", [HOUSE])],
    ]
    struck = [[Job("SQLite, struck", [CAMPAIGN])]]
    if services.chromium():
        lanes.append([Job("SQLite, in a browser", [BROWSER])])
    if url:
        lanes[2].append(Job("PostgreSQL, real workers", [FLOW, DEATHS], f"{url}_workers"))
        without = [f"--ignore={path}" for path in (*ONCE, FLOW, DEATHS, CAMPAIGN)]
        lanes[3].insert(0, Job("PostgreSQL", without, url))
        struck.append([Job("PostgreSQL, struck", [CAMPAIGN], url)])
    return at_once(lanes) + at_once(struck)


def at_once(lanes: list[list[Job]]) -> list[tuple[str, int]]:
    """The first lane's output comes as it is made."""
    first, *others = lanes
    with ThreadPoolExecutor(len(lanes)) as pool:
        aside = pool.map(lambda lane: [run(job, aside=True) for job in lane], others)
        return [run(job) for job in first] + [found for lane in aside for found in lane]


def run(job: Job, *, aside: bool = False) -> tuple[str, int]:
    """Run pytest; `aside`, its output is shown whole when it ends. What to tell, and exit code."""
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    if job.url:
        environment["DATABASE_URL"] = job.url
    begin = time.monotonic()
    measure = ["-m", "coverage", "run"] if job.measured else []
    command = [sys.executable, *measure, "-m", "pytest", "--no-header", *job.arguments]
    with tempfile.TemporaryFile("w+") as kept:
        if not aside:
            print(f"\n== Tests on {job.what}", flush=True)
        output = kept if aside else None
        with subprocess.Popen(command, env=environment, stdout=output, stderr=output) as tests:
            _pid, status, used = os.wait4(tests.pid, 0)
            code = tests.returncode = os.waitstatus_to_exitcode(status)
        if job.measured and code == 0:
            command = [sys.executable, "-m", "coverage", "report"]
            code = subprocess.run(command, stdout=output, stderr=output).returncode
        if aside:
            kept.seek(0)
            print(f"\n\n== Tests on {job.what}\n{kept.read()}", flush=True)
    verdict = "passed" if code == 0 else f"FAILED (exit code {code})"
    took, cpu = time.monotonic() - begin, used.ru_utime + used.ru_stime
    return f"Tests on {job.what}: {verdict} in {took:.0f} s, {cpu:.0f} s of CPU.", code


def install(package: str) -> None:
    """Where we are root on Debian or Ubuntu; elsewhere nothing happens."""
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or not apt:
        return
    print(f"Installing {package} with apt-get ...", flush=True)
    quiet = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,  # what is missing in the end is told
        "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    }
    if subprocess.run([apt, "-qq", "update"], **quiet).returncode == 0:
        subprocess.run([apt, "-qq", "install", "-y", "--no-install-recommends", package], **quiet)


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    sys.exit(main(sys.argv[1:]))
