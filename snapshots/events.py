"""The audit verbs, each with its sentence, and the one way to write a line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import ceil, floor
from typing import Any

from django.db import models, transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from snapshots import kept, whence
from snapshots.errors import Refused
from snapshots.estimates import spell
from snapshots.models import (
    Account,
    Event,
    Kind,
    Operation,
    Reason,
    Role,
    Server,
    Snapshot,
    Team,
    Topic,
    User,
)
from snapshots.models.guard import named
from snapshots.models.reason import Blank
from snapshots.said import again, memo
from snapshots.text import readable, shown, stamp


class Verb(models.TextChoices):
    """Value and sentence. The sentence's placeholders come from the event's `data`.

    `server`, `snapshot`, `account` and `person` are always there.
    """

    CREATE_ASKED = "create.asked", _("asked for the snapshot {snapshot} of {server}")
    CREATE_TURN = (
        "create.turn",
        _("the turn of the snapshot {snapshot} of {server} has come"),
    )
    CREATE_SENDING = (
        "create.sending",
        _("the request for the snapshot {snapshot} of {server} goes out"),
    )
    CREATE_REQUEUED = "create.requeued", _("the request for {snapshot} was not sent: {why}")
    CREATE_RUNNING = (
        "create.running",
        _("the provider is taking the snapshot {snapshot} of {server}"),
    )
    CREATE_SLOW = (
        "create.slow",
        _(
            "the snapshot {snapshot} of {server} takes longer than usual:"
            " {passed} so far, usually up to {usual}"
        ),
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

    CREATE_STOP_ASKED = (
        "create.stop_asked",
        _("asked not to take {snapshot} of {server} when the deletion before it has ended"),
    )

    RESTORE_ASKED = "restore.asked", _("asked to restore {server} to {snapshot}")
    RESTORE_SENDING = "restore.sending", _("the restore of {server} to {snapshot} goes out")
    RESTORE_REQUEUED = "restore.requeued", _("the restore of {server} was not sent: {why}")
    RESTORE_RUNNING = "restore.running", _("the provider is restoring {server} to {snapshot}")
    RESTORE_SLOW = (
        "restore.slow",
        _(
            "the restore of {server} to {snapshot} takes longer than usual:"
            " {passed} so far, usually up to {usual}"
        ),
    )
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
    RESTORE_BARE = (
        "restore.bare",
        _("restores {server} without a safety snapshot: {words}"),
    )
    RESTORE_APPROVAL_WANTED = (
        "restore.approval_wanted",
        _("asks for a second person’s approval to restore {server} to {snapshot}"),
    )
    RESTORE_APPROVED = "restore.approved", _("approved the restore of {server} to {snapshot}")
    RESTORE_REJECTED = (
        "restore.rejected",
        _("rejected the restore of {server} to {snapshot}: {words}"),
    )
    RESTORE_EMERGENCY = (
        "restore.emergency",
        _(
            "lets the restore of {server} to {snapshot} go on without a second person,"
            " as an emergency: {words}"
        ),
    )
    RESTORE_WAITING = (
        "restore.waiting",
        _("the restore of {server} may have been approved and sent: {why}"),
    )
    RESTORE_HELD = (
        "restore.held",
        _("holds the restore of {server}: it is not sent until somebody lets it go on"),
    )
    RESTORE_RELEASED = "restore.released", _("let the restore of {server} to {snapshot} go on")
    RESTORE_START_NOW = "restore.start_now", _("let the restore of {server} start at once")
    RESTORE_CANCELLED = "restore.cancelled", _("cancelled the restore of {server}")
    RESTORE_EXPIRED = "restore.expired", _("the restore of {server} expired before it was sent")

    DELETE_HELD = (
        "delete.held",
        _(
            "holds the deletion of {snapshot} of {server}:"
            " it is not sent until somebody lets it go on"
        ),
    )
    DELETE_RELEASED = "delete.released", _("let the deletion of {snapshot} of {server} go on")
    DELETE_START_NOW = "delete.start_now", _("let the deletion of {snapshot} start at once")
    DELETE_ASKED = "delete.asked", _("asked to delete the snapshot {snapshot} of {server}")
    DELETE_TURN = "delete.turn", _("the turn to delete {snapshot} of {server} has come")
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

    STOP_ASKED = "stop.asked", _("asked to stop {server}")
    STOP_SENDING = "stop.sending", _("the request to stop {server} goes out")
    STOP_REQUEUED = "stop.requeued", _("the request to stop {server} was not sent: {why}")
    STOP_RUNNING = "stop.running", _("the provider is stopping {server}")
    STOP_IN_DOUBT = "stop.in_doubt", _("it is not known whether {server} is being stopped: {why}")
    STOP_SLOW = (
        "stop.slow",
        _("stopping {server} takes longer than usual: {passed} so far, usually up to {usual}"),
    )
    STOP_NEEDS_PERSON = (
        "stop.needs_person",
        _("a person must look whether {server} was stopped: {why}"),
    )
    STOP_SUCCEEDED = "stop.succeeded", _("{server} is stopped")
    STOP_FAILED = "stop.failed", _("could not stop {server}: {why}")
    STOP_NOT_APPLIED = "stop.not_applied", _("{server} was not stopped: {why}")
    STOP_SAID_YES = "stop.said_yes", _("said that {server} was stopped: {words}")
    STOP_SAID_NO = "stop.said_no", _("said that {server} was not stopped: {words}")
    STOP_CANCELLED = "stop.cancelled", _("cancelled stopping {server}")
    STOP_EXPIRED = "stop.expired", _("the request to stop {server} expired before it was sent")

    START_ASKED = "start.asked", _("asked to start {server}")
    START_TURN = "start.turn", _("the turn has come to start {server}")
    START_SENDING = "start.sending", _("the request to start {server} goes out")
    START_REQUEUED = "start.requeued", _("the request to start {server} was not sent: {why}")
    START_RUNNING = "start.running", _("the provider is starting {server}")
    START_IN_DOUBT = (
        "start.in_doubt",
        _("it is not known whether {server} is being started: {why}"),
    )
    START_SLOW = (
        "start.slow",
        _("starting {server} takes longer than usual: {passed} so far, usually up to {usual}"),
    )
    START_NEEDS_PERSON = (
        "start.needs_person",
        _("a person must look whether {server} was started: {why}"),
    )
    START_SUCCEEDED = "start.succeeded", _("{server} is running")
    START_FAILED = "start.failed", _("could not start {server}: {why}")
    START_NOT_APPLIED = "start.not_applied", _("{server} was not started: {why}")
    START_SAID_YES = "start.said_yes", _("said that {server} was started: {words}")
    START_SAID_NO = "start.said_no", _("said that {server} was not started: {words}")
    START_CANCELLED = "start.cancelled", _("cancelled starting {server}")
    START_EXPIRED = "start.expired", _("the request to start {server} expired before it was sent")

    REFUSED = "refused", _("was refused: {why}")

    SIGNED_IN = "person.signed_in", _("signed in")
    SIGNED_OUT = "person.signed_out", _("signed out")
    NOT_LET_IN = (
        "person.not_let_in",
        _("was not let in: the password or the code was wrong"),
    )
    TURNED_AWAY = (
        "person.turned_away",
        _("was not let in: too many tries, and this one was not looked at"),
    )
    NOT_KNOWN = (
        "person.not_known",
        _("somebody was not let in: nobody here has the address they gave"),
    )
    TRIES_UNTOLD = (
        "person.tries_untold",
        _("tries that have no line of their own, since such tries were last told: {number}"),
    )
    PASSWORD_LINK = (
        "person.password_link",
        _("can choose a new password by a link that was made where this installation runs"),
    )
    PASSWORD_SET = "person.password_set", _("set a new password")
    SIGN_ON_ADDED = "person.sign_on_added", _("signs in by {place} too, from now on")
    SIGN_ON_REMOVED = "person.sign_on_removed", _("signs in by {place} no more")
    SESSIONS_ENDED = (
        "person.sessions_ended",
        _("signed out elsewhere, from so many devices: {number}"),
    )
    PERSON_RENAMED = "person.renamed", _("is called {after} from now on")
    ADDRESS_CHANGED = (
        "person.address_changed",
        _("signs in with {after} from now on, no longer with {before}"),
    )
    FACTOR_ADDED = "person.factor_added", _("added a second factor: {why}")
    FACTOR_REMOVED = "person.factor_removed", _("removed a second factor: {why}")
    FACTOR_RENEWED = "person.factor_renewed", _("made a second factor anew: {why}")

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
    SNAPSHOT_GONE_LOCKED = (
        "snapshot.gone_locked",
        _(
            "{snapshot} of {server}, which is locked here, is no longer listed by the provider:"
            " a lock binds nobody in the provider’s own panel"
        ),
    )
    SNAPSHOT_LOCKED = "snapshot.locked", _("locked {snapshot} of {server}: {words}")
    SNAPSHOT_LOCKED_UNTIL = (
        "snapshot.locked_until",
        _("locked {snapshot} of {server} until {until}: {words}"),
    )
    SNAPSHOT_UNLOCKED = "snapshot.unlocked", _("unlocked {snapshot} of {server}: {words}")
    SNAPSHOT_GOOD = "snapshot.good", _("marked {snapshot} of {server} as known good: {words}")
    SNAPSHOT_NOT_GOOD = (
        "snapshot.not_good",
        _("took back that {snapshot} of {server} is known good: {words}"),
    )
    SNAPSHOT_PURPOSE = (
        "snapshot.purpose",
        _("changed the purpose of {snapshot} of {server} from “{before}” to “{after}”"),
    )
    SNAPSHOT_TICKET = (
        "snapshot.ticket",
        _("changed the ticket of {snapshot} of {server} from “{before}” to “{after}”"),
    )
    SNAPSHOT_OWNER = (
        "snapshot.owner",
        _("changed the owner of {snapshot} of {server} from “{before}” to “{after}”"),
    )
    SNAPSHOT_KEEP_UNTIL = (
        "snapshot.keep_until",
        _("changed until when {snapshot} of {server} is kept from “{before}” to “{after}”"),
    )
    SERVER_GONE = "server.gone", _("{server} is no longer listed by the provider")

    SERVER_TAGGED = "server.tagged", _("tagged {server}: {tags}")
    SERVER_UNTAGGED = "server.untagged", _("took the tags of {server} away: {before}")

    ACCOUNT_CONNECTED = "account.connected", _("connected the account {account}")
    ACCOUNT_TOKEN_REPLACED = "account.token_replaced", _("replaced the token of {account}")
    ACCOUNT_TOKEN_REFUSED = (
        "account.token_refused",
        _(
            "the provider refuses the token of {account}:"
            " nothing is sent or read until it is replaced"
        ),
    )
    ACCOUNT_KEY_LOST = (
        "account.key_lost",
        _("{account} needs its token again: no key of ours opens it, and nothing is sent"),
    )
    ACCOUNT_KEY_FOUND = "account.key_found", _("the token of {account} can be opened again")
    ACCOUNT_PAUSED = "account.paused", _("paused {account}: nothing is sent, looking goes on")
    ACCOUNT_RESUMED = "account.resumed", _("resumed {account}")
    ACCOUNT_CONNECTED_AGAIN = (
        "account.connected_again",
        _("connected the account {account} again, with its history"),
    )
    ACCOUNT_RENAMED = "account.renamed", _("renamed the account {before} to {account}")
    ACCOUNT_SLOTS_SET = (
        "account.slots_set",
        _("set the snapshots per server of {account} from {before} to {number}"),
    )
    ACCOUNT_REMOVED = (
        "account.removed",
        _("removed the account {account}: its token is erased, its history stays"),
    )
    WEBHOOK_ADDED = "webhook.added", _("added the webhook {webhook}, which posts to {host}")
    WEBHOOK_OWN_ADDED = (
        "webhook.own_added",
        _("added a webhook of their own, {webhook}, which posts to {host}"),
    )
    WEBHOOK_CHANGED = "webhook.changed", _("changed the webhook {webhook}, which posts to {host}")
    WEBHOOK_NEW_SECRET = "webhook.new_secret", _("made a new secret for the webhook {webhook}")
    WEBHOOK_OLD_SECRET_ENDED = (
        "webhook.old_secret_ended",
        _("ended the old secret of the webhook {webhook}"),
    )
    WEBHOOK_OFF = "webhook.off", _("switched the webhook {webhook} off")
    WEBHOOK_ON = "webhook.on", _("switched the webhook {webhook} on")
    WEBHOOK_GONE = (
        "webhook.gone",
        _("the webhook {webhook} answered that it is gone, and was switched off"),
    )
    WEBHOOK_REMOVED = "webhook.removed", _("removed the webhook {webhook}")
    INSTALLATION_BEGUN = "installation.begun", _("set this installation up, as its first owner")
    TEAM_CREATED = "team.created", _("created the team {team}")
    TEAM_RENAMED = "team.renamed", _("renamed the team {before} to {team}")
    TEAM_HOLD_SET = (
        "team.hold_set",
        _("set the hold before a restore from {before} to {number} seconds"),
    )
    TEAM_GRACE_SET = (
        "team.grace_set",
        _("set the grace before a deletion from {before} to {number} minutes"),
    )
    TEAM_SECOND_FACTOR_ON = (
        "team.second_factor_on",
        _("decided that everybody needs a second factor to act"),
    )
    TEAM_SECOND_FACTOR_OFF = (
        "team.second_factor_off",
        _("decided that nobody needs a second factor to act"),
    )
    GUARD_SET = "guard.set", _("set the guard level of {what} from {old_guard} to {guard}")
    GUARD_LOWER_ASKED = (
        "guard.lower_asked",
        _(
            "asks a second person to let the guard level of {what} go from {old_guard}"
            " to {guard}: {words}"
        ),
    )
    GUARD_LOWERED = (
        "guard.lowered",
        _(
            "approved what {asker} asked for: the guard level of {what} goes from {old_guard}"
            " to {guard}"
        ),
    )
    GUARD_LOWER_REJECTED = (
        "guard.lower_rejected",
        _("rejected that the guard level of {what} goes to {guard}, as {asker} asked: {words}"),
    )
    GUARD_LOWER_EXPIRED = (
        "guard.lower_expired",
        _(
            "nobody approved in time that the guard level of {what} goes to {guard},"
            " as {asker} asked"
        ),
    )
    GUARD_LOWER_OVERTAKEN = (
        "guard.lower_overtaken",
        _(
            "set another guard level of {what} meanwhile: that it goes to {guard},"
            " as {asker} asked, can no longer be approved"
        ),
    )
    MEMBER_ADDED = "member.added", _("added {member} as {role}")
    MEMBER_INVITED = "member.invited", _("invited {member} as {role}")
    MEMBER_LINK_MADE = (
        "member.link_made",
        _("made a link with which one person can join as {role}"),
    )
    MEMBER_INVITATION_LIMITED = (
        "member.invitation_limited",
        _("limited the invitation to join as {role} to {reach}"),
    )
    MEMBER_INVITATION_WITHDRAWN = (
        "member.invitation_withdrawn",
        _("withdrew the invitation of {inviter} to join as {role}"),
    )
    MEMBER_JOINED = "member.joined", _("joined as {role}, invited by {inviter}")
    MEMBER_ROLE_CHANGED = (
        "member.role_changed",
        _("changed the role of {member} from {old_role} to {role}"),
    )
    MEMBER_LIMITED = "member.limited", _("limited {member} to {reach}")
    MEMBER_UNLIMITED = "member.unlimited", _("let {member} reach everything")
    MEMBER_SUSPENDED = "member.suspended", _("suspended {member}, who is {role}")
    MEMBER_RESUMED = "member.resumed", _("let {member} in again as {role}")
    MEMBER_REMOVED = "member.removed", _("removed {member}, who was {role}")
    MEMBER_LEFT = "member.left", _("left the team, in which they were {role}")


# What people may want to be told, by the verb's last word for everything that is an operation.
_TOLD_OF_OPERATIONS = {
    "succeeded": Topic.FINISHED,
    "said_yes": Topic.FINISHED,
    "failed": Topic.FAILED,
    "expired": Topic.FAILED,
    "not_applied": Topic.FAILED,
    "said_no": Topic.FAILED,
    "in_doubt": Topic.IN_DOUBT,
    "needs_person": Topic.NEEDS_PERSON,
    "slow": Topic.SLOW,
    "approval_wanted": Topic.APPROVAL,
    "approved": Topic.APPROVAL,
    "rejected": Topic.FAILED,
    "emergency": Topic.EMERGENCY,
}
_TOLD_OF_OTHERS = {
    "snapshot.after_all": Topic.IN_DOUBT,
    "snapshot.gone_locked": Topic.NEEDS_PERSON,
    "account.token_refused": Topic.ACCOUNT_PAUSED,
    "account.key_lost": Topic.ACCOUNT_PAUSED,
    "account.paused": Topic.ACCOUNT_PAUSED,
    "guard.lower_asked": Topic.APPROVAL,
    "guard.lowered": Topic.APPROVAL,
    "guard.lower_rejected": Topic.FAILED,
    "guard.lower_expired": Topic.FAILED,
    "guard.lower_overtaken": Topic.FAILED,
}


def topic_of(verb: str) -> Topic | None:
    """What `verb` is told as, or None if nobody is told."""
    noun, _dot, what = verb.partition(".")
    return _TOLD_OF_OPERATIONS.get(what) if noun in Kind.values else _TOLD_OF_OTHERS.get(verb)


def _is_to_tell(verb: str, operation: Operation | None) -> bool:
    """In a batch a cancelled operation may be the last to end, and then the batch is told of."""
    ends_batch = operation is not None and operation.batch_id and verb.endswith(".cancelled")
    return topic_of(verb) is not None or bool(ends_batch)


def record(
    verb: Verb,
    *,
    team: Team | None,
    actor: User | None = None,
    account: Account | None = None,
    server: Server | None = None,
    snapshot: Snapshot | None = None,
    operation: Operation | None = None,
    **data: Any,
) -> Event:
    """Write one audit line, in the transaction of what it tells: one is not without the other."""
    if verb != Verb.REFUSED and not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(f"{verb} is told outside its transaction")
    names = {
        "server": server.name if server else "",
        "snapshot": snapshot.name if snapshot else operation.name if operation else "",
        "account": account.label if account else "",
        "team": team.name if team else "",
    }
    event = Event(
        verb=verb,
        team=team,
        actor=actor,
        actor_name=str(actor)[:100] if actor else "",
        account=account,
        server=server,
        snapshot=snapshot,
        operation=operation,
        data=names | data,
        address=whence.address.get(),
        request_id=whence.request_id.get(),
        to_tell=_is_to_tell(verb, operation),
    )
    kept.insert(event)
    return event


def refused(refusal: Refused, *, actor: User, team: Team | None, **about: Any) -> None:
    """Write down a refusal, once. Call it outside of what is rolled back."""
    if not refusal.is_told:
        record(Verb.REFUSED, team=team, actor=actor, why=memo(refusal.for_all), **about)
        refusal.is_told = True


@contextmanager
def audited(*, actor: User, team: Team | None, **about: Any) -> Iterator[None]:
    """Whatever is refused in here is written down, and goes on."""
    try:
        yield
    except Refused as refusal:
        refused(refusal, actor=actor, team=team, **about)
        raise


def sentence(event: Event) -> str:
    """What happened, in the reader's language; the verb itself for one we no longer know."""
    try:
        words = str(Verb(event.verb).label)
    except ValueError:
        return event.verb
    data = dict(event.data)
    data |= {name: again(data.get(name, "")) for name in ("why", "place")}
    if data.get("reason") in Reason.values:
        data["why"] = Reason(data["reason"]).sentence(data)
    if data.get("until"):
        data["until"] = stamp(datetime.fromisoformat(data["until"]))
    for name, rounded in (("passed", floor), ("usual", ceil)):  # seconds
        if isinstance(data.get(name), int | float):
            data[name] = spell(timedelta(seconds=data[name]), rounded)
    for name in ("role", "old_role"):
        if data.get(name) in Role.values:
            data[name] = Role(data[name]).label
    for name in ("guard", "old_guard"):
        if name in data:
            data[name] = named(data[name])
    return words.format_map(Blank(data))


def line(event: Event) -> str:
    """Who did what. Lines of ours without a person begin with the thing itself."""
    words = readable(sentence(event))
    if event.actor_name:
        return gettext("%(person)s %(did)s") % {"person": shown(event.actor_name), "did": words}
    names = (event.data.get("server"), event.data.get("snapshot"), event.data.get("account"))
    if words.startswith(tuple(shown(name) for name in names if name)):
        return words
    return words[:1].upper() + words[1:]
