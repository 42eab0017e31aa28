"""One campaign: people click, the nemesis strikes, the provider has bad days; then all is compared.

    python -m tests.faults --database sqlite --seed 7 --seconds 60

The seed decides who wants what when, who is struck when, and which fault the provider has when;
what meets what is decided by the machine, so a seed repeats the plan and not the run.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.utils import DatabaseError
from django.utils import timezone

from snapshots import accounts, teams
from snapshots.models import (
    Account,
    Approval,
    Attempt,
    Batch,
    Delivery,
    Operation,
    Role,
    Server,
    State,
    Team,
    Topic,
    User,
)
from snapshots.models.operation import OPEN
from tests.campaigns import nemesis, weather
from tests.campaigns.checker import complaints
from tests.campaigns.nemesis import LEASE, Nemesis
from tests.campaigns.people import PASSWORD, Notes, Owner, Person
from tests.campaigns.town import Town
from tests.campaigns.weather import Weather
from tests.services import Postgres

# Seconds from before a person to a message that is sent: what is promised is three minutes from
# sending, of which two and a half go by until then.
TOLD_WITHIN = 30


@dataclass(frozen=True)
class Order:
    """What is wanted of a campaign."""

    database: str
    seed: int = 1
    seconds: float = 60
    pace: int = 30
    strikes: float = 30  # a minute
    gusts: float = 60  # a minute
    accounts: int = 4
    servers: int = 10  # of each account
    people: int = 6
    guarded: int = 3  # each so-manieth server needs a second person
    app: str = "dashboard"  # the Celery app of the workers
    until_twice: bool = False  # end as soon as something was sent twice

    @property
    def longest_wait(self) -> float:
        """Seconds after which all that can be decided without a person has been."""
        return LEASE + (120 + 30 * 60 + 4 * 60) / self.pace + 60


@dataclass
class Findings:
    """What a campaign did and saw."""

    order: Order
    begun: datetime
    seconds: float = 0
    complaints: list[str] = field(default_factory=list)
    strikes: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    replaced: int = 0
    armed: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    clicks: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    told: int = 0
    settled_after: float = 0


class History(threading.Thread):
    """Reads the provider's log as it grows, so that nothing of it is forgotten."""

    def __init__(self, town: Town) -> None:
        super().__init__(daemon=True)
        self.town = town
        self.entries: list[dict[str, Any]] = []
        self.last = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(2):
            with suppress(requests.RequestException):
                self.read()

    def read(self) -> None:
        while fresh := self.town.control("GET", f"log?after={self.last}&limit=5000")["entries"]:
            self.last = fresh[-1]["n"]
            self.entries += [one for one in fresh if one.get("method") != "GET" or one["fault"]]


def campaign(order: Order, home: Path, postgres: Postgres | None) -> Findings:
    """Run one, and compare. The database is new and empty."""
    findings = Findings(order, datetime.now(UTC))
    begun = time.monotonic()
    furnish()
    town = Town(home, order.pace, postgres, app=order.app)
    history, notes = History(town), Notes()
    with town.open():
        tokens, people = settle_in(town, order, notes)
        history.start()
        with at_work(people):
            town.say(f"a storm of {order.seconds:g} s begins")
            storm(town, order, tokens, findings, history)
            town.say("it is over; what is undecided is waited for")
            for person in people:
                person.only_judge.set()
            if not order.until_twice:
                findings.settled_after = wait_for_rest(order)
        if not order.until_twice:
            town.say("what may be under way is waited for")
            time.sleep(left_under_way(order))
            town.say("and that people are told")
            town.wait_until(lambda: not untold(), TOLD_WITHIN)
        history.over.set()
        history.join()
        history.read()
        findings.replaced = town.replaced
    connection.close()
    findings.complaints += complaints(history.entries)
    findings.complaints += about_clicks(notes)
    findings.complaints += [f"a page was broken: {words}" for words in notes.broken]
    if not order.until_twice:
        findings.complaints += about_the_rest()
    count(findings, history.entries, notes)
    findings.seconds = time.monotonic() - begun
    return findings


def furnish() -> None:
    call_command("migrate", verbosity=0)
    call_command("createcachetable")


def team_of(name: str, *, hold: int = 0) -> tuple[User, Team]:
    alice = User.objects.create_user("alice@example.com", PASSWORD, name="Alice")
    team = teams.create_team(name, owner=alice)
    team.hold = hold  # seconds, which no pace scales
    team.save()
    return alice, team


def open_accounts(
    town: Town, team: Team, alice: User, shares: list[list[str]], *, forgetful: int | None = None
) -> tuple[list[int], list[str]]:
    """An account with these servers for each share, looked at once. Gives their keys and tokens.

    Account number `forgetful` does not keep descriptions. Each server has two snapshots; one named
    `start...` is stopped.
    """
    settings.PROVIDER_API_URLS = [url := f"{town.provider}/api/v1"]
    settings.PROVIDER_PACE = town.pace
    pks, tokens = [], []
    for n, names in enumerate(shares):
        token = town.outside("create_account", name=f"Company {n}")
        if n == forgetful:
            town.outside("keep_descriptions", account=token, keep=False)
        for name in names:
            server = town.outside("create_server", account=token, name=name)
            for days in (2, 1):
                made = town.outside("create_snapshot", server=server, name=f"nightly-{days}")
                at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
                change = {"status": "completed", "size_mb": 900, "created_at": at}
                town.outside("change_snapshot", snapshot=made, **change)
            if name.startswith("start-"):
                town.outside("change_server", server=server, status="stopped")
        account = accounts.connect(team, label=f"No. {n}", api_url=url, token=token, actor=alice)
        pks.append(account.pk)
        tokens.append(token)
    if not town.wait_until(lambda: Server.objects.count() == sum(map(len, shares)), 60):
        raise RuntimeError("the accounts were not looked at")
    return pks, tokens


def settle_in(town: Town, order: Order, notes: Notes) -> tuple[list[str], list[Person]]:
    """A team of several people, with accounts and servers that have a few snapshots each."""
    alice, team = team_of("Northwind", hold=3)
    shares = [[f"web-{n}-{m}" for m in range(order.servers)] for n in range(order.accounts)]
    pks, tokens = open_accounts(town, team, alice, shares, forgetful=1)
    servers = list(Server.objects.order_by("pk").values_list("pk", flat=True))
    guarded = servers[:: order.guarded] if order.guarded else []
    Server.objects.filter(pk__in=guarded).update(guard="guarded", guard_by_name="Alice")
    people: list[Person] = []
    for number in range(order.people):
        user = User.objects.create_user(f"person-{number}@example.com", PASSWORD, name=f"P{number}")
        teams.add_member(team, user, Role.RESTORER, actor=alice)
        seed = f"{order.seed} person {number}"
        people.append(Person(town, user.email, servers, seed, 1.0, notes))
    seed = f"{order.seed} owner"
    owner = Owner(town, alice.email, servers, seed, 3.0, notes, accounts=pks, tokens=tokens)
    return tokens, [*people, owner]


@contextmanager
def at_work(people: list[Person]) -> Iterator[None]:
    for person in people:
        person.start()
    try:
        for person in people:
            person.arrived.wait(60)
        yield
    finally:
        for person in people:
            person.leave.set()
        for person in people:
            person.join(90)


def storm(
    town: Town, order: Order, tokens: list[str], findings: Findings, history: History
) -> None:
    """Everything at once, for as long as was ordered; then the sky clears."""
    over = threading.Event()
    strikes = nemesis.plan(
        f"{order.seed} nemesis", order.seconds, order.strikes, postgres=bool(town.postgres)
    )
    gusts = weather.plan(f"{order.seed} weather", order.seconds, order.gusts, order.accounts)
    striker, sky = Nemesis(town, strikes), Weather(town, gusts, tokens)
    begun = time.monotonic()
    with ThreadPoolExecutor() as threads:
        others = [threads.submit(sky.run, begun, over)]
        if order.until_twice:
            others.append(threads.submit(end_when_twice, over, begun + order.seconds, history))
        # Not in a thread: what it starts is tied to the thread that started it.
        striker.run(begun, over)
        for one in others:
            one.result()
    town.control("DELETE", "faults")
    findings.strikes, findings.kills = striker.done, striker.kills
    findings.armed = sky.armed


def end_when_twice(over: threading.Event, until: float, history: History) -> None:
    """While everything runs nothing else that the checker says can be believed."""
    while not over.wait(2) and time.monotonic() < until:
        connection.close()
        with suppress(DatabaseError):
            found = complaints(list(history.entries))
            if any(re.search(r"was sent \d+ times", words) for words in found):
                break
    over.set()


def undecided() -> list[Operation]:
    """What neither has ended nor waits for a person's word, nor stands behind what does."""
    connection.close()
    with_people = (State.NEEDS_PERSON, State.HELD)
    left = Operation.objects.filter(state__in=OPEN).exclude(
        state__in=(*with_people, State.AWAITING_APPROVAL)
    )
    asked = Operation.objects.filter(state__in=with_people).values("lock_key")
    return list(left.exclude(lock_key__in=asked))


def wait_for_rest(order: Order) -> float:
    """Until everything has ended or stands before a person. Returns the seconds it took."""
    begun = time.monotonic()
    while time.monotonic() - begun < order.longest_wait:
        with suppress(DatabaseError):
            if not undecided():
                break
        time.sleep(0.5)
    return time.monotonic() - begun


def left_under_way(order: Order) -> float:
    """Seconds until nothing that was sent, and not answered, can still arrive."""
    open_ended = Attempt.objects.filter(outcome__in=(Attempt.Outcome.NONE, Attempt.Outcome.UNKNOWN))
    last = open_ended.order_by("-claimed_at").values_list("claimed_at", flat=True).first()
    if last is None:
        return 0
    quiet = timedelta(seconds=LEASE + 120 / order.pace + 1)
    return max((last + quiet - timezone.now()).total_seconds(), 0)


def untold() -> set[int]:
    """The operations that need a person while no message about it was sent."""
    asked = Operation.objects.filter(state=State.NEEDS_PERSON).values_list("pk", flat=True)
    sent = Delivery.objects.filter(topic=Topic.NEEDS_PERSON, state=Delivery.State.SENT)
    return set(asked) - set(sent.values_list("event__operation", flat=True))


# -- what must not be -----------------------------------------------------------------------------


def about_clicks(notes: Notes) -> Iterator[str]:
    """Whatever was accepted is there."""
    keys = {str(key) for key in Operation.objects.values_list("request_key", flat=True)}
    keys |= {str(key) for key in Batch.objects.values_list("request_key", flat=True)}
    for click in notes.clicks:
        words = f"{click.what} by {click.who} ({click.path})"
        if click.accepted and click.key and click.key not in keys:
            yield f"{words} was accepted, and nothing is there"
        if click.accepted and click.what in ("approve", "reject", "emergency"):
            said = Approval.objects.filter(operation=int(click.path.split("/")[2]))
            if not said.filter(what__startswith=click.what).exists():
                yield f"{words} was accepted, and nothing is there"
        if click.accepted and click.what == "cancel":
            row = Operation.objects.get(pk=int(click.path.split("/")[2]))
            if row.state != State.CANCELLED and not row.stop_requested:
                yield f"{words} was accepted, and it is {row.state}"


def about_the_rest() -> Iterator[str]:
    """Nothing is forgotten; and whoever has to decide has been told."""
    for row in undecided():
        yield f"{row} was left {row.state} ({row.reason}), and nobody moves it"
    for pk in untold():
        yield f"operation {pk} needs a person, and no message about it was sent"
    for account in Account.objects.exclude(paused=""):
        yield f"{account} was left {account.paused}"


def count(findings: Findings, log: list[dict[str, Any]], notes: Notes) -> None:
    for entry in log:
        if entry["event"] == "arrived" and entry.get("fault"):
            findings.met.update(entry["fault"].split("+"))
        if entry.get("method") != "GET" and entry["event"] in ("arrived", "applied"):
            findings.calls[entry["event"]] += 1
    for click in notes.clicks:
        done = "accepted" if click.accepted else "refused" if any(click.statuses) else "unanswered"
        findings.clicks[f"{click.what}, {done}"] += 1
    findings.statuses, findings.unanswered = notes.statuses, notes.unanswered
    for kind, state in Operation.objects.values_list("kind", "state"):
        findings.ends[f"{kind} {state}"] += 1
    findings.attempts = Attempt.objects.count()
    findings.told = Delivery.objects.filter(state=Delivery.State.SENT).count()
