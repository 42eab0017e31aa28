from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from snapshots import accounts, teams
from snapshots.errors import Refused
from snapshots.models import Account, Membership, Role, Team, User
from snapshots.provider.simulator import DEMO_TOKEN, SECOND_DEMO_TOKEN

PASSWORD = "holdfast-demo"  # noqa: S105 - printed at every start of the demo
OUR_TEAM, THEIR_TEAM = "Northwind", "Larkfield"
CAST = (
    ("Alice Owner", "alice", Role.OWNER),
    ("Rosa Restorer", "rosa", Role.RESTORER),
    ("Oscar Operator", "oscar", Role.OPERATOR),
    ("Vera Viewer", "vera", Role.VIEWER),
)
WELCOME = f"""\
  Sign in as  alice@example.com     (owner of Northwind)
  Password    {PASSWORD}

  The same password opens rosa@ (restorer), oscar@ (operator), vera@ (viewer) and, in another
  team, mallory@example.com. The provider is simulated; no real server is touched."""


class Command(BaseCommand):
    help = "Fill an empty demo house with two teams and their simulated provider accounts."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--started-by-up", action="store_true")

    def handle(self, *args: Any, started_by_up: bool, **options: Any) -> None:
        if not (settings.DEMO and started_by_up):
            raise CommandError(
                "Only `make run` seeds the demo, in a house of its own:"
                " everybody knows the demo's passwords."
            )
        if not Account.objects.filter(team__name=THEIR_TEAM).exists():  # its last step
            try:
                seed(settings.PROVIDER_API_URLS[0])
            except Refused as reason:
                raise CommandError(str(reason)) from None
        self.stdout.write(WELCOME)


def seed(api_url: str) -> None:
    """Northwind with one person in each role, and Mallory's team, which must see none of it.

    May be repeated after having been interrupted anywhere.
    """
    alice, *others = [person(name, nick) for name, nick, _ in CAST]
    northwind = team(OUR_TEAM, owner=alice)
    for user, (_, _, role) in zip(others, CAST[1:], strict=True):
        if not Membership.objects.filter(team=northwind, user=user).exists():
            teams.add_member(northwind, user, role, actor=alice)
    if not northwind.accounts.exists():
        accounts.connect(northwind, label="", api_url=api_url, token=DEMO_TOKEN, actor=alice)
    mallory = person("Mallory Elsewhere", "mallory")
    larkfield = team(THEIR_TEAM, owner=mallory)
    accounts.connect(larkfield, label="", api_url=api_url, token=SECOND_DEMO_TOKEN, actor=mallory)


def person(name: str, nick: str) -> User:
    email = f"{nick}@example.com"
    known = User.objects.filter(email=email).first()
    return known or User.objects.create_user(email, PASSWORD, name=name)


def team(name: str, *, owner: User) -> Team:
    return Team.objects.filter(name=name).first() or teams.create_team(name, owner=owner)
