"""The list of all servers: searched, filtered, sorted, in pages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from dashboard import live
from dashboard.forms import ServerFilter
from dashboard.live import Fragment
from dashboard.plots import AGES
from snapshots.models import Kind, Operation, Server, Snapshot
from snapshots.models.operation import HOLDING
from snapshots.permissions import visible_accounts, visible_servers

PAGE = 50
FRESH = timedelta(days=7)  # a newest snapshot older than this is worth a word


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All servers of the person's teams, or those that match."""
    watch = live.watching(request, "servers")
    return answer(request, "servers", listed(request) | {"live": watch})


def answer(request: HttpRequest, folder: str, context: dict[str, Any]) -> HttpResponse:
    """The list's page; for a search while typing only its results, and a tidy address."""
    if request.htmx.target != "results":
        return render(request, f"{folder}/list.html", context)
    results = render(request, f"{folder}/_results.html", context)
    return push_url(results, request.path + context["filters"].address().rstrip("?"))


@live.region("servers")
def index_regions(request: HttpRequest, since: live.Since) -> Iterable[Fragment]:
    yield Fragment("servers/_results.html", listed(request))


def listed(request: HttpRequest) -> dict[str, Any]:
    filters = ServerFilter(request.GET, user=request.user)
    rows = filters.sorted(matching(with_figures(visible_servers(request.user)), filters.chosen))
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    add_newest_and_holders(page)
    context = {"filters": filters, "page": page}
    if not page.object_list:
        context["accounts"] = list(visible_accounts(request.user).order_by("label")[:5])
    return context


def matching(rows: QuerySet[Server], chosen: dict[str, Any]) -> QuerySet[Server]:
    state = chosen.get("state", "")
    rows = rows.filter(gone_at__isnull=state != ServerFilter.GONE)
    if "account" in chosen:
        rows = rows.filter(account=chosen["account"])
    if state == ServerFilter.FULL:
        rows = rows.filter(taken__gte=F("account__slots"))
    elif state == ServerFilter.OLD:
        rows = rows.filter(is_old())
    elif state and state != ServerFilter.GONE:
        rows = rows.filter(status=state)
    if "newest" in chosen:
        age = next(age for age in AGES if age.key == chosen["newest"])
        rows = rows.filter(age.where(timezone.now()))
    if q := chosen.get("q"):
        fields = ("name", "hostname", "address", "remote_id")
        words = [Q(**{f"{field}__icontains": q}) for field in fields]
        rows = rows.filter(words[0] | words[1] | words[2] | words[3])
    return rows


def is_old() -> Q:
    """No completed snapshot, or none that is fresh. For servers `with_figures`."""
    return Q(newest_at=None) | Q(newest_at__lt=timezone.now() - FRESH)


def with_figures(servers: QuerySet[Server]) -> QuerySet[Server]:
    """Each server with `newest_at`, `newest_id` and `taken`, the slots in use or spoken for."""
    here = Snapshot.objects.filter(server=OuterRef("pk"), gone_at=None)
    newest = here.filter(status="completed", created_at__isnull=False).order_by("-created_at")
    coming = Operation.objects.filter(
        Q(snapshot=None) | Q(snapshot__gone_at__isnull=False),
        server=OuterRef("pk"),
        kind=Kind.CREATE,
        state__in=HOLDING,
    )
    return servers.annotate(
        newest_at=Subquery(newest.values("created_at")[:1]),
        newest_id=Subquery(newest.values("pk")[:1]),
        taken=count_of(here.exclude(status="failed"), "server") + count_of(coming, "server"),
    )


def count_of(rows: QuerySet[Any], by: str) -> Coalesce:
    """How many `rows` belong to the outer row. Two joined counts would multiply each other."""
    counted = rows.order_by().values(by).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))


def add_newest_and_holders(page: Page) -> None:
    """What the rows of one page show besides: two queries for all of them."""
    rows = list(page.object_list)
    newest = Snapshot.objects.in_bulk([row.newest_id for row in rows if row.newest_id])
    holders = Operation.objects.filter(server__in=rows, parent=None, state__in=HOLDING)
    by_server = {o.server_id: o for o in holders}
    for row in rows:
        row.newest = newest.get(row.newest_id)
        row.holder = by_server.get(row.pk)
        if row.holder:
            row.holder.server = row
    page.object_list = rows
