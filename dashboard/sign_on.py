"""Single sign-on by OpenID Connect: who comes in by it, and what it proves.

It makes nobody a member. Somebody comes in whom we know by it already; or whose verified address
somebody here has; or who has opened an invitation that is for them. An address that was only typed
here, by whoever opened an invitation for anybody, has to be proved before it counts: by choosing a
password through the link in a mail.
"""

from __future__ import annotations

import time
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base import AuthProcess
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from dashboard import signins
from snapshots import events, invitations
from snapshots.errors import Refused
from snapshots.events import Verb
from snapshots.models import Invitation, User
from snapshots.said import gettext as _
from snapshots.said import memo

PROVIDER = "sso"
FAILED = gettext_lazy("It was stopped there, or it did not answer as it should.")


def name() -> str:
    """How people call the place where they sign in; empty if there is none."""
    apps = settings.SOCIALACCOUNT_PROVIDERS.get("openid_connect", {}).get("APPS", [])
    return apps[0]["name"] if apps else ""


def place() -> str:
    """The same, also where it was configured once and is no more."""
    return name() or _("single sign-on")


class SignOn(DefaultSocialAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Find whom they are here. Whoever is nobody here is told to ask for an invitation."""
        if sociallogin.state.get("process") != AuthProcess.LOGIN:
            raise ImmediateHttpResponse(refused(request, _("Sign in by it instead.")))
        said = sociallogin.account.extra_data
        token, claims = said.get("id_token") or {}, said.get("userinfo") or said.get("id_token")
        if not token or claims.get("sub") != token.get("sub"):
            raise ImmediateHttpResponse(refused(request, _("Its answer contradicts itself.")))
        if not sociallogin.is_existing and (user := self._whose(request, claims)):
            with transaction.atomic():
                sociallogin.connect(request, user)
                signins.note(Verb.SIGN_ON_ADDED, user, place=name())
        if "auth_time" in token:  # when they last typed a password there, or the like
            request.signed_on_at = min(float(token["auth_time"]), time.time())  # type: ignore[attr-defined]

    def on_authentication_error(self, request: HttpRequest, *_error: Any, **_more: Any) -> None:
        signins.refused(None, FAILED)

    def _whose(self, request: HttpRequest, claims: dict[str, Any]) -> User | None:
        email = str(claims.get("email") or "").strip().lower()
        if not email or claims.get("email_verified") is not True:
            words = _("It does not say that your e-mail address is verified.")
            raise ImmediateHttpResponse(refused(request, words))
        user = User.objects.filter(email=email).first()
        if user is not None and not has_proved_address(user):
            words = _(
                "Somebody here has this address, and has never proved it. If it is you: choose a"
                " new password by mail, then sign in this way."
            )
            raise ImmediateHttpResponse(refused(request, words, user))
        return user or self._invited(request, email, claims)

    def _invited(self, request: HttpRequest, email: str, claims: dict[str, Any]) -> User | None:
        opened = request.session.get("invitation", "")
        invitation = Invitation.objects.filter(secret_hash=opened).first() if opened else None
        if invitation is None:
            signins.wrong_code(None)
            return None
        name = str(claims.get("name") or email.partition("@")[0])
        try:
            return invitations.join_signed_on(invitation, name=name, email=email)
        except Refused as refusal:
            raise ImmediateHttpResponse(refused(request, refusal.sentence)) from None


def has_proved_address(user: User) -> bool:
    """Whether they came without a link, which whoever invited them saw too, or proved it since."""
    if EmailAddress.objects.filter(user=user, email=user.email, verified=True).exists():
        return True
    return not Invitation.objects.filter(accepted_by=user).exists()


def prove_address(user: User, **_: Any) -> None:
    """They chose a password by the link in a mail."""
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )


def refused(request: HttpRequest, words: str, user: User | None = None) -> HttpResponse:
    """Told in the history too; of whom, if we know."""
    signins.refused(user, words)
    return page(request, words)


def page(request: HttpRequest, words: str) -> HttpResponse:
    context = {"words": words, "sign_on": name()}
    return render(request, "socialaccount/refused.html", context, status=403)


@login_not_required
@require_safe
def failed(request: HttpRequest) -> HttpResponse:
    return page(request, str(FAILED))


def is_last(one: SocialAccount) -> bool:
    """Whether nothing certain would sign its person in without it.

    A passkey does not count: it can be lost, and be removed without being asked what remains.
    """
    others = SocialAccount.objects.filter(user=one.user).exclude(pk=one.pk)
    return not one.user.has_usable_password() and not (name() and others.exists())


def end(one: SocialAccount, actor: User) -> None:
    """Raises `Refused` if it is their last way in, also if two are removed at once."""
    about = {"place": place()}
    with events.audited(actor=actor, team=None), transaction.atomic():
        one.user = User.objects.select_for_update(no_key=True).get(pk=actor.pk)
        if is_last(one):
            raise Refused(
                _("Choose a password first: without %(place)s you could not sign in any more.")
                % about
            )
        if one.delete()[0]:
            kept = memo(about["place"])
            events.record(Verb.SIGN_ON_REMOVED, team=None, actor=one.user, place=kept)
            get_adapter().send_notification_mail(
                "socialaccount/email/account_disconnected", one.user, about
            )
