"""Codes and passkeys that somebody tries, at the sign-in and as a fresh proof; the old password.

Codes are slowed down as passwords are (`snapshots.tries`): whoever knows a password and guesses at
the code keeps its owner out of none of their devices. What was not right is told in the history.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm
from allauth.core import context
from allauth.mfa.adapter import get_adapter as get_factors
from allauth.mfa.base import forms as codes
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import forms as passkeys
from allauth.mfa.webauthn.internal import auth
from django.core.exceptions import ValidationError

from dashboard import devices, signins
from snapshots import tries
from snapshots.models import User


def braked(user: User, check: Callable[[], Any]) -> Any:
    """What `check` answers, if it is this person's turn to try."""
    counted = devices.counted_second(context.request, user)
    if wait := tries.take(counted):
        signins.turned_away(user)
        raise get_adapter().too_many(wait)
    found = check()
    tries.succeeded(counted)
    return found


class _Code:
    """allauth tells by a signal of a code that was not right."""

    user: User

    def clean_code(self) -> str:
        code: str = braked(self.user, super().clean_code)  # type: ignore[misc]
        return code


class Code(_Code, codes.AuthenticateForm):
    """After a password."""


class CodeAgain(_Code, codes.ReauthenticateForm):
    """As a proof."""


class _Passkey:
    """allauth tells nobody of a passkey that was not right."""

    user: User

    def clean_credential(self) -> Authenticator:
        return braked(self.user, self._looked_at)

    def _looked_at(self) -> Authenticator:
        try:
            return super().clean_credential()  # type: ignore[misc]
        except ValidationError:
            signins.wrong_code(self.user)
            raise


class Passkey(_Passkey, passkeys.AuthenticateWebAuthnForm):
    """After a password."""


class PasskeyAgain(_Passkey, passkeys.ReauthenticateWebAuthnForm):
    """As a proof."""


class PasskeyAlone(passkeys.LoginWebAuthnForm):
    """Instead of a password: only if the device has asked its owner for a finger or a PIN.

    The challenge says so, but one that was made for a second factor does not, and whoever found a
    key could answer that here. Nothing is slowed down: there is nothing to guess.
    """

    def clean_credential(self) -> Authenticator:
        credential = self.cleaned_data["credential"]
        try:
            found = super().clean_credential()
            said = auth.parse_authentication_response(credential).response
            if not said.authenticator_data.is_user_verified():
                raise get_factors().validation_error("incorrect_code")
        except ValidationError:
            signins.wrong_code(_claimed(credential))
            raise
        return found


class ChangePassword(ChangePasswordForm):
    """The old one is asked for, and may be somebody's guess."""

    def clean_oldpassword(self) -> str:
        try:
            old: str = super().clean_oldpassword()
        except ValidationError:
            signins.wrong_code(self.user)
            raise
        return old


def _claimed(credential: Any) -> User | None:
    """Whose it says that it is."""
    try:
        return auth.extract_user_from_response(credential)
    except (ValidationError, AttributeError):
        return None
