from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.utils import user_pk_to_url_str
from django.core.management.base import BaseCommand, CommandError

from dashboard import signins
from snapshots.events import Verb
from snapshots.models import User


class Command(BaseCommand):
    help = (
        "Print a link by which somebody chooses a new password: where no mail is sent, and"
        " strangers' guesses make them wait. Their second factor is asked for all the same."
    )

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--email", required=True)

    def handle(self, *args: Any, email: str, **_: Any) -> None:
        user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
        if user is None:
            raise CommandError("Nobody here has this address.")
        signins.note(Verb.PASSWORD_LINK, user)
        key = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
        link = get_adapter().get_reset_password_from_key_url(f"{user_pk_to_url_str(user)}-{key}")
        self.stdout.write(f"For {user.email}, once, for half an hour: {link}")
