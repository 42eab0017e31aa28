"""Several operations with one form: each taken or refused for itself, all of it told."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import ngettext

from snapshots import events, queue
from snapshots.errors import Refused
from snapshots.models import Account, Batch, Kind, Operation, Server, Snapshot, State, Team, User
from snapshots.operations.ask import request_create, request_delete
from snapshots.operations.rules import RIGHT, check_name, check_note
from snapshots.permissions import require
from snapshots.said import gettext as _
from snapshots.said import memo
from snapshots.text import same_name

MOST = 100  # things a batch: what one page shows, written in one short transaction
NAME_LENGTH = 64
PATTERN = "{server}-{date}-{time}"


def snapshot_name(pattern: str, server: Server, at: datetime) -> str:
    """`pattern` with {server}, {date} and {time} filled in, in the provider's alphabet.

    Times are told in the current time zone. A long server name is shortened, the rest is not.
    """
    local = timezone.localtime(at)
    pattern = pattern.strip().replace("{date}", f"{local:%Y%m%d}")
    pattern = pattern.replace("{time}", f"{local:%H%M}")
    room = NAME_LENGTH - len(pattern.replace("{server}", ""))
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", server.name).strip("-") or f"server-{server.pk}"
    return pattern.replace("{server}", plain[: max(room, 1)])


def delete_phrase(count: int) -> str:
    """What a person types to delete so many snapshots at once."""
    return ngettext("delete %d snapshot", "delete %d snapshots", count) % count


def request_creates(
    servers: Sequence[Server],
    *,
    actor: User,
    name_pattern: str = PATTERN,
    note: str = "",
    request_key: UUID,
    stop_first: bool = False,
) -> Batch:
    """Ask for a snapshot of each of `servers`; those that run are stopped meanwhile if asked.

    Raises `Refused` only for what concerns all; what is refused of one server is in
    `Batch.refused`. A repeated `request_key` gives the same batch.
    """
    team = _team([server.account.team for server in servers])
    require(actor, RIGHT[Kind.CREATE], team)
    now = timezone.now()
    check_name(snapshot_name(name_pattern, servers[0], now))
    check_note(note)

    def fill(batch: Batch) -> None:
        for server in sorted(servers, key=attrgetter("lock_key")):
            ask = partial(
                request_create,
                server,
                actor=actor,
                name=snapshot_name(name_pattern, server, now),
                note=note,
                request_key=uuid4(),
                stop_first=stop_first and server.is_running,
                batch=batch,
            )
            _try(batch, ask, server)

    accounts = {server.account_id for server in servers}
    return _batch(team, Kind.CREATE, actor, request_key, accounts, fill)


def request_deletes(
    snapshots: Sequence[Snapshot], *, actor: User, typed: str, request_key: UUID
) -> Batch:
    """Ask to delete each of `snapshots` for ever. `typed` must be `delete_phrase` of their number.

    Several of one server follow one another. Raises `Refused` as `request_creates` does.
    """
    team = _team([snapshot.account.team for snapshot in snapshots])
    require(actor, RIGHT[Kind.DELETE], team)
    wanted = delete_phrase(len(snapshots))
    with events.audited(actor=actor, team=team):
        if not same_name(typed, wanted):
            words = _("Please type “%(phrase)s” to confirm.") % {"phrase": wanted}
            raise Refused(words, field="typed")

    def fill(batch: Batch) -> None:
        holders: dict[int, Operation | None] = {}
        for snapshot in sorted(snapshots, key=attrgetter("server.lock_key")):
            ask = partial(
                request_delete,
                snapshot,
                actor=actor,
                typed=snapshot.name,
                request_key=uuid4(),
                batch=batch,
                behind=holders.get(snapshot.server_id),
            )
            asked = _try(batch, ask, snapshot)
            holders[snapshot.server_id] = holders.get(snapshot.server_id) or asked

    accounts = {snapshot.account_id for snapshot in snapshots}
    return _batch(team, Kind.DELETE, actor, request_key, accounts, fill)


def _team(teams: Sequence[Team]) -> Team:
    if not teams:
        raise Refused(_("Nothing is selected."))
    if len(teams) > MOST:
        raise Refused(
            _("%(count)d are selected; %(most)d can be done at once.")
            % {"count": len(teams), "most": MOST}
        )
    if len({team.pk for team in teams}) > 1:
        raise Refused(_("These belong to several teams. Please select those of one team."))
    return teams[0]


def _batch(
    team: Team,
    kind: Kind,
    actor: User,
    request_key: UUID,
    accounts: set[int],
    fill: Callable[[Batch], None],
) -> Batch:
    """Write the batch with everything in it, or the one that this form has made already.

    Whatever was selected in whichever order, accounts are locked by their ids and machines by
    their keys: two batches then wait for each other one way only.
    """
    batch = Batch(
        team=team,
        kind=kind,
        request_key=request_key,
        asked_by=actor,
        asked_by_name=str(actor)[:100],
    )
    try:
        with transaction.atomic():
            batch.save()
            for pk in sorted(accounts):
                Account.next_revision(pk)
            fill(batch)
            batch.save(update_fields=["refused"])
            queued = list(batch.operations.filter(state=State.QUEUED).values_list("pk", flat=True))
            transaction.on_commit(lambda: queue.announce("send", queued))
    except IntegrityError:
        again = Batch.objects.get(team=team, request_key=request_key)
        if (again.kind, again.asked_by_id) != (kind, actor.pk):
            raise Refused(
                _("This form was already used for something else. Please open it again.")
            ) from None
        return again
    return batch


def _try(batch: Batch, ask: Callable[[], Operation], thing: Server | Snapshot) -> Operation | None:
    """Ask for one; a refusal becomes a line of the batch, and is in the audit as any other."""
    try:
        return ask()
    except Refused as refusal:
        snapshot = thing if isinstance(thing, Snapshot) else None
        batch.refused.append(
            {
                "server": snapshot.server_id if snapshot else thing.pk,
                "snapshot": snapshot.pk if snapshot else None,
                "name": thing.name,
                "why": memo(refusal.sentence),
            }
        )
        return None
