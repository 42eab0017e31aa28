"""Provider accounts: connect, replace the token, look, pause, resume, change, remove."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from snapshots import events, queue
from snapshots.errors import Refused
from snapshots.models import Account, Operation, Team, User
from snapshots.models.operation import OPEN
from snapshots.permissions import MANAGE_ACCOUNTS, VIEW, require
from snapshots.text import same_name
from snapshots.tokens import Checked, check

BETWEEN_LOOKS = timedelta(seconds=10)  # a person may ask for a look this often
MOST_SLOTS = 100


# -- connect --------------------------------------------------------------------------------------


def preview(team: Team, *, api_url: str, token: str, actor: User) -> Checked:
    """What connecting would connect; nothing is kept. Raises `Refused`, as `connect` will."""
    require(actor, MANAGE_ACCOUNTS, team)
    checked = check(api_url, token, actor=actor)
    if known(team, api_url, checked).filter(removed_at=None).exists():
        raise _connected_already(team, checked)
    return checked


def known(team: Team, api_url: str, checked: Checked) -> QuerySet[Account]:
    """The team's row of this provider account, connected or removed."""
    return Account.objects.filter(team=team, api_url=api_url, identity=_identity(checked))


def connect(team: Team, *, label: str, api_url: str, token: str, actor: User) -> Account:
    """Connect an account to `team` after asking the provider whose it is. Raises `Refused`.

    An account that was removed comes back as the same row, with its servers and its history.
    """
    require(actor, MANAGE_ACCOUNTS, team)
    checked = check(api_url, token)
    try:
        with transaction.atomic():
            account = _returning(team, api_url, checked)
            verb = events.Verb.ACCOUNT_CONNECTED_AGAIN
            if account is None:
                verb = events.Verb.ACCOUNT_CONNECTED
                account = Account(team=team, api_url=api_url, identity=_identity(checked))
                account.save(force_insert=True)
            words = (label.strip(), account.label, checked.identity.company, account.identity)
            account.label = next(word for word in words if word)[:100]
            account.connected_at = timezone.now()
            account.connected_by_name = str(actor)[:100]
            _put_in(account, token, checked, actor)
            account.save()
            events.record(verb, team=team, actor=actor, account=account)
            transaction.on_commit(lambda: queue.nudge("observe", account.pk))
    except IntegrityError:
        raise _connected_already(team, checked) from None
    return account


def _returning(team: Team, api_url: str, checked: Checked) -> Account | None:
    """The removed row of this provider account, as it is to come back; locked."""
    removed = known(team, api_url, checked).exclude(removed_at=None)
    account = removed.select_for_update().first()
    if account is not None:
        account.revision = Account.next_revision(account.pk)
        account.removed_at = account.paused_at = account.paused_by = None
        account.paused = Account.Paused.NO
    return account


def _put_in(account: Account, token: str, checked: Checked, actor: User) -> None:
    """Make `token` the present one, and look with it at once. The caller saves."""
    now = timezone.now()
    account.seal_token(token.strip())
    account.token_version += 1
    account.token_at, account.token_by_name = now, str(actor)[:100]
    account.permissions = list(checked.identity.permissions)
    account.company = checked.identity.company
    account.next_pass_at = account.look_asked_at = now


def _identity(checked: Checked) -> str:
    return checked.identity.email.lower()[:254]


def _connected_already(team: Team, checked: Checked) -> Refused:
    return Refused(
        _("%(team)s has connected the account of %(identity)s already.")
        % {"team": team.name, "identity": checked.identity.email}
    )


# -- the token ------------------------------------------------------------------------------------


def preview_token(account: Account, token: str, *, actor: User) -> Checked:
    """What the new token would open; nothing is kept. Raises `Refused`, as replacing it will."""
    require(actor, MANAGE_ACCOUNTS, account.team)
    return _of_the_same(account, check(account.api_url, token, actor=actor))


def replace_token(account: Account, token: str, *, actor: User) -> None:
    """Put a new token of the same provider account in place of the old. Raises `Refused`."""
    require(actor, MANAGE_ACCOUNTS, account.team)
    checked = _of_the_same(account, check(account.api_url, token))
    with transaction.atomic():
        Account.next_revision(account.pk)
        account.refresh_from_db()
        _check_connected(account)
        _put_in(account, token, checked, actor)
        if account.paused in Account.NEEDS_TOKEN:
            # A person's pause outlives the token that was refused meanwhile.
            by_person = account.paused_by_id is not None
            account.paused = Account.Paused.PERSON if by_person else Account.Paused.NO
            account.paused_at = account.paused_at if by_person else None
        account.save()
        events.record(
            events.Verb.ACCOUNT_TOKEN_REPLACED, team=account.team, actor=actor, account=account
        )
        transaction.on_commit(lambda: queue.nudge("observe", account.pk))


def _of_the_same(account: Account, checked: Checked) -> Checked:
    if _identity(checked) != account.identity:
        raise Refused(
            _("This token belongs to %(other)s; this account is %(identity)s.")
            % {"other": checked.identity.email, "identity": account.identity},
            field="token",
        )
    return checked


def token_refused(account: Account) -> None:
    """The provider answered 401: stop everything and say so once.

    Nothing happens if the token was replaced since `account` was read: the refusal was the old
    token's.
    """
    with transaction.atomic():
        Account.next_revision(account.pk)
        changed = (
            Account.objects.filter(pk=account.pk, token_version=account.token_version)
            .exclude(paused__in=Account.NOT_READ)
            .update(paused=Account.Paused.TOKEN, paused_at=timezone.now(), look_asked_at=None)
        )
        if changed:
            events.record(events.Verb.ACCOUNT_TOKEN_REFUSED, team=account.team, account=account)


def key_lost(account: Account) -> None:
    """No key of ours opens its token: stop sending and say so once."""
    _move_key(account, Account.Paused.NO, Account.Paused.KEY, events.Verb.ACCOUNT_KEY_LOST)


def key_found(account: Account) -> None:
    """The token opens again: the key was put back."""
    _move_key(account, Account.Paused.KEY, Account.Paused.NO, events.Verb.ACCOUNT_KEY_FOUND)


def _move_key(account: Account, before: str, after: str, verb: events.Verb) -> None:
    with transaction.atomic():
        Account.next_revision(account.pk)
        current = Account.objects.filter(pk=account.pk, token_version=account.token_version)
        at = timezone.now() if after else None
        if current.filter(paused=before).update(paused=after, paused_at=at):
            events.record(verb, team=account.team, account=account)


# -- look, pause, change --------------------------------------------------------------------------


def look_now(account: Account, *, actor: User) -> None:
    """Have the provider looked at as soon as a worker can. Raises `Refused` if it was just now."""
    require(actor, VIEW, account.team)
    now = timezone.now()
    with transaction.atomic():
        account = Account.objects.select_for_update(no_key=True).get(pk=account.pk)
        _check_connected(account)
        if account.paused == Account.Paused.TOKEN:
            raise Refused(
                _("The provider refuses the token of %(account)s. It must be replaced first.")
                % {"account": account.label}
            )
        if account.look_asked_at is not None:
            return
        if account.slowed_until and account.slowed_until > now:
            raise Refused(
                _("The provider asked us to read less often. The next look comes by itself.")
            )
        if account.passes.filter(begun_at__gt=now - BETWEEN_LOOKS, begun_at__lte=now).exists():
            raise Refused(_("It was looked at a few seconds ago. Ask again in ten seconds."))
        Account.next_revision(account.pk, look_at=now)
        Account.objects.filter(pk=account.pk).update(look_asked_at=now)
        transaction.on_commit(lambda: queue.nudge("observe", account.pk))


def pause(account: Account, *, actor: User) -> None:
    """Stop sending for this account; looking goes on. Raises `Refused`."""
    _set_pause(account, Account.Paused.NO, Account.Paused.PERSON, actor)


def resume(account: Account, *, actor: User) -> None:
    """Send again. Raises `Refused` while the provider refuses the token."""
    _set_pause(account, Account.Paused.PERSON, Account.Paused.NO, actor)


def _set_pause(account: Account, before: str, after: str, actor: User) -> None:
    require(actor, MANAGE_ACCOUNTS, account.team)
    pausing = after == Account.Paused.PERSON
    with transaction.atomic():
        Account.next_revision(account.pk)
        changed = Account.objects.filter(pk=account.pk, paused=before).update(
            paused=after,
            paused_at=timezone.now() if pausing else None,
            paused_by=actor if pausing else None,
        )
        if not changed:
            raise Refused(
                _("%(account)s is paused already.") % {"account": account.label}
                if pausing
                else _("%(account)s is not paused by a person.") % {"account": account.label}
            )
        verb = events.Verb.ACCOUNT_PAUSED if pausing else events.Verb.ACCOUNT_RESUMED
        events.record(verb, team=account.team, actor=actor, account=account)


def change(account: Account, *, label: str, slots: int, actor: User) -> None:
    """Call it otherwise, or count with another number of snapshots per server. Raises `Refused`."""
    require(actor, MANAGE_ACCOUNTS, account.team)
    label = label.strip()[:100]
    if not label:
        raise Refused(_("An account needs a name."), field="label")
    if not 1 <= slots <= MOST_SLOTS:
        raise Refused(
            _("The number of snapshots per server lies between 1 and %(most)d.")
            % {"most": MOST_SLOTS},
            field="slots",
        )
    with transaction.atomic():
        Account.next_revision(account.pk)
        account.refresh_from_db()
        _check_connected(account)
        before = account.label, account.slots
        account.label, account.slots = label, slots
        account.save(update_fields=["label", "slots"])
        about: dict[str, Any] = {"team": account.team, "actor": actor, "account": account}
        if before[0] != label:
            events.record(events.Verb.ACCOUNT_RENAMED, **about, before=before[0])
        if before[1] != slots:
            events.record(events.Verb.ACCOUNT_SLOTS_SET, **about, before=before[1], number=slots)


# -- remove ---------------------------------------------------------------------------------------


def remove(account: Account, *, typed: str, actor: User) -> None:
    """Erase the token and take the account out of the lists; its history stays. Raises `Refused`.

    Refused while an operation holds one of its machines, or waits for its turn there or for a
    second person: nobody could follow it any more.
    """
    require(actor, MANAGE_ACCOUNTS, account.team)
    about: dict[str, Any] = {"actor": actor, "team": account.team, "account": account}
    with events.audited(**about), transaction.atomic():
        Account.next_revision(account.pk)  # locks: whoever asks for something now comes after us
        account.refresh_from_db()
        _check_connected(account)
        if under_way := unfinished(account):
            raise Refused(still_busy(account, under_way))
        _check_typed(typed, account.label)
        account.sealed_token, account.token_hint, account.permissions = "", "", []
        account.token_version += 1  # what is still being read with the old one no longer counts
        account.trouble, account.trouble_since, account.look_asked_at = "", None, None
        account.removed_at = account.paused_at = timezone.now()
        account.paused, account.paused_by = Account.Paused.REMOVED, actor
        account.save()
        events.record(events.Verb.ACCOUNT_REMOVED, **about)


def unfinished(account: Account) -> int:
    """How many operations hold one of its machines, wait for their turn or for a second person."""
    return Operation.objects.filter(account=account, state__in=OPEN).count()


def still_busy(account: Account, number: int) -> str:
    return ngettext(
        "%(number)d operation of %(account)s has not ended."
        " The account can be removed when it has.",
        "%(number)d operations of %(account)s have not ended."
        " The account can be removed when they have.",
        number,
    ) % {"number": number, "account": account.label}


def _check_connected(account: Account) -> None:
    if account.removed_at:
        raise Refused(
            _("%(account)s was removed from %(team)s.")
            % {"account": account.label, "team": account.team.name}
        )


def _check_typed(typed: str, label: str) -> None:
    if not typed.strip():
        raise Refused(_("Please type %(name)s to confirm.") % {"name": label}, field="typed")
    if not same_name(typed, label):
        raise Refused(
            _("That is not the name of the account, which is %(name)s.") % {"name": label},
            field="typed",
        )
