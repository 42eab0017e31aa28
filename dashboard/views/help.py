"""One short page: snapshots and backups, how to restore, what our words mean."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from snapshots.models import Guard, Operation, State

# What each state says, in the order in which people meet them.
STATES = (
    (
        State.AWAITING_APPROVAL,
        _("A restore of a guarded server: somebody else has to approve it. Nothing was sent."),
    ),
    (
        State.WAITING,
        _("Stands in line behind another operation on the same server. Nothing was sent."),
    ),
    (State.QUEUED, _("Goes out within seconds, or says what it waits for. Nothing was sent.")),
    (
        State.HELD,
        _("Somebody holds it. It is not sent until somebody lets it go on, or it expires."),
    ),
    (State.SENDING, _("The request is on its way to the provider.")),
    (State.RUNNING, _("The provider accepted, and has not shown an end yet.")),
    (
        State.IN_DOUBT,
        _("Sent, or perhaps sent, and no clear answer came. We look at the provider to find out."),
    ),
    (
        State.NEEDS_PERSON,
        _("What we saw cannot decide it. Somebody has to look at the provider and say."),
    ),
    (State.SUCCEEDED, _("The provider shows it as done, or a person saw that it happened.")),
    (
        State.FAILED,
        _("The provider refused it, or showed it as failed, or it was not sent for a reason."),
    ),
    (State.NOT_APPLIED, _("As far as can be known, it never happened.")),
    (State.CANCELLED, _("A person ended it before it was sent.")),
    (State.EXPIRED, _("It was not sent in time, so it was not sent at all.")),
)
# What each level asks for: for a restore, and for a deletion.
GUARDS = (
    (Guard.OPEN, _("a button confirms it"), _("a button confirms it")),
    (Guard.CAREFUL, _("the server’s name is typed"), _("the snapshot’s name is typed")),
    (
        Guard.GUARDED,
        _("the server’s name is typed, and a second person approves"),
        _("the snapshot’s name is typed"),
    ),
    (Guard.SEALED, _("not from here"), _("not from here")),
)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    states = [(Operation(state=state), words) for state, words in STATES]
    return render(request, "help/page.html", {"states": states, "guards": GUARDS})
