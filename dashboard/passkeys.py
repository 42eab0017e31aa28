"""django-allauth's forms for passkeys, in our words."""

from __future__ import annotations

from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django.utils.translation import gettext_lazy as _


class Add(AddWebAuthnForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name, alone = self.fields["name"], self.fields["passwordless"]
        name.label, name.max_length = _("Name"), 100
        name.help_text = _("By which you recognise it: “Laptop”, for example.")
        alone.label = _("It signs me in alone, without a password")
        alone.help_text = _("The device then asks for your fingerprint, your face or its PIN.")

    def clean(self) -> dict[str, Any]:
        """What is no answer of a device is no passkey, rather than an error of ours."""
        try:
            told: dict[str, Any] = super().clean()
        except (ValueError, KeyError):
            raise get_adapter().validation_error("incorrect_code") from None
        return told


class Rename(EditWebAuthnForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name")
