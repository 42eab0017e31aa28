"""One server with its timeline, and taking a snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import live
from dashboard.addresses import posts_to
from dashboard.forms import Ask, TakeSnapshot
from dashboard.live import Fragment
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.timeline import Timeline, timeline
from dashboard.views.marks import people
from dashboard.views.operations import posted, see_other, start_offer
from snapshots import operations, tags
from snapshots.errors import Refused
from snapshots.models import Kind, Operation, Server, State, User
from snapshots.models.operation import HOLDING, OPEN
from snapshots.operations import check_name
from snapshots.permissions import (
    CREATE,
    DELETE,
    POWER,
    RESTORE,
    SET_RULES,
    TAG,
    known_servers,
    may,
    require,
    visible_servers,
    why_not,
)

MOST_GONE = 50
MOST_MARKERS = 20
RECENT = 6


# -- one server -----------------------------------------------------------------------------------


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One server: what it is, and where it can go back to."""
    watch = live.watching(request, f"server:{pk}")
    server = get_object_or_404(known_servers(request.user), pk=pk)
    return render(request, "servers/page.html", about(server, request.user) | {"live": watch})


@live.region("server")
def page_regions(request: HttpRequest, pk: int, since: live.Since) -> Iterable[Fragment]:
    server = get_object_or_404(known_servers(request.user), pk=pk)
    if since.has_changed(server.account_id):
        context = about(server, request.user)
        for part in ("_head", "_timeline", "_slots", "_facts", "_operations"):
            yield Fragment(f"servers/{part}.html", context)


def about(server: Server, user: User) -> dict[str, Any]:
    """What the server's page shows."""
    team, removed = server.account.team, operations.removed(server.account)
    guard = operations.level(server)
    sealed = removed or operations.why_sealed(server, guard)
    recent = list(_operations(server).filter(parent=None).order_by("-pk")[:RECENT])
    return {
        "server": server,
        "timeline": _timeline(server, recent),
        **slots_of(server),
        "holder": holder(server, user),
        "recent": recent,
        "start": start_offer(server, user),
        "removed": removed,
        "guard": guard,
        "why_not": {
            "create": removed or why_not(user, CREATE, team),
            "restore": removed or why_not(user, RESTORE, team) or sealed,
        },
        "tags": tags.of(server),
        "may_tag": not removed and may(user, TAG, team),
        "may_guard": not removed and may(user, SET_RULES, team),
        "may_delete": not sealed and may(user, DELETE, team),
    }


def slots_of(server: Server) -> dict[str, Any]:
    """The server's slots as they are drawn, and the names of those that are taken."""
    found = operations.slots(server)
    uses = list(operations.Use)
    return {
        "slots": sorted(found, key=lambda slot: uses.index(slot.use)),
        "taken": [slot.name for slot in found if slot.use != operations.Use.FREE],
    }


def _operations(server: Server) -> QuerySet[Operation]:
    rows = Operation.objects.filter(server=server)
    return rows.select_related("server", "snapshot", "parent")


def _timeline(server: Server, recent: list[Operation]) -> Timeline:
    gone = server.snapshots.exclude(gone_at=None).order_by("-gone_at")[:MOST_GONE]
    shown = [*server.snapshots.filter(gone_at=None), *gone]
    restores = _operations(server).filter(kind=Kind.RESTORE, state=State.SUCCEEDED)
    told = _operations(server).filter(
        Q(state__in=OPEN)
        | Q(kind__in=(Kind.CREATE, Kind.DELETE), snapshot__in=[one.pk for one in shown])
        | Q(pk__in=restores.order_by("-pk").values("pk")[:MOST_MARKERS])
    )
    all_told = list({one.pk: one for one in [*recent, *told]}.values())
    lines = operations.lines(all_told)
    return timeline(shown, all_told, timezone.now(), lines=lines, slots=server.account.slots)


def holder(server: Server, user: User) -> dict[str, Any] | None:
    """What keeps this machine busy, in words; its operation, where the person may see it."""
    found = Operation.objects.filter(
        lock_key=server.lock_key, parent=None, state__in=HOLDING
    ).first()
    if found is None:
        return None
    words = operations.busy(server)
    return {"words": words, "operation": found if found.server_id == server.pk else None}


@posts_to("server")
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Start a stopped server."""
    server = get_object_or_404(visible_servers(request.user), pk=pk)
    form = Ask(request.POST)
    form.is_valid()
    asked = operations.request_start(server, actor=request.user, **form.cleaned_data)
    return see_other(request, "operation", asked.pk)


# -- take a snapshot ------------------------------------------------------------------------------


def making_room(request: HttpRequest, pk: int) -> str:
    """What is asked for where one snapshot is deleted for the next; refused as the view refuses."""
    server = get_object_or_404(visible_servers(request.user), pk=pk)
    for right in (CREATE, DELETE):
        require(request.user, right, server.account.team)
    sentence = _("Delete a snapshot of %(server)s, for ever, and take another.")
    return sentence % {"server": shown(server.name)}


@require_http_methods(["GET", "HEAD", "POST"])
@proven(making_room, when=lambda request: bool(request.POST.get("going")))
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for a snapshot. While a name is typed, the same address says whether it will do."""
    server = get_object_or_404(visible_servers(request.user), pk=pk)
    if request.htmx.target == "name-check":
        return render(request, "servers/_name_check.html", checked(request.GET.get("name", "")))
    may_stop = may(request.user, POWER, server.account.team)
    is_full = len(operations.slots_taken(server)) >= server.account.slots
    form = TakeSnapshot(posted(request), server=server, may_stop=may_stop, is_full=is_full)
    if request.method != "POST":
        require(request.user, CREATE, server.account.team)
    elif form.tell(partial(operations.request_create, server, actor=request.user)):
        messages.info(request, _("The snapshot is asked for. Its row shows how far it is."))
        return see_other(request, "server", server.pk)
    return take_page(request, server, form)


def take_page(request: HttpRequest, server: Server, form: TakeSnapshot) -> HttpResponse:
    team, places = server.account.team, slots_of(server)
    is_full, guard = len(places["taken"]) >= server.account.slots, operations.level(server)
    sealed = operations.why_sealed(server, guard)
    context = places | {
        "guard": guard,
        "server": server,
        "form": form,
        "people": people(team),
        "is_full": is_full,
        "candidates": operations.candidates(server) if is_full else [],
        "holder": holder(server, request.user),
        "why_not_delete": (why_not(request.user, DELETE, team) or sealed) if is_full else "",
        "why_not_stop": why_not(request.user, POWER, team) if server.is_running else "",
    }
    return render(request, "servers/take.html", context, status=422 if form.is_bound else 200)


def checked(name: str) -> dict[str, str]:
    """Whether the provider takes this name, by the rule that will be applied in the end."""
    try:
        check_name(name.strip())
    except Refused as refusal:
        return {"name": name, "refusal": str(refusal)}
    return {"name": name, "refusal": ""}
