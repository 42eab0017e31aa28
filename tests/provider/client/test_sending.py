"""The wire of a change: sent at most once, over in time, and never in doubt without a reason."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from snapshots.provider import connection
from snapshots.provider.client import Client
from snapshots.provider.errors import NotSent, Unavailable, Unknown
from tests.provider.client.documented import CREATED, SERVER, listed
from tests.provider.client.peer import Peer, answer, is_gone, read_request, reset, wait_for_the_end
from tests.provider.client.test_changing import CHANGES, Change, create

Listen = Callable[..., Peer]
Talk = Callable[..., Client]
each_change = pytest.mark.parametrize("change", CHANGES)

# Not sent: connect() never returned.


@each_change
def test_a_closed_port_means_not_sent(change: Change, talking_to: Talk) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = talking_to(f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(NotSent, match="it refuses connections"):
            change(client)


def test_a_name_without_an_address_means_not_sent(talking_to: Talk) -> None:
    with pytest.raises(NotSent, match="its name cannot be resolved"):
        create(talking_to("http://nosuch.invalid/api/v1"))


def test_a_resolver_that_hangs_means_not_sent_in_time(
    monkeypatch: pytest.MonkeyPatch, listening: Listen, talking_to: Talk
) -> None:
    healed, looked_up, resolve = threading.Event(), threading.Event(), socket.getaddrinfo

    def hang(*args: Any, **options: Any) -> Any:
        healed.wait(10)
        looked_up.set()
        return resolve(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    peer = listening(answer(201, CREATED))
    begun = monotonic()
    with pytest.raises(NotSent, match="no answer in time"):
        create(talking_to(peer, connect_timeout=0.2))
    assert monotonic() - begun < 1
    assert all(one.daemon for one in threading.enumerate() if one is not threading.main_thread())
    healed.set()  # nobody waits for it at the end of the process either
    assert looked_up.wait(5)
    assert peer.connections == 0


def test_the_next_address_is_tried_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, listening: Listen, talking_to: Talk
) -> None:
    peer = listening(answer(201, CREATED))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses = [(*kind, closed.getsockname()), (*kind, ("127.0.0.1", peer.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: addresses)
        assert create(talking_to("http://two.example/api/v1")).result.id == "802"
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [])
        with pytest.raises(NotSent):
            create(talking_to("http://none.example/api/v1"))
    assert len(peer.heard) == 1


def test_a_certificate_that_nobody_vouches_for_means_not_sent(
    tls: ssl.SSLContext, listening: Listen, talking_to: Talk
) -> None:
    peer = listening(answer(201, CREATED), tls=tls)
    with pytest.raises(NotSent, match="certificate is not trusted"):
        create(talking_to(peer))
    with pytest.raises(Unavailable, match="certificate is not trusted"):
        talking_to(peer).servers()
    assert peer.heard == []


def test_a_certificate_for_another_name_means_not_sent(
    tls: ssl.SSLContext, certificate: Path, listening: Listen, talking_to: Talk
) -> None:
    peer = listening(answer(201, CREATED), tls=tls)
    with pytest.raises(NotSent, match="certificate is not trusted"):
        create(talking_to(f"https://localhost:{peer.port}", ca_file=str(certificate)))
    assert peer.heard == []


def test_something_that_speaks_no_tls_means_not_sent(listening: Listen, talking_to: Talk) -> None:
    def plain(conn: socket.socket) -> None:
        conn.sendall(answer(400, {"detail": "plain HTTP"}))
        wait_for_the_end(conn)

    peer = listening(plain)
    with pytest.raises(NotSent, match="TLS connection failed"):
        create(talking_to(peer.url.replace("http:", "https:")))


def test_a_handshake_that_hangs_or_drips_means_not_sent_in_time(
    listening: Listen, talking_to: Talk
) -> None:
    def drip(conn: socket.socket) -> None:
        conn.sendall(b"\x16\x03\x03\x40\x00\x02")
        conn.recv(65536)
        while not is_gone(conn, 0.02):
            conn.sendall(b"\x00")

    for play in (wait_for_the_end, drip):
        url = listening(play).url.replace("http:", "https:")
        for limits in ({"connect_timeout": 0.15}, {"deadline": 0.15}):
            begun = monotonic()
            with pytest.raises(NotSent, match="no answer in time"):
                create(talking_to(url, **limits))
            assert monotonic() - begun < 1


# Sent, or maybe sent.


def test_a_change_goes_through_tls(
    tls: ssl.SSLContext, certificate: Path, listening: Listen, talking_to: Talk
) -> None:
    peer = listening(answer(201, CREATED), tls=tls)
    client = talking_to(peer, ca_file=str(certificate))
    assert create(client).result.id == "802"
    peer.plays[:] = [answer(200, listed(SERVER))]
    assert client.servers().complete


@each_change
def test_garbage_after_the_handshake_is_unknown(
    change: Change, tls: ssl.SSLContext, certificate: Path, listening: Listen, talking_to: Talk
) -> None:
    def garbage(conn: socket.socket) -> None:
        read_request(conn)
        with socket.socket(fileno=conn.detach()) as raw:
            raw.sendall(b"this is no TLS record at all")
            wait_for_the_end(raw)

    peer = listening(garbage, tls=tls)
    with pytest.raises(Unknown, match="TLS connection failed"):
        change(talking_to(peer, ca_file=str(certificate)))
    assert peer.connections == 1


def read_then_reset(conn: socket.socket) -> None:
    read_request(conn)
    reset(conn)


def read_some_then_reset(conn: socket.socket) -> None:
    conn.recv(10)
    reset(conn)


def close_at_once(conn: socket.socket) -> None:
    conn.shutdown(socket.SHUT_RDWR)


def begin_then_reset(conn: socket.socket) -> None:
    read_request(conn)
    conn.sendall(answer(201, CREATED)[:-5])
    reset(conn)


@pytest.mark.parametrize(
    "play",
    [
        close_at_once,
        read_some_then_reset,
        read_then_reset,
        begin_then_reset,
        b"",
        b"HTTP/1.1 201",
        b"HTTP/1.1 201 Created\r\n",
        answer(201, CREATED)[:-1],
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer(201, CREATED),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/2 201\r\n\r\n",
        b"\x00" * 100_000,
        b"HTTP/1.1 two Created\r\n\r\n",
        answer(201, CREATED, Transfer_Encoding="chunked"),
        answer(201, CREATED).replace(b"Content-Length: ", b"Content-Length: 5\r\nContent-Length: "),
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    ],
)
@each_change
def test_an_answer_that_breaks_off_or_is_no_http_is_unknown(
    play: Any, change: Change, listening: Listen, talking_to: Talk
) -> None:
    peer = listening(play)
    with pytest.raises(Unknown):
        change(talking_to(peer))
    assert peer.connections == 1


@each_change
def test_a_reset_while_connecting_is_one_or_the_other(
    change: Change, listening: Listen, talking_to: Talk
) -> None:
    """It races with `connect()`; if that had not returned, nothing was sent."""
    client = talking_to(listening(reset))
    for _ in range(30):
        with pytest.raises((NotSent, Unknown), match=r"was lost|it hung up"):
            change(client)


def test_the_status_is_kept_when_the_body_breaks_off(listening: Listen, talking_to: Talk) -> None:
    for status in (201, 400, 404):
        with pytest.raises(Unknown, match=f"^HTTP {status}, but the answer broke off$") as raised:
            create(talking_to(listening(answer(status, CREATED)[:-1])))
        assert raised.value.status == status


# Over in time.


def hang_before(conn: socket.socket) -> None:
    read_request(conn)


def hang_in_the_body(conn: socket.socket) -> None:
    read_request(conn)
    conn.sendall(answer(201, CREATED)[:-5])


def drip_headers(conn: socket.socket) -> None:
    read_request(conn)
    conn.sendall(b"HTTP/1.1 201 Created\r\nX-Slow: ")
    while not is_gone(conn, 0.02):
        conn.sendall(b"x")


def drip_body(conn: socket.socket) -> None:
    read_request(conn)
    conn.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n")
    while not is_gone(conn, 0.02):
        conn.sendall(b" ")


def continue_for_ever(conn: socket.socket) -> None:
    read_request(conn)
    while not is_gone(conn, 0.001):
        conn.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)


@pytest.mark.parametrize(
    ("play", "secure"),
    [
        (hang_before, False),
        (hang_in_the_body, False),
        (drip_headers, False),
        (drip_body, False),
        (continue_for_ever, False),
        (hang_before, True),
        (drip_headers, True),
        (drip_body, True),
    ],
)
def test_a_slow_answer_is_unknown_at_the_deadline_and_the_connection_is_reset(
    play: Callable[[socket.socket], None],
    secure: bool,
    tls: ssl.SSLContext,
    certificate: Path,
    listening: Listen,
    talking_to: Talk,
) -> None:
    endings = []

    def until_the_end(conn: socket.socket) -> None:
        try:
            play(conn)
            endings.append(wait_for_the_end(conn))
        except ConnectionError:
            endings.append("reset")

    peer = listening(until_the_end, tls=tls if secure else None)
    deadline = 2 if secure else 0.5  # of which TLS takes a part, a large one on a busy machine
    begun = monotonic()
    with pytest.raises(Unknown, match="no answer in time"):
        create(talking_to(peer, deadline=deadline, ca_file=str(certificate)))
    assert 0.8 * deadline < monotonic() - begun < deadline + 1.5
    peer.close()
    assert endings == ["reset"]
    assert peer.connections == 1


def test_what_has_not_arrived_by_the_deadline_never_arrives(
    listening: Listen, talking_to: Talk
) -> None:
    """The peer reads nothing until the client has given up: then half a request and a reset."""
    given_up, heard = threading.Event(), bytearray()

    def late(conn: socket.socket) -> None:
        given_up.wait(10)
        try:
            while chunk := conn.recv(65536):
                heard.extend(chunk)
            peer.endings.append("closed")
        except ConnectionResetError:
            peer.endings.append("reset")

    size = 8_000_000
    peer = listening(late, receive_buffer=4096)
    with pytest.raises(Unknown, match="no answer in time"):
        talking_to(peer, deadline=0.3).create_snapshot("12345", "n", "x" * size)
    given_up.set()
    peer.close()
    assert peer.endings == ["reset"]
    assert len(heard) < size


def test_a_deadline_of_nothing_means_not_sent(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(201, CREATED))
    with pytest.raises(NotSent, match="no answer in time"):
        create(talking_to(peer, deadline=0.0))
    with pytest.raises(Unavailable, match="no answer in time"):
        talking_to(peer, read_deadline=0.0).servers()
    assert peer.connections == 0


def test_a_system_without_a_user_timeout_does_without(
    monkeypatch: pytest.MonkeyPatch, listening: Listen, talking_to: Talk
) -> None:
    monkeypatch.delattr(socket, "TCP_USER_TIMEOUT")
    assert create(talking_to(listening(answer(201, CREATED)))).status == 201


def test_the_fences_stand_before_the_first_byte(
    monkeypatch: pytest.MonkeyPatch, listening: Listen, talking_to: Talk
) -> None:
    seen = []

    def connect(sock: socket.socket, address: Any) -> None:
        linger = sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
        timeout = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        at_once = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        seen.append((struct.unpack("ii", linger), timeout, at_once))
        socket.socket.connect(sock, address)

    monkeypatch.setattr(connection._TimedSocket, "connect", connect, raising=False)
    create(talking_to(listening(answer(201, CREATED)), deadline=1000.0))
    ((linger, milliseconds, at_once),) = seen
    assert linger == (1, 0)
    assert 999_000 < milliseconds <= 1_000_000
    assert at_once


def test_a_freeze_during_the_handshake_means_not_sent(
    monkeypatch: pytest.MonkeyPatch,
    tls: ssl.SSLContext,
    certificate: Path,
    listening: Listen,
    talking_to: Talk,
) -> None:
    def freeze(sock: ssl.SSLSocket, block: bool = False) -> None:
        ssl.SSLSocket.do_handshake(sock, block)
        connection._running.get().ends_at = monotonic()

    monkeypatch.setattr(connection._TimedTLSSocket, "do_handshake", freeze, raising=False)
    peer = listening(answer(201, CREATED), tls=tls)
    with pytest.raises(NotSent, match="no answer in time"):
        create(talking_to(peer, ca_file=str(certificate)))
    peer.close()
    assert peer.heard in ([], [b""])


def test_the_connection_is_closed_whoever_still_holds_the_answer(
    monkeypatch: pytest.MonkeyPatch, listening: Listen, talking_to: Talk
) -> None:
    held = []

    def fail(*args: Any) -> None:
        held.append(args)
        raise RuntimeError("something of a library")

    def keep_open(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(answer(201, CREATED, Connection="keep-alive"))
        peer.endings.append(wait_for_the_end(conn))

    monkeypatch.setattr(connection.Adapter, "build_response", fail)
    peer = listening(keep_open)
    with pytest.raises(Unknown):
        create(talking_to(peer))
    peer.close()
    assert held
    assert peer.endings == ["reset"]


def test_a_failure_of_an_unknown_kind_is_still_one_or_the_other(
    monkeypatch: pytest.MonkeyPatch, listening: Listen, talking_to: Talk
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("something of a library")

    peer = listening(answer(201, CREATED))
    monkeypatch.setattr(connection.Adapter, "build_response", fail)
    with pytest.raises(Unknown, match="the exchange failed"):
        create(talking_to(peer))
    monkeypatch.setattr(connection.Adapter, "cert_verify", fail)
    with pytest.raises(NotSent, match="the exchange failed"):
        create(talking_to(peer))
    assert len(peer.heard) == 1


def test_after_a_good_answer_nothing_stays_open(listening: Listen, talking_to: Talk) -> None:
    def keep_alive(conn: socket.socket) -> None:
        peer.hear(conn)
        conn.sendall(answer(201, CREATED, Connection="keep-alive"))
        peer.endings.append(wait_for_the_end(conn))

    peer = listening(keep_alive)
    client = talking_to(peer)
    create(client)
    create(client)
    peer.close()
    assert peer.endings == ["reset", "reset"]
    assert peer.connections == 2
    assert connection._running.get(None) is None  # with it, the token would stay in this thread


def test_an_exchange_connects_once() -> None:
    now = monotonic()
    running = connection._Running(connection.Adapter(), connection.Token("vps_x"), now + 5, now + 5)
    running.connected = True
    before = connection._running.set(running)
    try:
        with pytest.raises(ConnectionError, match="connects once"):
            connection._Connection("127.0.0.1", 1).connect()
    finally:
        connection._running.reset(before)


def test_a_connection_that_comes_too_late_sends_nothing(
    listening: Listen, talking_to: Talk
) -> None:
    """As after a freeze: connected, but the time is over. Not a byte may leave."""

    accepted = threading.Event()

    def accept(conn: socket.socket) -> None:
        accepted.set()
        conn.settimeout(5)
        try:
            peer.heard.append(conn.recv(65536))
        except ConnectionResetError:
            peer.endings.append("reset")

    peer = listening(accept)
    now = monotonic()
    running = connection._Running(connection.Adapter(), connection.Token("vps_x"), now + 5, now + 5)
    before = connection._running.set(running)
    conn = connection._Connection("127.0.0.1", peer.port)
    try:
        conn.connect()
        accepted.wait(5)
        running.ends_at = monotonic()
        for operation in (
            lambda: conn.request("POST", "/"),
            lambda: conn.sock.send(b"x"),
            lambda: conn.sock.recv_into(bytearray(1)),
        ):
            with pytest.raises(TimeoutError):
                operation()
    finally:
        connection._running.reset(before)
        conn.close()
    peer.close()
    assert (peer.heard, peer.endings) == ([], ["reset"])
