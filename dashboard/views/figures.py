"""Figures: how far back the servers can go, what the snapshots take, and how long things last."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard import plots
from dashboard.teams_here import here
from snapshots.permissions import visible_operations, visible_servers


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """All servers of the chosen team, or of all the person's teams."""
    now = timezone.now()
    servers = here(request, visible_servers(request.user), "account__team")
    figures = {
        "now": now,
        "coverage": plots.coverage(servers, now),
        "ages": plots.ages(servers, now),
        "slots": plots.slots(servers),
        "biggest": plots.biggest(servers),
        "durations": plots.durations(here(request, visible_operations(request.user))),
    }
    return render(request, "figures/page.html", figures)


@require_safe
def of_server(request: HttpRequest, pk: int) -> HttpResponse:
    """One server: the sizes of its snapshots, and how long its operations took."""
    server = get_object_or_404(visible_servers(request.user), pk=pk)
    figures = {
        "now": timezone.now(),
        "server": server,
        "sizes": plots.sizes(server),
        "durations": plots.durations(visible_operations(request.user).filter(server=server)),
    }
    return render(request, "figures/server.html", figures)
