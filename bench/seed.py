"""A team with any number of servers, made in bulk. The same number gives the same rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from snapshots import teams
from snapshots.models import (
    Account,
    Event,
    Kind,
    Operation,
    Server,
    Snapshot,
    State,
    User,
)

ROLES = ("web", "db", "cache", "queue", "mail", "build", "proxy")
PLACES = ("us-east", "us-west", "eu-north", "eu-south", "ap-east")
PLANS = (("Standard VPS", 2, 4096, 80), ("Performance VPS", 4, 8192, 160))
SYSTEMS = ("Ubuntu 24.04 LTS", "Debian 12", "AlmaLinux 9")
SNAPSHOTS = 5
UNDER_WAY = 2  # whatever the size, lest a large fleet's pages cost more for what happens in them
ADDRESS = "https://fleet-{}.example/api/v1"  # ids are of one provider: each fleet has its own


@dataclass(frozen=True)
class Fleet:
    """A team of one, who owns so many servers."""

    user: User
    account: Account
    size: int

    def row(self, model: type[Server] | type[Snapshot]) -> Any:
        return model.objects.filter(account=self.account).earliest("pk")


def fleet(size: int, name: object = "") -> Fleet:
    """A team whose account has `size` servers with five snapshots each, and their history."""
    name = name or size
    now, chance = timezone.now(), Random(size)
    with transaction.atomic():
        user = User.objects.create(
            email=f"owner-of-{name}@example.com",
            name=f"Owner of {name}",
            time_zone="Europe/Berlin",
            is_staff=True,  # for Django's admin
            is_superuser=True,
        )
        account = Account.objects.create(
            team=teams.create_team(f"Fleet of {name}", owner=user),
            label="Production",
            api_url=ADDRESS.format(name),
            identity=f"fleet-{name}@example.com",
            permissions=["*:*"],
            revision=size,
            applied_pass_at=now,
            complete_pass_at=now,
            next_pass_at=now + timedelta(minutes=30),
        )
        account.seal_token("vps_no_such_token_at_all")
        account.save()
        servers = _made(Server, (_server(account, n, now, chance) for n in range(size)))
        snapshots = _made(
            Snapshot, (_snapshot(s, n, now) for s in servers for n in range(SNAPSHOTS))
        )
        operations = _made(Operation, _operations(user, snapshots, now))
        _made(Event, (event for one in operations for event in _events(one)))
    return Fleet(user, account, size)


def _made(model: type[Any], rows: Iterable[Any]) -> list[Any]:
    return model.objects.bulk_create(rows, batch_size=1000)


def _server(account: Account, n: int, now: datetime, chance: Random) -> Server:
    """Revisions fall along the list, so that "the last change" is on its first page."""
    name = f"{ROLES[n % len(ROLES)]}-{n:05}"
    plan, vcpus, memory, storage = PLANS[n % len(PLANS)]
    return Server(
        account=account,
        remote_id=str(10_000 + n),
        name=f"{n:05}-{name}",
        hostname=f"{name}.example.com",
        status="stopped" if chance.random() < 0.05 else "active",
        address=f"10.{n // 65536 % 256}.{n // 256 % 256}.{n % 256}",
        location=chance.choice(PLACES),
        plan=plan,
        os=chance.choice(SYSTEMS),
        vcpus=vcpus,
        memory_mb=memory,
        storage_gb=storage,
        created_at=now - timedelta(days=400 + n % 300),
        revision=account.revision - n,
    )


def _snapshot(server: Server, n: int, now: datetime) -> Snapshot:
    age = timedelta(days=7 * n, minutes=int(server.remote_id) % 10_000)
    return Snapshot(
        account=server.account,
        server=server,
        remote_id=str(int(server.remote_id) * 10 + n),
        name=f"weekly-{n}",
        status="completed",
        size_mb=900 + int(server.remote_id) * 37 % 30_000,
        created_at=now - age,
        description="Before the weekly update",
    )


def _operations(user: User, snapshots: list[Snapshot], now: datetime) -> Iterable[Operation]:
    """One that ended for each server, every tenth a restore; the first two take one now."""
    for n, of in enumerate(snapshots[::SNAPSHOTS]):
        kind = Kind.RESTORE if n % 10 == 9 else Kind.CREATE
        state = State.FAILED if n % 25 == 24 else State.SUCCEEDED
        asked = (of.created_at or now) - timedelta(minutes=6)
        ended = asked + timedelta(minutes=5)
        yield _operation(user, of, kind, state, asked, n, snapshot=of, ended_at=ended)
        if n < UNDER_WAY:
            asked = now - timedelta(minutes=2, seconds=n % 60)
            yield _operation(user, of, Kind.CREATE, State.RUNNING, asked, 1_000_000 + n)


def _operation(
    user: User, of: Snapshot, kind: Kind, state: State, asked: datetime, n: int, **more: Any
) -> Operation:
    return Operation(
        kind=kind,
        state=state,
        team=of.account.team,
        account=of.account,
        server=of.server,
        lock_key=of.server.lock_key,
        request_key=UUID(int=n),
        asked_by=user,
        asked_by_name=user.name,
        name=of.name,
        marker=f"{n:010}",
        created_at=asked,
        sent_at=asked + timedelta(seconds=1),
        accepted_at=asked + timedelta(seconds=2),
        send_before=asked + timedelta(days=1),
        due_at=asked + timedelta(days=1),
        attempt_count=1,
        **more,
    )


def _events(operation: Operation) -> Iterable[Event]:
    verbs = ["asked", "sending", "running"]
    if operation.is_ended:
        verbs.append(str(operation.state))
    for n, verb in enumerate(verbs):
        yield Event(
            at=operation.created_at + timedelta(minutes=n),
            team=operation.team,
            verb=f"{operation.kind}.{verb}",
            actor=operation.asked_by if n == 0 else None,
            actor_name=operation.asked_by_name if n == 0 else "",
            account=operation.account,
            server=operation.server,
            snapshot=operation.snapshot,
            operation=operation,
            data={
                "server": operation.server.name,
                "snapshot": operation.name,
                "account": operation.account.label,
                "person": operation.asked_by_name,
                "why": "the provider said no",
            },
        )
