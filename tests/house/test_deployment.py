"""What a public installation starts with: nothing that Django's own checks would object to."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PUBLIC = {
    "SECRET_KEY": "0123456789abcdef" * 4,
    "TOKEN_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "SITE_URL": "https://snapshots.example.com",
    "TRUST_PROXY_HEADERS": "1",
    "DATABASE_URL": "postgres://holdfast:secret@database/holdfast",
    "REDIS_URL": "redis://:secret@broker:6379/0",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.com:587",
    "DEFAULT_FROM_EMAIL": "holdfast@example.com",
}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=plain | PUBLIC, capture_output=True, text=True)


def test_the_deployment_checks_have_nothing_to_say() -> None:
    done = run("check", "--deploy", "--fail-level", "INFO")
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_a_public_installation_logs_lines_for_machines() -> None:
    said = "import logging; logging.getLogger('snapshots').warning('one\\ntwo')"
    done = run("shell", "--no-imports", "--command", said)
    assert json.loads(done.stderr.splitlines()[-1])["message"] == "one\ntwo"


# -- the compose file -----------------------------------------------------------------------------


def compose() -> str:
    return (ROOT / "docker-compose.yml").read_text()


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")
def test_the_compose_file_is_one() -> None:
    given = {"SITE_URL": "https://a.example", "SECRET_KEY": "k", "TOKEN_KEYS": "k"}
    given |= {"POSTGRES_PASSWORD": "p", "REDIS_PASSWORD": "p", "PATH": os.environ["PATH"]}
    command = ["docker-compose", "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
    done = subprocess.run(command, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_compose_file_hands_on_every_variable_of_the_environment_that_a_server_reads() -> None:
    handed = set(re.findall(r"^    ([A-Z_]+):", compose(), re.MULTILINE))
    table = (ROOT / "docs" / "configuration.md").read_text()
    every = table.partition("## Every installation")[2].partition("\n## ")[0]
    known = set(re.findall(r"^\| `([A-Z_]+)`", every, re.MULTILINE))
    inside = {"DATA_DIR", "STATIC_ROOT"}  # of the image
    assert known - inside - handed == set()
