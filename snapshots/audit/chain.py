"""Each line is sealed with a key that is not in the database, together with the line before it.

Lines are written freely, so that nobody waits for anybody. A few seconds after their commit the
sealer puts those that are there in an order without gaps. Until then a line is held by the
database's triggers alone; that a line waits for long is an alarm of its own.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from snapshots.models import Event

# What a line tells. `sealed_at` comes with the seal.
FIELDS = (
    *("id", "at", "team_id", "verb", "actor_id", "actor_name", "account_id", "server_id"),
    *("snapshot_id", "operation_id", "data", "address", "request_id", "sealed_at"),
)
QUOTA = 1000  # lines a pass
PAGE = 5000
MOST_TOLD = 20  # findings; then it is clear enough
OVERDUE = timedelta(minutes=2)  # a line that was not sealed by then is an alarm


class Head(NamedTuple):
    """The end of the chain at some time: with it, a chain that was cut short is noticed."""

    seq: int
    mac: str


BEGIN = Head(0, "")


@dataclass
class Report:
    """What was found. `late` lines were sealed long after the time they tell: see `verify`."""

    head: Head
    lines: int = 0
    waiting: int = 0
    late: int = 0
    findings: list[str] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return len(self.findings) >= MOST_TOLD

    def found(self, words: str) -> None:
        if not self.is_full:
            self.findings.append(words)


# -- sealing --------------------------------------------------------------------------------------


def seal() -> int:
    """Put the lines that wait behind the chain's end. How many; 0 if another sealer was first."""
    waiting = Event.objects.filter(seq=None).order_by("pk")
    if not waiting.exists():
        return 0
    try:
        with transaction.atomic():
            (seq, mac), key, now = head(), keys()[0], timezone.now()
            rows = []
            for values in waiting.values_list(*FIELDS)[:QUOTA]:
                seq, mac = seq + 1, _mac(key, mac, seq + 1, (*values[:-1], now))
                at = connection.ops.adapt_datetimefield_value(now)
                rows.append((seq, mac, at, values[0]))
            with connection.cursor() as cursor:
                cursor.executemany(
                    "UPDATE snapshots_event SET seq = %s, mac = %s, sealed_at = %s"
                    " WHERE id = %s AND seq IS NULL",
                    rows,
                )
                if cursor.rowcount != len(rows):
                    raise IntegrityError("another sealer was first")
    except IntegrityError:  # a place in the chain is given once
        return 0
    return len(rows)


def head() -> Head:
    last = Event.objects.exclude(seq=None).order_by("-seq").values_list("seq", "mac").first()
    return Head(last[0] or 0, last[1]) if last else BEGIN


def overdue() -> int:
    """How many lines should have been sealed long ago, or tell a time that has not come."""
    now = timezone.now()
    waiting = Event.objects.filter(seq=None)
    return waiting.exclude(at__range=(now - OVERDUE, now + OVERDUE)).count()


# -- verifying ------------------------------------------------------------------------------------


def verify(heads: Iterable[Head] = (), *, after: Head = BEGIN) -> Report:
    """Read the chain from `after` on, and compare it with `heads` that were kept elsewhere.

    A line whose time lies long before its seal is counted, not found fault with: either no worker
    ran meanwhile, or somebody wrote it themselves and gave it an earlier time.
    """
    report = Report(head=head(), waiting=Event.objects.filter(seq=None).count())
    end, expected, mac = report.head.seq, after.seq + 1, after.mac
    known: dict[int, set[str]] = {}  # of one place two may be told: the chain was cut off between
    for one in heads:
        known.setdefault(one.seq, set()).add(one.mac)
    ring = keys()
    if after != BEGIN and not Event.objects.filter(seq=after.seq, mac=after.mac).exists():
        report.found(f"line {after.seq} is not the one that was kept as head")
    while not report.is_full and (page := _page(expected - 1, end)):
        for seq, sealed, *values in page:
            if seq > expected:
                report.found(_missing(expected, seq - 1))
            ring = _first_that_fits(ring, sealed, mac, seq, values)
            if not hmac.compare_digest(_mac(ring[0], mac, seq, values), sealed):
                report.found(
                    f"line {seq} (event {values[0]}) is not what was sealed: it, its place, or the"
                    " line before it was changed, or its key is not among AUDIT_KEYS"
                )
            if known.get(seq, {sealed}) != {sealed}:
                report.found(f"line {seq} (event {values[0]}) is not the one that was kept as head")
            report.lines += 1
            report.late += values[-1] - values[1] > OVERDUE if values[-1] else 0
            expected, mac = seq + 1, sealed
    _compare_ends(report, known, after)
    return report


def _page(after: int, end: int) -> list[tuple[Any, ...]]:
    rows = Event.objects.filter(seq__gt=after, seq__lte=end).order_by("seq", "pk")
    return list(rows.values_list("seq", "mac", *FIELDS)[:PAGE])


def _compare_ends(report: Report, known: Collection[int], after: Head) -> None:
    """What the lines themselves cannot tell: that some are missing at the end, or stand twice."""
    end = report.head.seq
    if gone := [seq for seq in known if seq > end]:
        report.found(f"lines {end + 1} to {max(gone)} are missing: they were there once")
    numbered = Event.objects.filter(seq__lte=end).count()
    if not report.is_full and numbered - after.seq != report.lines:
        report.found(f"{numbered} lines have a place in the chain, which has {end}")
    if number := overdue():
        report.found(
            f"{number} lines were not sealed in time, or tell another time than that of their"
            " writing: see whether the workers and beat run"
        )


def _missing(first: int, last: int) -> str:
    return f"line {first} is missing" if first == last else f"lines {first} to {last} are missing"


# -- the bytes and the keys -----------------------------------------------------------------------


def _mac(key: bytes, before: str, seq: int, values: Sequence[Any]) -> str:
    """What is empty is left out: a column that is added later changes no old line."""
    told = {name: value for name, value in zip(FIELDS, values, strict=True) if value}
    said = _ENCODER.encode([before, seq, told])
    return hmac.digest(key, said.encode(), "sha256").hex()


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds")


_ENCODER = json.JSONEncoder(default=_instant, sort_keys=True)


def keys() -> list[bytes]:
    """The first seals, all verify. Without a key of its own the chain has one from `SECRET_KEY`."""
    return [*settings.AUDIT_KEYS, _derived(settings.SECRET_KEY)]


@lru_cache(maxsize=4)
def _derived(secret: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"holdfast: the history").derive(secret.encode())


def _first_that_fits(
    ring: list[bytes], sealed: str, before: str, seq: int, values: Sequence[Any]
) -> list[bytes]:
    """The keys, the one that sealed this line first: it most likely sealed the next ones too."""
    for key in ring:
        if _mac(key, before, seq, values) == sealed:
            return ring if key is ring[0] else [key, *(one for one in ring if one is not key)]
    return ring
