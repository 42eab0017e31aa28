"""For supervisors and load balancers: a word per item, and nothing else."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard import live
from dashboard.celery import app

HEARTBEAT_OLD = timedelta(seconds=60)


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """What the process needs is there."""
    found = {
        "database": _works(_database),
        "migrations": _works(_migrations),
        "broker": _works(_broker),
    }
    if settings.HEARTBEAT_FILE:
        found["worker"] = live.heartbeat_age() < HEARTBEAT_OLD
    text = "".join(f"{name} {'ok' if fine else 'failing'}\n" for name, fine in found.items())
    status = 200 if all(found.values()) else 503
    return HttpResponse(text, content_type="text/plain", status=status)


def _works(check) -> bool:
    try:
        return check()
    except Exception:  # whatever it is, the item is not ready
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() == (1,)


def _migrations() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _broker() -> bool:
    options = {"socket_connect_timeout": 1, "socket_timeout": 1}
    with app.connection(connect_timeout=1, transport_options=options) as broker:
        return bool(broker.default_channel.client.ping())
