"""The first page: can everything be restored, and to when? What needs a person, and what runs?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Case, Count, Exists, F, Max, OuterRef, Q, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard import expected, live, plots
from dashboard.live import Fragment
from dashboard.plots import FRESH
from dashboard.teams_here import here
from dashboard.tray import tray
from snapshots import guards, operations
from snapshots.models import (
    Account,
    Approval,
    Kind,
    Lowering,
    Operation,
    Server,
    Snapshot,
    State,
    Webhook,
)
from snapshots.models.operation import HOLDING, OPEN
from snapshots.permissions import (
    MANAGE_WEBHOOKS,
    SET_RULES,
    may,
    visible_accounts,
    visible_events,
    visible_operations,
    visible_servers,
    visible_snapshots,
    visible_webhooks,
)

LATELY = timedelta(days=1)  # how long a failure without a later success, or an emergency, is shown
LOST = timedelta(days=7)  # how long it is told that a locked snapshot is gone
LONG_AGO = timedelta(minutes=15)  # a look older than this is no ground for "all is well"
SOON = timedelta(seconds=5)
NAMED = 4  # servers named in a line; the rest is counted
LISTED = 12  # operations and accounts listed in one card; the rest is counted
DOUBTFUL = (State.NEEDS_PERSON, State.IN_DOUBT)


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The state of all accounts that the person can see."""
    watch = live.watching(request, "overview")
    return render(request, "overview/page.html", about(request) | {"live": watch})


@live.region("overview")
def page_regions(request: HttpRequest, since: live.Since) -> Iterable[Fragment]:
    context = about(request)
    yield Fragment("overview/_answer.html", context)
    yield Fragment("overview/_all.html", context)


def about(request: HttpRequest) -> dict[str, Any]:
    user, now = request.user, timezone.now()
    accounts = list(here(request, visible_accounts(user)).order_by("label", "pk"))
    # An operation's line names its server besides, an event's line nothing that it does not hold.
    rows = here(request, visible_operations(user)).select_related(None).select_related("server")
    events = here(request, visible_events(user)).select_related(None)
    if not accounts:
        return {"accounts": accounts}
    context = {
        "accounts": accounts,
        "troubled": [one for one in accounts if one.paused or one.trouble],
        "last_checked": oldest_look(accounts),
        "failed": failed(rows.filter(account__removed_at=None), now),
        "emergencies": emergencies(rows, now),
        "gone_webhooks": gone_webhooks(request),
        "lowerings": lowerings(request),
        "events": list(events.order_by("-pk")[:10]),
        "looks": next_looks(accounts, now),
    }
    context |= marked(here(request, visible_snapshots(user), "account__team"), now)
    context |= covered(here(request, visible_servers(user), "account__team"), now)
    context |= under_way(rows)
    read_estimates(request, [one.first or one for one in context["running"]])
    checked = context["last_checked"]
    context["is_stale"] = bool(checked) and now - checked > LONG_AGO
    alarms = (
        *("troubled", "doubtful", "wanted", "emergencies", "lowerings", "failed", "slow"),
        *("gone_webhooks", "without", "old", "full", "is_stale", "lost", "may_go"),
    )
    context["is_calm"] = not any(context[alarm] for alarm in alarms)
    return context


def emergencies(rows: QuerySet[Operation], now: datetime) -> list[Operation]:
    """Restores that somebody let go on alone, for a day: whether mail is sent or not."""
    told = {"approval__what": Approval.What.EMERGENCY, "approval__at__gte": now - LATELY}
    return list(rows.filter(**told).select_related("server", "approval").order_by("-pk")[:NAMED])


def gone_webhooks(request: HttpRequest) -> list[Webhook]:
    """Those that were switched off because nobody is there, for who can do something about it."""
    gone = here(request, visible_webhooks(request.user)).filter(off=Webhook.Off.GONE)
    user = request.user
    return [one for one in gone if one.member_id or may(user, MANAGE_WEBHOOKS, one.team_id)]


def lowerings(request: HttpRequest) -> list[Lowering]:
    """Guard levels that a second person is to lower, for who may set them."""
    teams = [one for one in request.user.roles if may(request.user, SET_RULES, one)]
    if not teams:
        return []
    rows = here(request, guards.wishes(*teams)).select_related("server", "tag", "team")
    return list(rows[:LISTED])


# -- servers --------------------------------------------------------------------------------------


class Some(list[Any]):
    """The first few of something, and how many there are in all."""

    total = 0

    @property
    def more(self) -> int:
        return self.total - len(self)


def first(listed: Iterable[Any]) -> Some:
    """The first few of what was read."""
    known = list(listed)
    found = Some(known[:NAMED])
    found.total = len(known)
    return found


def some(rows: QuerySet[Any], most: int) -> Some:
    """The first `most` of `rows` and their number, in one question."""
    found = Some(rows.annotate(in_all=Window(Count("pk")))[:most])
    found.total = found[0].in_all if found else 0
    return found


class Reach(NamedTuple):
    """How far back a server can go, and how many snapshots take a slot of it."""

    pk: int
    name: str
    newest_at: datetime | None
    taken: int
    slots: int


def covered(servers: QuerySet[Server], now: datetime) -> dict[str, Any]:
    """How far back the servers can go, those that cannot, or not to anything recent, or are full.

    One pass over the snapshots. As everywhere, one that is being taken counts, of which a server
    has one at most.
    """
    done = Q(snapshots__gone_at=None, snapshots__status="completed")
    takes = Q(snapshots__gone_at=None) & ~Q(snapshots__status="failed")
    figures = servers.filter(gone_at=None).annotate(
        newest_at=Max("snapshots__created_at", filter=done), taken=Count("snapshots", filter=takes)
    )
    fields = ("pk", "name", "newest_at", "taken", "account__slots")
    listed = [Reach(*row) for row in figures.order_by("name", "pk").values_list(*fields)]
    coming = Operation.objects.filter(
        Q(snapshot=None) | Q(snapshot__gone_at__isnull=False), kind=Kind.CREATE, state__in=HOLDING
    )
    is_coming = set(coming.values_list("server", flat=True))
    old = [one for one in listed if one.newest_at and one.newest_at < now - FRESH]
    return {
        "coverage": plots.coverage_of([one.newest_at for one in listed], now),
        "without": first(one for one in listed if not one.newest_at),
        "old": first(sorted(old, key=lambda one: (one.newest_at, one.pk))),
        "full": first(one for one in listed if one.taken + (one.pk in is_coming) >= one.slots),
    }


def marked(snapshots: QuerySet[Snapshot], now: datetime) -> dict[str, Some]:
    """Those that are gone although somebody locked them, and those that may go; one question."""
    is_lost = Snapshot.locked() & Q(gone_at__gte=now - LOST)
    may_go = Q(gone_at=None, keep_until__lt=timezone.localdate()) & ~Snapshot.locked()
    rows = snapshots.filter(is_lost | may_go).select_related(None).select_related("server")
    found = list(rows.order_by("keep_until", "pk"))
    return {
        "lost": first(one for one in found if one.gone_at),
        "may_go": first(one for one in found if not one.gone_at),
    }


# -- accounts -------------------------------------------------------------------------------------


def oldest_look(accounts: list[Account]) -> datetime | None:
    """Until when we know everything; None if some account was never seen completely."""
    looks = [account.complete_pass_at for account in accounts]
    known = [look for look in looks if look]
    return min(known) if len(known) == len(looks) else None


def next_looks(accounts: list[Account], now: datetime) -> Some:
    """When each account is looked at next, the soonest first."""
    due = [one for one in accounts if one.paused not in Account.NEEDS_TOKEN]
    soonest = Some(sorted(due, key=lambda one: one.next_pass_at)[:LISTED])
    for account in soonest:
        account.is_due = account.next_pass_at <= now + SOON
        account.true_until = max(account.next_pass_at, now + 2 * SOON)  # on a page that stays open
    soonest.total = len(due)
    return soonest


# -- operations -----------------------------------------------------------------------------------


def under_way(rows: QuerySet[Operation]) -> dict[str, Some]:
    """What a person must look at, what goes on by itself, and what stands in line behind it."""
    groups = {"doubtful": Some(), "wanted": Some(), "running": Some(), "waiting": Some()}
    group = Case(
        When(state__in=DOUBTFUL, then=Value("doubtful")),
        When(state=State.AWAITING_APPROVAL, then=Value("wanted")),
        When(state=State.WAITING, then=Value("waiting")),
        default=Value("running"),
    )
    person_first = Case(When(state=State.NEEDS_PERSON, then=0), default=1)
    order = [person_first, F("slow_at").asc(nulls_last=True), "pk"]
    listed = (
        rows.filter(Q(parent=None) | Q(state__in=DOUBTFUL), state__in=OPEN)
        .annotate(group=group)
        .annotate(
            place=Window(RowNumber(), partition_by=F("group"), order_by=order),
            in_all=Window(Count("pk"), partition_by=F("group")),
        )
        .filter(place__lte=LISTED)
        .order_by("place")
    )
    for operation in listed:
        groups[operation.group].append(operation)
        groups[operation.group].total = operation.in_all
    add_what_comes_first(groups)
    slow = Some(one for one in groups["running"] if one.slow_at)
    return groups | {"slow": slow}


def add_what_comes_first(groups: dict[str, Some]) -> None:
    """`first`: the safety snapshot a restore waits for. `ahead`: what is before one in line."""
    restores = [one.pk for one in groups["running"] if one.state == State.QUEUED]
    children = Operation.objects.filter(parent__in=restores, state__in=OPEN) if restores else ()
    first = {child.parent_id: child for child in children}
    for operation in groups["running"]:
        operation.first = first.get(operation.pk)
        if operation.first:
            operation.first.server = operation.server
    lines = operations.lines(groups["waiting"])
    for operation in groups["waiting"]:
        operation.ahead = lines.get(operation.pk, [])


def read_estimates(request: HttpRequest, shown: list[Operation]) -> None:
    """For all bars of the page at once, those in the tray included."""
    moving = (State.SENDING, State.RUNNING)
    all_shown = [*shown, *tray(request).under_way]
    expected.of(request, [one for one in all_shown if one.state in moving])


def failed(rows: QuerySet[Operation], now: datetime) -> Some:
    """What ended badly of late and was not made good since."""
    ended = (State.FAILED, State.NOT_APPLIED, State.EXPIRED)
    better = Operation.objects.filter(
        server=OuterRef("server"),
        kind=OuterRef("kind"),
        state=State.SUCCEEDED,
        pk__gt=OuterRef("pk"),
    )
    recent = rows.filter(state__in=ended, parent=None, ended_at__gte=now - LATELY)
    return some(recent.exclude(Exists(better)).order_by("-pk"), LISTED)
