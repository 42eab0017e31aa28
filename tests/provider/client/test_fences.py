"""What keeps a request from arriving late or twice, on the wire.

Each fence stands in a scene where it holds; the same scene follows without it, where what it is
there for happens. Those of the protocol are in tests/operations/test_fences.py.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from urllib3.util.retry import Retry

from snapshots.provider import connection
from snapshots.provider.client import Client
from snapshots.provider.errors import Unknown
from snapshots.provider.types import Accepted
from tests.provider.client.documented import CREATED
from tests.provider.client.peer import Peer, answer, is_gone, read_request, reset
from tests.provider.client.test_changing import create

Listen = Callable[..., Peer]
Talk = Callable[..., Client]

# -- the connection is reset when it is closed ----------------------------------------------------

LONG = "x" * 100_000  # more than the peer takes in at once, less than the kernel keeps for us


class Healing:
    """A network that lets nothing through until it is healed; what was under way arrives then."""

    def __init__(self, listening: Listen) -> None:
        self.reached, self.healed = threading.Event(), threading.Event()
        self.heard = b""
        self.ending = ""
        self.peer = listening(self._hear_late, receive_buffer=4096)

    def _hear_late(self, conn: socket.socket) -> None:
        self.reached.set()
        self.healed.wait(10)
        try:
            while chunk := conn.recv(65536):
                self.heard += chunk
            self.ending = "closed"
        except ConnectionResetError:
            self.ending = "reset"

    def heals(self) -> None:
        self.reached.wait(10)  # a peer that was closed first would never hear of it
        self.healed.set()
        self.peer.close()

    @property
    def arrived(self) -> bool:
        """Whether the peer has the whole request, and would do as it says."""
        return self.heard.endswith(b'"}') and LONG.encode() in self.heard


@pytest.fixture
def network(listening: Listen) -> Healing:
    return Healing(listening)


def without_linger(seconds: float) -> Iterator[tuple[int, int, int]]:
    """The fences of a socket, but for the reset."""
    yield socket.IPPROTO_TCP, socket.TCP_NODELAY, 1


def give_up(network: Healing, talking_to: Talk) -> None:
    with pytest.raises(Unknown, match="no answer in time"):
        talking_to(network.peer, deadline=0.3).create_snapshot("12345", "n", LONG)
    network.heals()


def test_what_we_gave_up_does_not_arrive_when_the_network_heals(
    network: Healing, talking_to: Talk
) -> None:
    give_up(network, talking_to)
    assert (network.ending, network.arrived) == ("reset", False)


def test_without_the_reset_it_would_arrive(
    network: Healing, talking_to: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_fences", without_linger)
    give_up(network, talking_to)
    assert (network.ending, network.arrived) == ("closed", True)


KILLED = """
import os, signal, sys
from snapshots.provider import connection
from snapshots.provider.client import Client
from tests.provider.client.test_fences import LONG, without_linger

if sys.argv[2] == "without":
    connection._fences = without_linger
connection._Connection.getresponse = lambda _: os.kill(os.getpid(), signal.SIGKILL)
Client(sys.argv[1], "vps_x").create_snapshot("12345", "n", LONG)
"""


def die_while_waiting(network: Healing, fence: str) -> None:
    """A worker is killed when it has handed its request to the kernel."""
    command = [sys.executable, "-c", KILLED, network.peer.url, fence]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    network.heals()


def test_what_a_killed_worker_left_behind_does_not_arrive(network: Healing) -> None:
    die_while_waiting(network, "with")
    assert (network.ending, network.arrived) == ("reset", False)


def test_without_the_reset_the_kernel_would_deliver_it(network: Healing) -> None:
    die_while_waiting(network, "without")
    assert (network.ending, network.arrived) == ("closed", True)


# -- the time is over once for all ----------------------------------------------------------------


def each_step_has_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the timeouts that every HTTP library has: none is over while something happens."""
    monkeypatch.setattr(connection._Running, "left", lambda _: 0.3)


def drip(conn: socket.socket) -> None:
    """The documented answer, a few bytes at a time: something happens all the time."""
    read_request(conn)
    whole = answer(201, CREATED)
    for at in range(0, len(whole), 20):
        conn.sendall(whole[at : at + 20])
        is_gone(conn, 0.06)


def wait_for_a_dripping_answer(listening: Listen, talking_to: Talk) -> tuple[Any, float]:
    begun = monotonic()
    try:
        got: Any = create(talking_to(listening(drip), deadline=0.3))
    except Unknown as error:
        got = error
    return got, monotonic() - begun


def test_an_answer_that_drips_is_given_up_at_the_deadline(
    listening: Listen, talking_to: Talk
) -> None:
    got, seconds = wait_for_a_dripping_answer(listening, talking_to)
    assert isinstance(got, Unknown)
    assert seconds < 0.6


def test_with_a_timeout_a_step_it_would_be_waited_for(
    listening: Listen, talking_to: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    each_step_has_its_own_time(monkeypatch)
    got, seconds = wait_for_a_dripping_answer(listening, talking_to)
    assert isinstance(got, Accepted)
    assert seconds > 0.6


def freeze_before_the_first_byte(
    peer: Peer, talking_to: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is stopped when it has connected, for longer than the exchange may take."""
    connect = connection._Connection.connect

    def freeze(conn: Any) -> None:
        connect(conn)
        connection._running.get().ends_at = monotonic() - 1

    monkeypatch.setattr(connection._Connection, "connect", freeze)
    try:
        create(talking_to(peer))
    except Unknown:
        pass
    peer.close()


def listen_for_a_request(listening: Listen) -> Peer:
    def hear(conn: socket.socket) -> None:
        if peer.hear(conn):
            conn.sendall(answer(201, CREATED))

    peer = listening(hear)
    return peer


def test_a_process_that_was_frozen_past_the_deadline_sends_nothing(
    listening: Listen, talking_to: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = listen_for_a_request(listening)
    freeze_before_the_first_byte(peer, talking_to, monkeypatch)
    assert b"".join(peer.heard) == b""


def test_with_a_timeout_a_step_it_would_send(
    listening: Listen, talking_to: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    each_step_has_its_own_time(monkeypatch)
    peer = listen_for_a_request(listening)
    freeze_before_the_first_byte(peer, talking_to, monkeypatch)
    assert peer.heard[0].startswith(b"POST ")


# -- nothing is sent again ------------------------------------------------------------------------


def retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib3 told to try again, as many programs tell it."""
    eager = Retry(total=3, allowed_methods=None, backoff_factor=0)
    monkeypatch.setattr(connection, "Retry", lambda total: eager)


def connects_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection may be made anew in the same exchange."""
    connect = connection._Connection.connect

    def forget(conn: Any) -> None:
        connection._running.get().connected = False
        connect(conn)

    monkeypatch.setattr(connection._Connection, "connect", forget)


def times_sent(listening: Listen, talking_to: Talk) -> int:
    """To a peer that reads the request, and resets the connection."""

    def read_and_reset(conn: socket.socket) -> None:
        peer.hear(conn)
        reset(conn)

    peer = listening(read_and_reset)
    with pytest.raises(Unknown):
        create(talking_to(peer))
    peer.close()
    return len(peer.heard)


@pytest.mark.parametrize("left_out", [None, retries, connects_again])
def test_a_request_without_an_answer_is_not_sent_again_and_each_of_two_locks_sees_to_it(
    left_out: Callable[[pytest.MonkeyPatch], None] | None,
    listening: Listen,
    talking_to: Talk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if left_out:
        left_out(monkeypatch)
    assert times_sent(listening, talking_to) == 1


def test_without_both_it_would_be_sent_four_times(
    listening: Listen, talking_to: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    retries(monkeypatch)
    connects_again(monkeypatch)
    assert times_sent(listening, talking_to) == 4
