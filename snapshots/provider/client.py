"""The provider's API: one method per endpoint, frozen values, errors that say what is known.

Reads are safe and may be repeated, within one deadline. Changes are sent at most once, and what is
not answered as documented, for the ids that were asked, is never taken for success or refusal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Final, Literal, NoReturn, Self, TypeVar
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit

import requests

from snapshots.provider.connection import EMPTY, MIB, Adapter, Answer, NoData, Token, exchange
from snapshots.provider.errors import Declined, NotSent, Unavailable, Unknown
from snapshots.provider.types import (
    Accepted,
    Identity,
    Listing,
    RestoreStarted,
    Server,
    Snapshot,
)

T = TypeVar("T", Server, Snapshot)
PowerAction = Literal["start", "stop", "restart", "hard_stop"]

# The documented listings have no pages: a whole account may come in one answer. At about 300 bytes
# an item this is more than ten thousand, and what it parses to still fits in memory.
LISTING_LIMIT: Final = 4 * MIB
PAGES: Final = 200
TRIES: Final = 3
BACKOFF: Final = 0.1  # seconds, times the number of the try

# With these an API says that it did nothing. Any other 4xx may come from something in between.
DECLINING: Final = {400, 401, 403, 404, 405, 409, 422, 429}
# These need no words: a gate, a wrong address or a limit answers before anything is done.
DECLINING_SILENTLY: Final = {401, 403, 404, 429}

HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "holdfast",
}


class Client:
    """One account at the provider. `ca_file` replaces the public certificate authorities."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        connect_timeout: float = 5.0,
        deadline: float = 20.0,
        read_deadline: float = 15.0,
        ca_file: str | None = None,
    ) -> None:
        self._token = Token(token)
        del token  # a traceback with local variables must not find it
        self._base = base_url.rstrip("/")
        self._connect_timeout = connect_timeout
        self._deadline = deadline
        self._read_deadline = read_deadline
        self._ca_file = ca_file
        parts = urlsplit(self._base)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the base URL begins with http:// or https:// and names a host")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("the base URL is a scheme, a host and a path, nothing more")
        if not self._token.fits_a_header():
            raise ValueError("the token is empty or has characters that no token has")
        requests.Request("GET", self._base).prepare()  # InvalidURL is a ValueError too
        self._pool = Adapter(ca_file)

    def __repr__(self) -> str:
        return f"Client({self._base!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._pool.close()

    # Reads: what they say may be old, but asking again does no harm.

    def identity(self) -> Identity:
        """Whose token this is. Works for any active token."""
        answer = self._read(self._url("account", "me"), self._read_by(), MIB)
        identity = _identity(answer.data)
        if identity is None:
            raise Unavailable(_not_as_documented(answer), status=answer.status)
        return identity

    def servers(self, status: str | None = None, location: str | None = None) -> Listing[Server]:
        """Every server of the account, over all pages."""
        return self._list("servers", {"status": status, "location": location}, _server)

    def server(self, server_id: str) -> Server:
        """One server. Assumed: only a published client of the vendor shows this call."""
        answer = self._read(self._url("servers", server_id), self._read_by(), MIB)
        server = _server(answer.data)
        if server is None or server.id != server_id:
            raise Unavailable(_not_as_documented(answer), status=answer.status)
        return server

    def snapshots(self, server_id: str | None = None) -> Listing[Snapshot]:
        """Every snapshot of the account, or of one server.

        If the provider lists another server's snapshots after all, they are left out and the
        listing is not complete.
        """
        listing = self._list("snapshots", {"server_id": server_id}, _snapshot)
        if server_id is None:
            return listing
        own = tuple(item for item in listing.items if item.server_id == server_id)
        return Listing(own, listing.complete and own == listing.items)

    # Changes: sent at most once.

    def create_snapshot(
        self, server_id: str, name: str, description: str = ""
    ) -> Accepted[Snapshot]:
        """Have a snapshot made. Accepted means begun: it is followed through the list."""
        asked: dict[str, object] = {
            "server_id": _on_wire(server_id),
            "name": name,
            "description": description,
        }
        answer = self._change("POST", self._url("snapshots"), {200, 201, 202}, asked)
        made = _snapshot(answer.data)
        named = _member(answer.data, "name")
        if made is None or made.server_id != server_id or named != name or _fails(answer.data):
            raise Unknown(_not_as_documented(answer), status=answer.status)
        return _accepted(answer, made)

    def restore_snapshot(self, snapshot_id: str, server_id: str) -> Accepted[RestoreStarted]:
        """Overwrite `server_id` with the snapshot. Accepted means started, never done."""
        url = self._url("snapshots", snapshot_id, "restore")
        answer = self._change("POST", url, {200, 201, 202})
        server = _member(answer.data, "server")
        ids = _ref(_member(answer.data, "snapshot")), _ref(server)
        word = _member(answer.data, "status", "success")
        if ids != (snapshot_id, server_id) or word != "success" or _fails(answer.data):
            raise Unknown(_not_as_documented(answer), status=answer.status)
        return _accepted(answer, RestoreStarted(*ids, _text(_member(server, "status"), 64)))

    def delete_snapshot(self, snapshot_id: str) -> Accepted[None]:
        """Delete for ever."""
        answer = self._change("DELETE", self._url("snapshots", snapshot_id), {200, 204})
        if answer.status != 204 and not _agrees(answer.data, snapshot_id):
            raise Unknown(_not_as_documented(answer), status=answer.status)
        return _accepted(answer, None)

    def power(self, server_id: str, action: PowerAction) -> Accepted[None]:
        """Start, stop, restart or hard_stop. Assumed: only a published client shows this call."""
        url = self._url("servers", server_id, "power")
        answer = self._change("POST", url, {200, 202, 204}, {"action": action})
        if answer.status != 204 and not _agrees(answer.data, server_id):
            raise Unknown(_not_as_documented(answer), status=answer.status)
        return _accepted(answer, None)

    # One change on the wire.

    def _change(
        self, method: str, url: str, accepted: set[int], body: dict[str, object] | None = None
    ) -> Answer:
        """The answer to a change, if its status is in `accepted`. Nothing here repeats."""
        request = requests.Request(method, url, json=body, headers=HEADERS).prepare()
        adapter = Adapter(self._ca_file)  # its own, so its connection can only be a fresh one
        answer = exchange(
            adapter,
            request,
            self._token,
            seconds=self._deadline,
            connect_seconds=self._connect_timeout,
            at_most=MIB,
        )
        adapter.close()
        if not answer.connected:
            raise NotSent(f"The provider was not reached: {answer.problem}")
        if answer.problem:
            raise Unknown(_broke(answer), status=answer.status)
        if answer.status in DECLINING and _is_readable(answer):
            _decline(answer)
        if answer.status not in accepted:
            raise Unknown(_summary(answer), status=answer.status, retry_after=answer.retry_after)
        return answer

    # Reads on the wire.

    def _read_by(self) -> float:
        return monotonic() + self._read_deadline

    def _list(
        self,
        path: str,
        filters: dict[str, str | None],
        parse: Callable[[object], T | None],
    ) -> Listing[T]:
        read_by, room = self._read_by(), LISTING_LIMIT
        query = urlencode({name: value for name, value in filters.items() if value is not None})
        url: str | None = self._url(path) + (f"?{query}" if query else "")
        items: dict[str, T] = {}
        counts: set[object] = set()
        visited: set[str] = set()
        complete = True
        while url is not None:
            visited.add(url)
            answer = self._read(url, read_by, room)
            room -= answer.size
            data = answer.data
            rows = data if isinstance(data, list) else _member(data, "results")
            if not isinstance(rows, list):
                raise Unavailable(_not_as_documented(answer), status=answer.status)
            for row in rows:
                item = parse(row)
                if item is None or item.id in items:
                    complete = False
                else:
                    items[item.id] = item
            count, following = _member(data, "count"), _member(data, "next")
            if count is not None:
                counts.add(count if type(count) is int else "not a number")
            url = self._next(url, following)
            if following and (url is None or url in visited or len(visited) >= PAGES):
                complete, url = False, None
        return Listing(tuple(items.values()), complete and counts <= {len(items)})

    def _next(self, url: str, following: object) -> str | None:
        """The next page's URL, or None. The token goes with it: to the configured API only."""
        if not isinstance(following, str) or not re.fullmatch(r"[!-~]+", following):
            return None
        base = urlsplit(self._base)
        try:
            parts = urlsplit(urljoin(url, following))
            same = _origin(parts) == _origin(base) and "@" not in parts.netloc
        except ValueError:
            return None
        steps = re.split(r"/|%2f|\\|%5c", parts.path.lower().replace("%2e", "."))
        if not same or ".." in steps or not parts.path.startswith(f"{base.path}/"):
            return None
        # Put together from our own origin: nobody else's reading of `following` decides the host.
        query = f"?{parts.query}" if parts.query else ""
        return f"{base.scheme}://{base.netloc}{parts.path}{query}"

    def _read(self, url: str, read_by: float, at_most: int) -> Answer:
        """A 200 with JSON. Tries again on what may pass, while there is time."""
        attempt = 0
        while True:
            attempt += 1
            left = read_by - monotonic()
            # Two thirds, so that a try that hangs leaves time for another.
            answer = exchange(
                self._pool,
                requests.Request("GET", url, headers=HEADERS).prepare(),
                self._token,
                seconds=left if attempt == TRIES else left * 2 / 3,
                connect_seconds=self._connect_timeout,
                at_most=at_most,
                keep_open=True,
            )
            pause = _pause(answer, attempt)
            if pause is None or attempt == TRIES or pause >= read_by - monotonic():
                return _of_use(answer)
            sleep(pause)

    def _url(self, *steps: str) -> str:
        """The documented address: every path ends in a slash."""
        if not all(_is_id(step) for step in steps):
            raise NotSent("Not sent: the provider cannot have given this id")
        return "/".join([self._base, *(quote(step, safe="") for step in steps), ""])


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _pause(answer: Answer, attempt: int) -> float | None:
    """How long to wait before reading again, or None if that is of no use."""
    if answer.is_too_large:
        return None
    after = answer.retry_after
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return after or None  # told to slow down, but not until when: our caller's pace decides
    if answer.problem or (answer.status or 0) >= 500:
        return max(after or 0.0, BACKOFF * attempt)
    return None


def _of_use(answer: Answer) -> Answer:
    after = answer.retry_after
    if answer.problem:
        raise Unavailable(_broke(answer), status=answer.status, retry_after=after)
    if answer.status in {401, 403, 404} and _is_readable(answer):
        _decline(answer)
    if answer.status != HTTPStatus.OK or isinstance(answer.data, NoData):
        raise Unavailable(_summary(answer), status=answer.status, retry_after=after)
    return answer


def _decline(answer: Answer) -> NoReturn:
    words = _words(answer.data) or _phrase(answer.status)
    raise Declined(words, status=answer.status, retry_after=answer.retry_after)


def _accepted(answer: Answer, result: Any) -> Accepted[Any]:
    return Accepted(answer.status or 0, _line(_member(answer.data, "message")), result)


# What the provider said, in words.


def _is_readable(answer: Answer) -> bool:
    """Whether a 4xx is the API's own: JSON in the shapes it uses for errors, or a clear silence."""
    if answer.data is EMPTY:
        return answer.status in DECLINING_SILENTLY
    return isinstance(answer.data, dict) or _is_strings(answer.data)


def _words(data: object) -> str:
    """The provider's own sentence: `detail`, `message` or `error`, fields, any JSON."""
    if isinstance(data, dict):
        for name in ("detail", "message", "error"):
            if words := _line(_joined(data.get(name))):
                return words
        fields = [
            words if name == "non_field_errors" else f"{name}: {words}"
            for name, value in data.items()
            if (words := _joined(value))
        ]
        if fields:
            return _line("; ".join(fields))
    if words := _line(_joined(data)):
        return words
    try:
        return "" if not data or isinstance(data, NoData) else _line(json.dumps(data))
    except RecursionError:
        return ""


def _joined(value: object) -> str:
    if isinstance(value, str):
        return value
    return " ".join(value) if isinstance(value, list) and _is_strings(value) else ""


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _summary(answer: Answer) -> str:
    text = answer.text.strip()
    words = _words(answer.data)
    if words:
        return f"HTTP {answer.status}: {words}"
    if answer.data is EMPTY or not isinstance(answer.data, NoData):
        return _phrase(answer.status)
    if text.startswith("<") or "<html" in text.lower():
        return f"HTTP {answer.status} with an HTML page"
    if text and len(text) <= 300 and "\n" not in text:
        return f"HTTP {answer.status}: {_line(text)}"
    return f"HTTP {answer.status} with an unreadable answer"


def _not_as_documented(answer: Answer) -> str:
    words = _words(answer.data)
    return f"HTTP {answer.status}, but not the documented answer" + (f": {words}" if words else "")


def _broke(answer: Answer) -> str:
    if answer.status is None:
        return f"No answer from the provider: {answer.problem}"
    return f"HTTP {answer.status}, but {answer.problem}"


def _phrase(status: int | None) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status or 0).phrase}"
    except ValueError:
        return f"HTTP {status}"


# What the provider said, as values. Anything missing or odd becomes "" or None; only a row without
# an id that we can use is no row.

# Control characters, direction marks (they reorder what stands around them), lone surrogates.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def _text(value: object, limit: int) -> str:
    if not isinstance(value, str):
        return ""
    return _UNSEEN.sub("", re.sub(r"[\t\r\n]+", " ", value))[:limit]


def _line(value: object) -> str:
    text = " ".join(_text(value, LISTING_LIMIT).split())
    return text if len(text) <= 300 else f"{text[:299]}…"


def _member(value: object, name: str, default: object = None) -> object:
    return value.get(name, default) if isinstance(value, dict) else default


def _first(value: object, *names: str) -> object:
    return next((found for n in names if (found := _member(value, n)) is not None), None)


def _is_id(value: str) -> bool:
    return 0 < len(value) <= 64 and value.isprintable() and value not in {".", ".."}


def _id(value: object) -> str | None:
    if type(value) is int and value >= 0:
        value = str(value)
    return value if isinstance(value, str) and _is_id(value) else None


def _ref(value: object) -> str | None:
    """The id of something that is shown as an object, or as its bare id."""
    return _id(_first(value, "id", "uuid") if isinstance(value, dict) else value)


def _on_wire(server_id: str) -> int | str:
    """The documentation says integer; the other dialect has uuids."""
    return int(server_id) if re.fullmatch(r"0|[1-9][0-9]*", server_id) else server_id


def _fails(data: object) -> bool:
    """A success that says it is none."""
    return bool(_first(data, "error", "errors")) or _member(data, "success") is False


def _agrees(data: object, asked: str) -> bool:
    """Whether the body of a change without a result leaves no doubt about its success."""
    if data is EMPTY:
        return True
    named = _first(data, "id", "uuid")
    word = _member(data, "status")
    return (
        isinstance(data, dict)
        and not _fails(data)
        and (named is None or _id(named) == asked)
        and not (isinstance(word, str) and word.lower() in {"error", "fail", "failed", "failure"})
    )


def _name(value: object) -> str:
    """A plan, a system or a place: its name, or an object with one."""
    return _text(_member(value, "name") if isinstance(value, dict) else value, 255)


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None


def _moment(value: object) -> datetime | None:
    """A moment or a bare date, in UTC."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is None or moment.tzinfo is None:
            return moment and moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _address(row: dict[str, object]) -> str:
    addresses = row.get("ipv4_addresses")
    first = addresses[0] if isinstance(addresses, list) and addresses else None
    return _text(row.get("ip_address") or _first(first, "address", "ip") or first, 64)


def _server(row: object) -> Server | None:
    server_id = _ref(row)
    if not isinstance(row, dict) or server_id is None:
        return None
    plan = row.get("plan")
    return Server(
        id=server_id,
        name=_text(row.get("name") or row.get("hostname"), 255),
        hostname=_text(row.get("hostname"), 255),
        status=_text(row.get("status"), 64),
        address=_address(row),
        location=_name(_first(row, "location", "location_name")),
        plan=_name(_first(row, "plan", "plan_name")),
        vcpus=_count(_member(plan, "vcpus")),
        memory_mb=_count(_member(plan, "memory")),
        storage_gb=_count(_member(plan, "storage")),
        os=_name(_first(row, "os", "os_name")),
        created_at=_moment(row.get("created_at")),
    )


def _snapshot(row: object) -> Snapshot | None:
    snapshot_id, server = _ref(row), _member(row, "server")
    server_ids = {_ref(value) for value in (server, _member(row, "server_id")) if value is not None}
    server_id = server_ids.pop() if len(server_ids) == 1 else None  # two that differ name none
    if not isinstance(row, dict) or snapshot_id is None or server_id is None:
        return None
    return Snapshot(
        id=snapshot_id,
        server_id=server_id,
        server_name=_text(_first(server, "name", "hostname"), 255),
        name=_text(row.get("name"), 255),
        status=_text(row.get("status"), 64),
        size_mb=_count(row.get("size_mb")),
        created_at=_moment(row.get("created_at")),
        description=_text(row.get("description"), 2000),
    )


def _identity(data: object) -> Identity | None:
    account, token = _member(data, "account"), _member(data, "token")
    email = _text(_member(account, "email"), 255)
    if not email:
        return None
    names = (_text(_member(account, part), 255) for part in ("first_name", "last_name"))
    permissions = _member(token, "permissions")
    return Identity(
        email=email,
        name=" ".join(filter(None, names)),
        company=_text(_member(account, "company_name"), 255),
        token_name=_text(_member(token, "name"), 255),
        permissions=tuple(
            _text(word, 64)
            for word in (permissions if isinstance(permissions, list) else [])[:200]
            if isinstance(word, str)
        ),
    )
