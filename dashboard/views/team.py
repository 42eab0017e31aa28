"""Teams in the browser: who is in them as what, and which one is being looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import teams_here
from dashboard.addresses import own_path, posts_to
from dashboard.forms import Needed, Told
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.views.operations import posted, see_other
from dashboard.views.reach import Place, approved, now
from snapshots import invitations, ranks, teams
from snapshots.models import Membership, Role, Team
from snapshots.models.people import SECOND_FACTORS
from snapshots.permissions import (
    MANAGE_PEOPLE,
    RESERVED,
    RIGHTS,
    TABLE,
    lacks_second_factor,
    may,
    require,
    why_not,
)
from snapshots.ranks import RANK, grantable

WHAT_ROLES_DO = {
    Role.VIEWER: gettext_lazy("Sees servers, snapshots and their history."),
    Role.OPERATOR: gettext_lazy("Takes snapshots as well."),
    Role.RESTORER: gettext_lazy(
        "Restores servers, deletes snapshots, and stops and starts servers as well."
    ),
    Role.ADMIN: gettext_lazy("Manages provider accounts, people, tags and webhooks as well."),
    Role.OWNER: gettext_lazy("May do the same as an admin, and makes other people owners."),
}


class Name(Told):
    name = Needed(
        label=gettext_lazy("Name"),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


def choices(form: forms.Form) -> list[tuple[Any, Any]]:
    """The buttons of a form's roles, each with what the role lets people do."""
    return [(radio, WHAT_ROLES_DO[Role(radio.data["value"])]) for radio in form["role"]]


# -- teams ----------------------------------------------------------------------------------------


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The chosen team; without a choice, all teams of the person."""
    mine = list(request.user.roles)
    pk = teams_here.chosen(request) or (mine[0] if len(mine) == 1 else None)
    if pk:
        return redirect("team", pk)
    rows = Membership.objects.filter(user=request.user).select_related("team")
    return render(request, "team/list.html", {"memberships": rows.order_by("team__name", "pk")})


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One team: who is in it, what each role may do, and who is invited."""
    team = found(request, pk)
    factors = Authenticator.objects.filter(user=OuterRef("user"), type__in=SECOND_FACTORS)
    members = Membership.objects.filter(team=team).select_related("user", "scope")
    members = members.annotate(has_factor=Exists(factors))
    members = members.prefetch_related("scope__accounts", "scope__tags")
    manages = may(request.user, MANAGE_PEOPLE, team)
    context = {
        "team": team,
        "members": sorted(members, key=lambda one: (-RANK[Role(one.role)], str(one.user).lower())),
        "grantable": grantable(request.user, team) if manages else (),
        "manages": manages,
        "invitations": invitations.pending(team) if manages else (),
        "roles": [(role, WHAT_ROLES_DO[role]) for role in Role],
        "rights": table_of_rights(),
        "my_role": Role(request.user.roles[team.pk]),
        "why_not": why_not(request.user, MANAGE_PEOPLE, team),
        "asks_more": lacks_second_factor(request.user, MANAGE_PEOPLE, team.pk),
    }
    return render(request, "team/page.html", context)


def table_of_rights() -> list[tuple[Any, list[tuple[Role, bool]]]]:
    """The table that the gates ask, a row for each right that means something today."""
    return [
        (words, [(role, right in TABLE[role]) for role in Role])
        for right, words in RIGHTS.items()
        if right not in RESERVED
    ]


def found(request: HttpRequest, pk: int) -> Team:
    return get_object_or_404(Team.objects.filter(pk__in=request.user.roles), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Anybody may begin a team, and owns it then."""
    form = Name(posted(request))
    if team := form.tell(partial(teams.create_team, owner=request.user)):
        request.user.__dict__.pop("standing", None)  # read before it existed
        teams_here.choose(request, team.pk)
        words = _("%(team)s is created, and it is yours.")
        messages.success(request, words % {"team": shown(team.name)})
        return see_other(request, "team", team.pk)
    status = 422 if form.is_bound else 200
    return render(request, "team/create.html", {"form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: HttpRequest, pk: int) -> HttpResponse:
    team = found(request, pk)
    require(request.user, MANAGE_PEOPLE, team)
    form = Name(posted(request), initial={"name": team.name})
    if form.tells(partial(teams.rename_team, team, actor=request.user)):
        messages.success(request, _("The team is renamed."))
        return see_other(request, "team", team.pk)
    context = {"team": team, "form": form}
    return render(request, "team/rename.html", context, status=422 if form.is_bound else 200)


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Look at one team's things from now on, or at those of all: back to where one was."""
    pk = request.POST.get("team", "")
    teams_here.choose(request, int(pk) if pk.isdecimal() and len(pk) < 19 else None)
    back = own_path(request, request.headers.get("Referer", "")) or resolve_url("overview")
    return HttpResponseRedirect(resolve_url("team_index") if back.startswith("/team/") else back)


def leaving(request: HttpRequest, pk: int) -> str:
    return _("Leave %(team)s.") % {"team": shown(found(request, pk).name)}


@require_http_methods(["GET", "HEAD", "POST"])
@proven(leaving)
def leave(request: HttpRequest, pk: int) -> HttpResponse:
    team = found(request, pk)
    form, name = Told(posted(request)), shown(team.name)
    if form.tells(partial(teams.leave, team, actor=request.user)):
        messages.success(request, _("You are no longer in %(team)s.") % {"team": name})
        return see_other(request, "overview")
    membership = Membership.objects.get(team=team, user=request.user)
    context = {
        "team": team,
        "form": form,
        "unsent": teams.unsent(membership),
        "webhooks": membership.webhooks.exists(),
    }
    return render(request, "team/leave.html", context, status=422 if form.is_bound else 200)


# -- members --------------------------------------------------------------------------------------


def of_member(words: Promise) -> Callable[[HttpRequest, int], str]:
    """What is asked for, for whoever is to prove that it is them; refused as the view refuses."""

    def sentence(request: HttpRequest, pk: int) -> str:
        member = within_reach(request, pk)
        names = {"person": shown(member.user), "team": shown(member.team.name)}
        roles = grantable(request.user, member.team, to=member.user)
        names["role"], reach = approved(request.POST, member.team, roles)
        if names["role"]:
            return _("Make %(person)s %(role)s in %(team)s.") % names + f" {reach}"
        return str(words) % names

    return sentence


@require_http_methods(["GET", "HEAD", "POST"])
@proven(of_member(gettext_lazy("Change the role of %(person)s in %(team)s.")))
def role(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a member something else."""
    member = within_reach(request, pk)
    form = Place(posted(request), initial=now(member))
    form.offer(member.team, grantable(request.user, member.team, to=member.user))
    if form.tells(partial(teams.change_role, member, actor=request.user)):
        who = {"person": shown(member.user), "role": form.cleaned_data["role"].label}
        messages.success(request, _("%(person)s is %(role)s from the next click on.") % who)
        return see_other(request, "team", member.team_id)
    return about(request, member, form, "team/role.html")


@require_http_methods(["GET", "HEAD", "POST"])
@proven(of_member(gettext_lazy("Take %(person)s out of %(team)s.")))
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a member out of the team."""
    member = within_reach(request, pk)
    form = Told(posted(request))
    if form.tells(partial(teams.remove_member, member, actor=request.user)):
        who = {"person": shown(member.user), "team": shown(member.team.name)}
        messages.success(request, _("%(person)s is no longer in %(team)s.") % who)
        return see_other(request, "team_index")
    return about(request, member, form, "team/remove.html")


@require_http_methods(["GET", "HEAD", "POST"])
@proven(of_member(gettext_lazy("Suspend %(person)s in %(team)s, and end their sessions.")))
def suspend(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a member in no more, until somebody lets them."""
    member = within_reach(request, pk)
    form = Told(posted(request))
    if form.tells(partial(teams.suspend, member, actor=request.user)):
        words = _("%(person)s is suspended and signed out everywhere.")
        messages.success(request, words % {"person": shown(member.user)})
        return see_other(request, "team", member.team_id)
    return about(request, member, form, "team/suspend.html")


@posts_to("team_index", of_it=False)
@proven(of_member(gettext_lazy("Let %(person)s into %(team)s again.")))
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a suspended member in again."""
    member = within_reach(request, pk)
    teams.resume(member, actor=request.user)
    words = _("%(person)s is let in again.")
    messages.success(request, words % {"person": shown(member.user)})
    return see_other(request, "team", member.team_id)


def within_reach(request: HttpRequest, pk: int) -> Membership:
    """A member whom the person may change. 404 elsewhere, 403 for a higher role."""
    theirs = Membership.objects.filter(team_id__in=request.user.roles)
    member = get_object_or_404(theirs.select_related("team", "user", "scope"), pk=pk)
    ranks.require_reach(request.user, member)
    return member


def about(request: HttpRequest, member: Membership, form: Told, template: str) -> HttpResponse:
    context = {
        "team": member.team,
        "member": member,
        "form": form,
        "choices": choices(form) if "role" in form.fields else (),
        "is_self": member.user_id == request.user.pk,
        "unsent": teams.unsent(member),
    }
    return render(request, template, context, status=422 if form.is_bound else 200)
