"""Sentences of packages that our pages show and that lack a translation somewhere.

Our catalogues come first, so what is translated here is what people read. django-allauth has no
Esperanto at all; Django's catalogues are behind its sentences here and there.
"""

from django.utils.translation import gettext_noop as _


def ngettext_noop(one: str, many: str) -> tuple[str, str]:
    return one, many


SENTENCES = (
    # allauth.account.forms, allauth.account.fields
    _("Email"),
    _("Password"),
    _("Password (again)"),
    _("Current Password"),
    _("New Password"),
    _("New Password (again)"),
    _("Forgot your password?"),
    _("You must type the same password each time."),
    # allauth.mfa
    _("Authenticator code"),
    _("Code"),
    # django.contrib.auth.password_validation
    ngettext_noop(
        "This password is too short. It must contain at least %d character.",
        "This password is too short. It must contain at least %d characters.",
    ),
)
