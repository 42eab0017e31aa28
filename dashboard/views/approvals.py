"""The second person: approve a restore that somebody else asked for, say no, or break the glass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from dashboard.addresses import posts_to
from dashboard.forms import Approve, Decision, Emergency, Reject
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.views import operations as pages
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Operation, State
from snapshots.operations import approvals
from snapshots.permissions import BREAK_GLASS, require


def approving(request: HttpRequest, pk: int) -> str:
    """What is approved, for whoever is to prove that it is them; refused as the view refuses."""
    restore = pages.find(request, pk)
    approvals.check_second(restore, request.user)
    return _words(
        restore, gettext_lazy("Approve it: overwrite %(server)s with %(name)s, for ever.")
    )


def breaking(request: HttpRequest, pk: int) -> str:
    restore = pages.find(request, pk)
    require(request.user, BREAK_GLASS, restore.team, restore.server)
    words = gettext_lazy(
        "Without a second person, as an emergency of which everybody is told:"
        " overwrite %(server)s with %(name)s, for ever."
    )
    return _words(restore, words)


def _words(restore: Operation, words: Promise) -> str:
    return str(words) % {"server": shown(restore.server.name), "name": shown(restore.name)}


@posts_to("operation")
@proven(approving)
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Let it go on, as its second person."""
    return _decide(request, pk, Approve, approvals.approve)


@posts_to("operation")
def reject(request: HttpRequest, pk: int) -> HttpResponse:
    """End it unsent, with a reason."""
    return _decide(request, pk, Reject, approvals.reject)


@posts_to("operation")
@proven(breaking)
def break_glass(request: HttpRequest, pk: int) -> HttpResponse:
    """Let it go on without a second person, with a reason."""
    return _decide(request, pk, Emergency, approvals.break_glass)


def _decide(
    request: HttpRequest, pk: int, kind: type[Decision], verb: Callable[..., Any]
) -> HttpResponse:
    """Do it, or show the page again with why not; what was typed stays while it can be decided."""
    restore = pages.find(request, pk)
    form = kind(request.POST, server=restore.server)
    if form.is_valid():
        try:
            verb(restore, actor=request.user, **form.cleaned_data)
            return pages.see_other(request, "operation", pk)
        except Refused as refusal:
            restore = pages.find(request, pk)
            if isinstance(refusal, NotAllowed) or restore.state != State.AWAITING_APPROVAL:
                raise
            form.refuse(refusal)
    more = {"decision": form, "forms": pages.decisions(restore.server, form)}
    return pages.show(request, restore, status=422, **more)
