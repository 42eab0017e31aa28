"""The plan of a restore: what it means, as facts, and whether they are still the same.

A page carries its plan signed: for whom it is, when it was made, and the facts it showed. A restore
is asked for with that, so the plan is kept with the restore, and opening the page changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from django.core import signing
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from snapshots.errors import Refused
from snapshots.models import Account, Kind, Operation, Snapshot, State, User
from snapshots.said import gettext as _

VALID = timedelta(minutes=15)
SALT = "snapshots.operations.plan"
RESTORES_ASKED = 20  # the last of an account, of what became of newer snapshots
NOTICED_WITHIN = timedelta(minutes=30)  # what a restore deleted is no longer listed by then


class Fate(StrEnum):
    """What became of newer snapshots in the restores of an account so far."""

    KEPT = "kept"
    DELETED = "deleted"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Plan:
    """What a restore of `snapshot` means, as far as we know.

    `newer` are the server's snapshots that are younger, `undated` those of which nobody can say;
    `since` counts what was done to the server since, by kind; `seen` is how many newer snapshots
    `fate` rests on; `taken_while` is the server's state when the snapshot was taken, if known.
    """

    snapshot: Snapshot
    newer: list[Snapshot]
    undated: list[Snapshot]
    since: dict[str, int]
    fate: Fate
    seen: int
    taken_while: str
    at: datetime

    @property
    def age(self) -> timedelta | None:
        """How far back the server goes."""
        taken_at = self.snapshot.created_at
        return self.at - taken_at if taken_at else None

    @property
    def valid_until(self) -> datetime:
        return self.at + VALID

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What must not change between reading and sending, fit for JSON."""
        server = self.snapshot.server
        return {
            "server": server.name,
            "address": server.address,
            "server_status": server.status,
            **{f"snapshot_{name}": value for name, value in self.snapshot.fingerprint.items()},
            "snapshot_status": self.snapshot.status,
            "newer": {one.remote_id: one.name for one in self.newer},
            "undated": {one.remote_id: one.name for one in self.undated},
            "since": self.since,
            "fate": self.fate,
        }

    def sealed(self, actor: User) -> str:
        """What the page carries. Only for `actor`, and only for a quarter of an hour."""
        shown = {"user": actor.pk, "at": self.at.isoformat(), "facts": self.facts}
        return signing.dumps(shown, salt=SALT, compress=True)


def plan(snapshot: Snapshot) -> Plan:
    """The plan as things are now."""
    fate, seen = fate_of_newer(snapshot.account)
    return Plan(
        snapshot=snapshot,
        newer=newer(snapshot),
        undated=undated(snapshot),
        since=_since(snapshot),
        fate=fate,
        seen=seen,
        taken_while=_taken_while(snapshot),
        at=timezone.now(),
    )


def newer(snapshot: Snapshot) -> list[Snapshot]:
    """The server's listed snapshots that are younger than `snapshot`, oldest first."""
    if snapshot.created_at is None:
        return []
    return list(
        snapshot.server.snapshots.filter(
            gone_at__isnull=True, created_at__gt=snapshot.created_at
        ).order_by("created_at", "id")
    )


def undated(snapshot: Snapshot) -> list[Snapshot]:
    """The server's other listed snapshots of which nobody can say whether they are younger."""
    others = snapshot.server.snapshots.filter(gone_at__isnull=True).exclude(pk=snapshot.pk)
    if snapshot.created_at is not None:
        others = others.filter(created_at__isnull=True)
    return list(others.order_by("id"))


def _since(snapshot: Snapshot) -> dict[str, int]:
    if snapshot.created_at is None:
        return {}
    done = snapshot.server.operations.filter(
        state=State.SUCCEEDED, ended_at__gt=snapshot.created_at
    ).exclude(kind=Kind.CREATE, snapshot=snapshot)
    return dict(sorted(Counter(done.values_list("kind", flat=True)).items()))


def _taken_while(snapshot: Snapshot) -> str:
    maker = Operation.objects.filter(kind=Kind.CREATE, snapshot=snapshot).order_by("-pk").first()
    attempt = maker.attempts.order_by("-number").first() if maker else None
    return str(attempt.pre_image.get("server_status", "")) if attempt else ""


def fate_of_newer(account: Account) -> tuple[Fate, int]:
    """What became of newer snapshots in the last restores here, and how many that was."""
    restores = list(
        account.operations.filter(kind=Kind.RESTORE, state=State.SUCCEEDED)
        .order_by("-pk")
        .prefetch_related("children")[:RESTORES_ASKED]
    )
    listed = {one.pk: _newer_ids(one) for one in restores}
    ids = set().union(*listed.values())
    told = Q(gone_at__isnull=False) | Q(missing_since=None)  # the last look may lack one
    rows = account.snapshots.filter(told, remote_id__in=ids)
    by_us = set(
        account.operations.filter(
            kind=Kind.DELETE, state=State.SUCCEEDED, snapshot__remote_id__in=ids
        ).values_list("snapshot_id", flat=True)
    )
    known = dict(rows.exclude(pk__in=by_us).values_list("remote_id", "gone_at"))
    fates: Counter[Fate] = Counter()
    looked = account.complete_pass_at
    for restore in restores:
        ended_at = restore.ended_at
        if ended_at is None or looked is None or looked <= ended_at:
            continue
        for remote_id in listed[restore.pk] & known.keys():
            gone_at = known[remote_id]
            if gone_at is not None and gone_at <= ended_at + NOTICED_WITHIN:
                fates[Fate.DELETED] += 1
            elif gone_at is None or _was_looked_at(account, ended_at):
                fates[Fate.KEPT] += 1
    if len(fates) != 1:
        return Fate.UNKNOWN, fates.total()
    return next(iter(fates)), fates.total()


def _was_looked_at(account: Account, ended_at: datetime) -> bool:
    """Whether what a restore deleted would have been noticed in time."""
    after = account.passes.filter(complete=True, begun_at__gt=ended_at)
    return after.filter(begun_at__lte=ended_at + NOTICED_WITHIN).exists()


def way_back(restore: Operation) -> str:
    """Whether the safety snapshot is "there", "gone" or "unknown" since; empty without one."""
    child = restore.children.select_related("snapshot").order_by("-pk").first()
    if child is None or child.snapshot is None or restore.state != State.SUCCEEDED:
        return ""
    if child.snapshot.gone_at:
        return "gone"
    looked, ended = restore.account.complete_pass_at, restore.ended_at
    has_looked = bool(looked and ended and looked > ended)
    return "there" if has_looked and child.snapshot.is_listed else "unknown"


def _newer_ids(restore: Operation) -> set[str]:
    children = {one.remote_id for one in restore.children.all() if one.remote_id}
    return {*restore.confirmed.get("newer", ()), *children}


# -- confirmed with what was shown ----------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """What a person saw, and when."""

    facts: dict[str, Any]
    at: datetime


def opened(sealed: str, *, actor: User) -> Shown:
    """The plan that `actor` was shown. Raises `Refused` for one that is not theirs, or too old."""
    shown = unsealed(sealed, salt=SALT, actor=actor)
    return Shown(shown["facts"], datetime.fromisoformat(shown["at"]))


def unsealed(sealed: str, *, salt: str, actor: User) -> dict[str, Any]:
    """What a page carried. Raises `Refused` if it was made for somebody else, or is too old."""
    try:
        shown: dict[str, Any] = signing.loads(sealed, salt=salt, max_age=VALID)
    except signing.SignatureExpired:
        raise Refused(
            _(
                "What this page showed is more than 15 minutes old."
                " Please read it again and confirm."
            )
        ) from None
    except signing.BadSignature:
        raise Refused(_("Please read what this restore means, and confirm it.")) from None
    if shown["user"] != actor.pk:
        raise Refused(_("This page was made for somebody else. Please read it again and confirm."))
    return shown


def check_same(shown: Shown, now: Plan) -> None:
    """Whether the facts are still those that were shown. Raises `Refused` with the difference."""
    if not (what := difference(shown.facts, now.facts)):
        return
    raise Refused(
        _(
            "What this page showed has changed meanwhile: %(what)s."
            " Please read it again and confirm."
        )
        % {"what": what}
    )


def difference(before: dict[str, Any], now: dict[str, Any]) -> Any:
    """The `differences` in one sentence; empty if there are none."""
    what, *others = differences(before, now) or [""]
    for other in others:
        what = _("%(one)s; %(other)s") % {"one": what, "other": other}
    return what


def is_same(sealed: str, now: Plan, *, actor: User) -> bool:
    """Whether `sealed` is a plan of `actor`'s that still holds, with the facts as they are now."""
    try:
        check_same(opened(sealed, actor=actor), now)
    except Refused:
        return False
    return True


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[Any]:
    """What is not as it was, in words; empty only if all is. They are facts of one plan each."""
    if before == now:
        return []
    parts = (_of_server_and_snapshot, _of_others, _of_history)
    found = [words for part in parts for words in part(before, now)]
    return found or [_("what such a page shows")]


def _of_server_and_snapshot(before: dict[str, Any], now: dict[str, Any]) -> Iterator[Any]:
    for name, label in LABELS.items():
        if before.get(name) != now.get(name):
            values = {"what": label, "before": before.get(name), "now": now.get(name)}
            unknown = _("unknown")
            yield _("%(what)s: %(before)s → %(now)s") % {
                key: value if value not in (None, "") else unknown for key, value in values.items()
            }
    if before.get("snapshot_id") != now.get("snapshot_id"):
        yield _("it is another snapshot")


def _of_others(before: dict[str, Any], now: dict[str, Any]) -> Iterator[Any]:
    old, new = ({**facts.get("newer", {}), **facts.get("undated", {})} for facts in (before, now))
    for remote_id in sorted({*old, *new}):
        was_undated = remote_id in before.get("undated", {})
        if old.get(remote_id) != new.get(remote_id) and remote_id in new:
            yield _("a new snapshot, %(name)s") % {"name": new[remote_id]}
        elif was_undated != (remote_id in now.get("undated", {})):
            yield _("what is known of %(name)s") % {"name": old[remote_id]}
        elif remote_id not in new:
            yield _("%(name)s is no longer listed") % {"name": old[remote_id]}


def _of_history(before: dict[str, Any], now: dict[str, Any]) -> Iterator[Any]:
    if before.get("since") != now.get("since"):
        yield _("something was done to the server")
    if before.get("fate") != now.get("fate"):
        yield _("what is known of the fate of newer snapshots")


LABELS = {
    "server": gettext_lazy("name of the server"),
    "address": gettext_lazy("address of the server"),
    "server_status": gettext_lazy("state of the server"),
    "snapshot_name": gettext_lazy("name of the snapshot"),
    "snapshot_created_at": gettext_lazy("time of the snapshot"),
    "snapshot_status": gettext_lazy("state of the snapshot"),
}
