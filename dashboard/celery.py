"""The Celery app, and the timetable of what happens by itself."""

import logging
import os
from pathlib import Path
from typing import Any

from celery import Celery, signals
from django.conf import settings
from django.db import close_old_connections

from dashboard.supervisor import tied_to
from snapshots.whence import request_id

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

log = logging.getLogger(__name__)
TICK = "snapshots.tick"
app = Celery("holdfast")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["snapshots", "dashboard"])

app.conf.beat_schedule = {
    "find due work": {"task": TICK, "schedule": 2.0, "options": {"expires": 10}},
    "tell people": {"task": "snapshots.tell", "schedule": 2.0, "options": {"expires": 10}},
    "mail links": {
        "task": "dashboard.password_links",
        "schedule": 5.0,
        "options": {"expires": 10},
    },
    "seal the history": {"task": "snapshots.seal", "schedule": 2.0, "options": {"expires": 10}},
    "forget old looks": {"task": "snapshots.tidy", "schedule": 3600.0, "options": {"expires": 600}},
}


@signals.setup_logging.connect
def log_like_the_rest(**_: Any) -> None:
    """Whoever answers this keeps Celery from setting up a log of its own: Django's holds."""


@signals.worker_process_init.connect
def die_with_the_worker(**_: Any) -> None:
    """A child that is busy would outlive a killed worker, and go on sending unwatched."""
    tied_to(os.getppid())()


@signals.task_prerun.connect
def drop_broken_connections(**_: Any) -> None:
    """As Django does at the begin of a request: a restarted PostgreSQL costs no second task.

    Celery itself would keep a broken connection for `CELERY_DB_REUSE_MAX` tasks.
    """
    close_old_connections()


@signals.task_prerun.connect
def bind_request(task: Any, **_: Any) -> None:
    """What is logged meanwhile is told with the id of the request that asked for it."""
    request_id.set(task.request.get("request_id") or "")


@signals.task_postrun.connect
def show_life(task: Any, **_: Any) -> None:
    """Every finished task is a heartbeat: the tick alone may wait long behind slow sends."""
    if request_id.get():
        log.info("done", extra={"task": task.name, "task_id": task.request.id})
    request_id.set("")
    if settings.HEARTBEAT_FILE:
        Path(settings.HEARTBEAT_FILE).touch()
        if task.name == TICK:
            Path(f"{settings.HEARTBEAT_FILE}.tick").touch()
