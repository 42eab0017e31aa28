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
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django_htmx.http import trigger_client_event

from dashboard import expected
from dashboard.seen import Revisions, Since, accounts, read_token, revisions, write_token
from dashboard.templatetags.ui import operation_title
from dashboard.tray import FOR_PEOPLE, is_held_up, moved, tray
from snapshots.estimates import Estimate, began_at, documented
from snapshots.models import Operation, State

PACES = OURS, MOVING, WAITING, IDLE = 2, 5, 15, 60  # seconds between polls
AFTER_ACTION = timedelta(seconds=30)
SCOPE = re.compile(r"([a-z_]+)(?::(\d{1,18}))?")
ON_THE_MOVE = (State.SENDING, State.RUNNING, State.IN_DOUBT)


class Fragment(NamedTuple):
    """One live region, rendered out of band."""

    template: str
    context: dict[str, Any]


END = Fragment("", {})  # nothing is left to watch
SOON = Fragment("", {"soon": True})  # something that a person asked for is about to show
TRAY = Fragment("shell/_tray.html", {})
TROUBLE = Fragment("shell/_trouble.html", {})


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
            is_near = operation.state not in FOR_PEOPLE or is_subject(operation, scope)
            paces.append(Pace(WAITING if is_near else IDLE))
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
