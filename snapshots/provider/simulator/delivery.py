"""How an answer goes out: as it should, or as a fault of the wire has it."""

from __future__ import annotations

import gzip
import http
import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from .api import NO_PAGE, Reply
from .clock import http_date
from .faults import Fault

if TYPE_CHECKING:
    from .visit import Visit

NO_SUCH_PAGE = Reply(404, NO_PAGE, content_type="text/html; charset=utf-8")
TIMED_OUT = Reply(
    504,
    b"<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n"
    b"<center><h1>504 Gateway Time-out</h1></center>\r\n<hr><center>nginx</center>\r\n"
    b"</body>\r\n</html>\r\n",
    content_type="text/html",
)
MEGABYTE = 1024 * 1024


class Wire(Protocol):
    """One connection, as a delivery sees it."""

    close_connection: bool

    @property
    def wants_body(self) -> bool: ...
    def send(self, data: bytes) -> bool: ...
    def hang_up(self, *, rst: bool = False) -> None: ...


def deliver(visit: Visit, wire: Wire) -> None:
    """Do the work of a call and answer it, unless a fault says otherwise."""
    if visit.wire is None:
        _send(visit, wire, visit.work())
    else:
        _FAULTS[visit.wire.kind](visit, wire, visit.wire)


def render(reply: Reply, now: float, *, body: bool = True, close: bool = False) -> bytes:
    """An answer as bytes: status line, headers, body."""
    content = _content(reply.body)
    headers = {"Server": "nginx", "Date": http_date(now)}
    # These have no body and, by the standard, no length of one.
    bare = reply.status < 200 or reply.status in (204, 304)
    if not bare:
        if content:
            headers["Content-Type"] = reply.content_type
        headers["Content-Length"] = str(len(content))
    if close:
        headers["Connection"] = "close"
    for name, value in reply.headers.items():
        for same in [known for known in headers if known.lower() == name.lower()]:
            del headers[same]
        headers[name] = value
    try:
        phrase = http.HTTPStatus(reply.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{k}: {v}" for k, v in headers.items())]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
    return head + (content if body and not bare else b"")


def _content(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def _rendered(visit: Visit, wire: Wire, reply: Reply) -> bytes:
    return render(reply, visit.now, body=wire.wants_body)


def _send(visit: Visit, wire: Wire, reply: Reply) -> None:
    data = _rendered(visit, wire, reply)
    with visit.answering():
        if wire.send(data):
            visit.answered(reply.status, len(data))


# The faults ------------------------------------------------------------------------------------


def _answer(visit: Visit, wire: Wire, fault: Fault) -> None:
    options = fault.options
    if options["apply"]:
        visit.work()
    body = options["body"]
    if isinstance(body, str):
        body = b64decode(body) if options["base64"] else body.encode("utf-8", "replace")
    is_page = isinstance(body, bytes) and body.lstrip()[:1] == b"<"
    kind = "text/html" if is_page else "application/json"
    headers = {str(name): str(value) for name, value in options["headers"].items()}
    reply = Reply(int(options["status"]), body, headers, content_type=kind)
    _send(visit, wire, reply)
    if reply.status < 200 or "content-length" in map(str.lower, headers):
        # After an interim status a client waits for the final one, after a false length for the
        # rest: neither ever comes.
        wire.hang_up()


def _hang(visit: Visit, wire: Wire, fault: Fault) -> None:
    reply = visit.work() if fault.options["when"] == "after" else None
    fault.wait(fault.options["seconds"])
    _send(visit, wire, reply or visit.work())


def _close_before(visit: Visit, wire: Wire, fault: Fault) -> None:
    wire.hang_up(rst=fault.options["rst"])


def _close_after(visit: Visit, wire: Wire, fault: Fault) -> None:
    visit.work()
    wire.hang_up(rst=fault.options["rst"])


def _cut(visit: Visit, wire: Wire, fault: Fault) -> None:
    reply = visit.work()
    data = _rendered(visit, wire, reply)
    part = data[: int(fault.options["at"])]
    with visit.answering():
        if part and wire.send(part):
            visit.answered(reply.status, len(part), complete=len(part) == len(data))
    wire.hang_up(rst=fault.options["rst"])


def _late(visit: Visit, wire: Wire, fault: Fault) -> None:
    visit.postpone(float(fault.options["seconds"]))
    now = fault.options["now"]
    if now == "timeout":
        _send(visit, wire, TIMED_OUT)  # a whole answer, which does not say that it closes
        return
    if now == "hang":
        fault.wait(None)
    wire.hang_up(rst=now == "rst")


def _garbage(visit: Visit, wire: Wire, fault: Fault) -> None:
    options = fault.options
    if options["apply"]:
        visit.work()
    text = options["text"]
    data = fault.noise(int(options["size"])) if text is None else text.encode("utf-8", "replace")
    with visit.answering():
        if wire.send(data):
            visit.answered(None, len(data))
    wire.hang_up()


def _drip(visit: Visit, wire: Wire, fault: Fault) -> None:
    reply = visit.work()
    data = _rendered(visit, wire, reply)
    size, pause = max(1, int(fault.options["size"])), float(fault.options["seconds"])
    for start in range(0, len(data), size):
        if not wire.send(data[start : start + size]):
            return
        fault.wait(pause)
    visit.answered(reply.status, len(data))


def _flood(visit: Visit, wire: Wire, fault: Fault) -> None:
    reply = visit.work()
    what, megabytes = fault.options["what"], int(fault.options["mb"])
    pieces = _FLOODS[what](megabytes)
    sent = 0
    for piece in pieces:
        if not wire.send(piece):
            break
        sent += len(piece)
    visit.answered(reply.status, sent, complete=False)
    wire.hang_up()


def _flood_body(megabytes: int) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    yield b'Content-Length: %d\r\n\r\n{"count":0,"results":[' % (megabytes * MEGABYTE + 1024)
    for _ in range(megabytes):
        yield b" " * MEGABYTE


def _flood_headers(megabytes: int) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    for number in range(megabytes * 1024):
        yield b"X-Pad-%d: %s\r\n" % (number, b"a" * 1000)


def _flood_gzip(megabytes: int) -> Iterator[bytes]:
    bomb = gzip.compress(b" " * (megabytes * MEGABYTE), compresslevel=9)
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
    yield b"Content-Length: %d\r\n\r\n" % len(bomb)
    yield bomb


_FLOODS = {"body": _flood_body, "headers": _flood_headers, "gzip": _flood_gzip}
_FAULTS: dict[str, Callable[[Visit, Wire, Fault], None]] = {
    "answer": _answer,
    "hang": _hang,
    "close_before": _close_before,
    "close_after": _close_after,
    "cut": _cut,
    "late": _late,
    "garbage": _garbage,
    "drip": _drip,
    "flood": _flood,
}
