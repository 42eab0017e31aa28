"""A way in by single sign-on: whoever has one sees it under Signing in, and can remove it here."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.mfa.base.views import IndexView
from allauth.socialaccount.models import SocialAccount
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from dashboard import sign_on
from dashboard.forms import Told
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.views.operations import posted, see_other


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
    if form.tells(partial(sign_on.end, one, request.user)):
        messages.success(request, gettext("It does not sign you in any more."))
        return see_other(request, "mfa_index")
    context = {
        "form": form,
        "one": one,
        "who": who(one),
        "place": sign_on.place(),
        "is_last": sign_on.is_last(one),
    }
    status = 422 if form.is_bound else 200
    return render(request, "socialaccount/remove.html", context, status=status)
