"""Provider accounts: the list, one account, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import live
from dashboard.addresses import posts_to
from dashboard.forms import Needed, Told
from dashboard.live import Fragment
from dashboard.proof import proven
from dashboard.teams_here import here
from dashboard.templatetags.ui import shown
from dashboard.views.operations import posted, see_other
from dashboard.views.server_list import count_of, with_figures
from snapshots import accounts, tokens
from snapshots.errors import Refused
from snapshots.models import Account, Operation, Server, Snapshot, State, User
from snapshots.models.operation import HOLDING
from snapshots.operations import budget
from snapshots.permissions import (
    MANAGE_ACCOUNTS,
    known_accounts,
    known_servers,
    may,
    narrowed,
    require,
    visible_accounts,
    why_not,
)

MOST_SERVERS = 50


# -- the list -------------------------------------------------------------------------------------


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All accounts of the person's teams."""
    watch = live.watching(request, "accounts")
    context = listed(request)
    watch.is_eager = any(account.look_asked_at for account in context["accounts"])
    return render(request, "accounts/list.html", context | {"live": watch})


@live.region("accounts")
def index_regions(request: HttpRequest, since: live.Since) -> Iterable[Fragment]:
    context = listed(request)
    yield Fragment("accounts/_list.html", context)
    if any(account.look_asked_at for account in context["accounts"]):
        yield live.SOON


def listed(request: HttpRequest) -> dict[str, Any]:
    rows = counted(request.user, here(request, visible_accounts(request.user)))
    roles = request.user.roles
    return {
        "accounts": list(rows.order_by("label", "pk")),
        "may_connect": any(may(request.user, MANAGE_ACCOUNTS, team) for team in roles),
    }


def counted(user: User, rows: QuerySet[Account]) -> QuerySet[Account]:
    """Each account with how many servers and snapshots are listed, and operations under way.

    Of those that the person reaches.
    """
    servers = Server.objects.filter(account=OuterRef("pk"), gone_at=None)
    snapshots = Snapshot.objects.filter(account=OuterRef("pk"), gone_at=None)
    under_way = Operation.objects.filter(
        account=OuterRef("pk"), parent=None, state__in=(*HOLDING, State.WAITING)
    )
    team = "account__team_id"
    servers = narrowed(user, servers, team=team, server="pk")
    snapshots = narrowed(user, snapshots, team=team, server="server")
    under_way = narrowed(user, under_way, team="team_id", server="server")
    return rows.select_related("team", "paused_by").annotate(
        server_count=count_of(servers, "account"),
        snapshot_count=count_of(snapshots, "account"),
        under_way_count=count_of(under_way, "account"),
    )


# -- one account ----------------------------------------------------------------------------------


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One account: whose it is, how it is, what it allows, and its servers."""
    watch = live.watching(request, f"account:{pk}")
    account = get_object_or_404(counted(request.user, known_accounts(request.user)), pk=pk)
    watch.is_eager = bool(account.look_asked_at)
    return render(request, "accounts/page.html", about(account, request.user) | {"live": watch})


@live.region("account")
def page_regions(request: HttpRequest, pk: int, since: live.Since) -> Iterable[Fragment]:
    account = get_object_or_404(counted(request.user, known_accounts(request.user)), pk=pk)
    if since.has_changed(account.pk):
        context = about(account, request.user)
        for part in ("_head", "_servers", "_facts", "_allows"):
            yield Fragment(f"accounts/{part}.html", context)
    if account.look_asked_at:
        yield live.SOON


def about(account: Account, user: User) -> dict[str, Any]:
    """What the account's page shows."""
    ours = known_servers(user).filter(account=account, gone_at=None)
    return {
        "account": account,
        "servers": list(with_figures(ours).order_by("name", "pk")[:MOST_SERVERS]),
        "may_write": tokens.may(account.permissions, "write"),
        "may_too_much": tokens.may_more_than_needed(account.permissions),
        "permissions": [permission_words(word) for word in account.permissions],
        "reads": {"left": budget.left(account), "most": budget.most()},
        "why_not": why_not(user, MANAGE_ACCOUNTS, account.team),
    }


def permission_words(permission: str) -> tuple[str, str]:
    """A token's permission as the provider spells it, and in words where we know them."""
    noun, _colon, verb = str(permission).partition(":")
    words = {
        "*:*": _("Read and change everything in the account"),
        "*:read": _("Read everything in the account"),
        "*:write": _("Change everything in the account"),
        "servers:*": _("Read and change servers"),
        "servers:read": _("Read servers"),
        "servers:write": _("Change servers"),
        "snapshots:*": _("Read and change snapshots"),
        "snapshots:read": _("Read snapshots"),
        "snapshots:write": _("Change snapshots"),
        "account:*": _("Read and change the account"),
        "account:read": _("Read the account"),
        "account:write": _("Change the account"),
    }
    return str(permission), words.get(f"{noun}:{verb}", "")


# -- what can be asked of it ----------------------------------------------------------------------


def _found(request: HttpRequest, pk: int) -> Account:
    return get_object_or_404(visible_accounts(request.user).select_related("team"), pk=pk)


@posts_to("account")
def look(request: HttpRequest, pk: int) -> HttpResponse:
    """Look at the provider as soon as a worker can. That it was just now is no failure."""
    account = _found(request, pk)
    try:
        accounts.look_now(account, actor=request.user)
    except Refused as refusal:
        messages.info(request, str(refusal))
    return see_other(request, "account", account.pk)


@posts_to("account")
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop sending for this account."""
    account = _found(request, pk)
    accounts.pause(account, actor=request.user)
    return see_other(request, "account", account.pk)


@posts_to("account")
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Send again."""
    account = _found(request, pk)
    accounts.resume(account, actor=request.user)
    return see_other(request, "account", account.pk)


class Change(Told):
    label = Needed(
        label=gettext_lazy("Name"),
        help_text=gettext_lazy(
            "How your team calls this account. Nothing changes at the provider."
        ),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    slots = forms.IntegerField(
        label=gettext_lazy("Snapshots per server"),
        help_text=gettext_lazy(
            "The provider documents 5. Change it only if the provider allows your account another"
            " number: we refuse what would not fit, and the provider has the last word."
        ),
        widget=forms.NumberInput(attrs={"inputmode": "numeric", "min": 1, "max": 100}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """Its name here, and the number of snapshots that we count with."""
    account = _found(request, pk)
    initial = {"label": account.label, "slots": account.slots}
    form = Change(posted(request), initial=initial)
    require(request.user, MANAGE_ACCOUNTS, account.team)
    if form.tells(partial(accounts.change, account, actor=request.user)):
        messages.success(request, _("The changes are saved."))
        return see_other(request, "account", account.pk)
    context = {"account": account, "form": form}
    return render(request, "accounts/change.html", context, status=422 if form.is_bound else 200)


class Remove(Told):
    typed = Needed(
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, data: Any = None, *, name: str) -> None:
        super().__init__(data)
        self.fields["typed"].label = _("Type %(name)s to confirm") % {"name": shown(name)}


def removing(request: HttpRequest, pk: int) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    account = _found(request, pk)
    require(request.user, MANAGE_ACCOUNTS, account.team)
    return _("Remove %(account)s and erase its token.") % {"account": shown(account.label)}


@require_http_methods(["GET", "HEAD", "POST"])
@proven(removing)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Take it out of the team: what goes, what stays, and a typed confirmation."""
    account = get_object_or_404(counted(request.user, visible_accounts(request.user)), pk=pk)
    form = Remove(posted(request), name=account.label)
    require(request.user, MANAGE_ACCOUNTS, account.team)
    if form.tells(partial(accounts.remove, account, actor=request.user)):
        words = _("%(account)s is removed; its token is erased.")
        messages.success(request, words % {"account": shown(account.label)})
        return see_other(request, "accounts")
    under_way = accounts.unfinished(account)
    context = {
        "account": account,
        "form": form,
        "busy": accounts.still_busy(account, under_way) if under_way else "",
    }
    return render(request, "accounts/remove.html", context, status=422 if form.is_bound else 200)
