"""Provider accounts: test a token, connect, replace the token, pause, resume."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from snapshots import events, queue
from snapshots.errors import Refused
from snapshots.models import Account, Team, User
from snapshots.permissions import MANAGE_ACCOUNTS, require
from snapshots.provider import errors as wire
from snapshots.provider.client import Client
from snapshots.provider.types import Identity, Server


@dataclass(frozen=True)
class Checked:
    """What a token opens."""

    identity: Identity
    servers: tuple[Server, ...]


def check(api_url: str, token: str) -> Checked:
    """Ask the provider whose token this is: two reads of a few seconds. Raises `Refused`.

    The one place where a person's request waits for the provider.
    """
    if api_url not in settings.PROVIDER_API_URLS:
        raise Refused(_("%(url)s is not an API address of this installation.") % {"url": api_url})
    if not token.strip():
        raise Refused(_("Paste the token that the provider showed you."), field="token")
    try:
        asker = Client(api_url, token.strip(), read_deadline=8)
    except ValueError:
        raise Refused(
            _("This is not a token: it contains spaces or characters that no token has."),
            field="token",
        ) from None
    with asker as client:
        try:
            identity = client.identity()
            return Checked(identity, client.servers().items)
        except wire.Declined as error:
            if error.status == 401:
                raise Refused(
                    _("The provider does not accept this token: %(words)s")
                    % {"words": error.message},
                    field="token",
                ) from None
            raise Refused(
                _("This token may not read servers: %(words)s") % {"words": error.message},
                field="token",
            ) from None
        except wire.ProviderError as error:
            raise Refused(
                _("The provider could not be asked: %(words)s") % {"words": error.message}
            ) from None


def connect(team: Team, *, label: str, api_url: str, token: str, actor: User) -> Account:
    """Connect an account to `team` after asking the provider whose it is. Raises `Refused`."""
    require(actor, MANAGE_ACCOUNTS, team)
    checked = check(api_url, token)
    try:
        with transaction.atomic():
            account = Account.objects.create(
                team=team,
                label=(label.strip() or checked.identity.company or checked.identity.email)[:100],
                api_url=api_url,
                identity=checked.identity.email.lower()[:254],
                company=checked.identity.company,
                permissions=list(checked.identity.permissions),
                token_version=1,
            )
            account.seal_token(token.strip())
            account.save(update_fields=["sealed_token", "token_hint"])
            events.record(events.Verb.ACCOUNT_CONNECTED, team=team, actor=actor, account=account)
            transaction.on_commit(lambda: queue.nudge("observe", account.pk))
    except IntegrityError:
        raise Refused(
            _("%(team)s has connected the account of %(identity)s already.")
            % {"team": team.name, "identity": checked.identity.email}
        ) from None
    return account


def replace_token(account: Account, token: str, *, actor: User) -> None:
    """Put a new token of the same provider account in place of the old. Raises `Refused`."""
    require(actor, MANAGE_ACCOUNTS, account.team)
    checked = check(account.api_url, token)
    if checked.identity.email.lower() != account.identity:
        raise Refused(
            _("This token belongs to %(other)s; this account is %(identity)s.")
            % {"other": checked.identity.email, "identity": account.identity},
            field="token",
        )
    with transaction.atomic():
        account.revision = Account.next_revision(account.pk, look_at=timezone.now())
        account.refresh_from_db()
        account.seal_token(token.strip())
        account.token_version += 1
        account.permissions = list(checked.identity.permissions)
        if account.paused == Account.Paused.TOKEN:
            # A person's pause outlives the token that was refused meanwhile.
            by_person = account.paused_by_id is not None
            account.paused = Account.Paused.PERSON if by_person else Account.Paused.NO
            account.paused_at = account.paused_at if by_person else None
        account.save(
            update_fields=[
                "sealed_token",
                "token_hint",
                "token_version",
                "permissions",
                "paused",
                "paused_at",
            ]
        )
        events.record(
            events.Verb.ACCOUNT_TOKEN_REPLACED, team=account.team, actor=actor, account=account
        )
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


def token_refused(account: Account) -> None:
    """The provider answered 401: stop everything and say so once.

    Nothing happens if the token was replaced since `account` was read: the refusal was the old
    token's.
    """
    with transaction.atomic():
        Account.next_revision(account.pk)
        changed = (
            Account.objects.filter(pk=account.pk, token_version=account.token_version)
            .exclude(paused=Account.Paused.TOKEN)
            .update(paused=Account.Paused.TOKEN, paused_at=timezone.now())
        )
        if changed:
            events.record(events.Verb.ACCOUNT_TOKEN_REFUSED, team=account.team, account=account)
