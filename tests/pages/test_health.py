"""Health: the process answers, and what it needs is there."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests import services


def test_healthz_needs_no_database_and_no_session(client):
    # Without the `db` fixture every query is an error.
    client.cookies["holdfast"] = "some-session"
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.content == b"ok\n"


def test_readyz_says_a_word_per_item_and_no_detail(client, db):
    response = client.get("/readyz")  # nobody listens at the broker's address in tests
    assert response.status_code == 503
    assert response.content == b"database ok\nmigrations ok\nbroker failing\n"


def test_readyz_looks_at_the_heartbeat_where_one_is_configured(client, db, settings, tmp_path):
    settings.HEARTBEAT_FILE = str(tmp_path / "heartbeat")
    with services.valkey() as settings.CELERY_BROKER_URL:
        assert b"worker failing" in client.get("/readyz").content
        Path(settings.HEARTBEAT_FILE).touch()
        response = client.get("/readyz")
    assert response.content == b"database ok\nmigrations ok\nbroker ok\nworker ok\n"
    assert response.status_code == 200


def test_what_hangs_is_not_waited_for(client, db, settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and says nothing
        settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        begun = time.monotonic()
        response = client.get("/readyz")
    assert b"broker failing" in response.content
    assert time.monotonic() - begun < 1.5  # the broker's own patience is 2 s


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_health_is_read_only(client, db, address):
    assert client.post(address).status_code == 405
