"""The first page: what needs attention, what runs, and how far back everything can go."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Case, Count, Exists, F, OuterRef, Q, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard import live
from dashboard.live import Fragment
from dashboard.views.server_list import is_old, with_figures
from snapshots.models import Account, Operation, State, User
from snapshots.models.operation import HOLDING
from snapshots.permissions import (
    visible_accounts,
    visible_events,
    visible_operations,
    visible_servers,
)

LATELY = timedelta(days=1)  # how long a failure without a later success is shown
LONG_AGO = timedelta(minutes=15)  # a look older than this is no ground for "all is well"
NAMED = 4  # servers named in a line; the rest is counted


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The state of all accounts that the person can see."""
    watch = live.watching(request, "overview")
    return render(request, "overview/page.html", about(request.user) | {"live": watch})


@live.region("overview")
def page_regions(request: HttpRequest, since: live.Since) -> Iterable[Fragment]:
    yield Fragment("overview/_all.html", about(request.user))


def about(user: User) -> dict[str, Any]:
    accounts = list(visible_accounts(user).select_related("team", "paused_by").order_by("label"))
    servers = with_figures(visible_servers(user).filter(gone_at=None))
    old = is_old()
    full = Q(taken__gte=F("account__slots"))
    figures = servers.aggregate(
        total=Count("pk"), old=Count("pk", filter=old), full=Count("pk", filter=full)
    )
    context = {
        "accounts": accounts,
        "troubled": [one for one in accounts if one.paused or one.trouble],
        "last_checked": oldest_look(accounts),
        "waiting": waiting(user),
        "failed": failed(user),
        "running": running(user),
        "figures": figures | {"covered": figures["total"] - figures["old"]},
        "full": servers.filter(full).order_by("name")[:NAMED] if figures["full"] else (),
        "old": servers.filter(old).order_by("name")[:NAMED] if figures["old"] else (),
        "events": list(visible_events(user).order_by("-pk")[:10]),
    }
    alarms = (context["troubled"], context["waiting"], context["failed"])
    checked = context["last_checked"]
    context["is_stale"] = bool(checked) and timezone.now() - checked > LONG_AGO
    context["is_calm"] = not (
        any(alarms) or figures["full"] or figures["old"] or context["is_stale"]
    )
    return context


def oldest_look(accounts: list[Account]) -> Any:
    """Until when we know everything; None if some account was never seen completely."""
    looks = [account.complete_pass_at for account in accounts]
    return min(looks) if looks and all(looks) else None


def waiting(user: User) -> list[Operation]:
    """What a person must look at, and before that what may yet decide itself."""
    doubtful = (State.NEEDS_PERSON, State.IN_DOUBT)
    found = visible_operations(user).filter(state__in=doubtful)
    return list(found.order_by(Case(When(state=State.NEEDS_PERSON, then=0), default=1), "-pk")[:20])


def running(user: User) -> list[Operation]:
    """What goes on by itself; `first` is the safety snapshot that a restore waits for."""
    states = [state for state in HOLDING if state not in (State.NEEDS_PERSON, State.IN_DOUBT)]
    found = list(visible_operations(user).filter(state__in=states).order_by("pk")[:40])
    children = {operation.parent_id: operation for operation in found if operation.parent_id}
    for operation in found:
        operation.first = children.get(operation.pk)
    shown = {operation.pk for operation in found}
    return [operation for operation in found if operation.parent_id not in shown][:20]


def failed(user: User) -> list[Operation]:
    """What ended badly of late and was not made good since."""
    ended = (State.FAILED, State.NOT_APPLIED, State.EXPIRED)
    better = Operation.objects.filter(
        server=OuterRef("server"),
        kind=OuterRef("kind"),
        state=State.SUCCEEDED,
        pk__gt=OuterRef("pk"),
    )
    return list(
        visible_operations(user)
        .filter(state__in=ended, parent=None, ended_at__gte=timezone.now() - LATELY)
        .exclude(Exists(better))
        .order_by("-pk")[:10]
    )
