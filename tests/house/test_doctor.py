"""The doctor: a line for each check, exit code 1 if something is wrong, never a secret."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as live_settings
from django.core.management import call_command
from django.utils import timezone

from snapshots import tasks
from snapshots.models import Event, append_only
from snapshots.secrets import key_from
from tests import services
from tests.audit.conftest import without_triggers
from tests.conftest import fresh


@pytest.fixture
def well(db, settings, tmp_path: Path) -> Iterator[Path]:
    """An installation that lacks nothing."""
    settings.HEARTBEAT_FILE = str(tmp_path / "heartbeat")
    for name in ("heartbeat", "heartbeat.tick"):
        (tmp_path / name).touch()
    with services.valkey() as settings.CELERY_BROKER_URL:
        yield tmp_path


def doctor() -> tuple[int, dict[str, str]]:
    """Its exit code, and what it says by name of check."""
    out = io.StringIO()
    code = 0
    try:
        call_command("doctor", stdout=out)
    except SystemExit as ended:
        code = int(ended.code or 0)
    lines = [line for line in out.getvalue().splitlines() if line[:5] in {"ok   ", "WRONG"}]
    return code, {line[7:19].strip(): f"{line[:5].strip()} {line[21:]}" for line in lines}


def test_where_nothing_is_lacking_every_line_is_ok(well) -> None:
    code, said = doctor()
    assert code == 0, said
    assert len(said) == 13
    assert all(words.startswith("ok ") for words in said.values())


def test_a_broker_that_is_down_is_told_without_its_password(well, settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    settings.CELERY_BROKER_URL = f"redis://:hunter2@127.0.0.1:{port}/0"
    code, said = doctor()
    assert code == 1
    assert said["broker"].startswith("WRONG")
    assert "hunter2" not in str(said)


def test_a_beat_that_stopped_is_told_apart_from_a_worker_that_stopped(well) -> None:
    os.utime(well / "heartbeat.tick", (1, 1))
    said = doctor()[1]
    assert said["worker"].startswith("ok")
    assert "no sign of life of beat" in said["beat"]


def test_a_worker_of_which_nothing_can_be_known_is_not_said_to_run(well, settings) -> None:
    settings.HEARTBEAT_FILE = ""
    assert "Set HEARTBEAT_FILE" in doctor()[1]["worker"]


def test_a_token_that_no_key_opens_is_named_by_its_account(well, account, settings) -> None:
    settings.TOKEN_KEYS = [key_from("BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=")]
    code, said = doctor()
    assert code == 1
    assert f"{account.pk} (Production)" in said["keys"]
    assert fresh(account).sealed_token not in str(said)


def test_a_history_that_is_not_what_was_sealed_is_told(well, team, settings, tmp_path) -> None:
    settings.AUDIT_HEAD_FILE = str(tmp_path / "heads")
    tasks.seal()
    assert doctor()[1]["history"] == "ok sealed, and with the head that was kept last"
    Event.objects.create(verb="team.renamed", team=team, at=timezone.now() - timedelta(hours=1))
    assert "1 lines are not sealed" in doctor()[1]["history"]
    tasks.seal()
    with without_triggers() as cursor:
        assert "lets its lines be changed" in doctor()[1]["history"]
        cursor.execute("UPDATE snapshots_event SET mac = '00' WHERE seq = 1")
        append_only.after_migrate(using="default")
        assert "Run: manage.py verify_audit" in doctor()[1]["history"]
    settings.AUDIT_HEAD_FILE = str(tmp_path / "nowhere")
    assert doctor()[1]["history"] == "ok sealed"


def test_static_files_that_were_not_collected_are_told(well, settings, tmp_path) -> None:
    settings.WHITENOISE_USE_FINDERS = False
    settings.STATIC_ROOT = str(tmp_path / "empty")
    storage = "whitenoise.storage.CompressedManifestStaticFilesStorage"
    settings.STORAGES = live_settings.STORAGES | {"staticfiles": {"BACKEND": storage}}
    assert "collectstatic" in doctor()[1]["static files"]


def test_mail_that_nobody_gets_is_wrong_on_a_public_site(well, settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert doctor()[1]["mail"].startswith("ok")
    settings.IS_HTTPS = True
    assert "Set EMAIL_URL" in doctor()[1]["mail"]


def test_a_mail_server_that_does_not_answer_is_wrong(well, settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert "does not take us (ConnectionRefusedError)" in doctor()[1]["mail"]
