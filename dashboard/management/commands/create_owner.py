import getpass
import sys
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction

from snapshots import teams
from snapshots.models import Membership, User


class Command(BaseCommand):
    help = "Create a team and its owner. The password is read from standard input."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--name", default="", help="how others read of them")
        parser.add_argument("--team", default="My team")
        parser.add_argument(
            "--first-only", action="store_true", help="do nothing if there is anybody already"
        )

    def handle(
        self, *args: Any, email: str, name: str, team: str, first_only: bool, **options: Any
    ) -> None:
        email = email.strip().lower()
        if first_only and Membership.objects.exists():
            return
        if User.objects.filter(email=email).exists():
            raise CommandError(f"There is somebody with the address {email} already.")
        user = User(email=email, name=name or email.partition("@")[0].title())
        password = secret_from_stdin("Password: ")
        try:
            validate_email(email)
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        user.set_password(password)
        with transaction.atomic():
            user.save()
            teams.create_team(team, owner=user)
        self.stdout.write(f"{email} owns the team {team}.")


def secret_from_stdin(question: str) -> str:
    """One line of standard input, asked for without echo at a terminal."""
    if sys.stdin.isatty():
        return getpass.getpass(question)
    return sys.stdin.readline().rstrip("\r\n")
