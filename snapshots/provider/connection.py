"""One HTTP exchange: over in time, and sure whether anything was sent.

`requests` carries it through its adapter alone: a `Session` would add redirects (it reads their
bodies without a limit even when told not to follow), cookies, netrc and the environment's
proxies. What is ours is below it:

- Every operation on the socket gets only what is left of the exchange's time. So an answer that
  drips cannot outlive the deadline, and a process that was frozen past it sends nothing.
- `SO_LINGER{1,0}` and `TCP_USER_TIMEOUT` are set before connecting: however the socket is closed
  (deadline, killed process), what has not arrived yet is thrown away and cannot arrive late.
- `connected` is set where `connect()` (DNS, TCP, TLS) has returned, and nowhere else. Garbage
  after the request raises the same `SSLError` as a failed handshake: error types prove nothing.
- The token joins the headers as they leave, so no request object and no error of `requests` ever
  holds it; it is taken out of the answer before anybody reads that.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import logging
import math
import queue
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NewConnectionError
from urllib3.util.retry import Retry

MIB: Final = 1024 * 1024
CHUNK: Final = 64 * 1024
LONGEST_RETRY_AFTER: Final = 86400.0
UNTRUSTED: Final = "its TLS certificate is not trusted"
Resolver = Callable[..., Any]  # called, and answering, as socket.getaddrinfo


class Token:
    """The bearer token. It shows itself to the socket only."""

    __slots__ = ("_spellings", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._spellings: list[str] = []
        if len(value) >= 8:  # a shorter one would tear holes into ordinary words
            raw = [value.encode(), f"Bearer {value}".encode()]
            encoded = [code(text) for text in raw for code in (_b64, _urlsafe_b64)]
            self._spellings = [value, *encoded]

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a token is not to be pickled")

    def fits_a_header(self) -> bool:
        """And into JSON as it is: spelt with a backslash it would not be found in an answer."""
        return re.fullmatch(r"[!#-\[\]-~]+", self._value) is not None

    def header(self) -> str:
        return f"Bearer {self._value}"

    def hide(self, text: str) -> str:
        """`text` without the token, should the provider have echoed it."""
        for spelling in self._spellings:
            text = text.replace(spelling, "***")
        return text


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def _urlsafe_b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class NoData:
    """In place of parsed JSON: the body was empty, or was not JSON that we accept."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


EMPTY: Final = NoData("EMPTY")
NOT_JSON: Final = NoData("NOT_JSON")
AS_KNOWN: Final = NoData("AS_KNOWN")  # the very bytes that the caller knows: not parsed again


@dataclass(frozen=True, slots=True)
class Answer:
    """What an exchange brought. `problem` is empty if the answer was read to its end.

    `connected` False means that not a byte of the request has left. `status` may be known although
    the body broke off. `digest` is of the body as it came, if the caller wanted one.
    """

    connected: bool
    status: int | None = None
    text: str = field(default="", repr=False)
    data: object = NOT_JSON
    size: int = 0
    retry_after: float | None = None
    problem: str = ""
    is_too_large: bool = False
    digest: str = ""


class _TooLarge(Exception):
    pass


class _Running:
    """The exchange that this thread is in."""

    def __init__(
        self, adapter: Adapter, token: Token | None, ends_at: float, connect_by: float
    ) -> None:
        self.adapter = adapter
        self.token = token
        self.ends_at = ends_at
        self.connect_by = connect_by
        self.connected = False
        self.sock: socket.socket | None = None

    def left(self) -> float:
        return _left(self.ends_at)

    def left_to_connect(self) -> float:
        return _left(min(self.ends_at, self.connect_by))

    def hang_up(self) -> None:
        """Close now: `socket.close()` would wait for every file made of the socket."""
        if self.sock is not None and (fd := self.sock.detach()) != -1:
            socket.close(fd)


def _left(until: float) -> float:
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError("the time for this exchange is over")
    return left


_running: ContextVar[_Running] = ContextVar("_running")


class _TimedSocket(socket.socket):
    """A socket whose reads and writes end with the exchange, however many they are."""

    __slots__ = ()

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_running.get().left())
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_running.get().left())
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(_running.get().left())
        super().sendall(*args, **kwargs)


class _TimedTLSSocket(_TimedSocket, ssl.SSLSocket):
    pass


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        running = _running.get()
        addresses = running.adapter.addresses(
            self.host.strip("[]"), self.port, running.left_to_connect()
        )
        failure = OSError("the name has no address")
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = _TimedSocket(family, kind, protocol)
            try:
                for option in _fences(running.left()):
                    sock.setsockopt(*option)
                # A share each: an address that swallows packets must not cost the others' time.
                sock.settimeout(running.left_to_connect() / (len(addresses) - index))
                sock.connect(address)
                sock.settimeout(running.left_to_connect())  # the TLS handshake gets the rest
                return sock
            except OSError as error:
                sock.close()
                failure = error
        # Not a bare reset: urllib3 would take it for one while sending, and read for an answer.
        raise NewConnectionError(self, "not connected") from failure

    def connect(self) -> None:
        running = _running.get()
        if running.connected:  # http.client opens a closed connection again, unasked
            raise ConnectionError("an exchange connects once")
        super().connect()
        running.sock = self.sock
        running.left()
        running.connected = True

    def endheaders(self, *args: Any, **kwargs: Any) -> None:
        if token := _running.get().token:
            self.putheader("Authorization", token.header())
        super().endheaders(*args, **kwargs)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class NotAllowed(OSError):
    """The host has an address that may not be connected to."""


class Adapter(HTTPAdapter):
    """Connections as above; certificates are always verified, nothing is ever repeated.

    With `allows`, a host is connected to only if that holds for every address it has. The socket
    then gets one of the addresses that were judged: the name is not resolved again.
    """

    def __init__(
        self,
        ca_file: str | None = None,
        *,
        allows: Callable[[str], bool] | None = None,
        resolve: Resolver | None = None,
    ) -> None:
        self._allows, self._resolver = allows, resolve
        self._context = _tls_context(ca_file or DEFAULT_CA_BUNDLE_PATH)
        super().__init__(max_retries=Retry(total=False))

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def addresses(self, host: str, port: int | None, seconds: float) -> list[Any]:
        """What `host` resolves to. Raises `NotAllowed`, or what the resolver raises."""
        found = _resolve(self._resolver or socket.getaddrinfo, host, port, seconds)
        if self._allows and not all(self._allows(str(address[4][0])) for address in found):
            raise NotAllowed("an address that may not be connected to")
        return found

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        conn.cert_reqs = "CERT_REQUIRED"  # against the authorities that our context holds


@lru_cache(maxsize=8)
def _tls_context(ca_file: str) -> ssl.SSLContext:
    # Not `ssl.create_default_context`: it would write the session keys to $SSLKEYLOGFILE.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=ca_file)
    context.sslsocket_class = _TimedTLSSocket
    return context


def _fences(seconds: float) -> Iterator[tuple[int, int, int | bytes]]:
    yield socket.IPPROTO_TCP, socket.TCP_NODELAY, True
    yield socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", True, 0)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        yield socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, math.ceil(seconds * 1000)


def _resolve(resolver: Resolver, host: str, port: int | None, seconds: float) -> list[Any]:
    """The addresses of `host`, or TimeoutError: the system's resolver itself knows no deadline."""
    found: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def look() -> None:
        try:
            found.put(list(resolver(host, port, type=socket.SOCK_STREAM)))
        except Exception as error:
            found.put(error)

    threading.Thread(target=look, daemon=True).start()
    try:
        answer = found.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("no answer from DNS") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def exchange(
    adapter: Adapter,
    request: requests.PreparedRequest,
    token: Token | None,
    *,
    seconds: float,
    connect_seconds: float,
    at_most: int,
    keep_open: bool = False,
    known: str | None = None,
) -> Answer:
    """Send `request` once and read the answer, of at most `at_most` bytes. Never raises Exception.

    With `keep_open` a connection that was read to the end may serve again, and one that is open
    may be used: for reads only. Without a `token` nothing of the answer is parsed. `known` is the
    digest of an earlier answer, or "" to learn one: the same bytes again are not parsed.
    """
    now = monotonic()
    running = _Running(adapter, token, now + seconds, now + connect_seconds)
    before = _running.set(running)
    response: requests.Response | None = None
    problem, body, too_large = "", bytearray(), False
    try:
        running.left()
        response = adapter.send(request, timeout=seconds, proxies={})
        while chunk := response.raw.read(CHUNK, decode_content=False):
            body += chunk
            if len(body) > at_most:
                raise _TooLarge
    except Exception as error:
        problem, too_large = _what_broke(error), isinstance(error, _TooLarge)
    finally:
        _running.reset(before)
        if response is not None:
            response.raw.close()
        if not keep_open:
            running.hang_up()
    if response is None:
        return Answer(running.connected, problem=problem or "there was no answer")
    digest = hashlib.sha256(body).hexdigest() if known is not None else ""
    text: str
    data: object
    if problem:
        text, data = "", NOT_JSON
    elif known and digest == known and response.status_code == HTTPStatus.OK:
        text, data = "", AS_KNOWN
    else:
        text, data = _read(response, bytes(body), token)
    return Answer(
        running.connected,
        response.status_code,
        text,
        data,
        len(body),
        _seconds(response.headers.get("Retry-After", "")),
        problem,
        too_large,
        digest,
    )


def _read(response: requests.Response, body: bytes, token: Token | None) -> tuple[str, object]:
    """The body as text, and as JSON. Never raises."""
    if not body.strip():
        return "", EMPTY
    if response.headers.get("Content-Encoding", "").strip().lower() not in {"", "identity"}:
        return "", NOT_JSON  # we ask for no compression, and unpack none: it may be a bomb
    try:
        text = body.decode("utf-8-sig")
        if token is None:
            return text, NOT_JSON
        text = token.hide(text)
        data = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        if "\\" in text:
            plain = json.dumps(data)
            if token.hide(plain) != plain:
                return "", NOT_JSON  # the token, spelt with escapes
        return text, data
    except UnicodeDecodeError:
        return "", NOT_JSON
    except (ValueError, RecursionError):
        return text, NOT_JSON


def _seconds(value: str) -> float | None:
    """Retry-After: seconds or a date. None if it is neither; never more than a day."""
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,20}", value):
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        when = parsedate_to_datetime(value)
        left: float = (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(left, 0.0), LONGEST_RETRY_AFTER)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name comes twice in one object")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


# For the words only. What an error means for the request is decided by `connected` alone.
_WORDS: Final[list[tuple[type[BaseException], str]]] = [
    (_TooLarge, "the answer is too large"),
    (socket.gaierror, "its name cannot be resolved"),
    (ssl.SSLCertVerificationError, UNTRUSTED),
    (ssl.SSLError, "the TLS connection failed"),
    (TimeoutError, "there was no answer in time"),
    (ConnectionRefusedError, "it refuses connections"),
    (http.client.RemoteDisconnected, "it hung up without an answer"),
    (ConnectionError, "the connection was lost"),
    (http.client.IncompleteRead, "the answer broke off"),
    (http.client.HTTPException, "the answer is not HTTP as we read it"),
    (OSError, "there is no way to it through the network"),
]


def _what_broke(error: BaseException) -> str:
    """Our own words for the first cause: those of the libraries may carry anything."""
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    for cause in reversed(chain):
        for kind, words in _WORDS:
            if isinstance(cause, kind):
                return words
    return "the exchange failed"


# urllib3 warns of malformed headers by quoting them, and an echoed token with them.
logging.getLogger("urllib3.connection").addFilter(
    lambda record: not str(record.msg).startswith("Failed to parse headers")
)
