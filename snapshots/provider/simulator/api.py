"""The provider's REST API as a function: a call and the world in, an answer out.

No socket and no clock in here. Bodies and words are the documentation's; where it is silent,
those of Django REST Framework, which the service is built on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from .clock import iso
from .fields import Fields, parsed_body
from .items import (
    LOCATION_NAMES,
    identity,
    restore_answer,
    server_detail,
    server_item,
    server_reference,
    snapshot_item,
)
from .nouns import Account, Server, Snapshot, Token
from .world import POWER_ACTIONS, Refusal, World

BASE = "/api/v1"
CREATING = "Snapshot is being created. This may take 3-10 minutes depending on server size."
NOT_FOUND = {"detail": "Not found."}
NOT_ALLOWED = {"detail": "You do not have permission to perform this action."}
NO_PAGE = (
    b'\n<!doctype html>\n<html lang="en">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n'
    b"  <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n"
    b"</body>\n</html>\n"
)


@dataclass(frozen=True)
class Call:
    """One request as it arrived. `path` is what follows the base path and begins with `/`."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    origin: str = "http://127.0.0.1"

    def description(self) -> str:
        """The description in the body, or "": for the log, before anything is checked."""
        return self._named("description")

    def server_asked(self) -> str:
        """The server named in the body or the query, or ""."""
        return self._named("server_id") or parse_qs(self.query[:2000]).get("server_id", [""])[0]

    def _named(self, name: str) -> str:
        try:
            value = parsed_body("application/json", self.body).get(name)
        except Refusal:
            return ""
        return str(value)[:2000] if isinstance(value, str | int) else ""


@dataclass
class Reply:
    """An answer. A `body` of bytes goes out as it is, None as nothing, anything else as JSON."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    effect: dict[str, Any] | None = None


@dataclass(frozen=True)
class Twist:
    """What the faults of this call do to the work itself."""

    create_fails: bool = False
    forgotten_after: float | None = None
    drops_description: bool = False
    shows_restoring: bool = True
    restore_ends: str | None = None
    drops_newer: bool = False


@dataclass(frozen=True)
class Request:
    """A call that has been let in: whose it is, when, and on what world."""

    call: Call
    world: World
    account: Account
    token: Token
    now: float
    twist: Twist
    server: str = ""
    snapshot: str = ""

    @property
    def query(self) -> dict[str, str]:
        return _query(self.call)

    def data(self) -> Fields:
        return Fields(parsed_body(self.call.headers.get("content-type", ""), self.call.body))

    def its_server(self, id: str) -> Server:
        """A server of this account; another account's does not exist."""
        server = self.world.servers.get(id)
        if server is None or server.account != self.account.id:
            raise Refusal(404, NOT_FOUND)
        return server

    def its_snapshot(self) -> Snapshot:
        snapshot = self.world.snapshots.get(self.snapshot)
        if snapshot is None or self.world.servers[snapshot.server].account != self.account.id:
            raise Refusal(404, NOT_FOUND)
        return snapshot


def answer(call: Call, world: World, now: float, twist: Twist = Twist()) -> Reply:
    """Do what a call asks for and say what the provider would say. Never raises."""
    found = ((pattern.fullmatch(call.path), methods) for pattern, methods in ROUTES)
    match, methods = next(((m, methods) for m, methods in found if m), (None, {}))
    if match is None:
        return _no_such_page(call)
    allow = [*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"]
    try:
        token = _let_in(call, world)
        account = world.accounts[token.account]
        request = Request(call, world, account, token, now, twist, **match.groupdict())
        reply = _dispatch(request, methods, allow)
    except Refusal as refusal:
        reply = Reply(refusal.status, refusal.body)
        if refusal.status == 401:
            reply.headers["WWW-Authenticate"] = "Bearer"
    reply.headers.setdefault("Allow", ", ".join(allow))
    return reply


def token_of(call: Call, world: World) -> Token | None:
    """The token a call carries, if it is one we know, active or not."""
    word, _, secret = call.headers.get("authorization", "").partition(" ")
    return world.tokens.get(secret.strip()) if word.lower() == "bearer" else None


def _let_in(call: Call, world: World) -> Token:
    words = call.headers.get("authorization", "").split()
    if not words or words[0].lower() != "bearer":
        raise Refusal(401, {"detail": "Authentication credentials were not provided."})
    if len(words) == 1:
        raise Refusal(401, {"detail": "Invalid token header. No credentials provided."})
    if len(words) > 2:
        text = "Invalid token header. Token string should not contain spaces."
        raise Refusal(401, {"detail": text})
    token = world.tokens.get(words[1])
    if token is None or not token.active:
        raise Refusal(401, {"detail": "Invalid token."})
    return token


Handler = Callable[[Request], Reply]
Methods = dict[str, tuple[str, Handler]]


def _dispatch(request: Request, methods: Methods, allow: list[str]) -> Reply:
    method = request.call.method
    if method == "OPTIONS":
        kinds = {"renders": ["application/json"], "parses": ["application/json"]}
        return Reply(200, {"name": request.call.path.strip("/"), "description": "", **kinds})
    if method == "HEAD" and "GET" in methods:
        method = "GET"
    if method not in methods:
        return Reply(405, {"detail": f'Method "{method}" not allowed.'})
    verb, handler = methods[method]
    # Any active token may ask whose it is.
    if verb and not request.token.allows(request.world.assumptions.snapshot_resource, verb):
        raise Refusal(403, NOT_ALLOWED)
    return handler(request)


def _no_such_page(call: Call) -> Reply:
    slashed = call.path + "/"
    if not call.path.endswith("/") and any(p.fullmatch(slashed) for p, _ in ROUTES):
        # What Django does with a missing last slash: a redirect, on which a POST becomes a GET.
        where = f"{BASE}{quote(slashed)}" + (f"?{call.query}" if call.query else "")
        return Reply(301, b"", {"Location": where}, content_type="text/html; charset=utf-8")
    return Reply(404, NO_PAGE, content_type="text/html; charset=utf-8")


# The calls, one function each ------------------------------------------------------------------


def _me(request: Request) -> Reply:
    return Reply(200, identity(request.account, request.token))


def _list_servers(request: Request) -> Reply:
    servers = request.world.servers_of(request.account.id)
    status, location = request.query.get("status"), request.query.get("location")
    if status:
        servers = [s for s in servers if s.status == status]
    if location:
        names = LOCATION_NAMES
        servers = [s for s in servers if location in (s.location, names.get(s.location))]
    return _listing(request, [server_item(request.account, s) for s in servers])


def _get_server(request: Request) -> Reply:
    return Reply(200, server_detail(request.account, request.its_server(request.server)))


def _power(request: Request) -> Reply:
    server = request.its_server(request.server)
    data = request.data()
    action = data.choice("action", POWER_ACTIONS)
    data.done()
    server = request.world.power(server.id, action, now=request.now)
    return Reply(
        200,
        {
            "status": "success",
            "message": request.world.assumptions.power_text.format(action=action),
            "server": {**server_reference(request.account, server), "status": server.status},
        },
        effect={"what": action, "ids": [server.id], "server": server.id},
    )


def _list_snapshots(request: Request) -> Reply:
    world = request.world
    wanted = request.query.get("server_id")
    if wanted:
        data = Fields({"server_id": wanted})
        wanted = _server_id(request.account, data)
        data.done()
    rows = [
        s
        for s in world.snapshots.values()
        if world.servers[s.server].account == request.account.id
        and (not wanted or s.server == wanted)
    ]
    # Newest first, as the documentation's example has it.
    order = sorted(enumerate(rows), key=lambda pair: (pair[1].created_at, pair[0]), reverse=True)
    return _listing(request, [snapshot_item(world, s) for _, s in order])


def _create(request: Request) -> Reply:
    assumed = request.world.assumptions
    data = request.data()
    server = _server_id(request.account, data)
    name = data.text("name", assumed.name_length, is_name=True)
    description = data.text("description", assumed.description_length, required=False)
    data.done()
    return _created(request, request.its_server(server), name, description)


def _create_by_label(request: Request) -> Reply:
    """The live dialect's create: the label, if any, becomes the name (assumed)."""
    server = request.its_server(request.server)
    data = request.data()
    label = data.text("label", request.world.assumptions.name_length, required=False, is_name=True)
    data.done()
    stamp = iso(request.now).replace(":", "").rstrip("Z")
    unlabelled = request.world.assumptions.unlabelled_name.format(stamp=stamp)
    return _created(request, server, label or unlabelled, "")


def _created(request: Request, server: Server, name: str, description: str) -> Reply:
    twist = request.twist
    snapshot = request.world.create_snapshot(
        server.id,
        name,
        "" if twist.drops_description else description,
        now=request.now,
        fails=twist.create_fails,
        forgotten_after=twist.forgotten_after,
    )
    body = {**snapshot_item(request.world, snapshot), "message": CREATING}
    return Reply(201, body, effect={"what": "create", "ids": [snapshot.id], "server": server.id})


def _restore(request: Request) -> Reply:
    snapshot, twist = request.its_snapshot(), request.twist
    server = request.world.restore_snapshot(
        snapshot.id,
        now=request.now,
        shows=twist.shows_restoring,
        ends=twist.restore_ends,
        drops_newer=twist.drops_newer,
    )
    return Reply(
        200,
        restore_answer(request.world, snapshot),
        effect={"what": "restore", "ids": [snapshot.id], "server": server.id},
    )


def _delete(request: Request) -> Reply:
    snapshot = request.world.delete_snapshot(request.its_snapshot().id)
    effect = {"what": "delete", "ids": [snapshot.id], "server": snapshot.server}
    return Reply(204, effect=effect)


# Path, and for each method the permission it needs and who answers it.
_PATHS: tuple[tuple[str, Methods], ...] = (
    (r"/account/me/", {"GET": ("", _me)}),
    (r"/servers/", {"GET": ("read", _list_servers)}),
    (r"/servers/(?P<server>[^/]+)/", {"GET": ("read", _get_server)}),
    (r"/servers/(?P<server>[^/]+)/power/", {"POST": ("write", _power)}),
    (r"/servers/(?P<server>[^/]+)/snapshot/", {"POST": ("write", _create_by_label)}),
    (r"/snapshots/", {"GET": ("read", _list_snapshots), "POST": ("write", _create)}),
    # There is no GET of one snapshot.
    (r"/snapshots/(?P<snapshot>[^/]+)/", {"DELETE": ("write", _delete)}),
    (r"/snapshots/(?P<snapshot>[^/]+)/restore/", {"POST": ("write", _restore)}),
)
ROUTES = tuple((re.compile(path), methods) for path, methods in _PATHS)


# Listings --------------------------------------------------------------------------------------


def _server_id(account: Account, data: Fields) -> str:
    return data.uuid("server_id") if account.dialect == "live" else data.integer("server_id")


def _query(call: Call) -> dict[str, str]:
    try:
        pairs = parse_qs(call.query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Refusal(400, {"detail": "Too many parameters."}) from None
    return {key: values[-1] for key, values in pairs.items()}


def _listing(request: Request, rows: list[dict[str, Any]]) -> Reply:
    """All rows, or one page of them: always in the live dialect, on demand in the other."""
    query, assumed = request.query, request.world.assumptions
    if request.account.dialect == "documented" and not query.keys() & {"page", "page_size"}:
        return Reply(200, {"count": len(rows), "results": rows})
    size = min(_positive(query.get("page_size")) or assumed.page_size, assumed.max_page_size)
    last = max(1, -(-len(rows) // size))
    page = last if query.get("page") == "last" else _positive(query.get("page", "1"))
    if not 1 <= page <= last:
        raise Refusal(404, {"detail": "Invalid page."})

    def link(number: int) -> str:
        others = {k: v for k, v in query.items() if k != "page"}
        asked = others if number == 1 else {**others, "page": str(number)}
        return f"{request.call.origin}{BASE}{request.call.path}" + (
            f"?{urlencode(asked)}" if asked else ""
        )

    return Reply(
        200,
        {
            "count": len(rows),
            "next": link(page + 1) if page < last else None,
            "previous": link(page - 1) if page > 1 else None,
            "results": rows[(page - 1) * size : page * size],
        },
    )


def _positive(word: str | None) -> int:
    """A number of a query, or 0 for what is none."""
    return int(word) if word and word.isascii() and word.isdigit() and len(word) < 10 else 0
