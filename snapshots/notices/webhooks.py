"""Webhooks, of a team or of one's own: add, change, new secret, test, switch, resend, remove."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from snapshots import events
from snapshots.errors import Refused
from snapshots.models import Delivery, Membership, Team, Topic, User, Webhook
from snapshots.notices import guard, signing
from snapshots.permissions import MANAGE_WEBHOOKS, VIEW, require, require_webhook

OLD_SECRET_HOLDS = timedelta(hours=24)
TESTS_A_MINUTE = 5  # a team or a person: a test must not become a way to look around a network
MOST = 10  # a team
MOST_OWN = 3  # a person in a team
Verb = events.Verb

FORBIDDEN = {
    "form": gettext_lazy("This is not an address such as https://example.com/holdfast."),
    "scheme": gettext_lazy("The address must begin with https://."),
    "userinfo": gettext_lazy(
        "The address must not contain a user name or a password. The signature is what proves"
        " who sent a message."
    ),
    "host": gettext_lazy("The host in this address is not one that we read without doubt."),
    "port": gettext_lazy("The port must be 443 or 8443."),
    "private": gettext_lazy(
        "The address does not lead to the public internet. Whoever runs this installation can"
        " allow such a host with WEBHOOK_ALLOWED_HOSTS."
    ),
}


def host_of(webhook: Webhook) -> str:
    """What everybody may read of the address: the rest of it may be a secret."""
    return webhook.address.split("/")[2] if webhook.address.count("/") > 1 else ""


def add(
    team: Team, *, name: str, address: str, topics: Iterable[str], actor: User
) -> tuple[Webhook, str]:
    """A new webhook of the team, and its secret: to be shown now and never again. May refuse."""
    require(actor, MANAGE_WEBHOOKS, team)
    values = _where(name, address) | {"topics": _chosen(topics)}
    with transaction.atomic():
        Team.objects.select_for_update(no_key=True).get(pk=team.pk)
        if team.webhooks.filter(member=None).count() >= MOST:
            raise Refused(_("A team has at most %(most)d webhooks.") % {"most": MOST})
        return _add(Webhook(team=team, **values), Verb.WEBHOOK_ADDED, actor)


def add_own(team: Team, *, name: str, address: str, actor: User) -> tuple[Webhook, str]:
    """One of `actor`'s own, for what they are told of the team, and its secret. May refuse."""
    require(actor, VIEW, team)
    values = _where(name, address)
    with transaction.atomic():
        Team.objects.select_for_update(no_key=True).get(pk=team.pk)
        member = Membership.objects.get(team=team, user=actor)
        if member.webhooks.count() >= MOST_OWN:
            raise Refused(
                _("Nobody has more than %(most)d webhooks of their own in a team.")
                % {"most": MOST_OWN}
            )
        return _add(Webhook(team=team, member=member, **values), Verb.WEBHOOK_OWN_ADDED, actor)


def _add(webhook: Webhook, verb: events.Verb, actor: User) -> tuple[Webhook, str]:
    webhook, secret = _save(webhook), signing.new_secret()
    webhook.sealed_secret = webhook.seal(secret)
    webhook.save(update_fields=["sealed_secret"])
    _record(verb, webhook, actor)
    return webhook, secret


def change(
    webhook: Webhook, *, name: str, address: str, topics: Iterable[str] = (), actor: User
) -> None:
    """Another name, address or, of a team's, choice of topics. Raises `Refused`."""
    require_webhook(actor, webhook)
    values = _where(name, address)
    if webhook.member is None:
        values["topics"] = _chosen(topics)
    with transaction.atomic():
        row = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        for field, value in values.items():
            setattr(row, field, value)
        row.failures, row.resting_until = 0, None
        webhook = _save(row)
        _record(Verb.WEBHOOK_CHANGED, webhook, actor)


def _where(name: str, address: str) -> dict[str, object]:
    if not name.strip():
        raise Refused(_("Give it a name by which people recognise it."), field="name")
    try:
        target = guard.read(address.strip(), settings.WEBHOOK_ALLOWED_HOSTS)
    except guard.Forbidden as reason:
        raise Refused(str(FORBIDDEN[str(reason)]), field="address") from None
    return {"name": name.strip()[:100], "address": target.url}


def _chosen(topics: Iterable[str]) -> list[str]:
    chosen = [topic for topic in Topic.values if topic in set(topics)]
    if not chosen:
        raise Refused(_("Choose what it is to be told of."), field="topics")
    return chosen


def _save(webhook: Webhook) -> Webhook:
    try:
        with transaction.atomic():
            webhook.save()
    except IntegrityError:
        words = _("%(team)s has a webhook with this address already.")
        if webhook.member_id:
            words = _("You have a webhook with this address for %(team)s already.")
        raise Refused(words % {"team": webhook.team.name}, field="address") from None
    return webhook


def new_secret(webhook: Webhook, *, actor: User) -> str:
    """Make a new secret, to be shown now and never again; the old one signs too for a day.

    Raises `Refused` while there is an old one: the one in use would end at once.
    """
    require_webhook(actor, webhook)
    secret = signing.new_secret()
    with transaction.atomic():
        row = Webhook.objects.select_for_update(no_key=True).get(pk=webhook.pk)
        if row.has_old_secret:
            raise Refused(
                _("The old secret still signs. End it first, or make a new one when it has ended.")
            )
        row.sealed_old_secret, row.sealed_secret = row.sealed_secret, row.seal(secret)
        row.old_secret_until = timezone.now() + OLD_SECRET_HOLDS
        row.save(update_fields=["sealed_old_secret", "sealed_secret", "old_secret_until"])
        _record(Verb.WEBHOOK_NEW_SECRET, webhook, actor)
    webhook.refresh_from_db()
    return secret


def end_old_secret(webhook: Webhook, *, actor: User) -> None:
    """Sign with the new secret only, from now on."""
    require_webhook(actor, webhook)
    with transaction.atomic():
        ended = Webhook.objects.filter(pk=webhook.pk, old_secret_until__gt=timezone.now()).update(
            sealed_old_secret="", old_secret_until=None
        )
        if ended:
            _record(Verb.WEBHOOK_OLD_SECRET_ENDED, webhook, actor)


def switch(webhook: Webhook, *, on: bool, actor: User) -> None:
    """Tell it, or tell it nothing more. What waits for one that is off is not sent."""
    require_webhook(actor, webhook)
    rows = Webhook.objects.filter(pk=webhook.pk)
    with transaction.atomic():
        if on:
            won = rows.exclude(off="").update(off="", off_at=None, failures=0, resting_until=None)
        else:
            won = rows.filter(off="").update(off=Webhook.Off.PERSON, off_at=timezone.now())
        if won:
            _record(Verb.WEBHOOK_ON if on else Verb.WEBHOOK_OFF, webhook, actor)


def test(webhook: Webhook, *, actor: User) -> Delivery:
    """Send a message that says it is a test. Raises `Refused`."""
    require_webhook(actor, webhook)
    _must_be_on(webhook)
    lately = Delivery.objects.filter(
        webhook__team=webhook.team,
        webhook__member=webhook.member,
        event=None,
        created_at__gt=timezone.now() - timedelta(minutes=1),
    )
    if lately.count() >= TESTS_A_MINUTE:
        raise Refused(_("That were many tests. Please wait a minute."))
    _wake(webhook)
    return Delivery.objects.create(team=webhook.team, webhook=webhook)


def resend(delivery: Delivery, *, actor: User) -> None:
    """Send a message again, with the id it had; an old one is tried once. Raises `Refused`."""
    webhook = delivery.webhook
    assert webhook is not None  # noqa: S101  what was mailed is not sent again
    require_webhook(actor, webhook)
    _must_be_on(webhook)
    _wake(webhook)
    again = Delivery.objects.filter(pk=delivery.pk).exclude(state=Delivery.State.WAITING)
    if not again.update(
        state=Delivery.State.WAITING, attempts=0, due_at=timezone.now(), ended_at=None
    ):
        raise Refused(_("This message is still waiting to be sent."))


def _must_be_on(webhook: Webhook) -> None:
    if webhook.off:
        raise Refused(_("%(webhook)s is switched off.") % {"webhook": webhook.name})


def _wake(webhook: Webhook) -> None:
    Webhook.objects.filter(pk=webhook.pk).update(resting_until=None)


def remove(webhook: Webhook, *, actor: User) -> None:
    """Forget it, its secrets and what was sent to it. The history keeps that there was one."""
    require_webhook(actor, webhook)
    with transaction.atomic():
        _record(Verb.WEBHOOK_REMOVED, webhook, actor)
        webhook.delete()


def _record(verb: events.Verb, webhook: Webhook, actor: User) -> None:
    events.record(verb, team=webhook.team, actor=actor, webhook=webhook.name, host=host_of(webhook))
