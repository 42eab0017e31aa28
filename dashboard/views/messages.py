"""A person's messages: what they want to be told, team by team, and what was sent to them."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import messages as flashes
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from dashboard import teams_here
from dashboard.deliveries import messages
from dashboard.templatetags.ui import shown
from dashboard.views.webhooks import listed
from snapshots.models import Team, Topic, User
from snapshots.notices import wishes
from snapshots.permissions import visible_deliveries, visible_webhooks

PAGE = 50
WHAT = {
    Topic.FINISHED: gettext_lazy("A snapshot, restore or deletion ended well."),
    Topic.FAILED: gettext_lazy("It failed, expired or turned out not to have happened."),
    Topic.IN_DOUBT: gettext_lazy("No clear answer came back: the server is locked meanwhile."),
    Topic.NEEDS_PERSON: gettext_lazy("What we see cannot decide it: somebody has to look."),
    Topic.ACCOUNT_PAUSED: gettext_lazy("By a person, or because the token is refused."),
    Topic.SLOW: gettext_lazy("It runs longer than such operations usually take."),
    Topic.APPROVAL: gettext_lazy(
        "A restore or a lower guard level waits for a second person, or one has approved it."
    ),
    Topic.EMERGENCY: gettext_lazy("An owner let a restore go on alone. Everybody is told."),
}


class Line(NamedTuple):
    """One topic of the matrix: its choices, each with whether it is offered and chosen."""

    topic: Topic
    what: Any
    is_fixed: bool
    cells: list[tuple[wishes.Scope, bool, bool]]


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """The matrix of each team, and the messages of the last month."""
    teams = list(teams_here.mine(request))
    if request.method == "POST":
        return save(request, teams)
    rows = visible_deliveries(request.user).filter(user=request.user)
    rows = rows.select_related("event", "batch", "team").order_by("-pk")
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    context = {
        "webhooks": listed(request.user, visible_webhooks(request.user).exclude(member=None)),
        "has_teams": len(teams) > 1,
        "matrices": [(team, matrix(request.user, team)) for team in teams],
        "scopes": list(wishes.Scope),
        "page": page,
        "messages_sent": messages(page.object_list),
        "sends_mail": settings.EMAIL_IS_SENT,
    }
    return render(request, "messages/page.html", context)


def save(request: HttpRequest, teams: list[Team]) -> HttpResponse:
    team = next((one for one in teams if str(one.pk) == request.POST.get("team")), None)
    if team is None:
        raise Http404
    chosen = {topic: request.POST[topic] for topic in Topic.values if topic in request.POST}
    wishes.choose(request.user, team, chosen)
    words = _("What you are told of %(team)s is saved.") % {"team": shown(team.name)}
    flashes.success(request, words)
    return redirect("messages")


def matrix(user: User, team: Team) -> list[Line]:
    listener = wishes.listener(user, team)
    return [
        Line(
            topic,
            WHAT[topic],
            wishes.is_fixed(listener.role, topic),
            [
                (scope, scope in wishes.offered(topic), scope == listener.scope(topic))
                for scope in wishes.Scope
            ],
        )
        for topic in Topic
    ]
