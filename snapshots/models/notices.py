"""Being told: what people want to hear of, where machines listen, and each message."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _

from snapshots import secrets
from snapshots.models.event import Event
from snapshots.models.operation import Batch
from snapshots.models.people import Membership, Team, User


class Topic(models.TextChoices):
    """What people may want to be told. `events.topic_of` says which verbs belong to which."""

    FINISHED = "finished", _("Finished")
    FAILED = "failed", _("Failed or did not happen")
    IN_DOUBT = "in_doubt", _("In doubt")
    NEEDS_PERSON = "needs_person", _("Needs a person")
    ACCOUNT_PAUSED = "account_paused", _("Account paused")
    SLOW = "slow", _("Slower than usual")
    APPROVAL = "approval", _("Approval wanted or given")
    EMERGENCY = "emergency", _("Restored without the second person")


class Wish(models.Model):
    """What one person chose to be told of one team. No row: the default of their role."""

    class Scope(models.TextChoices):
        EVERYTHING = "everything", _("Everything")
        MINE = "mine", _("What I asked for")
        NOTHING = "nothing", _("Nothing")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="wishes")
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    topic = models.CharField(max_length=14, choices=Topic)
    scope = models.CharField(max_length=10, choices=Scope)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "team", "topic"], name="one_wish_a_topic"),
        ]


class Webhook(models.Model):
    """An address that messages are posted to, signed: a team's, or one member's own.

    A team's is told of its `topics`. A member's own has none: it is told what that person chose to
    be told of the team, and goes when they go.

    After a new secret was made, the old one signs too until `old_secret_until`. `resting_until`
    keeps an address that does not answer from holding up everybody else's messages.
    """

    class Off(models.TextChoices):
        NO = "", _("On")
        PERSON = "person", _("Switched off")
        GONE = "gone", _("Off: it is gone")

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="webhooks")
    member = models.ForeignKey(
        Membership, null=True, on_delete=models.CASCADE, related_name="webhooks"
    )
    name = models.CharField(_("name"), max_length=100)
    address = models.CharField(_("address"), max_length=500)
    topics = models.JSONField(default=list)
    sealed_secret = models.TextField(default="", editable=False)
    sealed_old_secret = models.TextField(default="", editable=False)
    old_secret_until = models.DateTimeField(null=True)
    off = models.CharField(max_length=6, choices=Off, default=Off.NO, blank=True)
    off_at = models.DateTimeField(null=True)
    added_at = models.DateTimeField(default=timezone.now)
    failures = models.PositiveIntegerField(default=0)  # in a row
    resting_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["team", "address"],
                condition=models.Q(member=None),
                name="one_webhook_an_address",
            ),
            models.UniqueConstraint(
                fields=["member", "address"], name="one_own_webhook_an_address"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def seal(self, secret: str) -> str:
        """`secret`, sealed to this row. The row must have its id already."""
        return secrets.seal(secret, owner=self._owner, keys=settings.TOKEN_KEYS)

    def signing_secrets(self) -> list[secrets.Secret]:
        """The secrets to sign with now, newest first. Raises `secrets.CannotOpen`."""
        sealed = [self.sealed_secret]
        if self.has_old_secret:
            sealed.append(self.sealed_old_secret)
        keys = settings.TOKEN_KEYS
        return [secrets.open_sealed(one, owner=self._owner, keys=keys) for one in sealed]

    @property
    def has_old_secret(self) -> bool:
        return self.old_secret_until is not None and timezone.now() < self.old_secret_until

    @property
    def _owner(self) -> str:
        return f"webhook:{self.pk}:secret"


def new_message_id() -> str:
    return f"msg_{get_random_string(27)}"


class Delivery(models.Model):
    """One message for one recipient: a person by e-mail, or a webhook.

    Written in the transaction that takes its line off the outbox, so no line is told twice or
    forgotten. Sent at least once: whoever dies between sending and recording sends again, with
    the same `message_id`. `attempts` fences: an answer is recorded by the attempt that got it.
    A message about a batch has no line of its own; a test has neither.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Not delivered")
        DROPPED = "dropped", _("Not sent")

    class Trouble(models.TextChoices):
        NONE = "", ""
        STATUS = "status", _("it answered with an error")
        UNREACHED = (
            "unreached",
            _("it could not be reached, or its address is not a public one"),
        )
        TLS = "tls", _("its TLS certificate is not trusted")
        SILENT = "silent", _("it was reached and gave no answer in time")
        KEY_LOST = "key_lost", _("the key that sealed its secret is not configured")
        MAIL = "mail", _("the mail server could not be reached")
        MAIL_REFUSED = "mail_refused", _("the mail server did not take it")
        NOT_A_MEMBER = (
            "not_a_member",
            _("the person is in the team no more, is suspended, or reaches this no more"),
        )
        OFF = "off", _("the webhook is switched off")
        NO_MAIL = "no_mail", _("this installation sends no e-mail")
        OUR_FAULT = "our_fault", _("an error of ours came up")

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+")
    event = models.ForeignKey(Event, null=True, on_delete=models.CASCADE, related_name="deliveries")
    batch = models.ForeignKey(Batch, null=True, on_delete=models.CASCADE, related_name="deliveries")
    topic = models.CharField(max_length=14, choices=Topic, blank=True, default="")
    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="deliveries")
    webhook = models.ForeignKey(
        Webhook, null=True, on_delete=models.CASCADE, related_name="deliveries"
    )
    message_id = models.CharField(max_length=40, unique=True, default=new_message_id)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    leased_until = models.DateTimeField(null=True)
    trouble = models.CharField(max_length=12, choices=Trouble, default=Trouble.NONE, blank=True)
    status = models.PositiveSmallIntegerField(null=True)  # of HTTP or SMTP
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event", "user"], name="told_once_a_person"),
            models.UniqueConstraint(fields=["event", "webhook"], name="told_once_a_webhook"),
            models.UniqueConstraint(fields=["batch", "user"], name="batch_told_once_a_person"),
            models.CheckConstraint(
                condition=(
                    models.Q(user__isnull=True, webhook__isnull=False)
                    | models.Q(user__isnull=False, webhook__isnull=True)
                ),
                name="one_recipient",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(state="waiting"), name="deliveries_waiting"
            ),
            models.Index(fields=["user", "-id"]),
            models.Index(fields=["webhook", "-id"]),
            models.Index(fields=["created_at"]),
        ]
