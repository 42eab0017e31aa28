"""What people say of a snapshot: locked, known good, what it is for. Nothing is sent for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from snapshots import events
from snapshots.errors import Refused
from snapshots.models import Account, Kind, Snapshot, State, User
from snapshots.models.marks import DESCRIBED, MOST, MOST_WORDS
from snapshots.models.operation import WATCHED
from snapshots.operations.audited import audited
from snapshots.operations.rules import check_connected, check_snapshot
from snapshots.permissions import DESCRIBE, PROTECT, require
from snapshots.said import gettext as _

SENT = (State.SENDING, *WATCHED)
Said = dict[str, Any]


# -- locks ----------------------------------------------------------------------------------------


def lock(snapshot: Snapshot, *, actor: User, words: str, until: datetime | None = None) -> None:
    """Nobody deletes `snapshot` from here until it is unlocked, or until `until`.

    What is asked for already ends unsent. Raises `Refused` if it went out.
    """
    with _of(snapshot, actor, PROTECT) as (row, revision):
        words = _reason(
            words, _("Please say why it is locked; everybody who meets the lock reads it.")
        )
        if until and until <= timezone.now():
            raise Refused(_("This day is over already."), field="until")
        _check_listed(row)
        if row.is_locked:
            raise Refused(
                _("%(snapshot)s is locked already. %(person)s: “%(reason)s”")
                % {
                    "snapshot": row.name,
                    "person": row.locked_by_name,
                    "reason": row.lock_reason,
                }
            )
        if row.operations.filter(kind=Kind.DELETE, state__in=SENT).exists():
            raise Refused(_("Too late: its deletion may have been sent."))
        _write(
            row,
            revision,
            locked_at=timezone.now(),
            locked_until=until,
            locked_by_name=str(actor)[:100],
            lock_reason=words,
        )
        verb = events.Verb.SNAPSHOT_LOCKED_UNTIL if until else events.Verb.SNAPSHOT_LOCKED
        more = {"until": until.isoformat()} if until else {}
        _tell(verb, row, actor, words=words, **more)


def unlock(snapshot: Snapshot, *, actor: User, words: str) -> None:
    """Take the lock off. Raises `Refused`."""
    with _of(snapshot, actor, PROTECT) as (row, revision):
        words = _reason(words, _("Please say why it is unlocked; it is kept in the history."))
        if not row.is_locked:
            raise Refused(_("%(snapshot)s is not locked.") % {"snapshot": row.name})
        _write(row, revision, locked_at=None, locked_until=None, locked_by_name="", lock_reason="")
        _tell(events.Verb.SNAPSHOT_UNLOCKED, row, actor, words=words)


# -- known good -----------------------------------------------------------------------------------


def mark_good(snapshot: Snapshot, *, actor: User, words: str) -> None:
    """Say that the server is known to work as it is in `snapshot`. Raises `Refused`."""
    with _of(snapshot, actor, PROTECT) as (row, revision):
        words = _reason(words, _("Please say how it is known; whoever restores reads it."))
        check_snapshot(row)
        now = timezone.now()
        _write(row, revision, good_at=now, good_by_name=str(actor)[:100], good_why=words)
        _tell(events.Verb.SNAPSHOT_GOOD, row, actor, words=words)


def unmark_good(snapshot: Snapshot, *, actor: User, words: str) -> None:
    """Take that back. Raises `Refused`."""
    with _of(snapshot, actor, PROTECT) as (row, revision):
        words = _reason(words, _("Please say what speaks against it; it is kept in the history."))
        if not row.is_good:
            raise Refused(_("%(snapshot)s is not marked as known good.") % {"snapshot": row.name})
        _write(row, revision, good_at=None, good_by_name="", good_why="")
        _tell(events.Verb.SNAPSHOT_NOT_GOOD, row, actor, words=words)


# -- what it is for -------------------------------------------------------------------------------


def describe(
    snapshot: Snapshot,
    *,
    actor: User,
    purpose: str = "",
    ticket: str = "",
    owner: str = "",
    keep_until: date | None = None,
) -> None:
    """Say what `snapshot` is for, and until when it is needed. Raises `Refused`.

    Nothing is deleted when that day has passed; pages then say that it may go.
    """
    with _of(snapshot, actor, DESCRIBE) as (row, revision):
        before = {name: getattr(row, name) for name in DESCRIBED}
        new = _described(purpose=purpose, ticket=ticket, owner=owner, keep_until=keep_until)
        if new["keep_until"] != before["keep_until"]:
            _check_day(new["keep_until"])
        changed = [name for name in DESCRIBED if new[name] != before[name]]
        if not changed:
            return
        _write(row, revision, **{name: new[name] for name in changed})
        for name in changed:
            values = {"before": str(before[name] or ""), "after": str(new[name] or "")}
            _tell(events.Verb(f"snapshot.{name}"), row, actor, **values)


def said(**about: Any) -> Said:
    """What of it says something, as JSON: for a snapshot that is not there yet."""
    new = _described(**about)
    _check_day(new["keep_until"])
    if new["keep_until"]:
        new["keep_until"] = new["keep_until"].isoformat()
    return {name: value for name, value in new.items() if value}


def _described(
    purpose: str = "", ticket: str = "", owner: str = "", keep_until: date | None = None
) -> Said:
    new: Said = {"purpose": purpose.strip(), "ticket": ticket.strip(), "owner": owner.strip()}
    for name, value in new.items():
        if len(value) > MOST[name]:
            raise Refused(
                _("This has %(count)d characters; %(most)d fit.")
                % {"count": len(value), "most": MOST[name]},
                field=name,
            )
    return new | {"keep_until": keep_until}


def _check_day(day: date | None) -> None:
    if day and day < timezone.localdate():
        raise Refused(_("This day is over already."), field="keep_until")


# -- the pieces -----------------------------------------------------------------------------------


@contextmanager
def _of(snapshot: Snapshot, actor: User, right: str) -> Iterator[tuple[Snapshot, int]]:
    """The row as it is now, nobody else's until the transaction ends, and the revision to write."""
    with audited(actor, snapshot.server, snapshot):
        require(actor, right, snapshot.account.team, snapshot.server)
        with transaction.atomic():
            revision = Account.next_revision(snapshot.account_id)
            rows = Snapshot.objects.select_related("server", "account__team")
            row = rows.get(pk=snapshot.pk)
            check_connected(row.account)
            yield row, revision


def _check_listed(row: Snapshot) -> None:
    if row.gone_at:
        raise Refused(_("The provider no longer lists %(snapshot)s.") % {"snapshot": row.name})


def _reason(words: str, lacking: str) -> str:
    words = words.strip()
    if not words:
        raise Refused(lacking, field="words")
    if len(words) > MOST_WORDS:
        raise Refused(
            _("This has %(count)d characters; %(most)d fit.")
            % {"count": len(words), "most": MOST_WORDS},
            field="words",
        )
    return words


def _write(row: Snapshot, revision: int, **values: Any) -> None:
    Snapshot.objects.filter(pk=row.pk).update(**values, revision=revision)


def _tell(verb: events.Verb, row: Snapshot, actor: User, **data: Any) -> None:
    events.record(
        verb,
        team=row.account.team,
        actor=actor,
        account=row.account,
        server=row.server,
        snapshot=row,
        **data,
    )
