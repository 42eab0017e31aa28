"""One operation: how far it is, what came back, and what a person can still decide."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any
from uuid import uuid4

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from dashboard import live
from dashboard.addresses import posts_to
from dashboard.deliveries import told
from dashboard.forms import Approve, Decision, Emergency, Reject, Verdict
from dashboard.headlines import title
from dashboard.live import Fragment
from dashboard.proof import proven
from dashboard.steps import call, showings, steps
from dashboard.templatetags.ui import shown
from snapshots import operations
from snapshots.errors import Refused
from snapshots.models import Approval, Kind, Operation, Server, Snapshot, State, User
from snapshots.models.operation import HOLDING, NOT_SENT
from snapshots.operations import approvals
from snapshots.permissions import (
    BREAK_GLASS,
    POWER,
    may,
    require,
    visible_events,
    visible_operations,
    why_not,
)
from snapshots.text import readable

MOST_SIGHTINGS = 500
MOST_EVENTS = 50
LINE = (State.WAITING, *HOLDING)
CANCELLABLE = (State.AWAITING_APPROVAL, State.WAITING, *NOT_SENT)


def see_other(request: HttpRequest, name: str, *args: object) -> HttpResponse:
    """After a POST: on to a page of ours, by its name and never by a given address."""
    address = reverse(name, args=args)
    if request.htmx:
        return HttpResponseClientRedirect(address)
    answer = HttpResponseRedirect(address)
    answer.status_code = 303
    return answer


def posted(request: HttpRequest) -> QueryDict | None:
    """What was sent, even if it is empty; None if the page was only asked for."""
    return request.POST if request.method == "POST" else None


def find(request: HttpRequest, pk: int) -> Operation:
    rows = visible_operations(request.user).select_related("parent", "needs__server", "approval")
    return get_object_or_404(rows, pk=pk)


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One operation, at an address that can be shared and stays."""
    watch = live.watching(request, f"operation:{pk}")
    operation = find(request, pk)
    watch.ended = operation.is_ended
    return show(request, operation, live=watch)


@live.region("operation")
def page_regions(request: HttpRequest, pk: int, since: live.Since) -> Iterable[Fragment]:
    operation = find(request, pk)
    if since.has_changed(operation.account_id):
        context = about(operation, request.user)
        parts = ["_head", "_evidence"]
        if operation.revision > since.changed(operation.account_id):
            parts += ["_approval", "_verdict"]  # only then: somebody may be typing in it
        for part in parts:
            yield Fragment(f"operations/{part}.html", context)
    if operation.is_ended:
        yield live.END


@posts_to("operation")
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """End it before it is sent."""
    operation = find(request, pk)
    operations.cancel(operation, actor=request.user)
    return see_other(request, "operation", operation.pk)


@posts_to("operation")
def hold(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep it from being sent until somebody lets it go on."""
    operation = find(request, pk)
    operations.hold(operation, actor=request.user)
    return see_other(request, "operation", operation.pk)


def releasing(request: HttpRequest, pk: int) -> str:
    """What goes out by it, for whoever is to prove that it is them."""
    operation = find(request, pk)
    require(request.user, operations.right_for(operation), operation.team)
    names = {"server": shown(operation.server.name), "snapshot": shown(operation.name)}
    if operation.kind == Kind.RESTORE:
        return _("Overwrite %(server)s with %(snapshot)s, for ever.") % names
    if operation.kind == Kind.DELETE:
        return _("Delete the snapshot %(snapshot)s of %(server)s, for ever.") % names
    return title(operation)


@posts_to("operation")
@proven(releasing)
def release(request: HttpRequest, pk: int) -> HttpResponse:
    """Let it go on, now."""
    operation = find(request, pk)
    operations.release(operation, actor=request.user)
    return see_other(request, "operation", operation.pk)


def deciding(request: HttpRequest, pk: int) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    operation = find(request, pk)
    require(request.user, operations.right_for(operation), operation.team)
    words = {
        "yes": _("Say for good that this happened: %(operation)s"),
        "no": _("Say for good that this did not happen: %(operation)s"),
    }.get(request.POST.get("happened", ""), _("Say for good what became of this: %(operation)s"))
    return words % {"operation": title(operation)}


@posts_to("operation")
@proven(deciding)
def verdict(request: HttpRequest, pk: int) -> HttpResponse:
    """A person says what the evidence cannot."""
    operation = find(request, pk)
    form = Verdict(request.POST)
    if not form.is_valid():
        require(request.user, operations.right_for(operation), operation.team)
    form.tell(partial(operations.give_verdict, operation, actor=request.user))
    if form.is_valid():
        return see_other(request, "operation", operation.pk)
    return show(request, operation, form=form, status=422)


def show(
    request: HttpRequest, operation: Operation, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = about(operation, request.user) | more
    lines = Q(event__in=[event.pk for event in context["events"]])
    context["told"] = told(lines | Q(batch=operation.batch_id) if operation.batch_id else lines)
    return render(request, "operations/page.html", context, status=status)


def about(operation: Operation, user: User) -> dict[str, Any]:
    """What the operation's page shows."""
    attempts = list(operation.attempts.all())
    child = operation.children.select_related("server", "snapshot").order_by("-pk").first()
    room = child.children.first() if child else None
    sightings = operation.sightings.order_by("-begun_at")[:MOST_SIGHTINGS]
    events = list(
        visible_events(user).filter(operation=operation).order_by("-pk")[:MOST_EVENTS],
    )
    turn_at = next((event.at for event in events if event.verb.endswith(".turn")), None)
    right = operations.right_for(operation)
    approval: Approval | None = getattr(operation, "approval", None)
    undo, server = operations.way_back(operation), operation.server
    sealed = "" if undo == "gone" else operations.removed(operation.account)
    if undo == "there":
        sealed = sealed or operations.why_sealed(server, operations.level(server))
    now = timezone.now()
    is_lost = operation.kind == Kind.RESTORE and operations.is_lost(operation)
    may_cancel = (
        operation.state in CANCELLABLE
        and not operation.stop_requested
        and not operations.is_doubtful(operation)
    )
    return {
        "operation": operation,
        "title": title(operation),
        "why": full_stop(operation.why),
        "child": child,
        "came_before": any(_did_something(one) for one in (room, child, operation.needs) if one),
        "steps": steps(
            operation, attempts, [one for one in (room, child) if one], turn_at, approval
        ),
        "approval": approval,
        "ahead": operations.line(operation),
        "together": together(operation),
        "call": call(operation),
        "attempts": attempts,
        "showings": showings(sightings),
        "events": events,
        "is_due": operation.due_at <= now,
        "may_cancel": may_cancel,
        "may_hold": operations.may_hold(operation),
        "is_in_hold": bool(operation.hold_until and operation.hold_until > now and not is_lost),
        "is_lost": is_lost,
        "why_not": why_not(user, right, operation.account.team),
        "start": start_offer(operation.server, user) if operation.is_ended else None,
        "undo": undo,
        "sealed": sealed,
        "form": Verdict(),
    } | (second_person(operation, user) if operation.state == State.AWAITING_APPROVAL else {})


def _did_something(other: Operation) -> bool:
    """Whether the provider did it, or accepted it at least."""
    return other.state == State.SUCCEEDED or other.accepted_at is not None


def second_person(restore: Operation, user: User) -> dict[str, Any]:
    """The plan with the facts as they are now, and what this reader can do about it."""
    snapshot = Snapshot.objects.select_related("server__account__team", "account__team").get(
        operations=restore.pk
    )
    is_second, why_not_second = True, ""
    try:
        approvals.check_second(restore, user)
    except Refused as refusal:
        is_second, why_not_second = False, str(refusal)
    objection = approvals.objection(restore)
    may_break_glass = not is_second and may(user, BREAK_GLASS, restore.team)
    return {
        "plan": operations.plan(snapshot),
        "only_reads": bool(objection) or not (is_second or may_break_glass),
        "snapshot": snapshot,
        "server": snapshot.server,
        "guard": operations.level(snapshot.server),
        "maker": snapshot.operations.filter(kind=Kind.CREATE).order_by("-pk").first(),
        "agreed": restore.plan,
        "objection": objection,
        "people": approvals.who(approvals.approvers(restore)),
        "is_second": is_second,
        "is_asker": user.pk == restore.asked_by_id,
        "why_not_second": why_not_second,
        "may_break_glass": may_break_glass,
        "sealed_plan": approvals.sealed(restore, user),
        "decision": None,
        "forms": decisions(restore.server),
    }


def decisions(server: Server, sent: Decision | None = None) -> dict[str, Decision]:
    """The three forms, by what they do: `sent`, which was refused, among them."""
    kinds: tuple[type[Decision], ...] = (Approve, Reject, Emergency)
    forms = {kind.__name__.lower(): kind(server=server) for kind in kinds}
    return forms | ({type(sent).__name__.lower(): sent} if sent else {})


def together(operation: Operation) -> list[Operation]:
    """Stop, snapshot, start: the three of one choice, in their order; empty for all others."""
    if not operation.needs_id and operation.kind != Kind.STOP:
        return []
    first = operation.needs_id or operation.pk
    found = Operation.objects.filter(Q(pk=first) | Q(needs=first)).select_related("server")
    return list(found.order_by("pk"))


def start_offer(server: Server, user: User) -> dict[str, Any] | None:
    """ "Start it now?", for a server that is shown as stopped while nothing else is to happen."""
    if server.gone_at or server.account.removed_at or server.status != "stopped":
        return None
    if Operation.objects.filter(lock_key=server.lock_key, parent=None, state__in=LINE).exists():
        return None
    return {"why_not": why_not(user, POWER, server.account.team), "request_key": uuid4()}


def full_stop(words: str) -> str:
    """A reason as a sentence of its own. The provider's words in it may have ended it already."""
    words = capfirst(readable(words).strip())
    return words if not words or words.endswith((".", "!", "?", "…")) else words + "."
