"""The places that the provider has for a server's snapshots: who has which, and who could go."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy, ngettext

from snapshots.models import Kind, Operation, Server, Snapshot, State
from snapshots.models.operation import HOLDING, OPEN
from snapshots.said import gettext as _
from snapshots.text import shown


class Use(models.TextChoices):
    """What a slot is used for, in the order in which they are drawn."""

    LOCKED = "locked", gettext_lazy("Locked")
    MANUAL = "manual", gettext_lazy("Snapshot")
    SAFETY = "safety", gettext_lazy("Safety snapshot")
    RESERVED = "reserved", gettext_lazy("Reserved")
    FREE = "free", gettext_lazy("Free")


class Slot(NamedTuple):
    """`operation` is the create that reserves it, or the restore that a safety snapshot is for."""

    use: Use
    name: str = ""
    snapshot: Snapshot | None = None
    operation: Operation | None = None


def slots(server: Server) -> list[Slot]:
    """Each slot of `server`: those that are taken, oldest first, those that are reserved, the rest.

    A create that is asked for reserves one until its snapshot is listed or it has ended: that of
    what is deleted for it, as soon as that is gone. There may be more than the account's limit, if
    that was set too low.
    """
    rows = server.snapshots.filter(gone_at=None).order_by("created_at", "id")
    here = [row for row in rows if row.takes_slot]
    known = {row.remote_id for row in here}
    creates = server.operations.filter(kind=Kind.CREATE).select_related("parent").order_by("pk")
    going = Operation.objects.filter(kind=Kind.DELETE, state__in=HOLDING, snapshot__in=here)
    asked = creates.filter(models.Q(state__in=OPEN) | models.Q(snapshot__in=here)).exclude(
        models.Exists(going.filter(parent=models.OuterRef("pk")))
    )
    makers = {one.snapshot_id: one for one in asked}
    coming = [one for one in asked if not one.is_ended and one.remote_id not in known]
    found = [_used(row, makers.get(row.pk)) for row in here]
    found += [Slot(Use.RESERVED, one.name, operation=one) for one in coming]
    return found + [Slot(Use.FREE)] * (server.account.slots - len(found))


def _used(row: Snapshot, maker: Operation | None) -> Slot:
    if maker and not maker.is_ended:
        return Slot(Use.RESERVED, row.name, row, maker)
    if row.is_locked:
        return Slot(Use.LOCKED, row.name, row, maker)
    use = Use.SAFETY if maker and maker.parent_id else Use.MANUAL
    return Slot(use, row.name, row, maker)


def taken(found: list[Slot]) -> list[str]:
    """The names of those that are not free."""
    return [slot.name for slot in found if slot.use != Use.FREE]


# -- who could go ---------------------------------------------------------------------------------


class Candidate(NamedTuple):
    snapshot: Snapshot
    why: str


def candidates(server: Server, *, keep: Snapshot | None = None) -> list[Candidate]:
    """Which snapshots could be deleted to make room, each with why, the likeliest first.

    Never `keep`, one that is locked or being acted on, the last known good one, or one that takes
    no slot. Whether any goes is for a person to say.
    """
    now, known_good = timezone.now(), last_known_good(server)
    acted_on = set(server.operations.filter(state__in=OPEN).values_list("snapshot", flat=True))
    ranked = []
    for slot in slots(server):
        row = slot.snapshot
        if row is None or slot.use in (Use.LOCKED, Use.RESERVED) or not row.is_completed:
            continue
        if row in (keep, known_good) or row.pk in acted_on:
            continue
        rank, why = _why(row, slot, now)
        ranked.append((rank, row.created_at or row.first_seen_at, row.pk, Candidate(row, why)))
    return [candidate for _rank, _at, _pk, candidate in sorted(ranked)]


def _why(row: Snapshot, slot: Slot, now: datetime) -> tuple[int, str]:
    """How readily it goes, and what speaks for it, or against."""
    if row.keep_until and row.is_kept_long_enough:
        return 0, _("It was to be kept until %(day)s.") % {"day": date_format(row.keep_until)}
    restore = slot.operation.parent if slot.operation else None
    if restore and restore.state == State.SUCCEEDED and restore.ended_at:
        days = (now - restore.ended_at).days
        return 1 if days >= SETTLED.days else 4, _restored(days)
    if row.keep_until:
        return 6, _("It is to be kept until %(day)s.") % {"day": date_format(row.keep_until)}
    if row.is_good:
        words = {"person": shown(row.good_by_name), "why": shown(row.good_why)}
        return 5, _("Known good, though not the newest: %(person)s, “%(why)s”") % words
    if row.purpose or row.owner or row.ticket:
        words = {"words": shown(row.purpose or row.owner or row.ticket)}
        return 3, _("Somebody said what it is for: %(words)s") % words
    return 2, _("Nobody said what it is for.")


def _restored(days: int) -> str:
    words = ngettext(
        "The safety snapshot of a restore that was over %(n)d day ago.",
        "The safety snapshot of a restore that was over %(n)d days ago.",
        days,
    )
    return words % {"n": days}


SETTLED = timedelta(days=3)


def last_known_good(server: Server) -> Snapshot | None:
    """The newest of those that are marked, listed and completed."""
    marked = server.snapshots.filter(gone_at=None, status="completed", good_at__isnull=False)
    return marked.order_by("-created_at", "-pk").first()
