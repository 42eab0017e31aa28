"""What a team demands before something dangerous is sent."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from dashboard.forms import Told
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.views import guards
from dashboard.views.operations import posted, see_other
from dashboard.views.team import found
from snapshots import teams
from snapshots.models import Team
from snapshots.models.people import LONGEST_GRACE, LONGEST_HOLD
from snapshots.permissions import SET_RULES, require


class Hold(Told):
    seconds = forms.IntegerField(
        label=gettext_lazy("Hold before a restore, in seconds"),
        help_text=gettext_lazy(
            "So long a confirmed restore waits before it is sent, and can be cancelled."
            " 0 sends it at once. A safety snapshot is taken meanwhile."
        ),
        widget=forms.NumberInput(attrs={"min": 0, "max": LONGEST_HOLD}),
    )
    minutes = forms.IntegerField(
        label=gettext_lazy("Grace before a deletion, in minutes"),
        help_text=gettext_lazy(
            "So long a deletion waits before it is sent, and can be taken back. Meanwhile nothing"
            " else can be asked of the server. 0 sends it at once."
        ),
        widget=forms.NumberInput(attrs={"min": 0, "max": LONGEST_GRACE}),
    )
    second_factor = forms.BooleanField(
        label=gettext_lazy("Everybody needs a second factor to act here"),
        help_text=gettext_lazy(
            "Who has none may look, and is told how to set one up. Only an owner can change this."
        ),
        required=False,
    )


def changing(request: HttpRequest, pk: int) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    team = found(request, pk)
    require(request.user, SET_RULES, team)
    return _("Change the rules of %(team)s.") % {"team": shown(team.name)}


@require_http_methods(["GET", "HEAD", "POST"])
@proven(changing)
def page(request: HttpRequest, pk: int) -> HttpResponse:
    team = found(request, pk)
    require(request.user, SET_RULES, team)
    form = Hold(posted(request), initial=now(team))
    if form.tells(partial(teams.set_rules, team, actor=request.user)):
        messages.success(
            request, _("The rules are saved. They hold for what is asked from now on.")
        )
        return see_other(request, "team", team.pk)
    context = {"team": team, "form": form} | guards.table(team)
    return render(request, "team/rules.html", context, status=422 if form.is_bound else 200)


def now(team: Team) -> dict[str, Any]:
    return {"seconds": team.hold, "minutes": team.grace, "second_factor": team.second_factor}
