"""Provider accounts: the list, one account, pause and resume."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard import live
from dashboard.addresses import posts_to
from dashboard.live import Fragment
from dashboard.views.operations import see_other
from dashboard.views.server_list import count_of, with_figures
from snapshots import accounts
from snapshots.models import Account, Server, Snapshot, User
from snapshots.permissions import MANAGE_ACCOUNTS, visible_accounts, visible_servers, why_not

MOST_SERVERS = 50


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All accounts of the person's teams."""
    watch = live.watching(request, "accounts")
    rows = list(counted(visible_accounts(request.user)).order_by("label", "pk"))
    return render(request, "accounts/list.html", {"accounts": rows, "live": watch})


@live.region("accounts")
def index_regions(request: HttpRequest, since: live.Since) -> Iterable[Fragment]:
    rows = list(counted(visible_accounts(request.user)).order_by("label", "pk"))
    yield Fragment("accounts/_list.html", {"accounts": rows})


def counted(rows: QuerySet[Account]) -> QuerySet[Account]:
    """Each account with how many servers and snapshots the provider lists."""
    servers = Server.objects.filter(account=OuterRef("pk"), gone_at=None)
    snapshots = Snapshot.objects.filter(account=OuterRef("pk"), gone_at=None)
    return rows.select_related("team", "paused_by").annotate(
        server_count=count_of(servers, "account"), snapshot_count=count_of(snapshots, "account")
    )


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One account: whose it is, how it is, and its servers."""
    watch = live.watching(request, f"account:{pk}")
    account = get_object_or_404(counted(visible_accounts(request.user)), pk=pk)
    return render(request, "accounts/page.html", about(account, request.user) | {"live": watch})


@live.region("account")
def page_regions(request: HttpRequest, pk: int, since: live.Since) -> Iterable[Fragment]:
    account = get_object_or_404(counted(visible_accounts(request.user)), pk=pk)
    if since.has_changed(account.pk):
        context = about(account, request.user)
        for part in ("_head", "_servers", "_facts"):
            yield Fragment(f"accounts/{part}.html", context)


def about(account: Account, user: User) -> dict[str, Any]:
    """What the account's page shows."""
    here = visible_servers(user).filter(account=account, gone_at=None)
    return {
        "account": account,
        "servers": list(with_figures(here).order_by("name", "pk")[:MOST_SERVERS]),
        "permissions": [permission_words(word) for word in account.permissions],
        "why_not": why_not(user, MANAGE_ACCOUNTS, account.team),
    }


def permission_words(permission: str) -> tuple[str, str]:
    """A token's permission as the provider spells it, and in words where we know them."""
    noun, _colon, verb = str(permission).partition(":")
    nouns = {
        "*": _("everything in the account"),
        "servers": _("servers"),
        "snapshots": _("snapshots"),
        "account": _("the account"),
    }
    verbs = {
        "*": _("Read and change %(what)s"),
        "read": _("Read %(what)s"),
        "write": _("Change %(what)s"),
    }
    if noun not in nouns or verb not in verbs:
        return str(permission), ""
    return str(permission), verbs[verb] % {"what": nouns[noun]}


@posts_to("account")
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop sending for this account."""
    account = get_object_or_404(visible_accounts(request.user).select_related("team"), pk=pk)
    accounts.pause(account, actor=request.user)
    return see_other(request, "account", account.pk)


@posts_to("account")
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Send again."""
    account = get_object_or_404(visible_accounts(request.user).select_related("team"), pk=pk)
    accounts.resume(account, actor=request.user)
    return see_other(request, "account", account.pk)
