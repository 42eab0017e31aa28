"""What scripts use instead of pages: create_owner, connect_account, and the demo's seed."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from snapshots.models import Account, Event, Membership, Role, Team, User
from snapshots.provider.simulator import Simulator

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def command(monkeypatch: Any) -> Any:
    """Run a command with something on its standard input; gives what it printed."""

    def run(name: str, *arguments: str, stdin: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        out = io.StringIO()
        call_command(name, *arguments, stdout=out)
        return out.getvalue()

    return run


@pytest.fixture
def vendor(settings: Any) -> Any:
    with Simulator("demo", pace=1000) as simulator:
        settings.PROVIDER_API_URLS = [simulator.url]
        settings.DEMO = True
        yield simulator


def test_create_owner_makes_a_team_with_its_owner(command: Any) -> None:
    said = command(
        "create_owner", "--email=Ada@example.com", "--name=Ada", "--team=North", stdin=PASSWORD
    )
    ada = User.objects.get(email="ada@example.com")
    assert ada.check_password(PASSWORD)
    assert Membership.objects.get(user=ada, team__name="North").role == Role.OWNER
    assert said == "ada@example.com owns the team North.\n"


def test_create_owner_refuses_a_weak_password_and_creates_nothing(command: Any) -> None:
    with pytest.raises(CommandError, match="too short"):
        command("create_owner", "--email=ada@example.com", stdin="short")
    assert not User.objects.exists()
    assert not Team.objects.exists()


def test_create_owner_refuses_an_address_that_is_taken(command: Any, alice: User) -> None:
    with pytest.raises(CommandError, match=r"alice@example\.com already"):
        command("create_owner", "--email=alice@example.com", stdin=PASSWORD)


def test_create_owner_first_only_leaves_a_house_with_people_alone(command: Any, team: Team) -> None:
    assert command("create_owner", "--email=ada@example.com", "--first-only", stdin=PASSWORD) == ""
    assert not User.objects.filter(email="ada@example.com").exists()


def test_connect_account_reads_the_token_from_standard_input(
    command: Any, vendor: Simulator, team: Team, alice: User
) -> None:
    token = vendor.account("Northwind")
    said = command("connect_account", "--label=Main", stdin=f"{token}\n")
    account = Account.objects.get()
    assert (account.team, account.label) == (team, "Main")
    assert token not in said
    assert Event.objects.filter(verb="account.connected", actor=alice).exists()


def test_connect_account_tells_a_refused_token_in_one_sentence(
    command: Any, vendor: Simulator, team: Team
) -> None:
    with pytest.raises(CommandError, match="does not accept this token"):
        command("connect_account", stdin="vps_nobody")
    assert not Account.objects.exists()


def test_connect_account_wants_to_know_which_team(command: Any, team: Team, mallory: User) -> None:
    with pytest.raises(CommandError, match="There is: Elsewhere, Northwind"):
        command("connect_account", stdin="vps_any")


def test_the_same_token_again_asks_nobody(command: Any, vendor: Simulator, team: Team) -> None:
    token = vendor.account("Northwind")
    command("connect_account", "--replace", stdin=token)
    before = len(vendor.calls())
    command("connect_account", "--replace", stdin=token)
    assert len(vendor.calls()) == before
    assert Account.objects.get().token_version == 1


def test_another_token_of_the_same_account_replaces_the_first(
    command: Any, vendor: Simulator, team: Team
) -> None:
    token = vendor.account("Northwind")
    command("connect_account", stdin=token)
    command("connect_account", "--replace", stdin=vendor.token(token, "second"))
    assert Account.objects.get().token_version == 2


def test_the_demo_has_two_teams_and_may_be_seeded_twice(command: Any, vendor: Simulator) -> None:
    first = command("seed_demo", "--started-by-up")
    assert command("seed_demo", "--started-by-up") == first
    assert "alice@example.com" in first
    assert Account.objects.count() == 2
    roles = Membership.objects.filter(team__name="Northwind").values_list("role", flat=True)
    assert sorted(roles) == ["operator", "owner", "restorer", "viewer"]
    mallory = User.objects.get(email="mallory@example.com")
    assert list(mallory.teams.values_list("name", flat=True)) == ["Larkfield"]


def test_a_seeding_that_was_interrupted_is_completed(command: Any, vendor: Simulator) -> None:
    address, vendor_url = vendor.url, "http://127.0.0.1:1/api/v1"
    from django.conf import settings

    settings.PROVIDER_API_URLS = [vendor_url]
    with pytest.raises(CommandError, match="could not be asked"):
        command("seed_demo", "--started-by-up")
    settings.PROVIDER_API_URLS = [address]
    command("seed_demo", "--started-by-up")
    assert Account.objects.count() == 2


@pytest.mark.parametrize(("is_demo", "flag"), [(True, []), (False, ["--started-by-up"])])
def test_nothing_but_the_demo_is_ever_seeded(
    command: Any, settings: Any, is_demo: bool, flag: list[str]
) -> None:
    settings.DEMO = is_demo
    with pytest.raises(CommandError, match="everybody knows the demo's passwords"):
        command("seed_demo", *flag)
    assert not User.objects.exists()


def test_add_member_brings_a_person_into_a_team(command: Any) -> None:
    command("create_owner", "--email=ada@example.com", "--team=North", stdin=PASSWORD)
    said = command("add_member", "--email=Rosa@example.com", "--role=restorer", stdin=PASSWORD)
    assert "rosa@example.com is in North as Restorer." in str(said)
    assert Membership.objects.get(user__email="rosa@example.com").role == "restorer"
