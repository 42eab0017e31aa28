from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dashboard import password_links, signins
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
        self.stdout.write(f"For {user.email}, once, for half an hour: {password_links.link(user)}")
