"""A way in by single sign-on: whoever has one sees it under Signing in, and can remove it here."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.base.views import IndexView
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from dashboard import sign_on
from dashboard.forms import Told
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.views.operations import posted, see_other
from snapshots import events
from snapshots.errors import Refused
from snapshots.models import User
from snapshots.said import gettext as _


class Index(IndexView):
    """django-allauth's page of how somebody signs in, with what it keeps elsewhere."""

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        linked = SocialAccount.objects.filter(user=self.request.user).order_by("pk")
        return super().get_context_data(**more) | {"linked": [(one, who(one)) for one in linked]}


def who(one: SocialAccount) -> str:
    """Who they are there: the address that it told last, or else what it calls them."""
    told = one.extra_data.get("userinfo") or one.extra_data.get("id_token") or {}
    return str(told.get("email") or one.uid)


def find(request: HttpRequest, pk: int) -> SocialAccount:
    """Only one's own."""
    return get_object_or_404(SocialAccount, pk=pk, user=request.user)


def removing(request: HttpRequest, pk: int) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    find(request, pk)
    return gettext("Sign in by %(place)s no more.") % {"place": shown(sign_on.place())}


@require_http_methods(["GET", "HEAD", "POST"])
@proven(removing)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    one = find(request, pk)
    form = Told(posted(request))
    if form.tells(partial(end, request, one)):
        messages.success(request, gettext("It does not sign you in any more."))
        return see_other(request, "mfa_index")
    context = {
        "form": form,
        "one": one,
        "who": who(one),
        "place": sign_on.place(),
        "is_last": is_last(request.user, one),
    }
    status = 422 if form.is_bound else 200
    return render(request, "socialaccount/remove.html", context, status=status)


def is_last(user: User, one: SocialAccount) -> bool:
    """Whether nothing certain would sign them in without it.

    A passkey does not count: it can be lost, and be removed without being asked what remains.
    """
    others = SocialAccount.objects.filter(user=user).exclude(pk=one.pk)
    return not user.has_usable_password() and not (sign_on.name() and others.exists())


def end(request: HttpRequest, one: SocialAccount) -> None:
    """Raises `Refused` if it is the last way in, also if two are removed at once."""
    place = sign_on.place()
    with events.audited(actor=request.user, team=None), transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=request.user.pk)
        if is_last(user, one):
            raise Refused(
                _("Choose a password first: without %(place)s you could not sign in any more.")
                % {"place": place}
            )
        if one.delete()[0]:
            events.record(events.Verb.SIGN_ON_REMOVED, team=None, actor=user, place=place)
            about = {"place": place}
            get_adapter().send_notification_mail(
                "socialaccount/email/account_disconnected", user, about
            )
