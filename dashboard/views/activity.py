"""What happened: who did what to what, and what was refused."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_safe

from dashboard import cells, live
from dashboard.listing import Choice, Day, Filter, Link, Listing, search
from dashboard.live import Fragment
from dashboard.teams_here import chosen, here
from dashboard.templatetags.ui import event_sentence, shown
from snapshots.events import Verb
from snapshots.models import Event, User
from snapshots.permissions import (
    READ_AUDIT,
    known_servers,
    known_snapshots,
    may,
    visible_events,
    visible_sign_ins,
)

QUIET = 2  # days without an entry from which on the list says so
NOBODY = "nobody"
SHOWN = (
    *("at", "verb", "actor_name", "data", "team", "account", "server", "snapshot", "operation"),
    *("address", "request_id"),
    *("server__name", "snapshot__name", "account__label"),
)
SEARCHED = ("actor_name", "data__server", "data__snapshot", "data__account", "data__member")
KINDS = {
    "create": (gettext_lazy("Snapshots taken"), ("create.",)),
    "restore": (gettext_lazy("Restores"), ("restore.",)),
    "delete": (gettext_lazy("Deletions"), ("delete.",)),
    "power": (gettext_lazy("Stops and starts"), ("stop.", "start.")),
    "refused": (gettext_lazy("Refused"), ("refused",)),
    "outside": (gettext_lazy("Seen at the provider"), ("snapshot.", "server.")),
    "account": (gettext_lazy("Accounts"), ("account.",)),
    "people": (gettext_lazy("People and teams"), ("team.", "member.")),
    "sign-ins": (gettext_lazy("Sign-ins"), ("person.",)),
    "messages": (gettext_lazy("Webhooks"), ("webhook.",)),
}
OUTCOMES = {
    "asked": (gettext_lazy("Asked for"), (".asked", ".approval_wanted")),
    "moving": (
        gettext_lazy("Under way"),
        (
            *(".turn", ".sending", ".requeued", ".running", ".slow"),
            *(".held", ".released", ".start_now", ".bare", ".approved", ".emergency", ".waiting"),
        ),
    ),
    "succeeded": (gettext_lazy("Succeeded"), (".succeeded", ".said_yes")),
    "failed": (gettext_lazy("Failed or not done"), (".failed", ".not_applied", ".said_no")),
    "doubt": (gettext_lazy("In doubt"), (".in_doubt", ".needs_person")),
    "stopped": (
        gettext_lazy("Cancelled, rejected or expired"),
        (".cancelled", ".stop_asked", ".rejected", ".expired"),
    ),
    "refused": (
        gettext_lazy("Refused"),
        ("refused", ".not_let_in", ".turned_away", ".not_known", ".tries_untold"),
    ),
}


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The history of the person's teams, or what of it matches."""
    return Activity(request).answer()


@live.region("activity")
def index_regions(request: HttpRequest, since: live.Since) -> Iterable[Fragment | SafeString]:
    yield from Activity(request).changes(since)


class Group(NamedTuple):
    """One day of the page; `quiet` is how many days without an entry lie before the newer one."""

    date: date
    entries: list[SafeString]
    quiet: int


class Activity(Listing):
    name = "activity"
    heading = gettext_lazy("Activity")
    nothing_matches = gettext_lazy("No entry matches")
    nothing_yet = gettext_lazy("Nothing has happened yet")
    body, empty = "activity/_days.html", "activity/_nothing_yet.html"
    fields = (
        *("id", "at", "person", "verb", "sentence", "server", "snapshot", "account"),
        *("operation", "outcome", "address", "request_id"),
    )

    def offered(self) -> list[Filter]:
        return [
            search("q", _("Server, snapshot, account or person"), *SEARCHED),
            Link("server", _("Server"), by("server"), known_servers(self.user)),
            Link("snapshot", _("Snapshot"), by("snapshot"), known_snapshots(self.user)),
            Choice("person", _("Person"), by_person, self._people()),
            Choice("kind", _("Kind"), by_kind, [(word, k[0]) for word, k in KINDS.items()]),
            Choice("outcome", _("Outcome"), by_outcome, [(w, o[0]) for w, o in OUTCOMES.items()]),
            Day("since", _("From"), lambda rows, day: rows.filter(at__gte=midnight(day))),
            Day("until", _("To"), lambda rows, day: rows.filter(at__lt=midnight(day, 1))),
        ]

    def _people(self) -> list[tuple[Any, str]]:
        team = chosen(self.request)
        teams = [team] if team else list(self.user.roles)
        found = User.objects.filter(memberships__team_id__in=teams).distinct()
        names = found.order_by("name", "pk").values_list("pk", "name")
        return [*((pk, shown(name)) for pk, name in names), (NOBODY, _("Nobody, by itself"))]

    def everything(self) -> QuerySet[Event]:
        rows = here(self.request, visible_events(self.user), "team")
        rows |= visible_sign_ins(self.user, chosen(self.request))
        parts = ("server", "snapshot", "account")
        return rows.select_related(None).select_related(*parts).only(*SHOWN)

    def sorted(self, rows: QuerySet[Event]) -> QuerySet[Event]:
        return rows.order_by("-pk")

    def days(self) -> Iterable[Group]:
        found = sorted(self.rows, key=lambda event: (event.at, event.pk), reverse=True)
        newer = None
        for day, events in groupby(found, lambda event: timezone.localdate(event.at)):
            quiet = (newer - day).days - 1 if newer else 0
            yield Group(day, [self.row(event) for event in events], quiet if quiet >= QUIET else 0)
            newer = day

    def row(self, row: Event, *, oob: bool = False) -> SafeString:
        return cells.put(
            '<li id="event-{}">{}<span>{} {}{}</span></li>',
            row.pk,
            cells.clock(row.at),
            event_sentence(row),
            about(row),
            self.origin(row),
        )

    def origin(self, row: Event) -> SafeString:
        """From where it was asked for, for those who read the audit."""
        if not row.address or not self.reads_audit(row):
            return cells.NOTHING
        words = _("from %(address)s") % {"address": row.address}
        return cells.put(' <span class="muted small">{}</span>', words)

    def reads_audit(self, row: Event) -> bool:
        return row.team_id is None or may(self.user, READ_AUDIT, row.team_id)

    def record(self, row: Event) -> Iterable[Any]:
        yield from (row.pk, row.at, row.actor_name, row.verb, event_sentence(row))
        yield from (row.data.get(name, "") for name in ("server", "snapshot", "account"))
        yield row.operation_id
        yield outcome(row.verb)
        yield from (row.address, row.request_id) if self.reads_audit(row) else ("", "")

    def counted(self, number: int) -> str:
        return ngettext("%(n)d entry", "%(n)d entries", number) % {"n": number}

    @property
    def words(self) -> str:
        zone = timezone.get_current_timezone_name().replace("_", " ")
        return f"{super().words} · " + _("Times in %(zone)s.") % {"zone": zone}


def outcome(verb: str) -> str:
    """A word of `OUTCOMES`, the same in every language; "done" for what is no operation."""
    return next((word for word, (_label, ends) in OUTCOMES.items() if verb.endswith(ends)), "done")


def about(event: Event) -> SafeString:
    """The way to what the line is about."""
    if event.operation_id:
        words = _("operation %(number)d") % {"number": event.operation_id}
        return cells.small_link("operation", event.operation_id, words)
    for name, thing in (("snapshot", event.snapshot), ("server", event.server)):
        if thing:
            return cells.small_link(name, thing.pk, shown(thing.name))
    if event.account:
        return cells.small_link("account", event.account.pk, shown(event.account.label))
    return cells.NOTHING


# -- what it is narrowed by -----------------------------------------------------------------------


def by(field: str) -> Any:
    return lambda rows, pk: rows.filter(**{field: pk})


def by_person(rows: QuerySet[Event], pk: str) -> QuerySet[Event]:
    return rows.filter(actor_name="") if pk == NOBODY else rows.filter(actor=pk)


def by_kind(rows: QuerySet[Event], word: str) -> QuerySet[Event]:
    return rows.filter(verb__in=[verb for verb in Verb.values if verb.startswith(KINDS[word][1])])


def by_outcome(rows: QuerySet[Event], word: str) -> QuerySet[Event]:
    return rows.filter(verb__in=[verb for verb in Verb.values if verb.endswith(OUTCOMES[word][1])])


def midnight(day: date, later: int = 0) -> datetime:
    """The day's begin, where the reader is. Beyond what we can have seen, the nearest such day."""
    seen = min(max(day, date(2000, 1, 1)), date(2200, 1, 1)) + timedelta(days=later)
    return timezone.make_aware(datetime.combine(seen, time.min))
