"""For supervisors and load balancers: a word per item, and nothing else."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard import probes

PATIENCE = 0.5  # seconds, for all of them together


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@login_not_required
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """What the process needs is there."""
    wanted = {
        "database": probes.database,
        "migrations": probes.migrations,
        "broker": probes.broker,
    }
    if settings.HEARTBEAT_FILE:
        wanted["worker"] = probes.worker
    found = probes.all_within(PATIENCE, wanted)
    text = "".join(f"{name} {'ok' if fine else 'failing'}\n" for name, fine in found.items())
    status = 200 if all(found.values()) else 503
    return HttpResponse(text, content_type="text/plain; charset=utf-8", status=status)
