"""Live pages: one small request per page, answered with 204 while nothing has changed.

How a page becomes live
-----------------------
1. Its view calls `watching` *before it reads any row* and puts the answer in its context as
   `live`; `base.html` renders the poller from it. (Read later, a change between the rows and the
   revision would be missed; read first, it is at worst sent twice.)

       def server_page(request, pk):
           live_context = live.watching(request, f"server:{pk}")
           server = get_object_or_404(visible_servers(request.user), pk=pk)
           return render(request, "servers/page.html", {"live": live_context, "server": server})

2. Next to the view stands what a poll may change, one `Fragment` per live region:

       @live.region("server")
       def server_regions(request, pk, since):
           server = get_object_or_404(visible_servers(request.user), pk=pk)   # Http404 is fine
           if since.has_changed(server.account_id):
               yield Fragment("servers/_head.html", {"server": server})
               yield Fragment("servers/_history.html", {...})

   For a scope without a number ("servers") the function takes `(request, since)`.
   It is called only if some account that the person can see has changed. `request.GET` is the
   query string of the page that polls (filters, page number), so lists render as the page did.

3. One live region = one partial = one DOM id. The partial's root element names itself with
   `{% live_id "server-" server.pk %}`: in the page that prints the id, in a poll also the
   out-of-band swap. Fragments are morphed: focus, open `<details>` and popovers survive if
   everything focusable has an id. A fragment whose id is not on the page is dropped silently, so a
   new row cannot arrive alone: send the list region as a whole when rows come or go, as
   `listing` does. Instead of a `Fragment` a region may yield markup of its own.

`Since`
-------
`since.has_changed(account_id)`; `since.changed(account_id)` is the revision to compare rows with
(rows with a greater one have changed; -1 for everything). `since.rows((Server, "id"))` are the ids
of changed rows of a table with `account` and `revision`, or None if that is everything or more than
50: then send the list as a whole. `since.is_full` says the token was unusable.

Actions
-------
After an action, answer with the same partial and `live.now(response)`: the page polls at once, and
every 2 s for half a minute. A plain POST, redirect, GET needs nothing: `watching` sees that the
person's own operation is young.

`watching(request, scope, ended=True)` (an operation that has ended) renders the page without a
timer: nothing is left to watch. A region function says the same by yielding `live.END`; with
`live.SOON` (a view: `watch.is_eager = True`) it has the page ask often for half a minute.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.http import base36_to_int, int_to_base36
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django_htmx.http import trigger_client_event

from dashboard import cells, expected
from dashboard.templatetags.ui import operation_title
from snapshots.estimates import Estimate, began_at, documented
from snapshots.models import Account, Operation, Server, Standing, State, User
from snapshots.models.operation import HOLDING
from snapshots.permissions import visible_accounts, visible_operations

LISTED = 10  # operations that the tray lists, those under way first; the rest is counted
MOST_ROWS = 50  # more changed rows than this: the list as a whole
PACES = OURS, MOVING, WAITING, IDLE = 2, 5, 15, 60  # seconds between polls
AFTER_ACTION = timedelta(seconds=30)
SILENCE = timedelta(seconds=15)  # a heartbeat or a due operation older than this is trouble
SCOPE = re.compile(r"([a-z_]+)(?::(\d{1,18}))?")
TOKEN = re.compile(r"[0-9a-z]{1,13}\.[0-9a-z]{1,13}!?")
ON_THE_MOVE = (State.SENDING, State.RUNNING, State.IN_DOUBT)


class Fragment(NamedTuple):
    """One live region, rendered out of band."""

    template: str
    context: dict[str, Any]


END = Fragment("", {})  # nothing is left to watch
SOON = Fragment("", {"soon": True})  # something that a person asked for is about to show
TRAY = Fragment("shell/_tray.html", {})
TROUBLE = Fragment("shell/_trouble.html", {})


# -- what a page has seen -------------------------------------------------------------------------


class Seen(NamedTuple):
    """What pages show of an account, told by one number and one mark."""

    revision: int
    is_troubled: bool


class Known(NamedTuple):
    """What every row of an account shows of it."""

    team_id: int
    label: str
    slots: int
    looked_at: datetime | str | None  # the newest complete look, as the database's driver gives it


Revisions = dict[int, Seen]
# Written out: nothing is asked as often, and to build it would take longer than to answer it.
KNOWN = """
    SELECT t.id, t.name, m.role, m.scope_id, t.second_factor,
        (SELECT COUNT(*) FROM snapshots_epoch WHERE stopped_at IS NOT NULL),
        a.id, a.removed_at, a.revision, a.trouble, a.paused, a.label, a.slots,
        a.complete_pass_at
    FROM snapshots_membership m JOIN snapshots_team t ON t.id = m.team_id
        LEFT JOIN snapshots_account a ON a.team_id = t.id AND (m.scope_id IS NULL
            OR a.id IN (SELECT account_id FROM snapshots_scope_accounts
                WHERE scope_id = m.scope_id)
            OR a.id IN (SELECT s.account_id FROM snapshots_scope_tags p
                JOIN snapshots_tag_servers g ON g.tag_id = p.tag_id
                JOIN snapshots_server s ON s.id = g.server_id
                WHERE p.scope_id = m.scope_id))
    WHERE m.user_id = %s AND m.suspended_at IS NULL
"""


def revisions(request: HttpRequest) -> Revisions:
    """The accounts this person can see, and the roles that say so: one query, once a request."""
    if not hasattr(request, "_revisions"):
        standing: dict[int, Standing] = {}
        request._revisions, request._accounts, request._teams = {}, {}, {}
        request._is_stopped = False
        with connection.cursor() as cursor:
            cursor.execute(KNOWN, [request.user.pk])
            rows = cursor.fetchall()
        for team, name, role, scope, asks_more, stopped, pk, removed_at, *told in rows:
            revision, trouble, paused, *known = told
            standing[team], request._teams[team] = Standing(role, scope, asks_more), name
            request._is_stopped = bool(stopped)
            if pk and not removed_at:
                request._revisions[pk] = Seen(revision, bool(trouble or paused))
                request._accounts[pk] = Known(team, *known)
        request.user.standing = standing
    return request._revisions


def accounts(request: HttpRequest) -> dict[int, Known]:
    """The same accounts, in words."""
    revisions(request)
    return request._accounts


def teams(request: HttpRequest) -> dict[int, str]:
    """The names of the person's teams, told with the same query."""
    revisions(request)
    return request._teams


def is_stopped(request: HttpRequest) -> bool:
    """Whether nothing is sent at all, told with the same query."""
    revisions(request)
    return request._is_stopped


def write_token(seen: Revisions, is_waiting: bool) -> str:
    parts = [
        f"{int_to_base36(pk)}.{int_to_base36(account.revision)}{'!' * account.is_troubled}"
        for pk, account in sorted(seen.items())
    ]
    return "-".join(["w" if is_waiting else "0", *parts])


def read_token(token: str) -> tuple[Revisions, bool] | None:
    """The token's accounts; None for anything that we did not write."""
    first, *parts = token.split("-")
    if first not in {"w", "0"} or not all(TOKEN.fullmatch(part) for part in parts):
        return None
    seen = {}
    for part in parts:
        pk, revision = part.rstrip("!").split(".")
        seen[base36_to_int(pk)] = Seen(base36_to_int(revision), part.endswith("!"))
    return seen, first == "w"


@dataclass
class Since:
    """What the page has seen already (`before`; None if unknown), and what there is now."""

    before: Revisions | None
    now: Revisions
    list: str = ""  # the mark of the list that the page shows
    has_moved: bool = True  # whether an operation may have changed: `rows` finds out

    @property
    def is_full(self) -> bool:
        return self.before is None

    def changed(self, account_id: int) -> int:
        """Rows of this account with a greater revision have changed."""
        if self.before is None or account_id not in self.before:
            return -1
        return self.before[account_id].revision

    def has_changed(self, account_id: int) -> bool:
        return self.before is None or self.before.get(account_id) != self.now.get(account_id)

    def rows(self, *tables: tuple[type[Model], str]) -> set[int] | None:
        """The ids of changed rows, or None when the list should come as a whole: one question.

        `(Server, "id"), (Operation, "server_id")` are the servers that changed themselves, and
        those of changed operations.
        """
        if self.before is None or self.before.keys() != self.now.keys():
            return None
        newer = [(pk, self.before[pk].revision) for pk in self.now if self.has_changed(pk)]
        parts = [_newer_rows(*table) for _account in newer for table in tables]
        if not parts:
            return set()
        values = [value for account in newer for _table in tables for value in account]
        with connection.cursor() as cursor:
            cursor.execute(f"{' UNION '.join(parts)} LIMIT {MOST_ROWS + 1}", values)
            rows = cursor.fetchall()
        if len(rows) > MOST_ROWS:
            return None
        if any(model is Operation for model, _column in tables):
            self.has_moved = any(is_operation for _pk, is_operation in rows)
        return {pk for pk, _is_operation in rows if pk is not None}


def _newer_rows(model: type[Model], column: str) -> str:
    is_operation = int(model is Operation)
    return (
        f"SELECT {column}, {is_operation} FROM {model._meta.db_table}"  # noqa: S608
        " WHERE account_id = %s AND revision > %s"
    )


# -- what stands on every page --------------------------------------------------------------------


def _states(states: Iterable[str]) -> str:
    return ", ".join(f"'{state}'" for state in states)


# Whose operations one may see: of all one's teams, and for who is limited somewhere of what they
# reach there.
MINE = """
    team_id IN (SELECT team_id FROM snapshots_membership
        WHERE user_id = %s AND suspended_at IS NULL AND scope_id IS NULL)
"""
REACHED = """
    server_id IN (
        SELECT s.id FROM snapshots_membership m
            JOIN snapshots_scope_accounts p ON p.scope_id = m.scope_id
            JOIN snapshots_server s ON s.account_id = p.account_id
        WHERE m.user_id = %s AND m.suspended_at IS NULL
        UNION ALL
        SELECT g.server_id FROM snapshots_membership m
            JOIN snapshots_scope_tags p ON p.scope_id = m.scope_id
            JOIN snapshots_tag_servers g ON g.tag_id = p.tag_id
        WHERE m.user_id = %s AND m.suspended_at IS NULL
    )
"""
# Both parts by an index of their own, which an OR would not use, in one question. It stands on
# every page and is written out because to build it would take longer than to answer it.
LATELY = f"""
    SELECT o.id, o.kind, o.state, o.name, o.team_id, o.account_id, o.server_id, o.snapshot_id,
        o.parent_id, o.batch_id, o.asked_by_id, o.revision, o.created_at, o.sent_at,
        o.accepted_at, o.ended_at, s.name AS server_name, s.plan AS server_plan,
        t.in_all, t.holding, t.needing
    FROM (
        SELECT * FROM (
            SELECT id, COUNT(*) OVER () AS in_all,
                COUNT(CASE WHEN parent_id IS NULL AND state <> '{State.WAITING}' THEN 1 END)
                    OVER () AS holding,
                COUNT(CASE WHEN parent_id IS NULL AND state = '{State.NEEDS_PERSON}' THEN 1 END)
                    OVER () AS needing
            FROM snapshots_operation WHERE state IN ({_states([State.WAITING, *HOLDING])})
            AND ({{mine}})
            ORDER BY CASE state WHEN '{State.NEEDS_PERSON}' THEN 0 ELSE 1 END, id DESC
            LIMIT {MOST_ROWS}
        ) under_way UNION ALL SELECT * FROM (
            SELECT id, 0, 0, 0 FROM snapshots_operation WHERE ended_at IS NOT NULL
            AND ({{mine}})
            ORDER BY ended_at DESC, id DESC LIMIT 10
        ) ended
    ) t JOIN snapshots_operation o ON o.id = t.id JOIN snapshots_server s ON s.id = o.server_id
    ORDER BY o.id DESC
"""  # noqa: S608 nothing in it but our own words
OF_TEAMS = LATELY.format(mine=MINE)
AND_REACHED = LATELY.format(mine=f"{MINE} OR {REACHED}")


class Tray:
    """The operations of all pages: what is under way, and what ended last."""

    def __init__(self, user: User) -> None:
        rows = lately(user)
        self.under_way = [one for one in rows if not one.is_ended]
        self.ended = sorted(
            (one for one in rows if one.is_ended), key=lambda one: one.ended_at, reverse=True
        )
        self.in_all = self.needing = self.running = 0
        for one in self.under_way[:1]:  # each row tells of all, of which some were not read
            self.in_all, self.needing = one.in_all, one.needing
            self.running = one.holding - one.needing

    def rows_under_way(self) -> list[SafeString]:
        return self._rows(self.under_way[:LISTED])

    def rows_ended(self) -> list[SafeString]:
        return self._rows(self.ended[: max(3, LISTED - len(self.under_way))])

    @property
    def more(self) -> int:
        """How many are under way that are not listed."""
        return max(0, self.in_all - LISTED)

    @staticmethod
    def _rows(operations: list[Operation]) -> list[SafeString]:
        now = timezone.now()
        return [cells.tray_row(one, now) for one in operations]


def lately(user: User) -> list[Operation]:
    """What a tray holds, newest first, with the columns it shows: one query."""
    asked = AND_REACHED if user.scopes else OF_TEAMS
    found = list(Operation.objects.raw(asked, [user.pk] * asked.count("%s")))
    for one in found:
        one.server = Server(pk=one.server_id, name=one.server_name, plan=one.server_plan)
    return found


def tray(request: HttpRequest) -> Tray:
    """Read once a request."""
    if not hasattr(request, "_tray"):
        request._tray = Tray(request.user)
    return request._tray


def moved(request: HttpRequest, since: Since) -> list[Operation]:
    """What of the tray the page has not seen as it is now."""
    if not since.has_moved:
        return []
    shown = [*tray(request).under_way, *tray(request).ended]
    return [one for one in shown if one.revision > since.changed(one.account_id)]


def troubled(request: HttpRequest) -> list[Account]:
    """Accounts whose data are old or that send nothing. No query while all is well."""
    bad = [pk for pk, seen in revisions(request).items() if seen.is_troubled]
    return list(visible_accounts(request.user).filter(pk__in=bad).order_by("label")) if bad else []


def is_waiting(request: HttpRequest) -> bool:
    """Whether something ought to be done and no worker shows a sign of life."""
    if not settings.HEARTBEAT_FILE or heartbeat_age() < SILENCE:
        return False
    due = timezone.now() - SILENCE
    overdue = visible_accounts(request.user).exclude(paused__in=Account.NEEDS_TOKEN)
    return (
        visible_operations(request.user).filter(state=State.QUEUED, due_at__lt=due).exists()
        or overdue.filter(next_pass_at__lt=due).exists()
    )


def is_held_up(request: HttpRequest) -> bool:
    """Whether what is asked for does not get done, for whichever reason."""
    return is_stopped(request) or is_waiting(request)


def heartbeat_age() -> timedelta:
    try:
        beat = Path(settings.HEARTBEAT_FILE).stat().st_mtime
    except OSError:
        return timedelta.max
    return timedelta(seconds=max(0.0, timezone.now().timestamp() - beat))


# -- the poller -----------------------------------------------------------------------------------


class Pace(NamedTuple):
    """Seconds between polls, and until when this holds."""

    seconds: int
    until: datetime | None = None


class Kept(NamedTuple):
    """What the page has of its poller, which only an operation or time can change."""

    seconds: int
    until: int
    running: int

    @property
    def is_over(self) -> bool:
        return 0 < self.until <= timezone.now().timestamp()


def pace_of(request: HttpRequest, scope: str) -> Pace:
    """How often to ask: often while something moves that this page shows, or did when it was made.

    The page's rows were read before those of the tray. What moved in between it does not show yet.
    """
    now, seen = timezone.now(), revisions(request)
    for operation in (*tray(request).under_way, *tray(request).ended):
        account = seen.get(operation.account_id)
        if account is not None and operation.revision > account.revision:
            return Pace(OURS, now + AFTER_ACTION)
    paces, moving = [Pace(IDLE)], []
    for operation in tray(request).under_way:
        young = operation.created_at + AFTER_ACTION
        if operation.asked_by_id == request.user.pk and now < young:
            return Pace(OURS, young)
        if operation.state not in ON_THE_MOVE or not in_scope(operation, scope):
            paces.append(Pace(WAITING if operation.state != State.NEEDS_PERSON else IDLE))
        else:
            moving.append(operation)
    if ":" in scope:  # about one thing: what was learned of it
        known = expected.of(request, moving)
    else:
        known = {one.pk: documented(one.kind) for one in moving}
    paces += [_pace_of_moving(operation, known[operation.pk], now) for operation in moving]
    return min(paces, key=lambda pace: pace.seconds)


def _pace_of_moving(operation: Operation, estimate: Estimate | None, now: datetime) -> Pace:
    began = began_at(operation)
    if estimate is None or began is None:
        return Pace(MOVING)
    near = began + estimate.low - AFTER_ACTION
    if now < near:
        return Pace(MOVING, near)
    late = began + estimate.late + AFTER_ACTION
    return Pace(OURS, late) if now < late else Pace(MOVING)


def in_scope(operation: Operation, scope: str) -> bool:
    """Whether a page with this scope shows the operation."""
    noun, _colon, pk = scope.partition(":")
    shown = {
        "server": operation.server_id,
        "account": operation.account_id,
        "snapshot": operation.snapshot_id,
        "operation": operation.parent_id or operation.pk,
        "batch": operation.batch_id,
    }
    return not pk or noun not in shown or str(shown[noun]) == pk or str(operation.pk) == pk


def is_subject(operation: Operation, scope: str) -> bool:
    """Whether the page is about it, so that its end needs no flash there."""
    return ":" in scope and in_scope(operation, scope)


@dataclass
class Watch:
    """The poller of one page: what it asks, and how often."""

    request: HttpRequest
    scope: str
    ended: bool = False
    is_eager: bool = False
    news: tuple[str, ...] = ()
    outcomes: tuple[Operation, ...] = ()
    kept: Kept | None = None
    failure: str = ""  # for the title, until somebody is back at the page
    list: str = ""  # which rows the page's list shows, as a mark: see `listing`

    def __post_init__(self) -> None:
        self.since = write_token(revisions(self.request), is_held_up(self.request))

    @cached_property
    def pace(self) -> Pace:
        if self.is_eager:
            return Pace(OURS, timezone.now() + AFTER_ACTION)
        return Pace(self.kept.seconds) if self.kept else pace_of(self.request, self.scope)

    @property
    def milliseconds(self) -> int | None:
        """The interval with a tenth of jitter, so that tabs do not march in step."""
        if self.ended:
            return None
        return int(self.pace.seconds * 1000 * random.uniform(0.95, 1.05))  # noqa: S311

    @property
    def until(self) -> int:
        if self.kept:
            return self.kept.until
        return int(self.pace.until.timestamp()) + 1 if self.pace.until and not self.ended else 0

    @property
    def running(self) -> int:
        return self.kept.running if self.kept else tray(self.request).running


def watching(request: HttpRequest, scope: str, *, ended: bool = False) -> Watch:
    """Make the page live. Call it before any row is read."""
    return Watch(request, scope, ended)


def now(response: HttpResponse) -> HttpResponse:
    """Make the page ask at once, after an action."""
    return trigger_client_event(response, "live:now")


# -- the answer to a poll -------------------------------------------------------------------------

REGIONS: dict[str, Callable[..., Iterable[Fragment]]] = {}


def region(noun: str) -> Callable[[Callable[..., Iterable[Fragment]]], Callable[..., Any]]:
    """Register what a poll with this scope may change."""

    def register(function: Callable[..., Iterable[Fragment]]) -> Callable[..., Iterable[Fragment]]:
        REGIONS[noun] = function
        return function

    return register


@region("shell")
def shell_regions(request: HttpRequest, since: Since) -> Iterable[Fragment]:
    """A page with nothing live of its own."""
    return ()


def poll(request: HttpRequest) -> HttpResponse:
    """204, or what changed. Raises `Http404` for a scope that this person cannot see."""
    match = SCOPE.fullmatch(request.GET.get("scope", ""))
    if not match or match[1] not in REGIONS:
        raise Http404
    read = read_token(request.GET.get("since", ""))
    current, waits = revisions(request), is_held_up(request)
    kept = Kept(*(_number(request.GET.get(name)) for name in ("pace", "until", "running")))
    if read == (current, waits) and not kept.is_over:
        return HttpResponse(status=204, headers=looks(request))
    since = Since(read[0] if read else None, current, request.GET.get("list", ""))
    with suppress(ValueError):  # an address that is none has no filters
        request.GET = QueryDict(urlsplit(request.headers.get("HX-Current-URL", "")).query)
    watch = Watch(request, match[0])
    body = "".join(_answer(watch, since, kept, read, (current, waits)))
    return HttpResponse(body, headers=looks(request))


def looks(request: HttpRequest) -> dict[str, str]:
    """When each account was last looked at: that is no change, and yet pages tell it."""
    known = accounts(request).items()
    told = (f"{pk}={str(one.looked_at)[:19]}" for pk, one in known if one.looked_at)
    return {"X-Looks": ",".join(told).replace(" ", "T")}


def _answer(
    watch: Watch,
    since: Since,
    kept: Kept,
    before: tuple[Revisions, bool] | None,
    now: tuple[Revisions, bool],
) -> Iterator[str]:
    request = watch.request
    noun, _colon, pk = watch.scope.partition(":")
    if before != now:
        arguments = (int(pk),) if pk else ()
        parts = [*REGIONS[noun](request, *arguments, since=since)]
        watch.ended, watch.is_eager = END in parts, SOON in parts
        watch.list = since.list
        if not since.has_moved and kept.seconds in PACES and not kept.is_over:
            watch.kept = kept
        watch.news, watch.outcomes = _news(request, since, watch.scope)
        watch.failure = _failure(request, since)
        for part in [*parts, *_shell(request, since, before, now)]:
            yield _rendered(part, request)
        if watch.outcomes:
            outcomes = {"outcomes": watch.outcomes}
            yield _rendered(Fragment("shell/_outcomes.html", outcomes), request)
    yield f"<template>{_poller(watch)}</template>"


def _poller(watch: Watch) -> str:
    """Needs nothing of the request, and so none of what pages are given besides."""
    return render_to_string("live/_poller.html", {"live": watch, "oob": True})


def _shell(
    request: HttpRequest,
    since: Since,
    before: tuple[Revisions, bool] | None,
    now: tuple[Revisions, bool],
) -> Iterator[Fragment]:
    """What changed of that which stands on every page."""
    is_new = before is None or before[0].keys() != now[0].keys()
    if is_new or moved(request, since):
        yield TRAY
    if before is None or _bad(before) or _bad(now):
        yield TROUBLE


def _bad(seen: tuple[Revisions, bool]) -> bool:
    """Whether there is or was trouble to tell."""
    accounts, waits = seen
    return waits or any(account.is_troubled for account in accounts.values())


def _rendered(part: Fragment | SafeString, request: HttpRequest) -> str:
    """Inside <template>, so that table rows survive the parser."""
    if isinstance(part, Fragment):
        if not part.template:
            return ""
        part = render_to_string(part.template, part.context | {"oob": True}, request)
    return f"<template>{part}</template>"


def _news(
    request: HttpRequest, since: Since, scope: str
) -> tuple[tuple[str, ...], tuple[Operation, ...]]:
    """What to say aloud, and which of the person's own operations ended out of their sight."""
    if since.is_full:
        return (), ()
    changed = [one for one in moved(request, since) if since.changed(one.account_id) >= 0]
    news = tuple(
        _("%(operation)s: %(state)s")
        % {"operation": operation_title(one), "state": one.get_state_display()}
        for one in changed
        if in_scope(one, scope) or one.is_ended
    )
    outcomes = tuple(
        one
        for one in changed
        if one.is_ended and one.asked_by_id == request.user.pk and not is_subject(one, scope)
    )
    return news[:5], outcomes[:5]


def _failure(request: HttpRequest, since: Since) -> str:
    """The newest operation that did not come off since the page last asked."""
    for one in () if since.is_full else moved(request, since):
        if one.state in (State.FAILED, State.NOT_APPLIED, State.EXPIRED):
            words = {"state": one.get_state_display(), "operation": operation_title(one)}
            return _("%(state)s: %(operation)s") % words
    return ""


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 15 else 0
