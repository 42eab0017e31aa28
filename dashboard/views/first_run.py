"""Set-up in the browser: the first owner by the link in the log, then what is left, on one page."""

from __future__ import annotations

from functools import partial
from smtplib import SMTPException

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.mail import get_connection, send_mail
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import proof, teams_here
from dashboard.forms import Needed
from dashboard.management.commands.doctor import findings
from dashboard.templatetags.ui import shown
from dashboard.views.invitations import BACKEND, Join, keeps_mail
from dashboard.views.operations import posted, see_other
from snapshots import first_run, invitations
from snapshots.permissions import visible_accounts

OPENED = "first_run"  # in the session: the hash of the link that was opened


@sensitive_variables("secret")
@login_not_required
@require_safe
def open_link(request: HttpRequest, secret: str) -> HttpResponse:
    """The link itself: on to the page that asks, at an address without the secret."""
    kept = invitations.fingerprint(secret)
    if not first_run.knows(kept):
        return closed(request)
    request.session[OPENED] = kept
    return redirect("first_run")


def closed(request: HttpRequest) -> HttpResponse:
    """For a link that is worthless, and for none at all."""
    context = {"is_open": first_run.is_open()}
    return render(request, "first_run/closed.html", context, status=404)


class First(Join):
    """The first owner, and the team that is theirs."""

    team = Needed(
        label=gettext_lazy("Your team’s name"),
        help_text=gettext_lazy("Whose servers these are: a company, a group, yourself."),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "organization"}),
    )
    field_order = ("email", "name", "password", "team")


@sensitive_post_parameters("password")
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def begin(request: HttpRequest) -> HttpResponse:
    """Who the first owner is."""
    kept = request.session.get(OPENED, "")
    if not first_run.knows(kept):
        return closed(request)
    form = First(posted(request), email="")
    if made := form.tell(partial(first_run.begin, kept)):
        user, team = made
        login(request, user, backend=BACKEND)
        proof.note(request, user)
        request.session.pop(OPENED, None)
        teams_here.choose(request, team.pk)
        words = _("%(team)s is created, and it is yours.")
        messages.success(request, words % {"team": shown(team.name)})
        return see_other(request, "setup")
    status = 422 if form.is_bound else 200
    return render(request, "first_run/begin.html", {"form": form}, status=status)


# -- what is left ---------------------------------------------------------------------------------


def only_the_first(request: HttpRequest) -> None:
    """What it tells of the installation is for who set it up. Raises `Http404`."""
    if not first_run.began(request.user):
        raise Http404


@require_safe
def setup(request: HttpRequest) -> HttpResponse:
    """What is done, what is left, and whether the installation is well."""
    only_the_first(request)
    found = list(findings(but=["mail"]))  # a page that is only looked at speaks to no mail server
    context = {
        "accounts": visible_accounts(request.user).order_by("label", "pk"),
        "site_url": settings.SITE_URL,
        "is_elsewhere": request.build_absolute_uri("/").rstrip("/") != settings.SITE_URL,
        "sends_mail": not keeps_mail(),
        "tested": request.session.get("mail_tested", ""),
        "findings": found,
        "wrong": sum(bool(one.advice) for one in found),
    }
    return render(request, "first_run/setup.html", context)


@require_POST
def test_mail(request: HttpRequest) -> HttpResponse:
    """A message to oneself, and what the mail server said to it."""
    only_the_first(request)
    subject = _("A test from Holdfast")
    body = _("If you read this, Holdfast can send you e-mail.")
    try:
        send_mail(subject, body, None, [request.user.email], connection=get_connection(timeout=10))
    except (SMTPException, OSError) as error:
        request.session["mail_tested"] = type(error).__name__
    else:
        request.session["mail_tested"] = "sent"
    return see_other(request, "setup")


@require_POST
def done(request: HttpRequest) -> HttpResponse:
    """Show the way back to it no more; its address stays."""
    only_the_first(request)
    first_run.finish(request.user)
    messages.success(request, _("The set-up is done."))
    return see_other(request, "overview")
