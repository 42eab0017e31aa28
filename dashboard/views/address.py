"""The e-mail address that somebody signs in with: another one is confirmed by a mail to it.

The link in that mail works for half an hour, once, and for whoever asked for it alone: its
signature is made with what holds their sessions, which ends with a new password, and with a new
address too.
"""

from __future__ import annotations

import logging
from functools import partial
from smtplib import SMTPException

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core.internal import ratelimit
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from dashboard import sign_on
from dashboard.forms import Needed, Told
from dashboard.proof import proven
from dashboard.templatetags.ui import shown
from dashboard.views.invitations import keeps_mail
from dashboard.views.operations import posted, see_other
from snapshots import events, people
from snapshots.errors import Refused
from snapshots.models import User

log = logging.getLogger(__name__)


class Another(Told):
    email = Needed(
        label=gettext_lazy("New e-mail address"),
        help_text=gettext_lazy("We send a link there. Until you open it, nothing changes."),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


def changing(request: HttpRequest) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    names = {
        "new": shown(request.POST.get("email", "").strip().lower()),
        "old": shown(request.user.email),
    }
    return _("Sign in with %(new)s from now on, no longer with %(old)s.") % names


@require_http_methods(["GET", "HEAD", "POST"])
@proven(changing)
def page(request: HttpRequest) -> HttpResponse:
    """Ask for another: the link goes to it, if it is nobody's here. The page says the same."""
    form = Another(posted(request))
    if form.tells(partial(send_link, request)):
        where = {"email": shown(form.cleaned_data["email"].strip().lower())}
        messages.success(request, _("A link is on its way to %(email)s.") % where)
        return see_other(request, "account_email")
    context = {"form": form, "sends_mail": not keeps_mail()}
    return render(request, "account/email.html", context, status=422 if form.is_bound else 200)


def send_link(request: HttpRequest, *, email: str) -> None:
    email = people.another_address(request.user, email)
    limits = {"app": "allauth.account", "action": "manage_email", "user": request.user}
    if not ratelimit.consume(request, **limits):
        raise Refused(_("Too many tries. Wait a few minutes, then try again."), field="email")
    if User.objects.filter(email=email).exists():
        return
    key = signing.dumps(email, salt=_salt(request.user))
    link = settings.SITE_URL + reverse("confirm_address", args=[key])
    context = {"user": request.user, "link": link, "email": email}
    try:
        get_adapter().send_mail("account/email/address", email, context)
    except (SMTPException, OSError) as error:
        log.warning("the link to a new address was not sent: %s", type(error).__name__)
        raise Refused(_("The mail server did not take it."), field="email") from None


def _salt(user: User) -> str:
    return f"another address for {user.pk}, {user.email}: {user.get_session_auth_hash()}"


@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: HttpRequest, key: str) -> HttpResponse:
    """The link. It was asked for with a proof, and is one that the address is theirs."""
    try:
        age = settings.PASSWORD_RESET_TIMEOUT
        email = signing.loads(key, salt=_salt(request.user), max_age=age)
    except signing.BadSignature:
        return render(request, "account/email_void.html", status=410)
    form = Told(posted(request))
    if form.tells(partial(change, request, email)):
        words = _("You sign in with %(email)s from now on.") % {"email": shown(email)}
        messages.success(request, words)
        return see_other(request, "mfa_index")
    context = {"form": form, "email": email}
    status = 422 if form.is_bound else 200
    return render(request, "account/email_confirm.html", context, status=status)


def change(request: HttpRequest, email: str) -> None:
    """What django-allauth knows of addresses goes along, or a new password could go to the old."""
    with events.audited(actor=request.user, team=None), transaction.atomic():
        user = people.change_address(request.user, email)
        EmailAddress.objects.filter(user=user).delete()
        EmailAddress.objects.filter(email=email).delete()
        sign_on.prove_address(user)
        about = {"from_email": request.user.email, "to_email": email}
        get_adapter().send_notification_mail(
            "account/email/email_changed", user, about, email=request.user.email
        )
    update_session_auth_hash(request, user)
