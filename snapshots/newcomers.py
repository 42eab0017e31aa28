"""Somebody new: a name, an address, a password. They come in by an invitation, or as the first."""

from __future__ import annotations

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from snapshots.errors import Refused
from snapshots.models import User


def newcomer(*, name: str, email: str, password: str) -> User:
    """A person who is not written down yet. Raises `Refused`."""
    user = User(email=email.strip().lower(), name=" ".join(name.split())[:100])
    if not user.name:
        raise Refused(_("Please say how others shall read of you."), field="name")
    check_email(user.email)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Refused(" ".join(error.messages), field="password") from None
    user.set_password(password)
    return user


def check_email(email: str) -> None:
    try:
        validate_email(email)
    except ValidationError:
        raise Refused(_("This is not an e-mail address."), field="email") from None
