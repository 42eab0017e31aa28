"""What happened: who did what to what, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard import live
from dashboard.forms import ActivityFilter
from dashboard.live import Fragment
from dashboard.views.server_list import answer
from snapshots.models import Event
from snapshots.permissions import visible_events

PAGE = 50


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The history of the person's teams, or what of it matches."""
    watch = live.watching(request, "activity")
    return answer(request, "activity", listed(request) | {"live": watch})


@live.region("activity")
def index_regions(request: HttpRequest, since: live.Since) -> Iterable[Fragment]:
    yield Fragment("activity/_results.html", listed(request))


def listed(request: HttpRequest) -> dict[str, Any]:
    filters = ActivityFilter(request.GET, user=request.user)
    rows = matching(visible_events(request.user), filters).order_by("-pk")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    found = sorted(page.object_list, key=lambda event: (event.at, event.pk), reverse=True)
    days = [
        (day, list(events))
        for day, events in groupby(found, lambda event: timezone.localdate(event.at))
    ]
    return {"filters": filters, "page": page, "days": days}


def matching(rows: QuerySet[Event], filters: ActivityFilter) -> QuerySet[Event]:
    chosen = filters.chosen
    if "server" in chosen:
        rows = rows.filter(server=chosen["server"])
    if "person" in chosen:
        rows = rows.filter(actor=chosen["person"])
    if "kind" in chosen:
        rows = rows.filter(verb__in=filters.verbs)
    if "since" in chosen:
        rows = rows.filter(at__gte=midnight(chosen["since"]))
    if "until" in chosen:
        rows = rows.filter(at__lt=midnight(chosen["until"]) + timedelta(days=1))
    return rows


def midnight(day: date) -> datetime:
    """The day's begin, where the reader is. Beyond what we can have seen, the nearest such day."""
    seen = min(max(day, date(2000, 1, 1)), date(2200, 1, 1))
    return timezone.make_aware(datetime.combine(seen, time.min))
