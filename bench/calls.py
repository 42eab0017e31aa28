"""How often the provider is asked while 1, 10 and 100 creates run in one account.

Against the simulator over HTTP, in real time, `PACE` times as fast as the provider: the intervals
of watching are divided by it, and a minute here is a minute of the provider's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.conf import settings

from bench import seed
from snapshots import accounts, inventory, operations
from snapshots.models import Account, Operation, Server, State
from snapshots.provider.simulator import Simulator

PACE = 20.0
MINUTES = 2.0


def measure() -> list[dict[str, Any]]:
    settings.PROVIDER_PACE = PACE
    return [_calls(running) for running in (1, 10, 100)]


def _calls(running: int) -> dict[str, Any]:
    with Simulator(pace=PACE, frozen=False) as provider:
        settings.PROVIDER_API_URLS = [provider.url]
        account = _account(provider, running)
        ours = list(_begun(account))
        before = len(_reads(provider))
        until = time.monotonic() + MINUTES * 60 / PACE
        while time.monotonic() < until:
            operations.sweep()
            for pk in inventory.due():
                inventory.observe(pk)
            time.sleep(0.02)
        reads = len(_reads(provider)) - before
        still = Operation.objects.filter(pk__in=ours, state=State.RUNNING).count()
        Account.objects.filter(pk=account.pk).update(paused=Account.Paused.TOKEN)
    return {"name": "calls", "running": running, "still": still, "a minute": reads / MINUTES}


def _reads(provider: Simulator) -> list[dict[str, Any]]:
    return [e for e in provider.log if e["event"] == "arrived" and e["method"] == "GET"]


def _account(provider: Simulator, servers: int) -> Account:
    fleet = seed.fleet(0, f"calls-{servers}")
    token = provider.account("Northwind")
    for n in range(servers):
        provider.server(token, f"web-{n}")
    account = accounts.connect(
        fleet.account.team,
        label="Simulated",
        api_url=provider.url,
        token=token,
        actor=fleet.user,
    )
    inventory.observe(account.pk)
    return account


def _begun(account: Account) -> Iterator[int]:
    """A create on every server, sent and accepted."""
    user = account.team.members.get()
    for n, server in enumerate(
        Server.objects.filter(account=account).select_related("account__team")
    ):
        operation = operations.request_create(
            server, actor=user, name="bench", request_key=UUID(int=n)
        )
        Account.objects.filter(pk=account.pk).update(reads_left=1000)
        operations.send(operation.pk)
        yield operation.pk
