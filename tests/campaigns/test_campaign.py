"""The campaigns in their short form, both at once; `make faults` runs them long and alone."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from django.db import connection

from tests.campaigns import nemesis, weather

SHORT = {
    "campaign": "--part campaign --seconds 20 --pace 60 --strikes 40 --servers 10",
    "naive": (
        "--part campaign --app tests.campaigns.naive --until-twice"
        " --seconds 300 --pace 60 --strikes 20 --gusts 240 --servers 10"
    ),
}


def begin(options: str) -> subprocess.Popen[str]:
    """A part, on a new database of the kind that is tested. What it prints is piped."""
    database = "postgres" if connection.vendor == "postgresql" else "sqlite"
    command = [sys.executable, "-m", "tests.faults", "--database", database, *options.split()]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True)


@pytest.fixture(scope="module")
def ended() -> Iterator[Callable[[str], tuple[int, str]]]:
    """The exit code of each, and what it printed."""
    started = {name: begin(options) for name, options in SHORT.items()}

    def end(name: str) -> tuple[int, str]:
        output, _ = started[name].communicate()
        return started[name].returncode, output

    yield end
    for process in started.values():
        process.kill()
        process.wait()


def test_the_seed_decides_the_plan():
    for plan in (
        lambda seed: nemesis.plan(seed, 600, 60, postgres=True),
        lambda seed: weather.plan(seed, 600, 60, accounts=4),
    ):
        assert plan("1") == plan("1") != plan("2")


def test_the_textbooks_task_is_seen_to_send_twice(ended):
    code, output = ended("naive")
    assert code == 1, output
    assert re.search(r"attempt 1 was sent \d+ times", output), output


def test_whatever_is_struck_nothing_is_sent_twice_lost_or_said_falsely(ended):
    code, output = ended("campaign")
    assert code == 0, output
