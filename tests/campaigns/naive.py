"""The textbook's task, for the checker to see: acknowledged late, tried again whatever goes wrong.

    python -m tests.faults --database sqlite --app tests.campaigns.naive

Only sending is as one would write it; watching, settling and all the rest are the product's own.
"""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from dashboard.celery import app
from snapshots.models import Attempt, Kind, Operation, Reason, State
from snapshots.operations import times
from snapshots.operations.states import move
from snapshots.provider.client import Client
from snapshots.provider.errors import ProviderError


# Not lazy: it takes the name before the product's own task can.
@app.task(
    name="snapshots.send",
    lazy=False,
    bind=True,
    acks_late=True,
    reject_on_worker_lost=True,
    max_retries=5,
    default_retry_delay=1,
)
def send(self: Any, pk: int) -> None:
    operation = Operation.objects.select_related("account", "server", "team").get(pk=pk)
    if operation.children.exclude(state=State.SUCCEEDED).exists():
        return
    if operation.state == State.QUEUED:
        begin(operation)
    if operation.state != State.SENDING:
        return
    try:
        with operation.account.client() as client:
            answer = call(operation, client)
    except ProviderError as error:
        raise self.retry(exc=error) from None
    to = State.SUCCEEDED if operation.kind == Kind.DELETE else State.RUNNING
    made = {"remote_id": answer.result.id} if operation.kind == Kind.CREATE else {}
    move(operation, to, Reason.ACCEPTED, changes={"accepted_at": timezone.now()} | made)


def begin(operation: Operation) -> None:
    now = timezone.now()
    attempt = Attempt(
        operation=operation, number=1, claimed_at=now, deadline=now + times.CLAIM, pre_image={}
    )
    changes = {"claim_deadline": attempt.deadline, "sent_at": now, "attempt_count": 1}
    move(operation, State.SENDING, changes=changes, also=lambda _: attempt.save(force_insert=True))


def call(operation: Operation, client: Client) -> Any:
    server = operation.server.remote_id
    match Kind(operation.kind):
        case Kind.CREATE:
            return client.create_snapshot(server, operation.name, operation.description)
        case Kind.RESTORE:
            return client.restore_snapshot(operation.confirmed["id"], server)
        case Kind.DELETE:
            return client.delete_snapshot(operation.confirmed["id"])
        case power:
            return client.power(server, power.value)
