"""One exchange, as webhooks make it too: with whom it may be, and where a host has several."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import requests

from snapshots.provider import connection
from snapshots.provider.client import Client
from tests.provider.client.documented import CREATED
from tests.provider.client.peer import Peer, answer, wait_for_the_end
from tests.provider.client.test_changing import CHANGES

Listen = Callable[..., Peer]
Talk = Callable[..., Client]
each_change = pytest.mark.parametrize("change", CHANGES)

# Without a token, to somebody else: as the webhooks do.


def post(
    adapter: connection.Adapter, url: str, connect_seconds: float = 2, **options: Any
) -> connection.Answer:
    request = requests.Request("POST", url, data=b"{}").prepare()
    limits = {"at_most": connection.MIB, "connect_seconds": connect_seconds, **options}
    return connection.exchange(adapter, request, None, seconds=5, **limits)


def test_without_a_token_none_is_sent_and_nothing_is_parsed(listening: Listen) -> None:
    peer = listening(answer(200, CREATED))
    got = post(connection.Adapter(), peer.url)
    assert (got.status, got.data) == (200, connection.NOT_JSON)
    assert '"id": 802' in got.text
    assert b"authorization" not in peer.heard[0].lower()


def test_an_address_that_may_not_be_connected_to_is_not(listening: Listen) -> None:
    peer, judged = listening(answer(200)), []

    def allows(address: str) -> bool:
        judged.append(address)
        return False

    got = post(connection.Adapter(allows=allows), peer.url)
    assert not got.connected
    assert got.problem == "there is no way to it through the network"
    assert (judged, peer.connections) == (["127.0.0.1"], 0)
    assert post(connection.Adapter(allows=lambda address: True), peer.url).status == 200


# A host with several addresses.


def at(*addresses: tuple[str, int]) -> connection.Resolver:
    """A resolver that knows one host."""
    kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    return lambda *args, **options: [(*kind, address) for address in addresses]


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """An address that swallows what is sent to it: more wait there already than may."""
    with socket.socket() as full, socket.socket() as one, socket.socket() as another:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for waiting in (one, another):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()


def test_an_address_that_swallows_packets_does_not_cost_the_others_time(
    silent: tuple[str, int], listening: Listen
) -> None:
    peer = listening(answer(200))
    resolve = at(silent, ("127.0.0.1", peer.port))
    assert post(connection.Adapter(resolve=resolve), "http://two.example/", 0.4).status == 200
    begun = monotonic()
    got = post(connection.Adapter(resolve=at(silent, silent)), "http://two.example/", 0.2)
    assert (got.connected, got.problem) == (False, "there was no answer in time")
    assert 0.2 <= monotonic() - begun < 2


def test_the_handshake_gets_all_the_time_there_is_to_connect(listening: Listen) -> None:
    address = ("127.0.0.1", listening(wait_for_the_end).port)
    begun = monotonic()
    adapter = connection.Adapter(resolve=at(address, address, address))
    assert not post(adapter, "https://three.example/", 0.2).connected
    assert 0.2 <= monotonic() - begun < 2


def test_what_did_not_connect_is_closed() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        adapter = connection.Adapter(resolve=at(*[closed.getsockname()] * 5))
        before = len([*Path("/dev/fd").iterdir()])
        assert post(adapter, "http://five.example/").problem == "it refuses connections"
        assert len([*Path("/dev/fd").iterdir()]) <= before


def test_one_address_that_may_not_be_connected_to_is_enough(listening: Listen) -> None:
    peer = listening(answer(200))
    resolve = at(("127.0.0.1", peer.port), ("127.0.0.2", peer.port))
    adapter = connection.Adapter(allows=lambda one: one == "127.0.0.1", resolve=resolve)
    assert not post(adapter, "http://two.example/").connected
    assert peer.connections == 0


class Holding(connection.Adapter):
    """Somebody still holds the answer: a traceback, say."""

    def build_response(self, *args: Any) -> requests.Response:
        self.held = super().build_response(*args)
        return self.held


def test_a_kept_connection_is_closed_if_its_answer_was_not_read_to_the_end(
    listening: Listen,
) -> None:
    def twice(conn: socket.socket) -> None:
        for size in (1, 2 * connection.CHUNK):
            peer.hear(conn)
            conn.sendall(answer(200, b"x" * size, Connection="keep-alive"))
        peer.endings.append(wait_for_the_end(conn))

    peer, adapter = listening(twice), Holding()
    assert not post(adapter, peer.url, keep_open=True).problem
    assert post(adapter, peer.url, keep_open=True, at_most=3).is_too_large
    peer.close()
    assert adapter.held
    assert (peer.connections, peer.endings) == (1, ["reset"])
