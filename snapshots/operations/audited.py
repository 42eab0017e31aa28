"""A refusal is written down too."""

from __future__ import annotations

from contextlib import AbstractContextManager

from snapshots import events
from snapshots.models import Server, Snapshot, User


def audited(
    actor: User, server: Server, snapshot: Snapshot | None = None
) -> AbstractContextManager[None]:
    """Keep a refusal in the audit, outside whatever was rolled back, and let it go on."""
    account = server.account
    return events.audited(
        actor=actor, team=account.team, account=account, server=server, snapshot=snapshot
    )
