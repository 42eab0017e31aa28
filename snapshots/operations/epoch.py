"""Notices when our database has gone back in time, and stops all sending until a person goes on.

A database that was restored from a backup shows sent operations as queued again, which is the worst
fault of all. So a small file beside the workers, in no backup of the database and not on its
volume, remembers which database it belongs to and the last attempt that was ever sent. A database
that knows less than this file has gone back. Without `WITNESS_FILE` only a person can tell.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone

from snapshots import kept
from snapshots.models import Account, Attempt, Epoch, Operation, Reason, State
from snapshots.operations import times
from snapshots.operations.states import move

log = logging.getLogger(__name__)
Why = Epoch.Why


class Witness(NamedTuple):
    """What the file says: whose it is, and the last attempt that was about to be sent."""

    installation: str
    epoch: int
    attempt: int


def may_send() -> bool:
    """Whether the database is as far as the file. Asked again inside every claim."""
    row = next(iter(kept.rows("epoch", Epoch.objects.all)), None)
    if row is not None and row.stopped_at:
        return False
    try:
        return not settings.WITNESS_FILE or compare(row, _read(), _last()) is None
    except OSError:
        log.exception("the file %s cannot be read; nothing is sent", settings.WITNESS_FILE)
        return False


def note(attempt: int) -> None:
    """Remember that `attempt`, which is committed, is about to be sent. Raises OSError."""
    if not settings.WITNESS_FILE:
        return
    row = Epoch.objects.get()
    with _alone():
        seen = _read()
        if seen and (seen.installation, seen.epoch) == _key(row):
            attempt = max(attempt, seen.attempt)
        _write(Witness(*_key(row), attempt))


def watch() -> None:
    """By the tick: make friends with a new database, and stop for one that has gone back."""
    if not settings.WITNESS_FILE:
        return
    row = Epoch.objects.first()
    if row is not None and row.stopped_at:
        return
    try:
        seen, last = _read(), _last()
        match compare(row, seen, last):
            case "new":
                row, _ = Epoch.objects.get_or_create(pk=1)
                with _alone():  # and as it is now: another tick may have been first, and sent
                    _write(Witness(*_key(row), _last()))
            case str(why):
                stop(Why(why))
    except OSError:
        log.exception("the file %s cannot be used; nothing is sent", settings.WITNESS_FILE)


def compare(row: Epoch | None, seen: Witness | None, last: int) -> str | None:
    """None if the database knows of everything in the file; "new", or a `Why`, if not.

    `last` is the last attempt in the database. One without attempts has nothing to send again;
    one that never met a file is taken as it is, where there is no file either.
    """
    if row is None:
        return Why.BEHIND if seen and last else "new"
    if seen is None:
        return Why.LOST if last else "new"
    if seen.installation != str(row.installation):
        return Why.FOREIGN if last else "new"
    # A file of an earlier epoch is another machine's: a person has gone on since.
    if seen.epoch > row.number or (seen.epoch == row.number and seen.attempt > last):
        return Why.BEHIND
    return None


def stopped() -> Epoch | None:
    """The row, if nothing is sent now."""
    return Epoch.objects.filter(stopped_at__isnull=False).first()


def stop(why: Epoch.Why) -> None:
    """From now on nothing is sent. What may have been sent before is in doubt."""
    now = timezone.now()
    with transaction.atomic():
        Epoch.objects.get_or_create(pk=1)
        if not Epoch.objects.filter(pk=1, stopped_at=None).update(stopped_at=now, why=why):
            return
        # Their turn, and every decision about them, will be seen in this light.
        for account in Account.objects.order_by("pk").values_list("pk", flat=True):
            Operation.objects.filter(
                account=account, state__in=(State.WAITING, State.IN_DOUBT)
            ).update(
                reason=Reason.PUT_BACK,
                version=F("version") + 1,  # nothing is decided on what was read before
                revision=Account.next_revision(account),
            )
    log.error("sending has stopped: %s", why.label)


def suspects() -> QuerySet[Operation]:
    """What may have been sent in a time that the database has forgotten."""
    row = stopped()
    if row is None:
        return Operation.objects.none()
    return Operation.objects.filter(
        state__in=(State.AWAITING_APPROVAL, State.QUEUED, State.HELD, State.SENDING),
        created_at__lte=row.stopped_at,
    )


def is_doubtful(operation: Operation) -> bool:
    """Whether it may have been sent, although nothing here shows that it was."""
    return operation.reason == Reason.PUT_BACK or suspects().filter(pk=operation.pk).exists()


def doubt(operation: Operation) -> bool:
    """It may have been sent at any time since it was asked for, and until a moment ago.

    What waited for a second person holds no machine: it is in doubt when its turn comes.
    """
    if operation.state == State.AWAITING_APPROVAL:
        return move(operation, State.WAITING, Reason.PUT_BACK)
    until = timezone.now() + times.CLAIM + times.quiet_window()
    changes = {"sent_at": operation.sent_at or operation.created_at, "due_at": until}
    return move(operation, State.IN_DOUBT, Reason.PUT_BACK, changes=changes)


def still_to_do() -> list[str]:
    """What must be done before anybody may go on; empty if nothing is left."""
    row = stopped()
    if row is None:
        return ["Nothing is stopped."]
    accounts = Account.objects.exclude(paused__in=Account.NOT_READ)
    unseen = accounts.filter(Q(complete_pass_at=None) | Q(complete_pass_at__lte=row.stopped_at))
    missing = [f"{account.label} has not been looked at since." for account in unseen]
    if count := suspects().count():
        missing.append(f"{count} operations are not in doubt yet; the tick will see to it.")
    return missing


def go_on() -> None:
    """A person has looked: from now on things are sent again, in a new epoch. Raises OSError."""
    with transaction.atomic():
        row = Epoch.objects.select_for_update().get()
        row.number, row.stopped_at, row.why = row.number + 1, None, ""
        row.save()
    if settings.WITNESS_FILE:
        with _alone():
            _write(Witness(*_key(row), _last()))


# -- the file -------------------------------------------------------------------------------------


def _key(row: Epoch) -> tuple[str, int]:
    return str(row.installation), row.number


def _last() -> int:
    return Attempt.objects.aggregate(last=Max("pk"))["last"] or 0


def _read() -> Witness | None:
    """What the file says; None if it is missing, or says nothing that can be understood."""
    try:
        known = json.loads(Path(settings.WITNESS_FILE).read_text())
        return Witness(str(known["installation"]), int(known["epoch"]), int(known["attempt"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _write(witness: Witness) -> None:
    """Replace the file whole; on return it outlives a loss of power."""
    file = Path(settings.WITNESS_FILE)
    draft = file.with_name(f"{file.name}.new")
    with draft.open("w") as output:
        json.dump(witness._asdict(), output)
        output.flush()
        os.fsync(output.fileno())
    draft.replace(file)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def _alone() -> Iterator[None]:
    """No other worker writes meanwhile; the lock ends with its process."""
    file = Path(settings.WITNESS_FILE)
    with file.with_name(f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
