"""A refusal is written down too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from snapshots import events
from snapshots.errors import Refused
from snapshots.models import Server, Snapshot, User
from snapshots.said import memo


@contextmanager
def audited(actor: User, server: Server, snapshot: Snapshot | None = None) -> Iterator[None]:
    """Keep a refusal in the audit, outside whatever was rolled back, and let it go on."""
    try:
        yield
    except Refused as refusal:
        events.record(
            events.Verb.REFUSED,
            team=server.account.team,
            actor=actor,
            account=server.account,
            server=server,
            snapshot=snapshot,
            why=memo(refusal.sentence),
        )
        raise
