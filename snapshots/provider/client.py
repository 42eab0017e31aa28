"""The provider's API: one method per endpoint, frozen values, errors that say what is known.

Reads are safe and may be repeated, within one deadline. Changes are sent at most once, and what is
not answered as documented, for the ids that were asked, is never taken for success or refusal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Final, Literal, NoReturn, Self, TypeVar
from urllib.parse import SplitResult, quote, urlencode, urljoin, urlsplit

import requests

from snapshots.provider import reading
from snapshots.provider.connection import (
    AS_KNOWN,
    MIB,
    Adapter,
    Answer,
    NoData,
    Token,
    exchange,
)
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

# The documented listings have no pages: a whole account may come in one answer. At about 200 bytes
# a snapshot this is more than 150,000; what is parsed takes some six times as much memory.
LISTING_LIMIT: Final = 32 * MIB
PAGES: Final = 1000  # over all of which the same limit holds, and the same deadline
TRIES: Final = 3
SHARE: Final = 2 / 3  # of the time that is left: a try that hangs leaves some for another
BACKOFF: Final = 0.1  # seconds, times the number of the try

# With these an API says that it did nothing. Any other 4xx may come from something in between.
DECLINING: Final = {400, 401, 403, 404, 405, 409, 422, 429}

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
        requests.PreparedRequest().prepare_url(self._base, None)  # InvalidURL is a ValueError too
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
        identity = reading.identity(answer.data)
        if identity is None:
            raise Unavailable(reading.not_as_documented(answer), status=answer.status)
        return identity

    def servers(
        self, status: str | None = None, location: str | None = None, *, known: str = ""
    ) -> Listing[Server]:
        """Every server of the account, over all pages.

        `known` is the digest of a listing that the caller has read already: see `Listing`.
        """
        filters = {"status": status, "location": location}
        return self._list("servers", filters, reading.server, known)

    def find_server(self, server_id: str) -> Listing[Server]:
        """That one server, or a complete listing without it: a few calls, however many there are.

        The documented listing comes in one answer. Where it comes in pages, the provider has a
        call for one server too (*assumed*); if that finds nothing, all pages are read.
        """
        first = self._list("servers", {}, reading.server, most_pages=1)
        if first.complete:
            return first
        try:
            return Listing((self.server(server_id),), True, calls=2)
        except Declined as refusal:
            if refusal.status != HTTPStatus.NOT_FOUND:
                raise
            return self.servers()

    def server(self, server_id: str) -> Server:
        """One server. Assumed: only a published client of the vendor shows this call."""
        answer = self._read(self._url("servers", server_id), self._read_by(), MIB)
        server = reading.server(answer.data)
        if server is None or server.id != server_id:
            raise Unavailable(reading.not_as_documented(answer), status=answer.status)
        return server

    def snapshots(self, server_id: str | None = None, *, known: str = "") -> Listing[Snapshot]:
        """Every snapshot of the account, or of one server.

        If the provider lists another server's snapshots after all, they are left out and the
        listing is not complete. `known`: as for servers.
        """
        listing = self._list("snapshots", {"server_id": server_id}, reading.snapshot, known)
        if server_id is None:
            return listing
        own = tuple(item for item in listing.items if item.server_id == server_id)
        return Listing(own, listing.complete and own == listing.items, calls=listing.calls)

    # Changes: sent at most once.

    def create_snapshot(
        self, server_id: str, name: str, description: str = ""
    ) -> Accepted[Snapshot]:
        """Have a snapshot made. Accepted means begun: it is followed through the list."""
        asked: dict[str, object] = {
            "server_id": reading.on_wire(server_id),
            "name": name,
            "description": description,
        }
        answer = self._change("POST", self._url("snapshots"), {200, 201, 202}, asked)
        made = reading.snapshot(answer.data)
        named = reading.member(answer.data, "name")
        if (
            made is None
            or made.server_id != server_id
            or named != name
            or reading.fails(answer.data)
        ):
            raise Unknown(reading.not_as_documented(answer), status=answer.status)
        return _accepted(answer, made)

    def restore_snapshot(self, snapshot_id: str, server_id: str) -> Accepted[RestoreStarted]:
        """Overwrite `server_id` with the snapshot. Accepted means started, never done."""
        url = self._url("snapshots", snapshot_id, "restore")
        answer = self._change("POST", url, {200, 201, 202})
        server = reading.member(answer.data, "server")
        ids = reading.ref(reading.member(answer.data, "snapshot")), reading.ref(server)
        word = reading.member(answer.data, "status", "success")
        if ids != (snapshot_id, server_id) or word != "success" or reading.fails(answer.data):
            raise Unknown(reading.not_as_documented(answer), status=answer.status)
        return _accepted(
            answer, RestoreStarted(*ids, reading.clean(reading.member(server, "status"), 64))
        )

    def delete_snapshot(self, snapshot_id: str) -> Accepted[None]:
        """Delete for ever. Only the documented 204 is believed: a 200 may be a proxy's."""
        answer = self._change("DELETE", self._url("snapshots", snapshot_id), {204})
        return _accepted(answer, None)

    def power(self, server_id: str, action: PowerAction) -> Accepted[None]:
        """Start, stop, restart or hard_stop. Assumed: only a published client shows this call."""
        url = self._url("servers", server_id, "power")
        answer = self._change("POST", url, {200, 202, 204}, {"action": action})
        if not reading.agrees(answer.data, server_id):
            raise Unknown(reading.not_as_documented(answer), status=answer.status)
        return _accepted(answer, None)

    # One change on the wire.

    def _change(
        self, method: str, url: str, accepted: set[int], body: dict[str, object] | None = None
    ) -> Answer:
        """The answer to a change, if its status is in `accepted`. Nothing here repeats."""
        request = requests.Request(method, url, json=body, headers=HEADERS).prepare()
        answer = exchange(
            Adapter(self._ca_file),  # its own, so its connection can only be a fresh one
            request,
            self._token,
            seconds=self._deadline,
            connect_seconds=self._connect_timeout,
            at_most=MIB,
        )
        if not answer.connected:
            raise NotSent(f"The provider was not reached: {answer.problem}")
        if answer.problem:
            raise Unknown(reading.broke(answer), status=answer.status)
        if answer.status in DECLINING and reading.is_readable(answer):
            _decline(answer)
        if answer.status not in accepted:
            raise Unknown(
                reading.summary(answer), status=answer.status, retry_after=answer.retry_after
            )
        return answer

    # Reads on the wire.

    def _read_by(self) -> float:
        return monotonic() + self._read_deadline

    def _list(
        self,
        path: str,
        filters: dict[str, str | None],
        parse: Callable[[object], T | None],
        known: str = "",
        most_pages: int = PAGES,
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
            answer = self._read(url, read_by, room, known if len(visited) == 1 else None)
            if answer.data is AS_KNOWN:
                return Listing((), True, answer.digest, as_known=True)
            room -= answer.size
            data = answer.data
            rows = data if isinstance(data, list) else reading.member(data, "results")
            if not isinstance(rows, list):
                raise Unavailable(reading.not_as_documented(answer), status=answer.status)
            for row in rows:
                item = parse(row)
                if item is None or item.id in items:
                    complete = False
                else:
                    items[item.id] = item
            count, following = reading.member(data, "count"), reading.member(data, "next")
            if count is not None:
                counts.add(count if type(count) is int else "not a number")
            url = self._next(url, following)
            if following and (url is None or url in visited or len(visited) >= most_pages):
                complete, url = False, None
        complete = complete and counts <= {len(items)}
        digest = answer.digest if complete and len(visited) == 1 else ""
        return Listing(tuple(items.values()), complete, digest, calls=len(visited))

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

    def _read(self, url: str, read_by: float, at_most: int, known: str | None = None) -> Answer:
        """A 200 with JSON, or with the known bytes. Tries again on what may pass, in time."""
        attempt = 0
        while True:
            attempt += 1
            left = read_by - monotonic()
            answer = exchange(
                self._pool,
                requests.Request("GET", url, headers=HEADERS).prepare(),
                self._token,
                seconds=left if attempt == TRIES else left * SHARE,
                connect_seconds=self._connect_timeout,
                at_most=at_most,
                keep_open=True,
                known=known,
            )
            pause = _pause(answer, attempt)
            if pause is None or attempt == TRIES or pause >= read_by - monotonic():
                return _of_use(answer)
            sleep(pause)

    def _url(self, *steps: str) -> str:
        """The documented address: every path ends in a slash."""
        if not all(reading.is_id(step) for step in steps):
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
        raise Unavailable(reading.broke(answer), status=answer.status, retry_after=after)
    if answer.status in {401, 403, 404} and reading.is_readable(answer):
        _decline(answer)
    if answer.data is AS_KNOWN:
        return answer
    if answer.status != HTTPStatus.OK or isinstance(answer.data, NoData):
        raise Unavailable(reading.summary(answer), status=answer.status, retry_after=after)
    return answer


def _decline(answer: Answer) -> NoReturn:
    words = reading.error_words(answer.data) or reading.phrase(answer.status)
    raise Declined(words, status=answer.status, retry_after=answer.retry_after)


def _accepted(answer: Answer, result: Any) -> Accepted[Any]:
    return Accepted(
        answer.status or 0, reading.one_line(reading.member(answer.data, "message")), result
    )
