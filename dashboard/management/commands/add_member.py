from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction

from dashboard.management.commands.connect_account import named_team
from dashboard.management.commands.create_owner import secret_from_stdin
from snapshots import teams
from snapshots.errors import Refused
from snapshots.models import Role, User


class Command(BaseCommand):
    help = "Add a person to a team. A new person's password is read from standard input."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--email", required=True)
        parser.add_argument("--name", default="", help="how others read of them")
        parser.add_argument("--team", default="")
        parser.add_argument("--role", choices=Role.values, default=Role.VIEWER)

    def handle(self, *args: Any, email: str, name: str, team: str, role: str, **_: Any) -> None:
        into, email = named_team(team), email.strip().lower()
        user = User.objects.filter(email=email).first()
        try:
            with transaction.atomic():
                if user is None:
                    user = User(email=email, name=name or email.partition("@")[0].title())
                    password = secret_from_stdin("Password: ")
                    validate_email(email)
                    validate_password(password, user)
                    user.set_password(password)
                    user.save()
                teams.add_member(into, user, Role(role))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except Refused as reason:
            raise CommandError(str(reason)) from None
        self.stdout.write(f"{email} is in {into} as {Role(role).label}.")
