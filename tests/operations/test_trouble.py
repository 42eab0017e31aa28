"""A provider that is down, slow, busy, or will not have our token: what it costs, and whom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from snapshots import accounts, inventory, operations
from snapshots.models import Account, Event, Kind, Operation, Role, Server, State, Team, User
from snapshots.turns import QUOTA
from tests.broken import broken
from tests.conftest import Stage, fresh, member, take
from tests.pages.factories import a_server, an_account, an_operation, text


def connect(stage: Stage, team: Team, alice: User, name: str, servers: int) -> Account:
    """An account with so many servers, looked at once."""
    token = stage.provider.account(name)
    for n in range(servers):
        stage.provider.server(token, f"{name.lower()}-{n}")
    account = accounts.connect(
        team, label=name, api_url=stage.provider.url, token=token, actor=alice
    )
    stage.tokens[account.pk] = token
    stage.look(account)
    return fresh(account)


def take_all(account: Account, actor: User) -> list[Operation]:
    return [take(one, actor) for one in account.servers.select_related("account__team")]


def tick(stage: Stage, **later: float) -> None:
    """What beat and workers do, once; then time passes."""
    operations.sweep()
    for pk in operations.due():
        operations.send(pk)
    for pk in inventory.due():
        inventory.observe(pk)
    stage.later(**(later or {"seconds": 2}))


def calls(stage: Stage, account: Account, method: str | None = None, path: str = "") -> int:
    name = stage.provider.world.tokens[stage.tokens[account.pk]].name
    return sum(one["token"] == name for one in stage.provider.calls(method, path))


@pytest.fixture
def calm(stage: Stage, team: Team, alice: User) -> Account:
    return connect(stage, team, alice, "Calm", 3)


@pytest.fixture
def troubled(stage: Stage, team: Team, alice: User, monkeypatch: pytest.MonkeyPatch) -> Account:
    monkeypatch.setattr("snapshots.provider.client.BACKOFF", 0.0)  # patience costs time alone
    return connect(stage, team, alice, "Troubled", 20)


def down(stage: Stage, account: Account, **more: Any) -> None:
    token = stage.provider.world.tokens[stage.tokens[account.pk]].name
    answer = {"status": 503, "body": {"detail": "Maintenance."}} | more
    stage.provider.faults.add("answer", token=token, times=None, **answer)


# -- an account whose provider is down -------------------------------------------------------------


def test_of_twenty_operations_of_an_account_that_is_down_one_at_a_time_is_tried(
    stage, troubled, calm, oscar
):
    """Or else each would keep a worker waiting for as long as a look may take."""
    down(stage, troubled)
    take_all(troubled, oscar)
    others = take_all(calm, oscar)
    before = calls(stage, troubled)
    for _ in range(30):
        tick(stage)
    looks = (calls(stage, troubled) - before) / 3  # tries
    assert looks <= 60 / 5 + 3
    assert {fresh(one).state for one in others} == {State.RUNNING}


def test_what_waits_in_the_broker_already_is_not_tried_either(stage, troubled, oscar):
    down(stage, troubled)
    asked = take_all(troubled, oscar)
    before = calls(stage, troubled)
    for one in asked:
        operations.send(one.pk)
    assert calls(stage, troubled) - before == 3  # the tries of one look
    stage.provider.faults.clear()
    for _ in range(60):
        tick(stage)
    assert {fresh(one).state for one in asked} == {State.RUNNING}


def test_of_those_that_are_due_again_one_is_announced(stage, calm, oscar, monkeypatch):
    """Several workers would try at the same moment."""
    monkeypatch.setattr("snapshots.provider.client.BACKOFF", 0.0)
    down(stage, calm)
    asked = take_all(calm, oscar)
    assert len(operations.due()) == len(asked) == 3
    stage.send(asked[0])
    stage.later(seconds=10)
    assert len(operations.due()) == 1


def test_who_puts_the_others_off_waits_for_nobody_who_holds_one_of_them(stage, troubled, oscar):
    """Only PostgreSQL locks rows; there a cancelled restore holds two of them."""
    first, *_others = take_all(troubled, oscar)
    down(stage, troubled)
    with CaptureQueriesContext(connection) as asked:
        stage.send(first)
    many = [one["sql"] for one in asked if one["sql"].startswith('UPDATE "snapshots_operation"')]
    assert len(many) == 2
    assert connection.vendor == "sqlite" or "FOR NO KEY UPDATE SKIP LOCKED" in many[1]


def test_the_longer_it_is_down_the_less_it_is_asked_and_the_page_says_as_of_when(
    stage, troubled, oscar, client_of
):
    down(stage, troubled)
    take(troubled.servers.select_related("account__team")[0], oscar)
    for _ in range(10):
        tick(stage, minutes=1)
    before = calls(stage, troubled)
    for _ in range(20):
        tick(stage, seconds=15)
    assert calls(stage, troubled) - before <= 3 * (5 + 2)  # one look to send a minute, and two more
    page = text(client_of(oscar).get(f"/accounts/{troubled.pk}/"))
    assert "HTTP 503: Maintenance." in page
    assert "Data from 2:02 PM" in page or "14:02" in page


# -- a token that is refused -----------------------------------------------------------------------


def test_a_dead_token_among_twenty_operations_is_told_once_and_asked_no_more(
    stage, troubled, oscar, alice
):
    asked = take_all(troubled, oscar)
    stage.provider.outside.revoke_token(stage.tokens[troubled.pk])
    operations.send(asked[0].pk)
    before = calls(stage, troubled)
    for one in asked:
        operations.send(one.pk)
    for _ in range(30):
        tick(stage, minutes=1)
    assert calls(stage, troubled) == before
    assert fresh(troubled).paused == Account.Paused.TOKEN
    assert Event.objects.filter(verb="account.token_refused").count() == 1
    assert {fresh(one).state for one in asked} == {State.QUEUED}


# -- a provider that is busy (more: test_busy.py) --------------------------------------------------


@pytest.mark.parametrize(
    ("method", "status", "slowed"),
    [("GET", 429, True), ("POST", 429, True), ("GET", 503, False), ("POST", 400, False)],
)
def test_only_one_that_is_busy_is_read_half_as_often_for_ten_minutes(
    stage, calm, oscar, monkeypatch, method, status, slowed
):
    monkeypatch.setattr("snapshots.provider.client.BACKOFF", 0.0)
    down(stage, calm, method=method, status=status)
    stage.send(take(calm.servers.select_related("account__team")[0], oscar))
    until = timezone.now() + timedelta(minutes=10) if slowed else None
    assert fresh(calm).slowed_until == until


# -- a crowd ---------------------------------------------------------------------------------------


def a_crowd(account: Account, actor: User, number: int, **fields: Any) -> None:
    """So many operations of one account, on a server each."""
    one = fresh(take(a_server(account, "of-the-crowd"), actor))
    servers = Server.objects.bulk_create(
        Server(account=account, remote_id=f"crowd-{n}", name=f"crowd-{n}") for n in range(number)
    )
    Operation.objects.bulk_create(
        Operation(
            **{
                "kind": Kind.CREATE,
                "team": one.team,
                "account": account,
                "server": server,
                "lock_key": server.lock_key,
                "asked_by": actor,
                "name": "crowd",
                "due_at": one.due_at - timedelta(minutes=1),
                "send_before": one.send_before,
                **fields,
            }
        )
        for server in servers
    )


def test_thousands_queued_in_one_account_let_the_others_go_first(team, oscar):
    a_crowd(an_account(team, "Crowded"), oscar, 3000)
    asked = [take(a_server(an_account(team, f"Other {n}")), oscar) for n in range(20)]
    due = operations.due()
    assert {one.pk for one in asked} <= set(due)
    assert len(due) <= QUOTA


def test_thousands_that_expire_take_their_turn_and_stop_nobody_from_being_sent(team, oscar):
    crowded = an_account(team, "Crowded")
    a_crowd(crowded, oscar, 300, send_before=fresh(crowded).connected_at)
    asked = take(a_server(an_account(team, "Other")), oscar)
    operations.sweep()
    assert Operation.objects.filter(state=State.EXPIRED).count() == QUOTA
    assert asked.pk in operations.due()
    operations.sweep()
    assert Operation.objects.filter(state=State.EXPIRED).count() == 300


def test_hundreds_that_fail_for_ever_keep_no_younger_one_from_its_end(team, oscar):
    crowded = an_account(team, "Crowded")
    over = fresh(crowded).connected_at
    a_crowd(crowded, oscar, QUOTA, send_before=over)
    asked = take(a_server(an_account(team, "Other")), oscar)
    Operation.objects.filter(pk=asked.pk).update(send_before=over)
    broken("snapshots_operation", "OLD.name = 'crowd'")
    for _ in range(9):  # a lot falls on it nearly always
        operations.sweep()
        if fresh(asked).state == State.EXPIRED:
            break
    assert fresh(asked).state == State.EXPIRED
    assert not Operation.objects.filter(name="crowd").exclude(state=State.QUEUED).exists()


def test_hundreds_that_are_never_slow_keep_no_slow_one_from_being_told(team, oscar):
    now = timezone.now()
    began, later = now - timedelta(minutes=30), now + timedelta(hours=1)
    times = {"sent_at": began, "accepted_at": began, "due_at": later}
    a_crowd(
        an_account(team, "Crowded"), oscar, QUOTA, kind=Kind.START, state=State.RUNNING, **times
    )
    began += timedelta(minutes=1)
    times = {"sent_at": began, "accepted_at": began, "due_at": later}
    web = a_server(an_account(team, "Other"))
    slow = an_operation("create", web, "running", oscar, **times)
    for _ in range(9):  # a lot falls on it nearly always
        operations.sweep()
        if fresh(slow).slow_at:
            break
    assert fresh(slow).slow_at


def test_thousands_undecided_are_gone_through_in_turn(team, oscar):
    """Each is looked at once before any is looked at again."""
    crowded = an_account(team, "Crowded")
    now = fresh(crowded).connected_at
    a_crowd(
        crowded, oscar, 300, state=State.IN_DOUBT, sent_at=now, due_at=now - timedelta(minutes=1)
    )
    for _ in range(2):
        operations.sweep()
    assert not Operation.objects.filter(state=State.IN_DOUBT, due_at__lte=now).exists()


def test_a_crowd_costs_its_account_no_more_reads_than_one_would(stage, troubled, team):
    people = member("Olga", Role.OPERATOR, team)
    take_all(troubled, people)
    before = calls(stage, troubled, "GET")
    for _ in range(30):
        tick(stage)
    assert calls(stage, troubled, "GET") - before <= 30 + 30 + 2 * 7  # the bucket, a minute, looks
