"""A read that fails is tried again within one deadline, over one connection."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic

import pytest

from snapshots.provider.client import Client
from snapshots.provider.errors import Declined, Unavailable
from tests.provider.client.documented import SERVER, listed
from tests.provider.client.peer import Peer, answer, is_gone, reset, wait_for_the_end

Listen = Callable[..., Peer]
Talk = Callable[..., Client]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_is_tried_again(status: int, listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(status), answer(200, listed(SERVER)))
    assert talking_to(peer).servers().complete
    assert len(peer.heard) == 2


def test_a_lost_connection_is_tried_again(listening: Listen, talking_to: Talk) -> None:
    peer = listening(reset, answer(200, listed())[:-3], answer(200, listed(SERVER)))
    assert talking_to(peer).servers().complete
    assert peer.connections == 3


def test_three_tries_are_all(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(502, b"<html><h1>Bad Gateway</h1></html>"))
    begun = monotonic()
    with pytest.raises(Unavailable, match=r"^HTTP 502 with an HTML page$") as raised:
        talking_to(peer).servers()
    assert monotonic() - begun >= 0.1 + 0.2  # between them
    assert len(peer.heard) == 3
    assert raised.value.status == 502


@pytest.mark.parametrize("status", [400, 405, 408, 409, 418, 422, 301, 302, 307, 201, 204, 103])
def test_other_answers_are_not_tried_again(
    status: int, listening: Listen, talking_to: Talk
) -> None:
    peer = listening(answer(status, {"detail": "No."}))
    with pytest.raises(Unavailable) as raised:
        talking_to(peer).identity()
    assert raised.value.status == status
    assert len(peer.heard) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_read_is_declined_in_the_providers_words(
    status: int, listening: Listen, talking_to: Talk
) -> None:
    peer = listening(answer(status, {"detail": "Not for you."}))
    with pytest.raises(Declined, match=r"^Not for you\.$") as raised:
        talking_to(peer).servers()
    assert raised.value.status == status
    assert len(peer.heard) == 1


def test_a_refusal_by_something_in_between_is_no_word_of_the_provider(
    listening: Listen, talking_to: Talk
) -> None:
    with pytest.raises(Unavailable, match=r"^HTTP 403 with an HTML page$"):
        talking_to(listening(answer(403, b"<!doctype html>blocked"))).servers()


def test_retry_after_is_waited_for_if_there_is_time(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(429, Retry_After="1"), answer(200, listed()))
    begun = monotonic()
    assert talking_to(peer).servers().complete
    assert 1 <= monotonic() - begun < 3


IN_AN_HOUR = "in an hour"


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("30", 30, 30),
        (" 30 ", 30, 30),
        ("1000000000", 86400, 86400),
        ("9" * 20, 86400, 86400),
        (IN_AN_HOUR, 3500, 3600),
        ("Fri, 31 Dec 9999 23:59:59 -0000", 86400, 86400),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("0", 0, 0),
    ],
)
def test_a_limit_names_its_time(
    header: str, low: float, high: float, listening: Listen, talking_to: Talk
) -> None:
    if header == IN_AN_HOUR:  # counted from now, not from when the tests were collected
        header = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    peer = listening(answer(429, {"detail": "Throttled."}, Retry_After=header))
    with pytest.raises(Unavailable) as raised:
        talking_to(peer).servers()
    assert raised.value.status == 429
    assert raised.value.retry_after is not None
    assert low <= raised.value.retry_after <= high
    assert len(peer.heard) == 1


@pytest.mark.parametrize("header", ["-1", "1e9", "soon", "", "1.5", "0x1", "Fri, 99 Foo", "9" * 99])
def test_a_limit_without_a_usable_time_is_not_asked_again(
    header: str, listening: Listen, talking_to: Talk
) -> None:
    peer = listening(answer(429, Retry_After=header))
    with pytest.raises(Unavailable) as raised:
        talking_to(peer).servers()
    assert (raised.value.status, raised.value.retry_after) == (429, None)
    assert len(peer.heard) == 1


def test_a_server_error_with_a_time_beyond_the_deadline_is_handed_on(
    listening: Listen, talking_to: Talk
) -> None:
    peer = listening(answer(503, Retry_After="120"))
    with pytest.raises(Unavailable) as raised:
        talking_to(peer).servers()
    assert (raised.value.status, raised.value.retry_after) == (503, 120)
    assert len(peer.heard) == 1


def test_one_deadline_covers_tries_and_pages(listening: Listen, talking_to: Talk) -> None:
    def drip(conn: socket.socket) -> None:
        while not is_gone(conn, 0.02):
            conn.sendall(b"H")

    begun = monotonic()
    peer = listening(answer(200, {"results": [], "next": "?page=2"}), drip)
    with pytest.raises(Unavailable, match="no answer in time"):
        talking_to(peer, read_deadline=1.5).servers()
    assert 0.9 < monotonic() - begun < 3
    assert peer.connections > 2


def test_a_hanging_try_leaves_time_for_another(listening: Listen, talking_to: Talk) -> None:
    def hang(conn: socket.socket) -> None:
        is_gone(conn, 5)

    peer = listening(hang, answer(200, listed(SERVER)))
    assert talking_to(peer, read_deadline=3.0).servers().complete


def test_reads_keep_their_connection(listening: Listen, talking_to: Talk) -> None:
    def twice(conn: socket.socket) -> None:
        for _ in range(2):
            peer.hear(conn)
            conn.sendall(answer(200, listed(SERVER), Connection="keep-alive"))

    peer = listening(twice, answer(200, listed()))
    client = talking_to(peer)
    assert client.servers().complete
    assert client.servers().complete
    assert peer.connections == 1


def test_a_kept_connection_ends_with_its_client(listening: Listen) -> None:
    def keep_open(conn: socket.socket) -> None:
        peer.hear(conn)
        conn.sendall(answer(200, listed(SERVER), Connection="keep-alive"))
        peer.endings.append(wait_for_the_end(conn))

    peer = listening(keep_open)
    with Client(peer.url, "vps_x") as client:
        assert client.servers().complete
    peer.close()
    assert client
    assert peer.endings == ["reset"]


def test_a_kept_connection_that_died_is_replaced(listening: Listen, talking_to: Talk) -> None:
    def once(conn: socket.socket) -> None:
        peer.hear(conn)
        conn.sendall(answer(200, listed(SERVER), Connection="keep-alive"))
        peer.hear(conn)
        reset(conn)

    peer = listening(once, answer(200, listed(SERVER)))
    client = talking_to(peer)
    assert client.servers().complete
    assert client.servers().complete
    assert peer.connections == 2


def test_a_read_that_cannot_connect_says_why(talking_to: Talk) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Unavailable, match="it refuses connections") as raised:
            talking_to(url).servers()
    assert raised.value.status is None
