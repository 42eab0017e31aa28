"""Answers that are too large, and what nobody asked for: proxies, cookies, redirects."""

from __future__ import annotations

import gzip
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from snapshots.provider.client import LISTING_LIMIT, Client
from snapshots.provider.errors import Unavailable, Unknown
from tests.provider.client.documented import CREATED, listed
from tests.provider.client.peer import Peer, answer, read_request
from tests.provider.client.test_changing import CHANGES, create, restore

Listen = Callable[..., Peer]
Talk = Callable[..., Client]
each_change = pytest.mark.parametrize("change", CHANGES)


def endless(head: bytes, more: bytes) -> Callable[[socket.socket], None]:
    """Accepts, and goes on with `more` until nobody listens."""

    def play(conn: socket.socket) -> None:
        read_request(conn)
        conn.sendall(b"HTTP/1.1 201 Created\r\n" + head)
        while True:
            conn.sendall(more)

    return play


BOMB = gzip.compress(b" " * 200_000_000, compresslevel=1)
assert len(BOMB) < 1_000_000


def gzip_bomb(conn: socket.socket) -> None:
    read_request(conn)
    conn.sendall(answer(201, BOMB, Content_Encoding="gzip"))


def redirect_bomb(conn: socket.socket) -> None:
    read_request(conn)
    conn.sendall(answer(302, BOMB, Content_Encoding="gzip", Location="/"))


@pytest.mark.parametrize(
    "play",
    [
        pytest.param(endless(b"\r\n", b" " * 1_000_000), id="huge_body"),
        pytest.param(
            endless(b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b" " * 0x10000 + b"\r\n"),
            id="endless_chunks",
        ),
        pytest.param(endless(b"", b"X-More: and more\r\n" * 1000), id="endless_headers"),
        pytest.param(endless(b"X-More: ", b"x" * 1_000_000), id="endless_header"),
        gzip_bomb,
        redirect_bomb,
    ],
)
def test_too_much_is_unknown_and_costs_little_memory(
    play: Callable[[socket.socket], None], listening: Listen, talking_to: Talk
) -> None:
    peer = listening(play)
    client = talking_to(peer, read_deadline=2.0)
    tracemalloc.start()
    try:
        with pytest.raises(Unknown):
            create(client)
        assert tracemalloc.get_traced_memory()[1] < 20 * 1024 * 1024
        with pytest.raises(Unavailable):
            client.servers()
        assert tracemalloc.get_traced_memory()[1] < LISTING_LIMIT + 16 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_a_body_up_to_the_limit_is_read_and_one_byte_more_is_not(
    listening: Listen, talking_to: Talk
) -> None:
    body = answer(201, CREATED).partition(b"\r\n\r\n")[2]
    full = body + b" " * (1024 * 1024 - len(body))
    assert create(talking_to(listening(answer(201, full)))).status == 201
    with pytest.raises(Unknown, match="too large"):
        create(talking_to(listening(answer(201, full + b" "))))


def test_a_compressed_answer_is_not_read(listening: Listen, talking_to: Talk) -> None:
    good = gzip.compress(answer(201, CREATED).partition(b"\r\n\r\n")[2])
    with pytest.raises(Unknown, match="not the documented answer"):
        create(talking_to(listening(answer(201, good, Content_Encoding="gzip"))))
    with pytest.raises(Unknown, match="not the documented answer"):  # nor is it unpacked
        create(talking_to(listening(answer(201, CREATED, Content_Encoding="gzip"))))
    assert create(talking_to(listening(answer(201, CREATED, Content_Encoding="identity"))))
    refusal = gzip.compress(b'{"detail": "No."}')
    with pytest.raises(Unknown, match="unreadable"):
        create(talking_to(listening(answer(400, refusal, Content_Encoding="gzip"))))


# Nothing of the environment.


def test_the_environments_proxies_and_netrc_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listening: Listen, talking_to: Talk
) -> None:
    proxy, peer = listening(answer(201, CREATED)), listening(answer(201, CREATED))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.origin)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    create(talking_to(peer))
    peer.plays[:] = [answer(200, listed())]
    talking_to(peer).servers()
    assert proxy.connections == 0
    assert all(request.count(b"Authorization: Bearer ") == 1 for request in peer.heard)


def test_a_cookie_is_not_kept(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(200, listed(), Set_Cookie="session=1; Path=/"))
    client = talking_to(peer)
    client.servers()
    client.servers()
    assert b"cookie" not in peer.heard[1].lower()


def test_a_request_that_a_change_makes_is_the_only_one(listening: Listen, talking_to: Talk) -> None:
    for status in (500, 503, 429, 408, 413):
        peer = listening(answer(status, {"detail": "x"}, Retry_After="0"))
        with pytest.raises(Exception, match="x"):
            restore(talking_to(peer))
        assert (peer.connections, len(peer.heard)) == (1, 1)
