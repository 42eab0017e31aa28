"""A new password by mail: asked for in a request, sent by a worker.

What the request does is the same whether somebody has the address or nobody has it, so that how
long its answer takes tells nothing.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from smtplib import SMTPException
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.forms import ResetPasswordForm
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone, translation
from django.utils.translation import get_language

from snapshots.models import PasswordLink, User

log = logging.getLogger(__name__)
APART = timedelta(minutes=1)  # between two tries to hand one to the mail server
MOST = 20  # in one go


class Ask(ResetPasswordForm):
    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].strip().lower()
        self.user = User.objects.filter(email=email, is_active=True).first()
        return email

    def save(self, request: HttpRequest, **_: Any) -> str:
        PasswordLink.objects.create(user=self.user, language=get_language())
        return str(self.cleaned_data["email"])


def send() -> None:
    """Mail what was asked for. Safe twice, at once, or late: a mail may come twice, never fail.

    A mail server that is away costs a worker seconds: it is tried once a minute, not for each.
    """
    now = timezone.now()
    oldest = now - timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    PasswordLink.objects.filter(asked_at__lt=oldest).delete()
    if PasswordLink.objects.filter(due_at__gt=now).exists():
        return  # one is under way, or the last try failed
    waiting = PasswordLink.objects.filter(due_at__lte=now)
    for row in waiting.select_related("user").order_by("due_at")[:MOST]:
        if not waiting.filter(user=row.user).update(due_at=now + APART):
            continue  # they were sent one just now
        if not _is_sent(row):
            break
        PasswordLink.objects.filter(user=row.user).delete()


def _is_sent(row: PasswordLink) -> bool:
    if row.user is None or not row.user.is_active:
        return True
    try:
        with translation.override(row.language):
            about = {"user": row.user, "password_reset_url": link(row.user)}
            prefix = "account/email/password_reset_key"
            get_adapter().render_mail(prefix, row.user.email, about).send()
    except (SMTPException, OSError) as error:
        log.warning("no link was sent for a new password: %s", type(error).__name__)
        return False
    return True


def link(user: User) -> str:
    """For `user`, once, for half an hour."""
    key = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    address: str = get_adapter().get_reset_password_from_key_url(
        f"{user_pk_to_url_str(user)}-{key}"
    )
    return address
