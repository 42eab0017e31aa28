"""What the worker does around each task."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import services

HEAL = """
import django; django.setup()
from celery import signals
from django.db import connection
import dashboard.celery

def ask():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

signals.task_prerun.send(sender=None)
first = ask()
print("the same" if ask() == first else "another")
connection.copy().cursor().execute("SELECT pg_terminate_backend(%s)", [first])
signals.task_prerun.send(sender=None)
print("healed" if ask() != first else "the same")
"""


@pytest.mark.skipif(not services.postgres_programs(), reason="PostgreSQL is not installed")
def test_a_task_after_postgresql_was_restarted_finds_a_fresh_connection() -> None:
    with services.postgres() as url:
        environment = {**os.environ, "DATABASE_URL": url}
        command = [sys.executable, "-c", HEAL]
        result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.stdout.split("\n")[:2] == ["the same", "healed"], result.stderr
