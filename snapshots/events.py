"""The audit verbs, each with its sentence, and the one way to write a line."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from snapshots.models import Account, Event, Operation, Reason, Server, Snapshot, Team, User
from snapshots.models.reason import Blank


class Verb(models.TextChoices):
    """Value and sentence. The sentence's placeholders come from the event's `data`.

    `server`, `snapshot`, `account` and `person` are always there.
    """

    CREATE_ASKED = "create.asked", _("asked for the snapshot {snapshot} of {server}")
    CREATE_SENDING = (
        "create.sending",
        _("the request for the snapshot {snapshot} of {server} goes out"),
    )
    CREATE_REQUEUED = "create.requeued", _("the request for {snapshot} was not sent: {why}")
    CREATE_RUNNING = (
        "create.running",
        _("the provider is taking the snapshot {snapshot} of {server}"),
    )
    CREATE_IN_DOUBT = (
        "create.in_doubt",
        _("it is not known whether the snapshot {snapshot} of {server} is being taken: {why}"),
    )
    CREATE_NEEDS_PERSON = (
        "create.needs_person",
        _("a person must look at the snapshot {snapshot} of {server}: {why}"),
    )
    CREATE_SUCCEEDED = "create.succeeded", _("the snapshot {snapshot} of {server} is complete")
    CREATE_FAILED = "create.failed", _("could not take the snapshot {snapshot} of {server}: {why}")
    CREATE_NOT_APPLIED = (
        "create.not_applied",
        _("the snapshot {snapshot} of {server} was never taken: {why}"),
    )
    CREATE_CANCELLED = "create.cancelled", _("cancelled the snapshot {snapshot} of {server}")
    CREATE_EXPIRED = (
        "create.expired",
        _("the request for the snapshot {snapshot} of {server} expired before it was sent"),
    )

    RESTORE_ASKED = "restore.asked", _("asked to restore {server} to {snapshot}")
    RESTORE_SENDING = "restore.sending", _("the restore of {server} to {snapshot} goes out")
    RESTORE_REQUEUED = "restore.requeued", _("the restore of {server} was not sent: {why}")
    RESTORE_RUNNING = "restore.running", _("the provider is restoring {server} to {snapshot}")
    RESTORE_IN_DOUBT = (
        "restore.in_doubt",
        _("it is not known whether {server} is being restored: {why}"),
    )
    RESTORE_NEEDS_PERSON = (
        "restore.needs_person",
        _("a person must look at the restore of {server}: {why}"),
    )
    RESTORE_SUCCEEDED = "restore.succeeded", _("{server} is back at {snapshot}")
    RESTORE_FAILED = "restore.failed", _("could not restore {server}: {why}")
    RESTORE_NOT_APPLIED = "restore.not_applied", _("the restore of {server} did not happen: {why}")
    CREATE_SAID_YES = (
        "create.said_yes",
        _("said that the snapshot {snapshot} of {server} was taken: {words}"),
    )
    CREATE_SAID_NO = (
        "create.said_no",
        _("said that the snapshot {snapshot} of {server} was not taken: {words}"),
    )
    RESTORE_SAID_YES = (
        "restore.said_yes",
        _("said that {server} was restored to {snapshot}: {words}"),
    )
    RESTORE_SAID_NO = (
        "restore.said_no",
        _("said that {server} was not restored to {snapshot}: {words}"),
    )
    DELETE_SAID_YES = (
        "delete.said_yes",
        _("said that {snapshot} of {server} was deleted: {words}"),
    )
    DELETE_SAID_NO = (
        "delete.said_no",
        _("said that {snapshot} of {server} was not deleted: {words}"),
    )
    RESTORE_STOP_ASKED = (
        "restore.stop_asked",
        _("asked to stop the restore of {server} when its safety snapshot has ended"),
    )
    RESTORE_CANCELLED = "restore.cancelled", _("cancelled the restore of {server}")
    RESTORE_EXPIRED = "restore.expired", _("the restore of {server} expired before it was sent")

    DELETE_ASKED = "delete.asked", _("asked to delete the snapshot {snapshot} of {server}")
    DELETE_SENDING = "delete.sending", _("the deletion of {snapshot} of {server} goes out")
    DELETE_REQUEUED = "delete.requeued", _("the deletion of {snapshot} was not sent: {why}")
    DELETE_IN_DOUBT = (
        "delete.in_doubt",
        _("it is not known whether {snapshot} of {server} was deleted: {why}"),
    )
    DELETE_NEEDS_PERSON = (
        "delete.needs_person",
        _("a person must look at the deletion of {snapshot} of {server}: {why}"),
    )
    DELETE_SUCCEEDED = "delete.succeeded", _("the snapshot {snapshot} of {server} was deleted")
    DELETE_FAILED = "delete.failed", _("could not delete {snapshot} of {server}: {why}")
    DELETE_NOT_APPLIED = "delete.not_applied", _("{snapshot} of {server} was not deleted: {why}")
    DELETE_CANCELLED = "delete.cancelled", _("cancelled the deletion of {snapshot} of {server}")
    DELETE_EXPIRED = (
        "delete.expired",
        _("the deletion of {snapshot} of {server} expired before it was sent"),
    )

    REFUSED = "refused", _("was refused: {why}")

    SNAPSHOT_FOUND = "snapshot.found", _("{snapshot} of {server} was taken outside this dashboard")
    SNAPSHOT_GONE = "snapshot.gone", _("{snapshot} of {server} is no longer listed by the provider")
    SNAPSHOT_AFTER_ALL = (
        "snapshot.after_all",
        _(
            "the provider lists {snapshot} of {server} after all:"
            " it carries the marker of a request that was taken for not having happened"
        ),
    )
    SNAPSHOT_BACK = "snapshot.back", _("the provider lists {snapshot} of {server} again")
    SERVER_GONE = "server.gone", _("{server} is no longer listed by the provider")

    ACCOUNT_CONNECTED = "account.connected", _("connected the account {account}")
    ACCOUNT_TOKEN_REPLACED = "account.token_replaced", _("replaced the token of {account}")
    ACCOUNT_TOKEN_REFUSED = (
        "account.token_refused",
        _(
            "the provider refuses the token of {account}:"
            " nothing is sent or read until it is replaced"
        ),
    )
    ACCOUNT_PAUSED = "account.paused", _("paused {account}: nothing is sent, looking goes on")
    ACCOUNT_RESUMED = "account.resumed", _("resumed {account}")
    TEAM_CREATED = "team.created", _("created the team {team}")
    MEMBER_ADDED = "member.added", _("added {member} as {role}")


def record(
    verb: Verb,
    *,
    team: Team,
    actor: User | None = None,
    account: Account | None = None,
    server: Server | None = None,
    snapshot: Snapshot | None = None,
    operation: Operation | None = None,
    **data: Any,
) -> Event:
    """Write one audit line. Call it in the transaction of what it tells, or nothing is told."""
    names = {
        "server": server.name if server else "",
        "snapshot": snapshot.name if snapshot else operation.name if operation else "",
        "account": account.label if account else "",
        "team": team.name,
    }
    return Event.objects.create(
        verb=verb,
        team=team,
        actor=actor,
        actor_name=str(actor)[:100] if actor else "",
        account=account,
        server=server,
        snapshot=snapshot,
        operation=operation,
        data=names | data,
    )


def sentence(event: Event) -> str:
    """What happened, in the reader's language; the verb itself for one we no longer know."""
    try:
        words = str(Verb(event.verb).label)
    except ValueError:
        return event.verb
    data = dict(event.data)
    if data.get("reason") in Reason.values:
        data["why"] = Reason(data["reason"]).sentence(data)
    return words.format_map(Blank(data))
