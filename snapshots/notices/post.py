"""Post one message to one address: guarded, signed, over in time, and told by its status alone."""

from __future__ import annotations

from typing import Final, NamedTuple

import requests

from snapshots.models import Delivery
from snapshots.notices import guard
from snapshots.provider.connection import UNTRUSTED, Adapter, Resolver, exchange

SECONDS: Final = 10.0  # for everything, DNS and TLS included
CONNECT_SECONDS: Final = 5.0
AT_MOST: Final = 4096  # bytes of an answer; nothing of it is kept
HEADERS: Final = {
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "holdfast",
}


class Outcome(NamedTuple):
    """How one attempt ended. `is_final` if another would end no better."""

    trouble: Delivery.Trouble = Delivery.Trouble.NONE
    status: int | None = None
    is_final: bool = False


def post(
    target: guard.Target,
    body: bytes,
    headers: dict[str, str],
    *,
    resolve: Resolver | None = None,
    ca_file: str | None = None,
    seconds: float = SECONDS,
) -> Outcome:
    """Send `body` once. A redirect is an answer like any other, and no success. Never raises."""
    request = requests.Request("POST", target.url, data=body, headers=HEADERS | headers).prepare()
    adapter = Adapter(ca_file, allows=target.allows, resolve=resolve)
    answer = exchange(
        adapter,
        request,
        None,
        seconds=seconds,
        connect_seconds=min(CONNECT_SECONDS, seconds),
        at_most=AT_MOST,
    )
    adapter.close()
    if answer.status is not None:
        is_fine = 200 <= answer.status < 300
        trouble = Delivery.Trouble.NONE if is_fine else Delivery.Trouble.STATUS
        return Outcome(trouble, answer.status, is_final=is_fine or answer.status == 410)
    if answer.connected:
        return Outcome(Delivery.Trouble.SILENT)
    if answer.problem == UNTRUSTED:
        return Outcome(Delivery.Trouble.TLS)
    return Outcome(Delivery.Trouble.UNREACHED)
