"""The HTTP server: sockets in, calls out, and full control of every byte of an answer."""

from __future__ import annotations

import http.server
import ipaddress
import logging
import re
import socket
import socketserver
import struct
import threading
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote

from . import delivery
from .api import BASE, Call, Reply
from .control import answer_control
from .history import without_tokens

if TYPE_CHECKING:
    from .simulator import Simulator

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
IDLE_SECONDS = 75.0

_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


class Server(socketserver.ThreadingTCPServer):
    """One thread a connection. A client that goes away ends its own thread and nothing else."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, simulator: Simulator, host: str, port: int, *, control: bool) -> None:
        self.simulator = simulator
        self.control = control
        self._thread: threading.Thread | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)

    def begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self.serve_forever, args=(0.05,), name="provider", daemon=True
            )
            self._thread.start()

    def end(self) -> None:
        """Close the port and every connection, now."""
        if self._thread is not None:
            try:
                # Wakes the accepting thread at once, where `shutdown` alone waits for its poll.
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.shutdown()
            self._thread.join(5)
            self._thread = None
        self.server_close()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def service_actions(self) -> None:
        # With a running clock, what is due happens (and is logged) without anybody calling.
        if self.simulator.clock.frozen:
            return
        try:
            self.simulator.settle()
        except Exception:
            # A full disk, say. The next call meets it too, and is told; serving goes on.
            log.exception("what was due could not be brought about")

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is the client's business."""


class Lines:
    """A connection's input that remembers its last line."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.last = b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self._file.readline(limit)
        return self.last

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the console: the history is the log."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def setup(self) -> None:
        super().setup()
        self.rfile: Any = Lines(self.rfile)

    def parse_request(self) -> bool:
        """Read the head; one that was cut off is no request.

        The base class takes the end of the stream for the end of the headers: half a restore,
        whose authorization happened to get through, would be carried out.
        """
        fine = super().parse_request()
        if fine and self.rfile.last not in (b"\r\n", b"\n"):
            raise ConnectionError("the request ended early")
        return fine

    def version_string(self) -> str:
        return self.server_version

    def do_GET(self) -> None:
        """Answer a request of any method; whatever goes wrong in here is a 500."""
        try:
            self._serve()
        except OSError:
            raise
        except Exception:
            log.exception("%s %s", self.command, without_tokens(self.path[:200]))
            self.close_connection = True
            broken = Reply(500, {"detail": "The simulator itself failed; see its console."})
            self.send(delivery.render(broken, self.server.simulator.clock.now(), close=True))

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_GET  # noqa: N815

    def _serve(self) -> None:
        simulator = self.server.simulator
        body = self._body()
        if isinstance(body, Reply):
            self.close_connection = True
            self.send(delivery.render(body, simulator.clock.now(), close=True))
            return
        path, _, query = self.path.partition("?")
        if path.startswith("/_sim/") and self._may_control():
            self._reply(answer_control(simulator, self.command, path, query, body))
        elif path.startswith(f"{BASE}/"):
            headers = {name.lower(): value for name, value in self.headers.items()}
            origin = self._origin()
            call = Call(self.command, unquote(path[len(BASE) :]), query, headers, body, origin)
            delivery.deliver(simulator.arrived(call), self)
        else:
            self._reply(delivery.NO_SUCH_PAGE)

    # What a delivery needs ----------------------------------------------------------------------

    @property
    def wants_body(self) -> bool:
        return self.command != "HEAD"

    def send(self, data: bytes) -> bool:
        """Hand bytes to the socket; False if the other side has gone."""
        try:
            self.connection.sendall(data)
        except OSError:
            self.close_connection = True
            return False
        return True

    def hang_up(self, *, rst: bool = False) -> None:
        """Close: in order, or with a reset that throws away what was not delivered."""
        self.close_connection = True
        if rst:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            # Both, and before the server says shutdown(): that would send an orderly FIN.
            self.rfile.close()
            self.connection.close()

    # Reading --------------------------------------------------------------------------------------

    def _body(self) -> bytes | Reply:
        """The request's body, or the answer to one that cannot be read."""
        if self.headers.get("Transfer-Encoding"):
            return Reply(411, {"detail": "Length Required."})
        length = self.headers.get("Content-Length", "0").strip()
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            return Reply(400, {"detail": "Bad Content-Length."})
        if int(length) > MAX_BODY:
            return Reply(413, {"detail": "Request Entity Too Large."})
        body: bytes = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the request ended early")
        return body

    def _origin(self) -> str:
        host = self.headers.get("Host", "")
        # Only a plain host goes into links: anything else would be the client's text in ours.
        return f"http://{host}" if _HOST.fullmatch(host) else self.server.simulator.origin

    def _may_control(self) -> bool:
        """Only this machine, and no page in one of its browsers (those send an Origin)."""
        if not self.server.control or "Origin" in self.headers:
            return False
        return is_this_machine(str(self.client_address[0]))

    def _reply(self, reply: Reply) -> None:
        now = self.server.simulator.clock.now()
        self.send(delivery.render(reply, now, body=self.wants_body))


def is_this_machine(address: str) -> bool:
    """Whether a peer's address is a loopback one, in whatever notation the socket gives it."""
    peer = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(peer, "ipv4_mapped", None)
    return bool((mapped or peer).is_loopback)
