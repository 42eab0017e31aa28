"""What we ask of django-allauth beyond its settings."""

import logging
from base64 import b32encode
from datetime import timedelta
from functools import partial
from os import urandom
from smtplib import SMTPException
from typing import Any
from urllib.parse import quote, urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from dashboard import devices, factors, signins
from dashboard.proxies import client_address
from dashboard.templatetags.ui import duration
from snapshots import events, tries
from snapshots.models import User
from snapshots.secrets import CannotOpen

log = logging.getLogger(__name__)


class NoSignUp(DefaultAccountAdapter):
    """People come by invitation; the public sign-up page stays closed. Its words are ours."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": _("This account is switched off."),
        "email_password_mismatch": _("The e-mail address or the password is not right."),
        "enter_current_password": _("That is not your current password."),
        "incorrect_password": _("That is not your password."),
        "invalid_password_reset": _("This link was used already, or is too old."),
        "too_many_login_attempts": _("Too many tries. Wait a few minutes, then try again."),
        "rate_limited": _("Too many tries. Wait a few minutes, then try again."),
    }

    def is_safe_url(self, url: str | None) -> bool:
        """Also where the address is none, such as `http://[`."""
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def set_password(self, user: User, password: str) -> None:
        """However it came about, the change and its line are one transaction.

        Nothing else of the row is written: their sessions may have been ended since it was read.
        """
        user.set_password(password)
        with transaction.atomic():
            user.save(update_fields=["password"])
            events.record(events.Verb.PASSWORD_SET, team=None, actor=user)

    def render_mail(
        self, template_prefix: str, email: Any, context: dict[str, Any], headers: Any = None
    ) -> EmailMessage:
        """In the language of whom it is for, whoever asked for it."""
        wanted = getattr(context.get("user"), "language", "") or translation.get_language()
        with translation.override(wanted):
            return super().render_mail(template_prefix, email, context, headers)

    def send_notification_mail(self, *arguments: Any, **more: Any) -> None:
        """After the commit: no transaction waits for a mail server, and no change is lost by it."""
        send = partial(super().send_notification_mail, *arguments, **more)

        def told() -> None:
            try:
                send()
            except (SMTPException, OSError) as error:
                log.warning("no mail was sent: %s", type(error).__name__)

        transaction.on_commit(told)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """At the site's own address, whatever the request called it."""
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "who", "key": "key"})
        return settings.SITE_URL + path.replace("who-key", quote(key))

    # -- guessing is slow: see `snapshots.tries`

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request) or "0.0.0.0"  # noqa: S104  # a name for nobody's address

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Counted before it is looked at: what has to wait costs no look at the password."""
        self.counted = devices.counted(request, credentials.get("email", ""))
        if wait := tries.take(self.counted):
            signins.not_let_in(credentials, turned_away=True)
            raise self.too_many(wait)

    def too_many(self, wait: timedelta) -> ValidationError:
        words = _("Too many tries. Try again in %(span)s.") % {"span": duration(wait)}
        return ValidationError(words, code="too_many_login_attempts")

    @sensitive_variables()
    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        if user is not None:
            tries.succeeded(self.counted)
        return user

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        signins.refused(user, self.error_messages["account_inactive"])
        return super().respond_user_inactive(request, user)

    # -- proving once more who one is: see `dashboard.proof`

    def is_reauthentication_required(self, *, app: str, **more: Any) -> bool:
        from dashboard import proof

        return not proof.is_fresh(context.request)

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        address = reverse("account_reauthenticate")
        return [{"id": "reauthenticate", "url": address, "description": ""}]

    @sensitive_variables("password")
    def reauthenticate(self, user: User, password: str) -> bool:
        """Whoever is signed in is not kept out by what strangers try at the door."""
        found = authenticate(self.request, email=user.email, password=password)
        return found is not None and found.pk == user.pk


class SecondFactors(DefaultMFAAdapter):
    """Bound to the site's own name, whatever a request calls it; their secrets are sealed."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": _("This code or passkey is not right, or was used already."),
        "cannot_generate_recovery_codes": _("Recovery codes come with a second factor."),
    }

    def _get_site_name(self) -> str:
        return "Holdfast"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {"id": urlsplit(settings.SITE_URL).hostname or "", "name": "Holdfast"}

    def encrypt(self, text: str) -> str:
        return factors.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Where the key is lost, or it is another's, a secret that nobody has: no code is right."""
        try:
            return factors.opened(encrypted_text)
        except CannotOpen:
            return b32encode(urandom(20)).decode()

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        """An empty field: people know best how they call their device."""
        return ""
