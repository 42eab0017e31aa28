"""Locking a snapshot, marking it as known good, and saying what it is for."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from dashboard.forms import Describe, Lock, Words
from dashboard.templatetags.ui import shown
from dashboard.views.operations import posted, see_other
from snapshots import operations
from snapshots.models import Team
from snapshots.permissions import DESCRIBE, PROTECT, require, visible_snapshots


class Mark(NamedTuple):
    verb: Any
    form: Any
    right: str
    heading: Promise
    done: Promise


MARKS = {
    "lock": Mark(
        operations.lock, Lock, PROTECT, _("Lock %(snapshot)s"), _("%(snapshot)s is locked.")
    ),
    "unlock": Mark(
        operations.unlock,
        Words,
        PROTECT,
        _("Unlock %(snapshot)s"),
        _("%(snapshot)s is unlocked: it can be deleted."),
    ),
    "good": Mark(
        operations.mark_good,
        Words,
        PROTECT,
        _("Mark %(snapshot)s as known good"),
        _("%(snapshot)s is marked as known good."),
    ),
    "not-good": Mark(
        operations.unmark_good,
        Words,
        PROTECT,
        _("Take the mark from %(snapshot)s"),
        _("%(snapshot)s is no longer marked as known good."),
    ),
    "about": Mark(
        operations.describe,
        Describe,
        DESCRIBE,
        _("What %(snapshot)s is for"),
        _("What you said of %(snapshot)s is kept."),
    ),
}


@require_http_methods(["GET", "HEAD", "POST"])
def mark(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Say something of a snapshot, or take it back. Nothing is sent to the provider for it."""
    snapshot = get_object_or_404(visible_snapshots(request.user), pk=pk)
    kind = MARKS[name]
    words = {"snapshot": shown(snapshot.name)}
    form = kind.form(posted(request), snapshot=snapshot)
    if not form.is_valid():  # a page that is only asked for, too
        require(request.user, kind.right, snapshot.account.team)
    elif form.tells(partial(kind.verb, snapshot, actor=request.user)):
        messages.success(request, kind.done % words)
        return see_other(request, "snapshot", snapshot.pk)
    context = {
        "snapshot": snapshot,
        "server": snapshot.server,
        "form": form,
        "mark": name,
        "title": kind.heading % words,
        "people": people(snapshot.account.team) if name == "about" else (),
    }
    return render(request, "snapshots/mark.html", context, status=422 if form.is_bound else 200)


def people(team: Team) -> list[str]:
    """Who may be meant as owner, to choose from."""
    members = team.members.filter(is_active=True)
    return list(members.order_by("name").values_list("name", flat=True))
