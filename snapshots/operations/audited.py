"""What becomes of a request is written down, a refusal too."""

from __future__ import annotations

from contextlib import AbstractContextManager

from snapshots import events
from snapshots.models import Operation, Server, Snapshot, User


def audited(
    actor: User, server: Server, snapshot: Snapshot | None = None
) -> AbstractContextManager[None]:
    """Keep a refusal in the audit, outside whatever was rolled back, and let it go on."""
    account = server.account
    return events.audited(
        actor=actor, team=account.team, account=account, server=server, snapshot=snapshot
    )


def tell(
    operation: Operation, verb: events.Verb, actor: User | None, words: str | None = None
) -> None:
    """Write a line about `operation` that moves nothing, in the caller's transaction."""
    events.record(
        verb,
        team=operation.team,
        actor=actor,
        account=operation.account,
        server=operation.server,
        snapshot=operation.snapshot,
        operation=operation,
        **({} if words is None else {"words": words}),
    )
