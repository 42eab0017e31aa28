"""Invitations: made by whoever manages people, opened by whoever has the link.

The link's secret stands in the address of one request, which leads on at once to an address
without it: what the accept page tells others (as a referrer, to a sign-in, in a history that is
shown) never has it. What the session keeps is the hash, as the database does.
"""

from __future__ import annotations

import logging
from functools import partial
from smtplib import SMTPException
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.core.mail import get_connection, send_mail
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import proof, teams_here
from dashboard.addresses import posts_to
from dashboard.forms import Needed, Told
from dashboard.proof import proven
from dashboard.sessions import end_if_over
from dashboard.templatetags.ui import shown
from dashboard.views.operations import posted, see_other
from dashboard.views.reach import EVERYTHING, Place, approved
from dashboard.views.team import WHAT_ROLES_DO, choices, found
from snapshots import invitations
from snapshots.models import Invitation, Role, Team, User
from snapshots.permissions import MANAGE_PEOPLE, require
from snapshots.ranks import grantable

log = logging.getLogger(__name__)
OPENED = "invitation"  # in the session: the hash of the link that was opened
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
NO_MAIL = ("console", "dummy")


# -- made -----------------------------------------------------------------------------------------


class Invite(Place):
    email = forms.CharField(
        label=gettext_lazy("E-mail address"),
        help_text=gettext_lazy(
            "The link then works only for this address. Without one, it works for the first person"
            " who opens it."
        ),
        required=False,
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )


def inviting(request: HttpRequest, pk: int) -> str:
    """What is asked for, for whoever is to prove that it is them."""
    team = found(request, pk)
    require(request.user, MANAGE_PEOPLE, team)
    names = {"team": shown(team.name), "person": shown(request.POST.get("email", "").strip())}
    names["role"], reach = approved(request.POST, team, grantable(request.user, team))
    if not names["role"]:
        return _("Invite somebody to %(team)s.") % names
    if not names["person"]:
        words = _("Make a link with which somebody joins %(team)s as %(role)s.") % names
    else:
        words = _("Invite %(person)s to %(team)s as %(role)s.") % names
    return f"{words} {reach}"


@sensitive_variables("secret", "link")
@require_http_methods(["GET", "HEAD", "POST"])
@proven(inviting)
def invite(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a link. It is shown in this answer and never again."""
    team = found(request, pk)
    require(request.user, MANAGE_PEOPLE, team)
    form = Invite(posted(request), initial={"role": Role.VIEWER, "reach": EVERYTHING})
    form.offer(team, grantable(request.user, team))
    context = {"team": team, "form": form, "choices": choices(form)}
    made = form.tell(partial(invitations.invite, team, actor=request.user))
    if made is None:
        status = 422 if form.is_bound else 200
        return render(request, "invitations/invite.html", context, status=status)
    invitation, secret = made
    link = settings.SITE_URL + reverse("open_invitation", args=[secret])
    context |= {"invitation": invitation, "link": link, "mail": posted_by_mail(invitation, link)}
    return render(request, "invitations/made.html", context)


def keeps_mail() -> bool:
    """Whether messages go nowhere, since no mail server is set up."""
    return settings.EMAIL_BACKEND.split(".")[-2] in NO_MAIL


@sensitive_variables("link")
def posted_by_mail(invitation: Invitation, link: str) -> str:
    """What became of the message: "sent", "failed", "off" without a mail server, or "none"."""
    if not invitation.email:
        return "none"
    if keeps_mail():
        return "off"
    team = shown(invitation.team.name)
    body = render_to_string("invitations/mail.txt", {"invitation": invitation, "link": link})
    try:
        send_mail(
            _("Join %(team)s on Holdfast") % {"team": team},
            body,
            None,
            [invitation.email],
            connection=get_connection(timeout=10),
        )
    except (SMTPException, OSError) as error:
        log.warning("invitation %s: no mail was sent: %s", invitation.pk, type(error).__name__)
        return "failed"
    return "sent"


def made_here(request: HttpRequest, pk: int) -> Invitation:
    rows = Invitation.objects.filter(team_id__in=request.user.roles).select_related("team")
    invitation = get_object_or_404(rows, pk=pk)
    require(request.user, MANAGE_PEOPLE, invitation.team)
    return invitation


def withdrawing(request: HttpRequest, pk: int) -> str:
    invitation = made_here(request, pk)
    names = {"team": shown(invitation.team.name), "role": Role(invitation.role).label}
    return _("Withdraw the invitation to join %(team)s as %(role)s.") % names


@posts_to("team_index", of_it=False)
@proven(withdrawing)
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the link worthless."""
    invitation = made_here(request, pk)
    invitations.withdraw(invitation, actor=request.user)
    messages.success(request, _("The invitation is withdrawn: its link works no more."))
    return see_other(request, "team", invitation.team_id)


# -- opened ---------------------------------------------------------------------------------------


@sensitive_variables("secret")
@login_not_required
@require_safe
def open_link(request: HttpRequest, secret: str) -> HttpResponse:
    """The link itself: on to the page that asks, at an address without the secret."""
    kept = invitations.fingerprint(secret)
    if not Invitation.objects.filter(secret_hash=kept).exists():
        return render(request, "invitations/unknown.html", status=404)
    request.session[OPENED] = kept
    return redirect("join")


class Join(Told):
    """For somebody who is new here. The address is asked for only if the link is for anybody."""

    email = Needed(
        label=gettext_lazy("E-mail address"),
        help_text=gettext_lazy("You sign in with it."),
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
    )
    name = Needed(
        label=gettext_lazy("Your name"),
        help_text=gettext_lazy("How others read of you in the history."),
        max_length=100,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = Needed(
        label=gettext_lazy("Password"),
        help_text=gettext_lazy("12 characters or more."),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, data: Any = None, *, email: str) -> None:
        super().__init__(data)
        if email:
            del self.fields["email"]


@sensitive_post_parameters("password")
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def join(request: HttpRequest) -> HttpResponse:
    """Say yes: as oneself, or as somebody new."""
    rows = Invitation.objects.select_related("team", "invited_by")
    invitation = rows.filter(secret_hash=request.session.get(OPENED, "")).first()
    if invitation is None:
        return render(request, "invitations/unknown.html", status=404)
    if words := invitations.objection(invitation):
        context = {"invitation": invitation, "words": words}
        return render(request, "invitations/void.html", context, status=410)
    if request.user.is_authenticated and end_if_over(request):
        request.session[OPENED] = invitation.secret_hash  # which went with the session
    act = as_oneself if request.user.is_authenticated else as_somebody_new
    return act(request, invitation)


def as_oneself(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = Told(posted(request))
    if form.is_bound and form.ask(partial(invitations.accept, invitation, user=request.user)):
        request.user.__dict__.pop("standing", None)  # read before this one was among them
        return welcome(request, invitation.team)
    context = {
        "invitation": invitation,
        "form": form,
        "is_member": invitation.team_id in request.user.roles,
        "is_meant": invitation.email in ("", request.user.email.lower()),
        "what": WHAT_ROLES_DO[Role(invitation.role)],
    }
    status = 422 if form.is_bound else 200
    return render(request, "invitations/join.html", context, status=status)


def as_somebody_new(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    form = Join(posted(request), email=invitation.email)
    if user := form.tell(partial(invitations.join, invitation)):
        login(request, user, backend=BACKEND)
        proof.note(request, user)  # they have just chosen their password
        return welcome(request, invitation.team)
    context = {
        "invitation": invitation,
        "form": form,
        "is_known": bool(invitation.email) and User.objects.filter(email=invitation.email).exists(),
        "what": WHAT_ROLES_DO[Role(invitation.role)],
    }
    status = 422 if form.is_bound else 200
    return render(request, "invitations/join_new.html", context, status=status)


def welcome(request: HttpRequest, team: Team) -> HttpResponse:
    request.session.pop(OPENED, None)
    teams_here.choose(request, team.pk)
    messages.success(request, _("You are in %(team)s.") % {"team": shown(team.name)})
    return see_other(request, "overview")
