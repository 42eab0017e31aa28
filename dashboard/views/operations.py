"""One operation: how far it is, what came back, and what a person can still decide."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.text import capfirst
from django.views.decorators.http import require_safe
from django_htmx.http import HttpResponseClientRedirect

from dashboard import live
from dashboard.addresses import posts_to
from dashboard.forms import Verdict
from dashboard.live import Fragment
from dashboard.templatetags.ui import shown
from dashboard.timeline import showings, steps, title
from snapshots import operations
from snapshots.models import Operation, State, User
from snapshots.permissions import require, visible_events, visible_operations, why_not

MOST_SIGHTINGS = 500
MOST_EVENTS = 50


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


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One operation, at an address that can be shared and stays."""
    watch = live.watching(request, f"operation:{pk}")
    operation = get_object_or_404(visible_operations(request.user), pk=pk)
    watch.ended = operation.is_ended
    return show(request, operation, Verdict(), live=watch)


@live.region("operation")
def page_regions(request: HttpRequest, pk: int, since: live.Since) -> Iterable[Fragment]:
    operation = get_object_or_404(visible_operations(request.user), pk=pk)
    if since.has_changed(operation.account_id):
        context = about(operation, request.user)
        parts = ["_head", "_evidence"]
        if operation.revision > since.changed(operation.account_id):
            parts.append("_verdict")  # only then: somebody may be typing in it
        for part in parts:
            yield Fragment(f"operations/{part}.html", context)
    if operation.is_ended:
        yield live.END


@posts_to("operation")
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """End it before it is sent."""
    operation = get_object_or_404(visible_operations(request.user), pk=pk)
    operations.cancel(operation, actor=request.user)
    return see_other(request, "operation", operation.pk)


@posts_to("operation")
def verdict(request: HttpRequest, pk: int) -> HttpResponse:
    """A person says what the evidence cannot."""
    operation = get_object_or_404(visible_operations(request.user), pk=pk)
    form = Verdict(request.POST)
    if not form.is_valid():
        require(request.user, operations.right_for(operation), operation.team)
    form.tell(partial(operations.give_verdict, operation, actor=request.user))
    if form.is_valid():
        return see_other(request, "operation", operation.pk)
    return show(request, operation, form, status=422)


def show(
    request: HttpRequest, operation: Operation, form: Verdict, *, status: int = 200, **more: Any
) -> HttpResponse:
    context = about(operation, request.user) | {"form": form} | more
    return render(request, "operations/page.html", context, status=status)


def about(operation: Operation, user: User) -> dict[str, Any]:
    """What the operation's page shows."""
    attempts = list(operation.attempts.all())
    child = operation.children.select_related("server", "snapshot").order_by("-pk").first()
    sightings = operation.sightings.order_by("-begun_at")[:MOST_SIGHTINGS]
    events = visible_events(user).filter(operation=operation).order_by("-pk")
    right = operations.right_for(operation)
    return {
        "operation": operation,
        "title": title(operation),
        "why": full_stop(operation.why),
        "child": child,
        "steps": steps(operation, attempts, child),
        "attempts": attempts,
        "showings": showings(sightings),
        "events": list(events[:MOST_EVENTS]),
        "may_cancel": operation.state == State.QUEUED and not operation.stop_requested,
        "why_not": why_not(user, right, operation.account.team),
        "form": Verdict(),
    }


def full_stop(words: str) -> str:
    """A reason as a sentence of its own. The provider's words in it may have ended it already."""
    words = capfirst(shown(words).strip())
    return words if not words or words.endswith((".", "!", "?", "…")) else words + "."
