"""Several at once: a snapshot of each selected server, the end of each selected snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import deliveries, live
from dashboard.forms import Ask, DeleteSeveral, TakeSnapshots
from dashboard.live import Fragment
from dashboard.proof import proven
from dashboard.views.operations import posted, see_other
from dashboard.views.server_list import Servers
from snapshots import operations
from snapshots.models import Batch, Kind, Operation, Server, Snapshot, User
from snapshots.operations.batches import MOST
from snapshots.permissions import (
    CREATE,
    DELETE,
    POWER,
    known_servers,
    may,
    require,
    visible_batches,
    visible_operations,
    visible_servers,
    visible_snapshots,
)
from snapshots.said import again

READ = MOST + 1  # one more than can be done, so that too many is told


# -- what is selected -----------------------------------------------------------------------------


def selected(request: HttpRequest, name: str, rows: QuerySet[Any]) -> list[Any]:
    """The rows whose ids were sent, in the list's order. What one may not see is not there."""
    sent = (request.POST if request.method == "POST" else request.GET).getlist(name)
    ids = {int(pk) for pk in sent[: 10 * MOST] if pk.isascii() and pk.isdigit() and len(pk) < 19}
    return list(rows.filter(pk__in=ids).order_by("name", "pk")[:READ])


# -- take -----------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def take(request: HttpRequest) -> HttpResponse:
    """Ask for a snapshot of each selected server, after saying of which it cannot be."""
    servers = selected(request, "server", visible_servers(request.user))
    if request.method != "POST" and "all" in request.GET:
        servers = list(Servers(request).matching().select_related("account__team")[:READ])
    may_stop = any(one.is_running and may(request.user, POWER, one.account.team) for one in servers)
    form = TakeSnapshots(posted(request), may_stop=may_stop)
    if request.method != "POST" and servers:
        require(request.user, CREATE, servers[0].account.team)
    elif form.is_bound and (
        done := form.tell(partial(operations.request_creates, servers, actor=request.user))
    ):
        return see_other(request, "batch", done.pk)
    against = operations.against_creates(servers, actor=request.user)
    context = split(servers, against, form) | {"form": form, "most": MOST}
    return render(request, "batches/take.html", context, status=422 if form.is_bound else 200)


def split(rows: list[Any], against: dict[int, str], form: Ask) -> dict[str, Any]:
    """Those that can be asked for, and those that cannot, with why; `sent` stays selected."""
    ready = [row for row in rows if row.pk not in against]
    return {
        "ready": ready,
        "sent": rows if form.is_bound else ready,
        "left_out": [(row, against[row.pk]) for row in rows if row.pk in against],
        "too_many": len(rows) > MOST,
    }


# -- delete ---------------------------------------------------------------------------------------


def deleting(request: HttpRequest) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    rows = visible_snapshots(request.user).select_related("server__account__team")
    snapshots = selected(request, "snapshot", rows)
    for team in {one.account.team_id: one.account.team for one in snapshots}.values():
        require(request.user, DELETE, team)
    number = len(snapshots)
    return ngettext(
        "Delete %(number)d snapshot, for ever.", "Delete %(number)d snapshots, for ever.", number
    ) % {"number": number}


@require_http_methods(["GET", "HEAD", "POST"])
@proven(deleting)
def delete(request: HttpRequest) -> HttpResponse:
    """Ask to delete the selected snapshots for ever, with one typed phrase for all of them."""
    rows = visible_snapshots(request.user).select_related("server__account__team")
    snapshots = selected(request, "snapshot", rows)
    against = operations.against_deletes(snapshots, actor=request.user)
    sent = [one for one in snapshots if request.method == "POST" or one.pk not in against]
    phrase = operations.delete_phrase(len(sent))
    form = DeleteSeveral(posted(request), phrase=phrase)
    if request.method != "POST" and snapshots:
        require(request.user, DELETE, snapshots[0].account.team)
    elif form.is_bound and (
        done := form.tell(partial(operations.request_deletes, snapshots, actor=request.user))
    ):
        return see_other(request, "batch", done.pk)
    context = split(snapshots, against, form) | {"form": form, "most": MOST}
    context |= {"phrase": phrase, "last": last_of(snapshots, against)}
    return render(request, "batches/delete.html", context, status=422 if form.is_bound else 200)


def last_of(snapshots: list[Snapshot], against: dict[int, str]) -> list[Server]:
    """The servers that would have no completed snapshot left."""
    going = [one for one in snapshots if one.pk not in against]
    servers = {one.server_id: one.server for one in going}
    listed = Snapshot.objects.filter(server__in=servers, gone_at=None, status="completed")
    stay = Counter(
        listed.exclude(pk__in=[one.pk for one in going]).values_list("server", flat=True)
    )
    return [server for pk, server in servers.items() if not stay[pk]]


# -- what became of it ----------------------------------------------------------------------------


class Line(NamedTuple):
    """One thing of the batch: what was asked for it, or why nothing was.

    `around` are the stop and the start of its server, `ahead` is what it waits for.
    """

    server: Server
    operation: Operation | None = None
    around: Sequence[Operation] = ()
    ahead: Sequence[Operation] = ()
    refused: dict[str, Any] | None = None


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One line for each thing that was selected, at an address that can be shared and stays."""
    watch = live.watching(request, f"batch:{pk}")
    batch = get_object_or_404(visible_batches(request.user), pk=pk)
    context = about(batch, request.user)
    watch.ended = not context["open"]
    context |= {"live": watch, "told": deliveries.told(Q(batch=batch))}
    return render(request, "batches/page.html", context)


@live.region("batch")
def page_regions(request: HttpRequest, pk: int, since: live.Since) -> Iterable[Fragment]:
    batch = get_object_or_404(visible_batches(request.user), pk=pk)
    context = about(batch, request.user)
    yield Fragment("batches/_lines.html", context)
    if not context["open"]:
        yield live.END


def about(batch: Batch, user: User) -> dict[str, Any]:
    """What of it the person reaches."""
    asked = list(visible_operations(user).filter(batch=batch).order_by("server__name", "pk"))
    named = {refused["server"] for refused in batch.refused}
    servers = known_servers(user).in_bulk(named) if named else {}
    refused = (
        Line(servers[one["server"]], refused=one | {"why": again(one["why"])})
        for one in batch.refused
        if one["server"] in servers
    )
    lines = [*told(batch, asked), *refused]
    mains = [line.operation for line in lines if line.operation]
    return {
        "batch": batch,
        "lines": lines,
        "open": [one for one in asked if not one.is_ended],
        "succeeded": sum(one.state == "succeeded" for one in mains),
        "ended": sum(one.is_ended for one in mains),
    }


def told(batch: Batch, asked: list[Operation]) -> Iterator[Line]:
    ahead = operations.lines(asked)
    for one in asked:
        if one.kind == batch.kind:
            around = [
                other
                for other in asked
                if other.server_id == one.server_id and other.kind in (Kind.STOP, Kind.START)
            ]
            yield Line(one.server, one, around, ahead.get(one.pk, ()))
