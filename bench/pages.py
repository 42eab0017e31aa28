"""Pages and polls against a bare signed-in view, turn by turn under gunicorn."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from statistics import median
from typing import Any

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.test import RequestFactory
from django.urls import reverse

from bench import seed
from bench.house import Reply, Web
from dashboard import live, seen
from dashboard.views.server_list import Servers
from snapshots.models import Server, User


@dataclass
class Target:
    """One address as one person asks for it."""

    name: str
    size: int
    path: str
    cookie: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    queries: int = 0
    size_of_answer: int = 0

    def ask(self, web: Web, count: str = "") -> Reply:
        reply = web.get(self.path, self.cookie, count=count, **self.headers)
        if reply.status != self.status and count != "show":
            raise RuntimeError(f"{self.path} answered {reply.status}: {reply.body[:300]!r}")
        return reply


def cookie_of(user: User) -> str:
    """A session in the database, as signing in makes one."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def pages(fleet: seed.Fleet) -> Iterable[Target]:
    cookie = cookie_of(fleet.user)
    server = fleet.row(Server)
    addresses = {
        "overview": reverse("overview"),
        "servers": reverse("servers"),
        "snapshots": reverse("snapshots"),
        "activity": reverse("activity"),
        "server": reverse("server", args=[server.pk]),
        "account": reverse("account", args=[fleet.account.pk]),
        "admin": reverse("admin:snapshots_server_changelist"),
    }
    for name, path in addresses.items():
        yield Target(name, fleet.size, path, cookie)


def polls(fleet: seed.Fleet) -> Iterable[Target]:
    """The servers page asks again after nothing, one row and twenty rows have changed."""
    cookie, now = cookie_of(fleet.user), fleet.account.revision
    request = RequestFactory().get(reverse("servers"))
    request.user, request.session = fleet.user, {}
    page = Servers(request)
    page.read()
    for changed in (0, 1, 20):
        token = seen.write_token({fleet.account.pk: seen.Seen(now - changed, False)}, False)
        yield Target(
            f"poll, {changed} changed",
            fleet.size,
            f"{reverse('live')}?scope=servers&since={token}&pace={live.IDLE}&list={page.mark}",
            cookie,
            200 if changed else 204,
            {"HX-Request": "true", "HX-Current-URL": f"http://localhost{reverse('servers')}"},
        )


def measure(sizes: list[int], only: list[str], repeats: int, show: bool) -> list[dict[str, Any]]:
    """Every target with its ratio to the bare view that was asked between them."""
    fleets = [seed.fleet(size) for size in sizes]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as autovacuum does within a minute
    targets = [one for fleet in fleets for one in pages(fleet)]
    targets += [one for fleet in fleets if fleet.size >= 100 for one in polls(fleet)]
    if only:
        targets = [one for one in targets if any(one.name.startswith(word) for word in only)]
    bare = Target("bare", 0, reverse("bare"), targets[0].cookie)
    web = Web(dict(os.environ))
    try:
        return _measured(web, bare, targets, repeats, show)
    finally:
        web.stop()


def _measured(
    web: Web, bare: Target, targets: list[Target], repeats: int, show: bool
) -> list[dict[str, Any]]:
    for one in [bare, *targets]:
        one.ask(web)  # the first one compiles templates and opens the connection
        reply = one.ask(web, count="yes")
        one.queries, one.size_of_answer = reply.queries, len(reply.body)
        if show:
            print(f"== {one.name}, {one.size}\n{one.ask(web, 'show').body.decode()}\n", flush=True)
    for _ in range(repeats):
        for one in targets:
            bare.ask(web)  # not timed: what is timed follows a light request, whichever it is
            bare.seconds.append(bare.ask(web).seconds)
            one.seconds.append(one.ask(web).seconds)
    basis = median(bare.seconds)
    return [
        {
            "name": one.name,
            "size": one.size,
            "ratio": median(one.seconds) / basis,
            "ms": median(one.seconds) * 1000,
            "queries": one.queries,
            "bytes": one.size_of_answer,
        }
        for one in [bare, *targets]
    ]
