"""Connecting a provider account, or giving one another token: first a look, then the saving.

The token travels twice: as it was pasted, to be looked at, and sealed for the same person and
purpose (`tokens.hold`) in the form that saves it. A page never has it in clear, nor has the session
or the database before it is saved; and a sealed token needs no store that would have to be tidied.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from dashboard.forms import Needed, Told
from dashboard.proof import proven
from dashboard.teams_here import chosen, mine
from dashboard.templatetags.ui import shown
from dashboard.views.accounts import permission_words
from dashboard.views.operations import posted, see_other
from snapshots import accounts, tokens
from snapshots.errors import NotAllowed
from snapshots.models import Account, Team, User
from snapshots.permissions import MANAGE_ACCOUNTS, may, require, visible_accounts
from snapshots.tokens import Checked

MOST_NAMED = 20


class Token(Needed):
    """Never filled in again, whatever the answer is."""

    def __init__(self) -> None:
        super().__init__(
            label=gettext_lazy("Token"),
            help_text=gettext_lazy(
                "Made in the provider’s panel under Account, Developers, where it is shown once."
                " It is kept encrypted, and nobody can read it here again."
            ),
            widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        )


class Connect(Told):
    team = forms.TypedChoiceField(label=gettext_lazy("Team"), coerce=int)
    api_url = forms.ChoiceField(label=gettext_lazy("API address"))
    label = forms.CharField(
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("How your team calls this account. Empty: as the provider does."),
        max_length=100,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    token = Token()
    held = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, user: User, team: int | None) -> None:
        super().__init__(data, initial={"team": team})
        mine = [pk for pk in user.roles if may(user, MANAGE_ACCOUNTS, pk)]
        teams = Team.objects.filter(pk__in=mine).order_by("name")
        self.fields["team"].choices = [(one.pk, shown(one.name)) for one in teams]
        self.fields["api_url"].choices = [(url, url) for url in settings.PROVIDER_API_URLS]
        for name in ("team", "api_url"):
            if len(self.fields[name].choices) == 1:
                self.fields[name].widget = forms.HiddenInput()
                self.initial[name] = self.fields[name].choices[0][0]


def saves(request: HttpRequest) -> bool:
    """Looking at a token changes nothing; keeping it does."""
    return "save" in request.POST


def connecting(request: HttpRequest) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    sent = request.POST.get("team", "")
    team = get_object_or_404(
        mine(request), pk=int(sent) if sent.isdecimal() and len(sent) < 19 else 0
    )
    require(request.user, MANAGE_ACCOUNTS, team)
    return _("Connect a provider account to %(team)s.") % {"team": shown(team.name)}


@sensitive_post_parameters("token", "held")
@require_http_methods(["GET", "HEAD", "POST"])
@proven(connecting, when=saves)
def connect(request: HttpRequest) -> HttpResponse:
    """Look at what a token opens; then connect that."""
    form = Connect(posted(request), user=request.user, team=chosen(request))
    if not form.fields["team"].choices:
        raise NotAllowed(nobodys(request.user))
    if not form.is_bound or not form.is_valid():
        return answer(request, "accounts/connect.html", form)
    team = Team.objects.get(pk=form.cleaned_data["team"])
    act = save if "save" in request.POST else look
    return act(request, form, team)


def nobodys(user: User) -> str:
    """Why somebody cannot connect accounts anywhere; told of their first team, if there is one."""
    team = Team.objects.filter(pk__in=user.roles).order_by("name").first()
    try:
        if team:
            require(user, MANAGE_ACCOUNTS, team)
    except NotAllowed as refusal:
        return str(refusal)
    return _("You are in no team yet. Create one, or ask for an invitation.")


def look(request: HttpRequest, form: Connect, team: Team) -> HttpResponse:
    words = form.cleaned_data
    purpose = f"connect:{team.pk}:{words['api_url']}"
    ask = partial(accounts.preview, team, api_url=words["api_url"], token=words["token"])
    checked = form.ask(partial(ask, actor=request.user))
    if checked is None:
        return answer(request, "accounts/connect.html", form)
    returning = accounts.known(team, words["api_url"], checked).first()
    form.data = form.data.copy()
    form.data["held"] = tokens.hold(words["token"], actor=request.user, purpose=purpose)
    if not words["label"] and returning:
        form.data["label"] = returning.label
    more = {"team": team, "returning": returning} | findings(checked)
    return render(request, "accounts/connect_found.html", {"form": form} | more)


def save(request: HttpRequest, form: Connect, team: Team) -> HttpResponse:
    words = form.cleaned_data
    purpose = f"connect:{team.pk}:{words['api_url']}"

    def keep() -> Account:
        token = tokens.held(words["held"], actor=request.user, purpose=purpose)
        where = {"label": words["label"], "api_url": words["api_url"]}
        return accounts.connect(team, token=token, actor=request.user, **where)

    account = form.ask(keep)
    if account is None:
        return answer(request, "accounts/connect.html", form)
    words = _("%(account)s is connected. Its servers are being read.")
    messages.success(request, words % {"account": shown(account.label)})
    return see_other(request, "account", account.pk)


class Replace(Told):
    token = Token()
    held = forms.CharField(required=False, widget=forms.HiddenInput)


def replacing(request: HttpRequest, pk: int) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    account = get_object_or_404(visible_accounts(request.user).select_related("team"), pk=pk)
    require(request.user, MANAGE_ACCOUNTS, account.team)
    return _("Give %(account)s another token.") % {"account": shown(account.label)}


@sensitive_post_parameters("token", "held")
@require_http_methods(["GET", "HEAD", "POST"])
@proven(replacing, when=saves)
def replace(request: HttpRequest, pk: int) -> HttpResponse:
    """Look at what another token of the same provider account opens; then put it in."""
    account = get_object_or_404(visible_accounts(request.user).select_related("team"), pk=pk)
    form, purpose = Replace(posted(request)), f"replace:{account.pk}"
    context = {"account": account}
    require(request.user, MANAGE_ACCOUNTS, account.team)
    if not form.is_bound or not form.is_valid():
        return answer(request, "accounts/replace.html", form, context)
    words, me = form.cleaned_data, request.user
    if "save" not in request.POST:
        ask = partial(accounts.preview_token, account, words["token"], actor=me)
        checked = form.ask(ask)
        if checked is None:
            return answer(request, "accounts/replace.html", form, context)
        form.data = form.data.copy()
        form.data["held"] = tokens.hold(words["token"], actor=me, purpose=purpose)
        context |= {"form": form} | findings(checked)
        return render(request, "accounts/replace_found.html", context)

    def keep() -> bool:
        token = tokens.held(words["held"], actor=me, purpose=purpose)
        accounts.replace_token(account, token, actor=me)
        return True

    if not form.ask(keep):
        return answer(request, "accounts/replace.html", form, context)
    messages.success(request, _("The new token is in its place. The old one is forgotten here."))
    return see_other(request, "account", account.pk)


def findings(checked: Checked) -> dict[str, Any]:
    """What the look at a token showed, for a page."""
    permissions = checked.identity.permissions
    return {
        "identity": checked.identity,
        "servers": checked.servers[:MOST_NAMED],
        "server_count": len(checked.servers),
        "is_complete": checked.complete,
        "permissions": [permission_words(word) for word in permissions],
        "may_write": tokens.may(permissions, "write"),
        "may_too_much": tokens.may_more_than_needed(permissions),
    }


def answer(
    request: HttpRequest, template: str, form: Told, more: dict[str, Any] | None = None
) -> HttpResponse:
    status = 422 if form.is_bound else 200
    return render(request, template, {"form": form} | (more or {}), status=status)
