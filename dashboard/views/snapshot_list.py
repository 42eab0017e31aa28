"""The list of all snapshots: over all servers, with who made them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from dashboard import cells, live
from dashboard.listing import Choice, Column, Filter, Link, Listing, search
from dashboard.live import Fragment
from dashboard.templatetags.ui import SNAPSHOT, shown, size
from dashboard.views.server_list import GONE, OTHER, states
from snapshots.models import Kind, Operation, Server, Snapshot
from snapshots.models.marks import DESCRIBED
from snapshots.models.operation import HOLDING
from snapshots.permissions import DELETE, may

SHOWN = (
    *("account", "server", "server__name", "name", "status", "size_mb", "description"),
    *("created_at", "gone_at", "remote_id", *DESCRIBED),
    *("locked_at", "locked_until", "locked_by_name", "lock_reason"),
    *("good_at", "good_by_name", "good_why"),
)
AGES = (
    ("1", gettext_lazy("Taken today or yesterday")),
    ("7", gettext_lazy("Younger than 7 days")),
    ("30", gettext_lazy("7 to 30 days")),
    ("90", gettext_lazy("30 to 90 days")),
    ("more", gettext_lazy("Older than 90 days")),
)
LOCKED, GOOD, OVER, NOT_OVER = "locked", "good", "may-go", "kept"
MARKS = (
    (LOCKED, gettext_lazy("Locked")),
    (GOOD, gettext_lazy("Known good")),
    (OVER, gettext_lazy("May go: its day has passed")),
    (NOT_OVER, gettext_lazy("To be kept until a day")),
)
MAKERS = (
    ("here", gettext_lazy("Asked for here")),
    ("outside", gettext_lazy("Found at the provider")),
)


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Snapshots over all servers of the person's teams, or those that match."""
    return Snapshots(request).answer()


@live.region("snapshots")
def index_regions(request: HttpRequest, since: live.Since) -> Iterable[Fragment | SafeString]:
    yield from Snapshots(request).changes(since)


class Snapshots(Listing):
    name = "snapshots"
    heading = gettext_lazy("Snapshots")
    nothing_matches = gettext_lazy("No snapshot matches")
    nothing_yet = gettext_lazy("No snapshots yet")
    columns = (
        Column(gettext_lazy("Name"), "name", "name"),
        Column(gettext_lazy("Server"), "server", "server__name"),
        Column(gettext_lazy("Taken"), "taken", "created_at", down_first=True),
        Column(gettext_lazy("State"), "state", "status"),
        Column(
            gettext_lazy("Size"), "size", "size_mb", down_first=True, may_be_empty=True, css="num"
        ),
    )
    default_sort = "-taken"
    shown_of = ((Snapshot, "id"), (Operation, "snapshot_id"))
    bulk, bulk_button = "delete_snapshots", "snapshots/_bulk.html"
    fields = (
        *("id", "name", "server", "account", "state", "taken_at", "size_mb", "note"),
        *("asked_for_by", "operation", "operation_state", "provider_id"),
        *("purpose", "ticket", "owner", "keep_until"),
        *("locked_by", "locked_until", "lock_reason", "known_good_by", "known_good_why"),
    )

    def offered(self) -> list[Filter]:
        servers = self.reached(Server.objects.filter(account__in=self.accounts), "pk")
        return [
            search(
                "q",
                _("Name, note, server, purpose, ticket or owner"),
                *("name", "description", "server__name", "purpose", "ticket", "owner"),
            ),
            Link("server", _("Server"), lambda rows, pk: rows.filter(server=pk), servers),
            self.by_account(),
            Choice("state", _("State"), by_state, states(SNAPSHOT)),
            Choice("age", _("Age"), self._by_age, AGES),
            Choice("made", _("Made"), by_maker, MAKERS),
            Choice("mark", _("Marked"), by_mark, MARKS),
        ]

    def everything(self) -> QuerySet[Snapshot]:
        rows = self.reached(Snapshot.objects.filter(account__in=self.accounts), "server")
        if self.value_of("state") != GONE:
            rows = rows.filter(gone_at=None)
        return rows.select_related("server").only(*SHOWN)

    def complete(self, rows: list[Snapshot]) -> None:
        """Who made each, and what is under way with it: one query for all."""
        found = Operation.objects.filter(snapshot__in=[row.pk for row in rows]).order_by("pk")
        told = found.filter(Q(kind=Kind.CREATE) | Q(state__in=HOLDING))
        names = ("kind", "state", "name", "server", "snapshot", "parent", "asked_by_name")
        by_snapshot: dict[int | None, dict[bool, Operation]] = {}
        for operation in told.only(*names):
            is_maker = operation.kind == Kind.CREATE
            by_snapshot.setdefault(operation.snapshot_id, {})[is_maker] = operation
        for row in rows:
            row.maker = by_snapshot.get(row.pk, {}).get(True)
            row.acting = by_snapshot.get(row.pk, {}).get(False)
            if row.acting:
                row.acting.server = row.server

    def row(self, row: Snapshot, *, oob: bool = False) -> SafeString:
        name, account = shown(row.name), self.accounts[row.account_id]
        title = cells.link("snapshot", row.pk, name)
        server = cells.link("server", row.server_id, shown(row.server.name))
        note = Truncator(shown(row.purpose or row.note)).chars(80)
        return cells.table_row(
            "snapshot",
            row.pk,
            self._pick(row, name) if self.may_pick else cells.NOTHING,
            cells.cell(title, note),
            cells.cell(server, shown(account.label)),
            cells.cell(cells.ago(row.created_at, self.now), maker_of(row)),
            self._state(row),
            cells.number(size(row.size_mb)),
            is_gone=bool(row.gone_at),
            oob=oob,
        )

    def _pick(self, row: Snapshot, name: str) -> SafeString:
        if row.gone_at or row.status not in ("completed", "failed") or row.is_locked:
            return cells.cell("")
        words = _("%(snapshot)s of %(server)s") % {
            "snapshot": name,
            "server": shown(row.server.name),
        }
        return cells.pick("snapshot", row.pk, words)

    def _state(self, row: Snapshot) -> SafeString:
        if row.acting:
            return cells.operation(row.acting)
        marks = marks_of(row)
        if row.gone_at:
            ago = cells.ago(row.gone_at, self.now)
            return cells.cell(cells.status(row), cells.put("{} {}", ago, marks))
        return cells.cell(cells.status(row), marks)

    def record(self, row: Snapshot) -> Iterable[Any]:
        state = "no longer listed" if row.gone_at else row.status
        yield from (row.pk, row.name, row.server.name, self.accounts[row.account_id].label, state)
        yield from (row.created_at, row.size_mb, row.note)
        yield row.maker.asked_by_name if row.maker else ""
        yield from (row.acting.kind, row.acting.state) if row.acting else ("", "")
        yield row.remote_id
        yield from (getattr(row, name) for name in DESCRIBED)
        lock = (row.locked_by_name, row.locked_until, row.lock_reason)
        yield from lock if row.is_locked else ("", None, "")
        yield from (row.good_by_name, row.good_why)

    def counted(self, number: int) -> str:
        return ngettext("%(n)d snapshot", "%(n)d snapshots", number) % {"n": number}

    @cached_property
    def may_pick(self) -> bool:
        return any(may(self.user, DELETE, team) for team in self.user.roles)

    def _by_age(self, rows: QuerySet[Snapshot], word: str) -> QuerySet[Snapshot]:
        older, younger = {"1": (0, 2), "7": (0, 7), "30": (7, 30), "90": (30, 90)}.get(
            word, (90, 0)
        )
        if older:
            rows = rows.filter(created_at__lt=self.now - timedelta(days=older))
        return rows.filter(created_at__gte=self.now - timedelta(days=younger)) if younger else rows


def by_state(rows: QuerySet[Snapshot], word: str) -> QuerySet[Snapshot]:
    if word == GONE:
        return rows.exclude(gone_at=None)
    return rows.exclude(status__in=SNAPSHOT) if word == OTHER else rows.filter(status=word)


def by_mark(rows: QuerySet[Snapshot], word: str) -> QuerySet[Snapshot]:
    today = timezone.localdate()
    return rows.filter(
        {
            LOCKED: Snapshot.locked(),
            GOOD: Q(good_at__isnull=False),
            OVER: Q(keep_until__lt=today) & ~Snapshot.locked(),
            NOT_OVER: Q(keep_until__gte=today),
        }[word]
    )


def marks_of(row: Snapshot) -> str:
    """What `snapshots/_badges.html` says, in small."""
    marks = (
        *([_("Locked")] if row.is_locked else []),
        *([_("Known good")] if row.is_good else []),
        *([_("May go")] if row.is_kept_long_enough else []),
    )
    return " · ".join(marks)


def by_maker(rows: QuerySet[Snapshot], word: str) -> QuerySet[Snapshot]:
    made = Operation.objects.filter(snapshot=OuterRef("pk"), kind=Kind.CREATE)
    return rows.filter(Exists(made) if word == "here" else ~Exists(made))


def maker_of(row: Snapshot) -> SafeString | str:
    """Who asked for it, as `snapshots/_maker.html` says it."""
    maker = row.maker
    if not maker:
        return _("Found at the provider")
    person = {"person": shown(maker.asked_by_name)}
    if maker.parent_id:
        words = _("Safety snapshot before a restore by %(person)s") % person
        return cells.link("operation", maker.parent_id, words)
    return _("Asked for by %(person)s") % person
