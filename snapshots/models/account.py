"""A provider account: whose servers we see, and with which token."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, models
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _

from snapshots import secrets
from snapshots.models.people import Team, User
from snapshots.provider.client import Client

READ_DEADLINE = 7.5  # seconds a listing: a look is two of them
SLOTS = 5  # the provider's documentation: "a maximum of 5 snapshots per server"


class Account(models.Model):
    """One account at the provider, as one team knows it.

    `revision` counts changes to anything that pages show of this account; each changed row keeps
    the value it was changed at, so "what changed since" is one indexed question. `next_pass_at`
    is both the time of the next look and, while one looks, its lease.
    """

    class Paused(models.TextChoices):
        NO = "", _("Not paused")
        TOKEN = "token", _("The provider refused the token")
        KEY = "key", _("It needs its token again")
        PERSON = "person", _("Paused by a person")
        REMOVED = "removed", _("Removed from the team")

    # Nothing can be sent before somebody sees to the token. One whose key is lost is tried again at
    # each look, so that a key that is put back is enough.
    NEEDS_TOKEN = (Paused.TOKEN, Paused.KEY)
    # Neither looked at nor sent for. Of a removed account there is no token either.
    NOT_READ = (Paused.TOKEN, Paused.REMOVED)

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="accounts")
    label = models.CharField(_("label"), max_length=100)
    api_url = models.CharField(_("API address"), max_length=200)
    sealed_token = models.TextField(default="", editable=False)
    token_hint = models.CharField(max_length=4, default="", editable=False)
    token_version = models.PositiveIntegerField(default=0)
    token_at = models.DateTimeField(null=True)
    token_by_name = models.CharField(max_length=100, default="")
    identity = models.CharField(_("e-mail at the provider"), max_length=254, default="")
    company = models.CharField(_("company at the provider"), max_length=255, default="")
    permissions = models.JSONField(default=list)
    slots = models.PositiveSmallIntegerField(_("snapshots per server"), default=SLOTS)
    connected_at = models.DateTimeField(auto_now_add=True)
    connected_by_name = models.CharField(max_length=100, default="")

    paused = models.CharField(max_length=8, choices=Paused, default=Paused.NO, blank=True)
    paused_at = models.DateTimeField(null=True)
    paused_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    # Removed from the team: the token is gone, the history stays, the same identity may come back.
    # Set exactly while `paused` is REMOVED, so that whatever heeds a pause heeds this.
    removed_at = models.DateTimeField(null=True)

    keeps_descriptions = models.BooleanField(default=False)
    revision = models.PositiveBigIntegerField(default=0)
    next_pass_at = models.DateTimeField(default=timezone.now)
    look_asked_at = models.DateTimeField(null=True)  # by a person; until a look begun since ends
    nudged_at = models.DateTimeField(null=True)
    applied_pass_at = models.DateTimeField(null=True)  # begin of the newest pass in our rows
    complete_pass_at = models.DateTimeField(null=True)  # begin of the newest complete one
    mirrored = models.CharField(max_length=200, default="", editable=False)  # see inventory.memory
    trouble = models.CharField(max_length=300, default="", blank=True)
    trouble_since = models.DateTimeField(null=True)
    failed_passes = models.PositiveIntegerField(default=0)

    reads_left = models.FloatField(default=30)  # a token bucket: see operations.budget
    reads_at = models.DateTimeField(default=timezone.now)
    slowed_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["team", "api_url", "identity"], name="account_once_a_team"
            ),
            models.CheckConstraint(
                condition=(
                    models.Q(removed_at__isnull=True) & ~models.Q(paused="removed")
                    | models.Q(removed_at__isnull=False, paused="removed")
                ),
                name="removed_is_paused_for_good",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def origin(self) -> str:
        """Scheme, host and port of the API: whose ids these are."""
        parts = urlsplit(self.api_url)
        return f"{parts.scheme}://{parts.netloc}"

    @staticmethod
    def next_revision(pk: int, *, look_at: datetime | None = None) -> int:
        """Raise the account's revision and return it; optionally look at the provider earlier.

        Call it first in the transaction of the change: it locks the account's row, so every
        writer takes its locks in the same order.
        """
        sooner, values = "", []
        if look_at is not None:
            at = connection.ops.adapt_datetimefield_value(look_at)
            sooner = ", next_pass_at = CASE WHEN next_pass_at > %s THEN %s ELSE next_pass_at END"
            values = [at, at]
        table = Account._meta.db_table
        # In one statement, which Django has no words for: every change anywhere comes through here.
        statement = f"UPDATE {table} SET revision = revision + 1{sooner} WHERE id = %s"  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(f"{statement} RETURNING revision", [*values, pk])
            row = cursor.fetchone()
        if row is None:
            raise Account.DoesNotExist
        return int(row[0])

    def seal_token(self, token: str) -> None:
        """Keep `token` sealed to this row. The row must have its id already."""
        self.sealed_token = secrets.seal(token, owner=self._owner, keys=settings.TOKEN_KEYS)
        self.token_hint = token[-4:]

    def client(self, read_deadline: float = READ_DEADLINE) -> Client:
        """A client with this account's token. Raises `secrets.CannotOpen` if the key is lost."""
        return Client(self.api_url, self._token().reveal(), read_deadline=read_deadline)

    def has_token(self, token: str) -> bool:
        """Whether `token` is the present one; False if the key is lost."""
        try:
            return constant_time_compare(self._token().reveal(), token)
        except secrets.CannotOpen:
            return False

    def _token(self) -> secrets.Secret:
        return secrets.open_sealed(self.sealed_token, owner=self._owner, keys=settings.TOKEN_KEYS)

    @property
    def _owner(self) -> str:
        return f"account:{self.pk}:token"
