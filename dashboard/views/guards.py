"""Guard levels: a page sets that of a team, a tag or a server; on another a second one decides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from dashboard.forms import Told
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.views.help import GUARDS
from dashboard.views.operations import posted, see_other
from dashboard.views.team import found
from snapshots import guards, levels
from snapshots.guards import Thing
from snapshots.models import Lowering, Server, Tag, Team
from snapshots.models.guard import NEEDS_TWO
from snapshots.permissions import SET_RULES, require, visible_servers

NAMED = 20  # servers; the rest is counted


class Choose(Told):
    """Empty for what a tag or a server need not say."""

    guard = forms.ChoiceField(
        label=gettext_lazy("Guard level"), required=False, widget=forms.RadioSelect
    )
    why = forms.CharField(
        label=gettext_lazy("If it goes below guarded: why"),
        help_text=gettext_lazy("Whoever is to approve it reads this. Kept in the history."),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, data: Any = None, *, thing: Thing) -> None:
        super().__init__(data, initial={"guard": thing.guard})
        nothing = [] if isinstance(thing, Team) else [("", _("Nothing of its own"))]
        named = [(guard.value, guard.label) for guard, *_words in GUARDS]
        self.fields["guard"].choices = nothing + named  # type: ignore[attr-defined]  # a ChoiceField


class Decide(Told):
    decision = forms.ChoiceField(
        choices=[("approve", gettext_lazy("Approve")), ("reject", gettext_lazy("Reject"))],
        error_messages={"required": gettext_lazy("Please approve it or reject it.")},
    )
    words = forms.CharField(
        label=gettext_lazy("If you reject it: why"),
        help_text=gettext_lazy("Kept in the history."),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


# -- what is meant --------------------------------------------------------------------------------


def find_tag(request: HttpRequest, pk: int) -> Tag:
    rows = Tag.objects.filter(team__in=request.user.unlimited).select_related("team")
    return get_object_or_404(rows, pk=pk)


def find_server(request: HttpRequest, pk: int) -> Server:
    return get_object_or_404(visible_servers(request.user), pk=pk)


def find_wish(request: HttpRequest, pk: int) -> Lowering:
    rows = Lowering.objects.filter(team__in=request.user.unlimited)
    rows = rows.select_related("team", "tag__team", "server__account__team", "asked_by")
    return get_object_or_404(rows, pk=pk)


def in_words(find: Callable[..., Any], words: Promise) -> Callable[[HttpRequest, int], str]:
    """What is asked for, for whoever is to prove that it is them; refused as the view refuses."""

    def sentence(request: HttpRequest, pk: int) -> str:
        one = find(request, pk)
        thing: Thing = one.thing if isinstance(one, Lowering) else one
        require(request.user, SET_RULES, guards.team_of(thing))
        return str(words) % {"what": shown(thing.called)}

    return sentence


CHANGE = gettext_lazy("Change the guard level of %(what)s.")
DECIDE = gettext_lazy("Decide about the guard level of %(what)s.")

# -- set one --------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@proven(in_words(found, CHANGE))
def of_team(request: HttpRequest, pk: int) -> HttpResponse:
    return choose(request, found(request, pk))


@require_http_methods(["GET", "HEAD", "POST"])
@proven(in_words(find_tag, CHANGE))
def of_tag(request: HttpRequest, pk: int) -> HttpResponse:
    return choose(request, find_tag(request, pk))


@require_http_methods(["GET", "HEAD", "POST"])
@proven(in_words(find_server, CHANGE))
def of_server(request: HttpRequest, pk: int) -> HttpResponse:
    return choose(request, find_server(request, pk))


def choose(request: HttpRequest, thing: Thing) -> HttpResponse:
    """Say how well it is guarded. What takes two is asked for, and leads to where it waits."""
    team = guards.team_of(thing)
    require(request.user, SET_RULES, team)
    form = Choose(posted(request), thing=thing)
    wish = form.tell(partial(guards.set_level, thing, actor=request.user))
    if wish:
        messages.info(request, _("It is asked for. A second person has four hours to approve it."))
        return see_other(request, "lowering", wish.pk)
    if form.is_bound and form.is_valid():
        messages.success(
            request, _("The guard level is set. It holds for what has not been sent yet, too.")
        )
        if isinstance(thing, Server):
            return see_other(request, "server", thing.pk)
        return see_other(request, "team_rules", team.pk)
    server = thing if isinstance(thing, Server) else None
    level = levels.level(server) if server else None
    says = level.guard if level else thing.guard or team.guard
    context = {
        "form": form,
        "action": request.path,
        "thing": thing,
        "team": team,
        "server": server,
        "level": level,
        "takes_two": says in NEEDS_TWO,
        "choices": explained(form),
        "wishes": guards.wishes_about(thing),
    }
    return render(request, "guards/choose.html", context, status=422 if form.is_bound else 200)


def explained(form: Choose) -> list[tuple[Any, Any, Any, Any]]:
    """The buttons, each with its level and what that asks for of a restore and of a deletion."""
    words = {guard.value: (guard, restoring, deleting) for guard, restoring, deleting in GUARDS}
    return [(radio, *words.get(radio.data["value"], ("", "", ""))) for radio in form["guard"]]


def table(team: Team) -> dict[str, Any]:
    """What a team's rules say of guard levels: its own, its tags', and servers' of their own."""
    servers = Server.objects.filter(account__team=team, account__removed_at=None, gone_at=None)
    return {
        "tags": team.tags.order_by("word"),
        "servers": servers.exclude(guard="").order_by("name", "pk"),
        "wishes": guards.wishes(team).select_related("server", "tag", "team"),
    }


# -- lowered by a second person -------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@proven(in_words(find_wish, DECIDE))
def lowering(request: HttpRequest, pk: int) -> HttpResponse:
    """What somebody asked for that takes two, and what was decided."""
    wish = find_wish(request, pk)
    require(request.user, SET_RULES, wish.team)
    form = Decide(posted(request))
    if form.tells(partial(decide, wish, request)):
        return see_other(request, "lowering", wish.pk)
    concerned = guards.concerned(wish.thing)
    context = {
        "wish": wish,
        "form": form,
        "is_mine": wish.asked_by_id == request.user.pk,
        "servers": concerned[:NAMED],
        "more": max(len(concerned) - NAMED, 0),
    }
    return render(request, "guards/lowering.html", context, status=422 if form.is_bound else 200)


def decide(wish: Lowering, request: HttpRequest, *, decision: str, words: str) -> None:
    if decision == "approve":
        guards.approve(wish, actor=request.user)
        messages.success(request, _("Approved: the guard level is set."))
    else:
        guards.reject(wish, actor=request.user, words=words)
        messages.info(request, _("The guard level stays as it is."))
