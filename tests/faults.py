"""`make faults DB=sqlite`: the campaign under which the promises must hold.

Makes a database of its own, and only then loads what reads the settings.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import services


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


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgres"], required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--pace", type=int, default=30)
    parser.add_argument("--strikes", type=float, default=30, help="a minute")
    parser.add_argument("--gusts", type=float, default=60, help="faults of the provider a minute")
    parser.add_argument("--app", default="dashboard", help="the Celery app of the workers")
    parser.add_argument(
        "--to-the-end",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="wait until everything has been decided",
    )
    parser.add_argument("--keep", action="store_true", help="keep logs and database")
    said = vars(parser.parse_args())
    keep = said.pop("keep")
    home = Path(tempfile.mkdtemp(prefix="holdfast-faults-"))
    with database(said["database"], home) as postgres:
        from tests.campaigns.campaign import Order, campaign

        findings = campaign(Order(**said), home, postgres)
    for name, value in vars(findings).items():
        print(f"{name}: {dict(value) if isinstance(value, dict) else value}")
    if findings.complaints or keep:
        print(f"The logs are in {home}.")
    else:
        shutil.rmtree(home, ignore_errors=True)
    return 1 if findings.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
