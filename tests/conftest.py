"""The cast, and the stage they act on.

Alice owns the team, Rosa restores, Oscar operates, Vera views. Mallory owns another team and must
see nothing of theirs. The provider is the simulator, spoken to over HTTP; its clock and ours are
moved together with `stage.later`.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.test import Client
from django.utils import timezone, translation

from snapshots import accounts, inventory, operations, teams
from snapshots.models import Account, Operation, Role, Server, Snapshot, Team, User, append_only
from snapshots.provider.simulator import Simulator
from tests import canary
from tests.long import LONG

NOW = datetime(2026, 11, 23, 14, 2, tzinfo=UTC)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """SQLite on disk, as in production: in memory, threads would share one connection's locks."""
    if connection.vendor == "sqlite":
        path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        connection.settings_dict["TEST"]["NAME"] = str(path)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL, the first three forms of each test: the others ask the database the same.

    All in tests/audit, where each table has triggers of its own, and with LONG_TESTS.
    """
    if connection.vendor == "sqlite" or LONG:
        return
    seen: Counter[str] = Counter()
    chosen, left = [], []
    for item in items:
        name = item.nodeid.partition("[")[0]
        seen[name] += 1
        is_chosen = seen[name] <= 3 or name.startswith("tests/audit/")
        (chosen if is_chosen else left).append(item)
    items[:] = chosen
    config.hook.pytest_deselected(items=left)


@pytest.fixture(scope="session", autouse=True)
def a_test_may_empty_its_database() -> None:
    """Nobody else may: the triggers go with the rows, and come back with the `post_migrate`."""
    operations = type(connection.ops)  # a browser's tests have a connection of their own
    flush = operations.sql_flush

    def sql_flush(self: Any, *arguments: Any, **more: Any) -> list[str]:
        return [*append_only.off(connection.vendor), *flush(self, *arguments, **more)]

    operations.sql_flush = sql_flush


@pytest.fixture(scope="session", autouse=True)
def a_password_is_cheap() -> None:
    """Each costs a fifth of a second as people's are kept, and hundreds are made and looked at."""
    Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost = 1, 8
    Argon2PasswordHasher.parallelism = 1


@pytest.fixture(scope="session", autouse=True)
def everything_is_looked_at() -> None:
    canary.begin()


@pytest.fixture(autouse=True)
def no_token_is_seen_anywhere() -> Iterator[None]:
    yield
    canary.look_at_mail()
    seen, canary.hits = canary.hits, []
    assert not seen, seen[0]


@dataclass
class Stage:
    """A provider, our clock, and short words for what a worker does."""

    provider: Simulator
    traveller: time_machine.Traveller
    tokens: dict[int, str] = field(default_factory=dict)

    def later(self, **span: float) -> None:
        """Let time pass, for us and for the provider."""
        length = timedelta(**span)
        self.traveller.shift(length)
        self.provider.clock.advance(seconds=length.total_seconds())

    def look(self, account: Account) -> None:
        """One pass over the account, a second later."""
        self.later(seconds=1)
        Account.objects.filter(pk=account.pk).update(next_pass_at=datetime.now(UTC), reads_left=30)
        inventory.observe(account.pk)

    def send(self, operation: Operation) -> Operation:
        """What a worker does with the operation's id. Returns the row as it is then."""
        operations.send(operation.pk)
        return fresh(operation)

    def watch(self, operation: Operation, times: int = 2, **apart: float) -> Operation:
        """Look `times` times, `apart` from each other (a minute unless said)."""
        for _ in range(times):
            self.later(**(apart or {"minutes": 1}))
            self.look(operation.account)
        return fresh(operation)


def fresh(row: Any) -> Any:
    """The row as the database has it now."""
    return type(row).objects.get(pk=row.pk)


@pytest.fixture(autouse=True)
def speaks_english() -> Iterator[None]:
    """A request leaves its reader's language to the thread until the next one; so would a test."""
    yield
    translation.activate("en")
    timezone.deactivate()


def person(name: str) -> User:
    return User.objects.create_user(f"{name.lower()}@example.com", name=name)


@pytest.fixture
def provider() -> Iterator[Simulator]:
    with Simulator(now=NOW) as simulator:
        yield simulator


@pytest.fixture
def stage(provider: Simulator, settings: Any) -> Iterator[Stage]:
    settings.PROVIDER_API_URLS = [provider.url]
    with time_machine.travel(NOW, tick=False) as traveller:
        yield Stage(provider, traveller)


@pytest.fixture
def alice(db: None) -> User:
    return person("Alice")


@pytest.fixture
def team(alice: User) -> Team:
    team = teams.create_team("Northwind", owner=alice)
    team.hold = 0  # tests of the hold say so
    team.save()
    return team


def member(name: str, role: Role, team: Team) -> User:
    user = person(name)
    teams.add_member(team, user, role)
    return user


@pytest.fixture
def rosa(team: Team) -> User:
    return member("Rosa", Role.RESTORER, team)


@pytest.fixture
def bob(team: Team) -> User:
    """The second person, where one is needed."""
    return member("Bob", Role.RESTORER, team)


@pytest.fixture
def oscar(team: Team) -> User:
    return member("Oscar", Role.OPERATOR, team)


@pytest.fixture
def vera(team: Team) -> User:
    return member("Vera", Role.VIEWER, team)


@pytest.fixture
def mallory(db: None) -> User:
    user = person("Mallory")
    teams.create_team("Elsewhere", owner=user)
    return user


@pytest.fixture
def account(stage: Stage, team: Team, alice: User) -> Account:
    """Northwind's account: the server web-1 with the snapshots pre-upgrade and nightly."""
    token = stage.provider.account("Northwind")
    web = stage.provider.server(token, "web-1")
    day = timedelta(days=1)
    stage.provider.snapshot(web, "pre-upgrade", created_at=NOW - 2 * day)
    stage.provider.snapshot(web, "nightly", created_at=NOW - day)
    stage.provider.server(token, "db-1")
    account = accounts.connect(
        team, label="Production", api_url=stage.provider.url, token=token, actor=alice
    )
    stage.tokens[account.pk] = token
    stage.look(account)
    return fresh(account)


@pytest.fixture
def server(account: Account) -> Server:
    return Server.objects.select_related("account__team").get(account=account, name="web-1")


@pytest.fixture
def snapshot(server: Server) -> Snapshot:
    return Snapshot.objects.select_related("server__account__team", "account__team").get(
        server=server, name="pre-upgrade"
    )


class Browser(Client):
    """Of somebody who is signed in, and who proves with each click who they are.

    `proves` off, it is a session alone: what a thief of the cookie has.
    """

    proves = True

    def post(self, *args: Any, **kwargs: Any) -> Any:
        if self.proves:
            prove(self)
        return super().post(*args, **kwargs)


def prove(client: Client) -> None:
    """As if they had typed their password a moment ago."""
    if pk := client.session.get("_auth_user_id"):
        session = client.session
        session["proved"] = [int(pk), time.time()]
        session.save()


@pytest.fixture
def client_of() -> Any:
    """A browser of somebody who is signed in."""

    def sign_in(user: User, *, proves: bool = True) -> Client:
        client = Browser()
        client.proves = proves
        client.force_login(user)
        if proves:
            prove(client)
        return client

    return sign_in


# -- short words for what people ask -------------------------------------------------------------


def take(server: Server, actor: User, name: str = "before-update", **more: Any) -> Operation:
    more.setdefault("request_key", uuid.uuid4())
    return operations.request_create(server, actor=actor, name=name, **more)


def restore(snapshot: Snapshot, actor: User, **more: Any) -> Operation:
    more.setdefault("request_key", uuid.uuid4())
    more.setdefault("typed", snapshot.server.name)
    more.setdefault("seen", operations.plan(snapshot).sealed(actor))
    if not more.get("safety_snapshot"):
        more.setdefault("why_without", "It is a test server")
    return operations.request_restore(snapshot, actor=actor, **more)


def delete(snapshot: Snapshot, actor: User, **more: Any) -> Operation:
    more.setdefault("request_key", uuid.uuid4())
    more.setdefault("typed", snapshot.name)
    return operations.request_delete(snapshot, actor=actor, **more)
