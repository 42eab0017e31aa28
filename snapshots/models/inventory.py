"""Servers and snapshots, as the provider last showed them. Rows are marked gone, never deleted."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from snapshots.models.account import Account
from snapshots.models.guard import Guard, Guarded
from snapshots.models.marks import Marked
from snapshots.provider import types

MARKER = re.compile(r"\s*\[ref:([a-z0-9]{10})\]")


def marker_in(description: str) -> str:
    found = MARKER.search(description)
    return found[1] if found else ""


Identified = tuple[int, str, datetime | str | None]  # our server's id, the name, when it was taken


def same_snapshot(one: Identified, other: Identified) -> bool:
    """Whether two that have the same id there are one snapshot: ids may be given out again."""
    return one[:2] == other[:2] and (None in (one[2], other[2]) or one[2] == other[2])


class Mirrored(models.Model):
    """A thing at the provider.

    Its id there is unique within the account while it is not gone. `missing_since` is the begin
    of the first complete pass that lacked it; the second such pass makes it gone.
    """

    remote_id = models.CharField(max_length=64)
    first_seen_at = models.DateTimeField(auto_now_add=True)
    missing_since = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True)
    revision = models.PositiveBigIntegerField(default=0)

    class Meta:
        abstract = True

    @property
    def is_listed(self) -> bool:
        """Whether the last complete look showed it. One that did not makes nothing gone yet."""
        return self.gone_at is None and self.missing_since is None


class Server(Mirrored, Guarded):
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="servers")
    name = models.CharField(_("name"), max_length=255)
    hostname = models.CharField(max_length=255, default="")
    status = models.CharField(_("status"), max_length=64, default="")
    address = models.CharField(_("address"), max_length=255, default="")
    location = models.CharField(_("location"), max_length=255, default="")
    plan = models.CharField(_("plan"), max_length=255, default="")
    os = models.CharField(_("operating system"), max_length=255, default="")
    vcpus = models.PositiveIntegerField(null=True)
    memory_mb = models.PositiveIntegerField(null=True)
    storage_gb = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "remote_id"],
                condition=models.Q(gone_at__isnull=True),
                name="server_once_an_account",
            ),
            models.CheckConstraint(
                condition=models.Q(guard__in=["", *Guard.values]), name="known_guard_of_a_server"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "revision"]),
            models.Index(fields=["name", "id"]),
            models.Index(
                fields=["account", "name", "id"],
                condition=models.Q(gone_at__isnull=True),
                name="servers_of_an_account",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def shown(item: types.Server) -> dict[str, Any]:
        """The fields of a row that follow the provider."""
        names = "name hostname status address location plan os vcpus memory_mb storage_gb"
        return {name: getattr(item, name) for name in [*names.split(), "created_at"]}

    @property
    def lock_key(self) -> str:
        """The machine, not our row: two teams may have connected the same account."""
        return f"{self.account.origin}|{self.remote_id}"

    @property
    def is_running(self) -> bool:
        return self.status == "active"


class Snapshot(Mirrored, Marked):
    """`created_at` is the provider's word for when it was taken; `size_mb` may be unknown."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="snapshots")
    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="snapshots")
    name = models.CharField(_("name"), max_length=255)
    status = models.CharField(_("status"), max_length=64)
    size_mb = models.PositiveBigIntegerField(null=True)
    created_at = models.DateTimeField(null=True)
    description = models.CharField(max_length=2000, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "remote_id"],
                condition=models.Q(gone_at__isnull=True),
                name="snapshot_once_an_account",
            ),
            models.CheckConstraint(
                condition=models.Q(locked_at=None) | ~models.Q(lock_reason=""),
                name="a_lock_has_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "revision"]),
            models.Index(fields=["server", "-created_at"]),
            models.Index(fields=["-created_at", "-id"]),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def remember(cls, server: Server, item: types.Snapshot, revision: int) -> Snapshot:
        """Our row of `item`, made or brought up to date. In a transaction of the caller's."""
        where: dict[str, Any] = {
            "account_id": server.account_id,
            "remote_id": item.id,
            "gone_at": None,
        }
        row = cls.objects.filter(**where).first()
        if row and not row.is_same(server.pk, item):
            cls.objects.filter(pk=row.pk).update(gone_at=timezone.now(), revision=revision)
        row, _ = cls.objects.update_or_create(
            **where, defaults={"server": server, "revision": revision} | cls.shown(item)
        )
        return row

    def is_same(self, server_id: int, item: types.Snapshot | Snapshot) -> bool:
        """Whether `item`, which has this row's id, is this snapshot."""
        ours = self.server_id, self.name, self.created_at
        return same_snapshot(ours, (server_id, item.name, item.created_at))

    @staticmethod
    def shown(item: types.Snapshot) -> dict[str, Any]:
        """The fields of a row that follow the provider."""
        return {
            "name": item.name,
            "status": item.status,
            "size_mb": item.size_mb,
            "created_at": item.created_at,
            "description": item.description,
        }

    @property
    def note(self) -> str:
        """The description without the marker by which we recognise our own snapshots."""
        return MARKER.sub("", self.description).strip()

    @property
    def marker(self) -> str:
        """The marker of the operation that made it, if the provider kept one of ours."""
        return marker_in(self.description)

    @property
    def is_completed(self) -> bool:
        return self.status == "completed"

    @property
    def takes_slot(self) -> bool:
        """*Assumed*: running and completed snapshots count towards the limit, failed ones not."""
        return self.gone_at is None and self.status != "failed"

    @property
    def fingerprint(self) -> dict[str, str | None]:
        """What must not have changed between a person's confirmation and our call."""
        return {
            "id": self.remote_id,
            "name": self.name,
            "created_at": self.created_at.isoformat() if self.created_at else None,
            "server": self.server.remote_id,
        }
