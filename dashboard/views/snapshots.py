"""One snapshot's history, restoring it and deleting it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import live
from dashboard.forms import Delete, Restore
from dashboard.live import Fragment
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.views.operations import posted, see_other
from dashboard.views.servers import holder
from snapshots import operations
from snapshots.levels import Level
from snapshots.models import Guard, Kind, Operation, Snapshot, State, User
from snapshots.operations import approvals
from snapshots.permissions import (
    DELETE,
    DESCRIBE,
    PROTECT,
    RESTORE,
    known_snapshots,
    may,
    require,
    visible_events,
    visible_snapshots,
    why_not,
)

MOST_EVENTS = 100


# -- one snapshot ---------------------------------------------------------------------------------


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One snapshot and its history. The page stays when the snapshot is gone."""
    watch = live.watching(request, f"snapshot:{pk}")
    snapshot = get_object_or_404(known_snapshots(request.user), pk=pk)
    return render(request, "snapshots/page.html", about(snapshot, request.user) | {"live": watch})


@live.region("snapshot")
def page_regions(request: HttpRequest, pk: int, since: live.Since) -> Iterable[Fragment]:
    snapshot = get_object_or_404(known_snapshots(request.user), pk=pk)
    if since.has_changed(snapshot.account_id):
        context = about(snapshot, request.user)
        for part in ("_head", "_history", "_facts", "_marks", "_operations"):
            yield Fragment(f"snapshots/{part}.html", context)


def about(snapshot: Snapshot, user: User) -> dict[str, Any]:
    """What the snapshot's page shows."""
    found = Operation.objects.filter(snapshot=snapshot).select_related("server", "parent")
    told = list(found.order_by("-pk"))
    events = visible_events(user).filter(Q(snapshot=snapshot) | Q(operation__snapshot=snapshot))
    team, removed = snapshot.account.team, operations.removed(snapshot.account)
    sealed = operations.why_sealed(snapshot.server, operations.level(snapshot.server))
    return {
        "snapshot": snapshot,
        "server": snapshot.server,
        "operations": told,
        "maker": next((o for o in told if o.kind == Kind.CREATE), None),
        "acting": next((o for o in told if o.kind != Kind.CREATE and o.holds), None),
        "holder": None if snapshot.gone_at else holder(snapshot.server, user),
        "neighbours": neighbours(snapshot),
        "deletion": next(
            (o for o in told if o.kind == Kind.DELETE and o.state == State.SUCCEEDED), None
        ),
        "events": list(events.order_by("-pk")[:MOST_EVENTS]),
        "removed": removed,
        "why_not": {
            "restore": removed or why_not(user, RESTORE, team) or sealed,
            "delete": removed or why_not(user, DELETE, team) or sealed,
        },
        "may_protect": not removed and may(user, PROTECT, team),
        "may_describe": not removed and may(user, DESCRIBE, team),
    }


def neighbours(snapshot: Snapshot) -> dict[str, Snapshot | None]:
    """The completed snapshots of the server that come right before and after this one."""
    whole = snapshot.server.snapshots.filter(gone_at=None, status="completed")
    dated = whole.filter(created_at__isnull=False).exclude(pk=snapshot.pk).order_by("created_at")
    at = snapshot.created_at
    older = [one for one in dated if at and one.created_at < at]
    newer = [one for one in dated if at and one.created_at >= at]
    return {"older": older[-1] if older else None, "newer": newer[0] if newer else None}


# -- restore and delete ---------------------------------------------------------------------------


def in_words(right: str, words: Promise) -> Callable[[HttpRequest, int], str]:
    """What is asked for, for whoever is to prove that it is them; refused as the view refuses."""

    def sentence(request: HttpRequest, pk: int) -> str:
        snapshot = get_object_or_404(visible_snapshots(request.user), pk=pk)
        require(request.user, right, snapshot.account.team)
        names = {"server": shown(snapshot.server.name), "snapshot": shown(snapshot.name)}
        return str(words) % names

    return sentence


@require_http_methods(["GET", "HEAD", "POST"])
@proven(in_words(RESTORE, gettext_lazy("Overwrite %(server)s with %(snapshot)s, for ever.")))
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask to overwrite a server, after saying what that means."""
    snapshot = get_object_or_404(visible_snapshots(request.user), pk=pk)
    plan, slots = operations.plan(snapshot), slots_for(snapshot, request.user)
    form = Restore(
        posted(request), plan=plan, actor=request.user, slot_is_free=slots["slot_is_free"]
    )
    if not form.is_valid():  # a page that is only asked for, too
        require(request.user, RESTORE, snapshot.account.team)
    elif done := form.tell(partial(operations.request_restore, snapshot, actor=request.user)):
        return see_other(request, "operation", done.pk)
    form.read_again()
    return confirm(request, "snapshots/restore.html", snapshot, form, slots | {"plan": plan})


def slots_for(snapshot: Snapshot, user: User) -> dict[str, Any]:
    """Whether there is room for a safety snapshot, and what could make some."""
    taken = operations.slots_taken(snapshot.server)
    limit = snapshot.account.slots
    slots: dict[str, Any] = {"taken": taken, "slot_is_free": len(taken) < limit}
    if not slots["slot_is_free"]:
        slots["candidates"] = operations.candidates(snapshot.server, keep=snapshot)
        slots["why_not_delete"] = why_not(user, DELETE, snapshot.account.team)
    return slots


@require_http_methods(["GET", "HEAD", "POST"])
@proven(in_words(DELETE, gettext_lazy("Delete the snapshot %(snapshot)s of %(server)s, for ever.")))
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask to delete a snapshot for ever, after saying what stays."""
    snapshot = get_object_or_404(visible_snapshots(request.user), pk=pk)
    form = Delete(posted(request), name=snapshot.name)
    if request.method != "POST":
        require(request.user, DELETE, snapshot.account.team)
    elif done := form.tell(partial(operations.request_delete, snapshot, actor=request.user)):
        return see_other(request, "operation", done.pk)
    return confirm(request, "snapshots/delete.html", snapshot, form, what_stays(snapshot))


def what_stays(snapshot: Snapshot) -> dict[str, Any]:
    """The server's other completed snapshots, newest first; those of the same name apart."""
    listed = snapshot.server.snapshots.filter(gone_at=None).exclude(pk=snapshot.pk)
    others = list(listed.order_by("-created_at", "-pk"))
    return {
        "stays": [one for one in others if one.is_completed],
        "namesakes": [one for one in others if one.name == snapshot.name],
    }


def second_person(snapshot: Snapshot, guard: Level, user: User) -> str:
    """Who could approve the restore that this reader asks for; empty if nobody has to."""
    if guard.guard != Guard.GUARDED:
        return ""
    return approvals.who(approvals.second_persons(snapshot.server, user.pk))


def confirm(
    request: HttpRequest, template: str, snapshot: Snapshot, form: Any, facts: dict[str, Any]
) -> HttpResponse:
    found = Operation.objects.filter(snapshot=snapshot, kind=Kind.CREATE).select_related("parent")
    guard = operations.level(snapshot.server)
    context = facts | {
        "guard": guard,
        "sealed": operations.why_sealed(snapshot.server, guard),
        "second": second_person(snapshot, guard, request.user),
        "snapshot": snapshot,
        "server": snapshot.server,
        "form": form,
        "maker": found.order_by("-pk").first(),
        "holder": holder(snapshot.server, request.user),
    }
    return render(request, template, context, status=422 if form.is_bound else 200)
