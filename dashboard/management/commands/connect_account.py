from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dashboard.management.commands.create_owner import secret_from_stdin
from snapshots import accounts, tokens
from snapshots.errors import Refused
from snapshots.models import Account, Role, Team, User


class Command(BaseCommand):
    help = "Connect a provider account to a team. The token is read from standard input."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--team", default="", help="its name; not needed if there is only one")
        parser.add_argument("--label", default="", help="how the account is called here")
        parser.add_argument("--url", default="", help="the provider's API address")
        parser.add_argument(
            "--replace", action="store_true", help="put the token in place of the present one"
        )

    def handle(self, *args: Any, replace: bool, **options: Any) -> None:
        team = named_team(options["team"])
        actor = User.objects.filter(memberships__team=team, memberships__role=Role.OWNER).first()
        if actor is None:
            raise CommandError(f"{team} has no owner.")
        url = options["url"].rstrip("/") or settings.PROVIDER_API_URLS[0]
        token = secret_from_stdin("Token: ").strip()
        try:
            account = account_of(team, url, token) if replace else None
            if account is None:
                account = accounts.connect(
                    team, label=options["label"], api_url=url, token=token, actor=actor
                )
            elif not account.has_token(token):
                accounts.replace_token(account, token, actor=actor)
        except Refused as reason:
            raise CommandError(str(reason)) from None
        self.stdout.write(f"{team} is connected to {account} ({account.identity}) at {url}.")


def named_team(name: str) -> Team:
    """The team of that name, or the only one. Raises `CommandError`."""
    found = Team.objects.filter(name=name) if name else Team.objects.all()
    if len(found) == 1:
        return found[0]
    names = ", ".join(Team.objects.order_by("name").values_list("name", flat=True))
    raise CommandError(f"Name one team with --team. There is: {names or 'none yet'}.")


def account_of(team: Team, url: str, token: str) -> Account | None:
    """The team's account that the token opens, asked of the provider unless we know the token."""
    connected = list(Account.objects.filter(team=team, api_url=url, removed_at=None))
    known = next((account for account in connected if account.has_token(token)), None)
    if known or not connected:
        return known
    identity = tokens.check(url, token).identity.email.lower()
    return next((account for account in connected if account.identity == identity), None)
