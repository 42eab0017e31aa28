"""`make faults DB=sqlite`: the campaigns under which the promises must hold.

    python -m tests.faults --database sqlite                        all parts; writes the report
    python -m tests.faults --database sqlite --part campaign --seed 7 --seconds 60 --keep

A part makes a database of its own, and only then loads what reads the settings.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

from tests import services

PARTS = ("campaign", "crashes", "decisions", "resumption")
DOCS = Path(__file__).parent.parent / "docs"


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--database", choices=["sqlite", "postgres"], required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1400, help="of the campaign")
    parser.add_argument("--part", choices=PARTS, help="one of them only, without a report")
    parser.add_argument("--rounds", type=int, default=32, help="of the part resumption")
    parser.add_argument("--of", type=int, default=1, help="only every so many of the crash points")
    parser.add_argument("--turn", type=int, default=0, help="which of those")
    parser.add_argument("--keep", action="store_true", help="keep logs and database")
    parser.add_argument("--answer", type=Path, help="where to write what was found, as JSON")
    campaign = parser.add_argument_group("of the campaign")
    campaign.add_argument("--pace", type=int, default=30)
    campaign.add_argument("--strikes", type=float, default=60, help="a minute")
    campaign.add_argument("--gusts", type=float, default=60, help="faults of the provider a minute")
    campaign.add_argument("--people", type=int, default=6)
    campaign.add_argument("--servers", type=int, default=25, help="of each of four accounts")
    campaign.add_argument("--app", default="dashboard", help="the Celery app of the workers")
    campaign.add_argument(
        "--until-twice", action="store_true", help="end as soon as something was sent twice"
    )
    said = parser.parse_args()
    return part(said) if said.part else everything(said)


# -- one part -------------------------------------------------------------------------------------


@contextmanager
def database(name: str, home: Path) -> Iterator[services.Postgres | None]:
    """A new one, named by DATABASE_URL from here on."""
    if name == "sqlite":
        os.environ["DATABASE_URL"] = f"sqlite:///{home}/campaign.sqlite3"
        yield None
        return
    with services.private_postgres() as server:
        os.environ["DATABASE_URL"] = server.url
        yield server


def part(said: argparse.Namespace) -> int:
    """Run it, and tell what was found. The exit code is 1 if there are complaints."""
    home = Path(tempfile.mkdtemp(prefix="holdfast-faults-"))
    try:
        with database(said.database, home) as postgres:
            found = plain(run(said, home, postgres))
    except BaseException:
        print(f"It broke off. Logs and database are in {home}.", file=sys.stderr)
        raise
    if said.answer:
        said.answer.write_text(json.dumps(found))
    for name, value in found.items():
        if name != "complaints":
            print(f"{name}: {value}")
    print("\n".join(["", f"{len(found['complaints'])} complaints", *found["complaints"]]))
    if said.keep or (found["complaints"] and not said.until_twice):
        print(f"Logs and database are in {home}.")
    else:
        shutil.rmtree(home, ignore_errors=True)
    return 1 if found["complaints"] else 0


def plain(findings: Any) -> dict[str, Any]:
    """Fit for JSON."""
    return json.loads(
        json.dumps(vars(findings), default=lambda o: vars(o) if is_dataclass(o) else str(o))
    )


def run(said: argparse.Namespace, home: Path, postgres: services.Postgres | None) -> Any:
    from tests.campaigns import campaign, crash_points, recovery

    match said.part:
        case "crashes":
            cases = crash_points.CASES[said.turn :: said.of]
            return crash_points.crash_points(said.database, home, postgres, cases)
        case "decisions":
            return recovery.decisions(home, postgres)
        case "resumption":
            return recovery.resumption(home, postgres, said.seed, said.rounds)
    wanted = campaign.Order.__dataclass_fields__.keys()
    order = {name: value for name, value in vars(said).items() if name in wanted}
    return campaign.campaign(campaign.Order(**order), home, postgres)


# -- all of them ----------------------------------------------------------------------------------


class Part:
    """A part in a process of its own."""

    def __init__(self, said: argparse.Namespace, name: str) -> None:
        self.name, self.begun = name, time.monotonic()
        self.answer = Path(tempfile.mkdtemp(prefix="holdfast-faults-answer-")) / "found.json"
        command = [sys.executable, "-m", "tests.faults", "--part", name, "--answer", self.answer]
        command += ["--database", said.database, "--seed", str(said.seed)]
        if name == "campaign":
            for option in ("seconds", "pace", "strikes", "gusts", "people", "servers"):
                command += [f"--{option}", getattr(said, option)]
        print(f"{name} begins", flush=True)
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def found(self) -> dict[str, Any]:
        """What it found, when it has ended."""
        output, _ = self.process.communicate()
        if not self.answer.exists():
            raise SystemExit(f"{self.name} broke off:\n{output.decode(errors='replace')}")
        found = json.loads(self.answer.read_text())
        shutil.rmtree(self.answer.parent)
        took = time.monotonic() - self.begun
        print(f"{self.name} ended after {took:.0f} s: {len(found['complaints'])} complaints")
        if found["complaints"]:
            print(output.decode(errors="replace"), flush=True)
        return found


def everything(said: argparse.Namespace) -> int:
    """The campaign; then decisions, and crash points meanwhile; then resumption, undisturbed."""
    found = {"campaign": [Part(said, "campaign").found()]}
    decisions = Part(said, "decisions")
    found["crashes"] = [Part(said, "crashes").found() for _ in range(3)]
    found["decisions"] = [decisions.found()]
    found["resumption"] = [Part(said, "resumption").found()]
    os.environ["DATABASE_URL"] = "sqlite://:memory:"  # what is imported here asks no database
    from tests.campaigns import report

    report.write(DOCS / f"faults-{said.database}.md", said.database, found)
    return 1 if any(run["complaints"] for runs in found.values() for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
