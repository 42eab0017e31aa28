"""The list of all servers: what can be restored, to when, and what goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import (
    Aggregate,
    CharField,
    Count,
    Exists,
    F,
    FilteredRelation,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.functional import Promise, cached_property
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from dashboard import cells, live
from dashboard.listing import Choice, Column, Filter, Listing, search
from dashboard.live import Fragment
from dashboard.plots import AGES, FRESH
from dashboard.templatetags.ui import SERVER, Look, shown, size
from snapshots import kept, levels
from snapshots.models import Guard, Kind, Operation, Server, Snapshot, Tag
from snapshots.models.operation import HOLDING
from snapshots.permissions import CREATE, may

GONE, OTHER = "not-listed", "other"
SHOWN = (
    *("id", "account_id", "name", "status", "address", "location", "plan", "remote_id"),
    "gone_at",
)
TAGGED = ("words",)  # see `with_tags`
HELD = ("holding", "held_kind", "held_state", "held_name", "held_snapshot")  # see `with_holder`
SEARCHED = ("name", "hostname", "address", "location", "plan", "remote_id")
COVERAGE = (
    ("fresh", gettext_lazy("Younger than 7 days")),
    ("stale", gettext_lazy("None younger than 7 days")),
    ("old", gettext_lazy("Older than 7 days")),
    *((age.key, age.words) for age in AGES),
)
FIGURES = {"newest", "slots", "coverage"}  # what sorts or narrows by `with_figures`
SLOTS = (("full", gettext_lazy("All taken")), ("free", gettext_lazy("Some free")))
BUSY = (("busy", gettext_lazy("Under way")), ("idle", gettext_lazy("None under way")))


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """All servers of the person's teams, or those that match."""
    return Servers(request).answer()


@live.region("servers")
def index_regions(request: HttpRequest, since: live.Since) -> Iterable[Fragment | SafeString]:
    yield from Servers(request).changes(since)


class Servers(Listing):
    name = "servers"
    heading = gettext_lazy("Servers")
    nothing_matches = gettext_lazy("No server matches")
    nothing_yet = gettext_lazy("No servers yet")
    columns = (
        Column(gettext_lazy("Name"), "name", "name"),
        Column(gettext_lazy("Account"), "account", "account__label"),
        Column(gettext_lazy("State"), "state", "status"),
        Column(gettext_lazy("Newest snapshot"), "newest", "newest_at", may_be_empty=True),
        Column(gettext_lazy("Slots"), "slots", "taken", down_first=True),
    )
    default_sort = "name"
    shown_of = ((Server, "id"), (Operation, "server_id"), (Snapshot, "server_id"))
    fields = (
        *("id", "name", "account", "state", "address", "location", "plan", "provider_id"),
        *("tags", "guard"),
        *("newest_snapshot", "newest_at", "newest_size_mb", "slots_taken", "slots"),
        *("operation", "operation_state"),
    )
    bulk, bulk_button = "take_snapshots", "servers/_bulk.html"

    def offered(self) -> list[Filter]:
        return [
            search("q", _("Name, address, place or id"), *SEARCHED),
            self.by_account(),
            Filter("tag", _("Tag"), by_tag),
            Choice("guard", _("Guard level"), by_guard, Guard.choices),
            Choice("state", _("State"), by_state, states(SERVER)),
            Choice("coverage", _("Newest snapshot"), by_coverage, COVERAGE),
            Choice("slots", _("Slots"), by_slots, SLOTS),
            Choice("operation", _("Operation"), by_operation, BUSY),
        ]

    def everything(self) -> QuerySet[Server]:
        rows = self.reached(Server.objects.filter(account__in=self.accounts), "pk")
        if self.value_of("state") != GONE:
            rows = rows.filter(gone_at=None)
        words = {self.sort.removeprefix("-"), *(one.name for one in self.chosen)}
        return with_figures(rows) if words & FIGURES else rows

    def in_full(self, rows: QuerySet[Server]) -> QuerySet[Server]:
        return with_holder(with_tags(rows.only(*SHOWN)))

    def some(self, ids: list[int]) -> list[Server]:
        def write() -> QuerySet[Server, tuple[Any, ...]]:
            rows = with_holder(with_tags(Server.objects.filter(pk__in=ids)))
            return rows.values_list(*SHOWN, *TAGGED, *HELD)

        rows = []
        for values in kept.ask("some servers", write, ids):
            row = Server(**dict(zip(SHOWN, values, strict=False)))
            vars(row).update(zip((*TAGGED, *HELD), values[len(SHOWN) :], strict=True))
            rows.append(row)
        return rows

    def complete(self, rows: list[Server]) -> None:
        """The newest snapshot and the slots of each: one query, which beats four columns."""
        newest, taken, ours = {}, Counter[int](), set[int]()
        for server, status, *fields in facts([row.pk for row in rows]):
            taken[server] += status != "failed"
            ours.add(fields[0])
            if status == "completed" and fields[1]:
                newest[server] = fields
        coming = {row.holding: row.held_snapshot for row in rows if row.held_kind == Kind.CREATE}
        coming |= safety_of([row.holding for row in rows if row.held_kind == Kind.RESTORE])
        for row in rows:
            row.holder = held(row)
            row.newest = Newest(*newest[row.pk]) if row.pk in newest else None
            is_coming = row.holding in coming and coming[row.holding] not in ours
            # On a full server it gets the slot of what is deleted for it.
            is_full = taken[row.pk] >= self.accounts[row.account_id].slots
            row.taken = taken[row.pk] + (is_coming and not is_full)

    def complete_for_file(self, rows: list[Server]) -> None:
        """The guard level too, which a page only narrows by."""
        self.complete(rows)
        counted = levels.levels([row.pk for row in rows])
        for row in rows:
            row.level = counted[row.pk]

    def row(self, row: Server, *, oob: bool = False) -> SafeString:
        account, name = self.accounts[row.account_id], shown(row.name)
        parts = (row.address, row.location, row.plan, *(f"#{tag}" for tag in tags_of(row)))
        place = " · ".join(shown(word) for word in parts if word)
        return cells.table_row(
            "server",
            row.pk,
            cells.pick("server", row.pk, name) if self.may_pick else cells.NOTHING,
            cells.cell(cells.link("server", row.pk, name), place),
            cells.cell(shown(account.label)),
            self._state(row),
            self._newest(row),
            cells.slots(row.taken, account.slots),
            is_gone=bool(row.gone_at),
            oob=oob,
        )

    def _state(self, row: Server) -> SafeString:
        if row.gone_at:
            return cells.cell(cells.status(row), cells.ago(row.gone_at, self.now))
        return cells.operation(row.holder) if row.holder else cells.cell(cells.status(row))

    def _newest(self, row: Server) -> SafeString:
        if not row.newest:
            return cells.cell(_("No snapshot"))
        ago, length = cells.ago(row.newest.created_at, self.now), size(row.newest.size_mb)
        link = cells.link("snapshot", row.newest.id, shown(row.newest.name))
        return cells.cell(link, cells.put("{}, {}", ago, length))

    def record(self, row: Server) -> Iterable[Any]:
        account, newest, holder = self.accounts[row.account_id], row.newest, row.holder
        state = "no longer listed" if row.gone_at else row.status
        yield from (row.pk, row.name, account.label, state)
        yield from (row.address, row.location, row.plan, row.remote_id)
        yield from (" ".join(tags_of(row)), row.level.guard.value)
        yield from (newest.name, newest.created_at, newest.size_mb) if newest else ("", None, None)
        yield from (row.taken, account.slots)
        yield from (holder.kind, holder.state) if holder else ("", "")

    def counted(self, number: int) -> str:
        return ngettext("%(n)d server", "%(n)d servers", number) % {"n": number}

    @cached_property
    def may_pick(self) -> bool:
        return any(may(self.user, CREATE, team) for team in self.user.roles)


# -- what it is narrowed by -----------------------------------------------------------------------


def states(known: dict[str, Look]) -> list[tuple[str, str | Promise]]:
    """The provider's words as we tell them; those that we do not know; what is gone."""
    return [
        *((word, look.word) for word, look in known.items()),
        (OTHER, _("Another")),
        (GONE, _("No longer listed by the provider")),
    ]


def by_tag(rows: QuerySet[Server], word: str) -> QuerySet[Server]:
    """Those of just this tag, with or without the sign before it."""
    tagged = Tag.servers.through.objects.filter(tag__word=word.removeprefix("#").lower())
    return rows.filter(pk__in=tagged.values("server"))


def by_guard(rows: QuerySet[Server], word: str) -> QuerySet[Server]:
    return rows.filter(levels.counts(Guard(word)))


def by_state(rows: QuerySet[Server], word: str) -> QuerySet[Server]:
    if word == GONE:
        return rows.exclude(gone_at=None)
    return rows.exclude(status__in=SERVER) if word == OTHER else rows.filter(status=word)


def by_coverage(rows: QuerySet[Server], word: str) -> QuerySet[Server]:
    ages = {age.key: age.where(timezone.now()) for age in AGES}
    old = is_old()
    wide = {"fresh": ~old, "stale": old, "old": old & Q(newest_at__isnull=False)}
    return rows.filter((ages | wide)[word])


def by_slots(rows: QuerySet[Server], word: str) -> QuerySet[Server]:
    return rows.filter(
        Q(taken__gte=F("account__slots")) if word == "full" else Q(taken__lt=F("account__slots"))
    )


def by_operation(rows: QuerySet[Server], word: str) -> QuerySet[Server]:
    holders = Operation.objects.filter(server=OuterRef("pk"), parent=None, state__in=HOLDING)
    return rows.filter(Exists(holders) if word == "busy" else ~Exists(holders))


# -- what its rows show besides -------------------------------------------------------------------


def is_old() -> Q:
    """No completed snapshot, or none that is fresh. For servers `with_figures`."""
    return Q(newest_at=None) | Q(newest_at__lt=timezone.now() - FRESH)


def with_figures(servers: QuerySet[Server]) -> QuerySet[Server]:
    """Each server with `newest_at`, `newest_id` and `taken`, the slots in use or spoken for."""
    here = Snapshot.objects.filter(server=OuterRef("pk"), gone_at=None)
    newest = here.filter(status="completed", created_at__isnull=False).order_by("-created_at")
    coming = Operation.objects.filter(
        Q(snapshot=None) | Q(snapshot__gone_at__isnull=False),
        server=OuterRef("pk"),
        kind=Kind.CREATE,
        state__in=HOLDING,
    )
    return servers.annotate(
        newest_at=Subquery(newest.values("created_at")[:1]),
        newest_id=Subquery(newest.values("pk")[:1]),
        taken=count_of(here.exclude(status="failed"), "server") + count_of(coming, "server"),
    )


def count_of(rows: QuerySet[Any], by: str) -> Coalesce:
    """How many `rows` belong to the outer row. Two joined counts would multiply each other."""
    counted = rows.order_by().values(by).annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), Value(0))


class Words(Aggregate):
    """Words of several rows as one text, spaces between: both databases can, and differ in how."""

    function, output_field = "STRING_AGG", CharField()
    template = "%(function)s(%(expressions)s, ' ')"

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        return self.as_sql(compiler, connection, function="GROUP_CONCAT", **more)


def with_tags(servers: QuerySet[Server]) -> QuerySet[Server]:
    """Each server with its tags in one text: see `tags_of`."""
    mine = Tag.objects.filter(servers=OuterRef("pk")).order_by().values("servers")
    return servers.annotate(words=Subquery(mine.annotate(all=Words("word")).values("all")))


def tags_of(server: Server) -> list[str]:
    return sorted((server.words or "").split())


def with_holder(servers: QuerySet[Server]) -> QuerySet[Server]:
    """Each server with the operation that holds it, if any: there is never more than one."""
    holds = Q(operations__parent=None, operations__state__in=HOLDING)
    return servers.annotate(
        held=FilteredRelation("operations", condition=holds),
        holding=F("held__pk"),
        held_kind=F("held__kind"),
        held_state=F("held__state"),
        held_name=F("held__name"),
        held_snapshot=F("held__snapshot"),
    )


class Newest(NamedTuple):
    """What a server's row tells of its newest snapshot."""

    id: int
    created_at: datetime
    name: str
    size_mb: int | None


def facts(servers: list[int]) -> list[tuple[Any, ...]]:
    """Server, status and `Newest` of each snapshot that these servers have, the newest last."""

    def write() -> QuerySet[Snapshot, tuple[Any, ...]]:
        here = Snapshot.objects.filter(gone_at=None, server__in=servers)
        rows = here.order_by("created_at", "pk")
        return rows.values_list("server", "status", *Newest._fields)

    return kept.ask("snapshots of servers", write, servers)


def safety_of(restores: list[int]) -> dict[int, int | None]:
    """By restore, the snapshot, if it is there yet, of its safety snapshot that is on its way."""
    if not restores:
        return {}
    coming = Operation.objects.filter(parent__in=restores, kind=Kind.CREATE, state__in=HOLDING)
    return dict(coming.values_list("parent", "snapshot"))


def held(server: Server) -> Operation | None:
    """The operation that holds it, as far as a row tells it. For servers `with_holder`."""
    if server.holding is None:
        return None
    state, kind, name = server.held_state, server.held_kind, server.held_name
    return Operation(pk=server.holding, kind=kind, state=state, name=name, server=server)
