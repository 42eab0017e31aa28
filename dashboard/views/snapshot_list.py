"""The list of all snapshots: searched, filtered, sorted, in pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard import live
from dashboard.forms import SnapshotFilter
from dashboard.live import Fragment
from dashboard.views.server_list import answer
from snapshots.models import Kind, Operation, Snapshot
from snapshots.models.operation import HOLDING
from snapshots.permissions import visible_accounts, visible_snapshots

PAGE = 50


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Snapshots over all servers of the person's teams, or those that match."""
    watch = live.watching(request, "snapshots")
    return answer(request, "snapshots", listed(request) | {"live": watch})


@live.region("snapshots")
def index_regions(request: HttpRequest, since: live.Since) -> Iterable[Fragment]:
    yield Fragment("snapshots/_results.html", listed(request))


def listed(request: HttpRequest) -> dict[str, Any]:
    filters = SnapshotFilter(request.GET, user=request.user)
    rows = filters.sorted(matching(visible_snapshots(request.user), filters.chosen))
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    add_operations(page)
    context = {"filters": filters, "page": page}
    if not page.object_list:
        context["accounts"] = list(visible_accounts(request.user).order_by("label")[:5])
    return context


def matching(rows: QuerySet[Snapshot], chosen: dict[str, Any]) -> QuerySet[Snapshot]:
    state = chosen.get("state", "")
    rows = rows.filter(gone_at__isnull=state != SnapshotFilter.GONE)
    for field in ("server", "account"):
        if field in chosen:
            rows = rows.filter(**{field: chosen[field]})
    if state and state != SnapshotFilter.GONE:
        rows = rows.filter(status=state)
    if q := chosen.get("q"):
        rows = rows.filter(name__icontains=q)
    return rows


def add_operations(page: Page) -> None:
    """Who made each snapshot of the page, and what is under way with it: one query for all."""
    rows = list(page.object_list)
    found = Operation.objects.filter(snapshot__in=[row.pk for row in rows]).order_by("pk")
    told = found.filter(Q(kind=Kind.CREATE) | Q(state__in=HOLDING))
    by_snapshot: dict[int | None, dict[bool, Operation]] = {}
    for operation in told.select_related("server"):
        is_maker = operation.kind == Kind.CREATE
        by_snapshot.setdefault(operation.snapshot_id, {})[is_maker] = operation
    for row in rows:
        row.maker = by_snapshot.get(row.pk, {}).get(True)
        row.acting = by_snapshot.get(row.pk, {}).get(False)
    page.object_list = rows
