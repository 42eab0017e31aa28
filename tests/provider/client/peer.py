"""The other end of the wire: plays what a test scripts, byte for byte, and keeps what it heard."""

from __future__ import annotations

import json
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Any

Play = Callable[[socket.socket], None]

REASONS = {200: "OK", 201: "Created", 204: "No Content"}


def answer(status: int, body: Any = b"", **headers: str) -> bytes:
    """A whole HTTP answer. `body` as bytes, or as something to put into JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Content-Length": str(len(raw)), "Connection": "close"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {REASONS.get(status, 'Word')}\r\n{head}\r\n".encode() + raw


def read_request(conn: socket.socket) -> bytes:
    """One request: its head, and as much body as it announces."""
    heard = b""
    while b"\r\n\r\n" not in heard:
        if not (chunk := conn.recv(65536)):
            return heard
        heard += chunk
    head, _, body = heard.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                if not (chunk := conn.recv(65536)):
                    break
                body += chunk
    return head + b"\r\n\r\n" + body


def wait_for_the_end(conn: socket.socket) -> str:
    """How the client hung up: "closed" or "reset". What it still sends is thrown away."""
    conn.settimeout(10)
    try:
        while socket.socket.recv(conn, 65536):  # below TLS, which shows a reset as an end
            pass
    except ConnectionError:
        return "reset"
    return "closed"


def is_gone(conn: socket.socket, seconds: float) -> bool:
    """Wait `seconds`, or less if the client hangs up. Reads nothing."""
    poll = select.poll()
    poll.register(conn, select.POLLRDHUP)
    return bool(poll.poll(seconds * 1000))


def reset(conn: socket.socket) -> None:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


class Peer:
    """Listens on a port of its own. Each connection gets the next play, the last one for ever.

    A play is an answer (sent after a request was read) or a function of the connection. One that
    wants its request on record calls `peer.hear(conn)`.
    """

    def __init__(
        self, *plays: bytes | Play, tls: ssl.SSLContext | None = None, receive_buffer: int = 0
    ) -> None:
        self.plays = list(plays)
        self.heard: list[bytes] = []
        self.connections = 0
        self.endings: list[str] = []
        self._tls = tls
        self._listener = socket.socket()
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        self.port = self._listener.getsockname()[1]
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.url = f"{self.origin}/api/v1"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, and wait for what is being played."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def hear(self, conn: socket.socket) -> bytes:
        self.heard.append(read_request(conn))
        return self.heard[-1]

    @property
    def paths(self) -> list[str]:
        return [request.split(b" ")[1].decode() for request in self.heard]

    @property
    def bodies(self) -> list[Any]:
        return [json.loads(request.partition(b"\r\n\r\n")[2] or b"null") for request in self.heard]

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
            self.connections += 1
            if isinstance(play, bytes) and self._tls is None:
                self._play(conn, play)  # at once: a thread each would only cost time
            else:
                thread = threading.Thread(target=self._play, args=(conn, play), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _play(self, conn: socket.socket, play: bytes | Play) -> None:
        try:
            conn.settimeout(10)
            if self._tls is not None:
                conn = self._tls.wrap_socket(conn, server_side=True)
            if isinstance(play, bytes):
                self.hear(conn)
                conn.sendall(play)
            else:
                play(conn)
        except OSError:
            pass
        finally:
            conn.close()
