"""The campaign in its short form; `make faults` runs the long one."""

import subprocess
import sys

from django.db import connection


def campaign(*more: str) -> subprocess.CompletedProcess[str]:
    database = "postgres" if connection.vendor == "postgresql" else "sqlite"
    command = [sys.executable, "-m", "tests.faults", "--database", database, "--pace", "60", *more]
    return subprocess.run(command, capture_output=True, text=True)


def test_whatever_is_struck_nothing_is_sent_twice_lost_or_said_falsely():
    run = campaign("--seed", "1", "--seconds", "20")
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_textbooks_task_is_seen_to_send_twice():
    more = ["--app", "tests.campaigns.naive", "--strikes", "120", "--no-to-the-end"]
    run = campaign("--seed", "1", "--seconds", "8", *more)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "was sent 2 times" in run.stdout
