"""No start with a bad setting: exit code 1, and one line that names the variable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
GOOD = {
    "SECRET_KEY": "0123456789abcdef" * 4,
    "TOKEN_KEYS": KEY,
    "SITE_URL": "https://snapshots.example.com",
    "DATABASE_URL": "postgres://holdfast:secret@db/holdfast",
    "REDIS_URL": "redis://broker:6379/0",
}
BAD = [
    {"SECRET_KEY": ""},
    {"SECRET_KEY": "short"},
    {"SECRET_KEY": "x" * 64},
    {"TOKEN_KEYS": ""},
    {"TOKEN_KEYS": "not base64"},
    {"TOKEN_KEYS": "MDEyMzQ1Njc="},
    {"TOKEN_KEYS": f"{KEY},MDEyMzQ1Njc="},
    {"AUDIT_KEYS": "not base64"},
    {"DEBUG": "1"},
    {"DEBUG": "maybe"},
    {"DEMO": "1"},
    {"DEBUG": "1", "SITE_URL": "http://snapshots.lan", "ALLOW_HTTP": "1"},
    {"DEMO": "1", "SITE_URL": "http://snapshots.lan", "ALLOW_HTTP": "1"},
    {"SITE_URL": "snapshots.example.com"},
    {"SITE_URL": "http://snapshots.example.com"},
    {"SITE_URL": "https://example.com/snapshots"},
    {"ALLOWED_HOSTS": "*"},
    {"ALLOWED_HOSTS": "snapshots.example.com,*"},
    {"DATABASE_URL": "mysql://holdfast@db/holdfast"},
    {"DATABASE_URL": "db"},
    {"REDIS_URL": "amqp://broker"},
    {"WORKER_CONCURRENCY": "0"},
    {"WORKER_CONCURRENCY": "2.5"},
    {"WORKER_CONCURRENCY": "many"},
    {"PROVIDER_PACE": "0"},
    {"PROVIDER_PACE": "nan"},
    {"PROVIDER_API_URLS": "admin.vps.org"},
    {"PROVIDER_API_URLS": "http://admin.vps.org/api/v1"},
    {"EMAIL_URL": "pigeon://roof"},
    {"DEFAULT_FROM_EMAIL": "holdfast"},
    {"WEBHOOK_ALLOWED_HOSTS": "*"},
    {"OIDC_ISSUER": "id.example.com"},
    {"OIDC_ISSUER": "http://id.example.com"},
    {"OIDC_CLIENT_ID": None, "OIDC_ISSUER": "https://id.example.com"},
    {"OIDC_CLIENT_SECRET": "", "OIDC_CLIENT_ID": "x", "OIDC_ISSUER": "https://id.example.com"},
    {"WEBHOOK_ALLOWED_HOSTS": "https://receiver.example"},
    {"LOG_LEVEL": "LOUD"},
    {"TRUST_PROXY_HEADERS": "perhaps"},
    {"SECRET_KEY_FILE": "/nowhere/key"},
    {"ALLOW_HTTP": "perhaps", "SITE_URL": "http://snapshots.lan"},
    {"SITE_URL": "ftp://snapshots.example.com"},
    {"SITE_URL": "https://"},
    {"ALLOWED_HOSTS": "*.example.com,*"},
    {"DATABASE_URL": "sqlite"},
    {"REDIS_URL": "http://broker"},
    {"PROVIDER_API_URLS": "ftp://admin.vps.org/api/v1"},
    {"LOG_FORMAT": "xml"},
]


def run(*command: str, **settings: str | None) -> subprocess.CompletedProcess[str]:
    """`command` with nothing in its environment but the given settings."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": "/nowhere", **GOOD, **settings}
    return subprocess.run(
        [sys.executable, *command],
        env={name: value for name, value in environment.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_good_settings_load() -> None:
    assert run("-c", "import dashboard.settings").stderr == ""


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: "-".join(f"{k}={v}" for k, v in bad.items()))
def test_a_bad_setting_is_refused_in_one_line(bad: dict[str, str | None]) -> None:
    result = run("-c", "import dashboard.settings", **bad)
    assert result.returncode == 1
    name = next(iter(bad))
    assert result.stderr.startswith(f"Holdfast cannot start: {name}: ")
    assert result.stderr.count("\n") == 1
    assert "secret@" not in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["manage.py", "check"],
        ["manage.py", "migrate"],
        ["-m", "gunicorn", "--bind=127.0.0.1:0"],
        ["-m", "celery", "--app=dashboard", "worker"],
        ["-m", "celery", "--app=dashboard", "beat"],
    ],
    ids=" ".join,
)
def test_every_program_tells_it_in_the_same_line(command: list[str]) -> None:
    result = run(*command, SECRET_KEY="short")
    assert result.returncode == 1
    assert result.stderr.startswith("Holdfast cannot start: SECRET_KEY: ")
    assert (result.stdout + result.stderr).count("\n") == 1


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("fedcba9876543210" * 4 + "\n")
    show = "import dashboard.settings as s; print(s.SECRET_KEY, end='')"
    result = run("-c", show, SECRET_KEY=None, SECRET_KEY_FILE=str(file))
    assert (result.stdout, result.stderr) == ("fedcba9876543210" * 4, "")


def test_http_on_a_real_host_needs_to_be_allowed() -> None:
    settings = {"SITE_URL": "http://snapshots.lan", "ALLOW_HTTP": "1"}
    assert run("-c", "import dashboard.settings", **settings).returncode == 0


def test_a_socket_may_be_the_host_of_the_database() -> None:
    show = "import dashboard.settings as s; print(s.DATABASES['default']['HOST'])"
    result = run("-c", show, DATABASE_URL="postgres://me@%2Frun%2Fpostgresql/holdfast")
    assert result.stdout == "/run/postgresql\n"


def test_the_deployment_check_has_nothing_to_say() -> None:
    result = run("manage.py", "check", "--deploy", "--fail-level=WARNING")
    assert result.returncode == 0, result.stderr
    assert "no issues" in result.stdout


def test_every_variable_is_documented() -> None:
    table = (ROOT / "docs" / "configuration.md").read_text()
    for file in ("settings.py", "environment.py", "house.py"):
        source = (ROOT / "dashboard" / file).read_text()
        asked = r'(?:text|several|number|truth|environ\.get|whole_number)\(\s*"([A-Z_]+)"'
        for name in re.findall(asked, source):
            assert f"| `{name}` |" in table, f"{name} of {file}"
