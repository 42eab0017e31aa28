"""What we ask of django-allauth beyond its settings."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.core.mail import EmailMessage
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext_lazy as _


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

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def render_mail(
        self, template_prefix: str, email: Any, context: dict[str, Any], headers: Any = None
    ) -> EmailMessage:
        """In the language of whom it is for, whoever asked for it."""
        wanted = getattr(context.get("user"), "language", "") or translation.get_language()
        with translation.override(wanted):
            return super().render_mail(template_prefix, email, context, headers)
