"""The web server of a new installation prints where its first owner is made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.test_settings import GOOD, ROOT
from tests.services import free_port

WORDS = "first owner at "


def environment(home: Path) -> dict[str, str]:
    return {
        **GOOD,
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(home),
        "DATABASE_URL": f"sqlite:///{home}/holdfast.sqlite3",
        "WEB_CONCURRENCY": "1",
    }


def manage(home: Path, *words: str) -> None:
    command = [sys.executable, "manage.py", *words]
    subprocess.run(command, cwd=ROOT, env=environment(home), check=True, timeout=60)


def told_by_a_start(home: Path) -> str:
    """What the web server says until it has a child that serves."""
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", f"--bind=127.0.0.1:{free_port()}"],
        cwd=ROOT,
        env=environment(home),
        stderr=subprocess.PIPE,
        text=True,
    )
    said = ""
    try:
        assert server.stderr
        for line in server.stderr:
            said += line
            if "Booting worker" in line:
                break
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    return said


@pytest.fixture
def home(tmp_path: Path) -> Path:
    manage(tmp_path, "migrate", "--verbosity=0")
    return tmp_path


def test_each_start_prints_another_link_while_there_is_nobody(home: Path) -> None:
    first, second = (told_by_a_start(home).split(WORDS)[1].split()[0] for _start in range(2))
    for link in (first, second):
        assert link.startswith("https://snapshots.example.com/first/")
    assert first != second


def test_a_database_that_is_not_ready_keeps_nobody_from_starting(tmp_path: Path) -> None:
    said = told_by_a_start(tmp_path)
    assert "manage.py first_run prints the link" in said
    assert "Booting worker" in said
