"""The token goes to the configured API and to nobody else: no log, no traceback, no message."""

from __future__ import annotations

import base64
import logging
import pickle
import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snapshots.provider.client import Client
from snapshots.provider.connection import Token
from snapshots.provider.errors import ProviderError
from tests.provider.client.conftest import TOKEN
from tests.provider.client.documented import CREATED, SNAPSHOT, listed
from tests.provider.client.peer import Peer, answer, reset

Listen = Callable[..., Peer]
Talk = Callable[..., Client]

BEARER = f"Bearer {TOKEN}"
SPELLINGS = {
    "plain": TOKEN,
    "bearer": BEARER,
    "base64": base64.b64encode(TOKEN.encode()).decode(),
    "base64 of the header": base64.b64encode(BEARER.encode()).decode(),
    "urlsafe base64": base64.urlsafe_b64encode(TOKEN.encode()).decode(),
}
TRACES = [TOKEN, *(text.rstrip("=") for text in SPELLINGS.values())]


def calls(client: Client) -> list[Callable[[], Any]]:
    return [
        client.identity,
        client.servers,
        client.snapshots,
        lambda: client.server("1"),
        lambda: client.create_snapshot("12345", "before-update-snapshot"),
        lambda: client.restore_snapshot("801", "12345"),
        lambda: client.delete_snapshot("801"),
        lambda: client.power("12345", "stop"),
    ]


def told(call: Callable[[], Any]) -> str:
    """All that an error report could say about `call`, local variables included."""
    try:
        return repr(call())
    except ProviderError as error:
        assert error.__cause__ is None
        assert error.__context__ is None
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        return f"{error!r} {vars(error)} {''.join(told.format())}"


def assert_untold(text: str) -> None:
    for trace in TRACES:
        assert trace not in text


def echo(status: int, token: str) -> list[bytes]:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in token)
    bodies = [
        f'{{"detail": "no such token: {token}"}}',
        f'{{"{token}": ["unknown"]}}',
        f'["{token}"]',
        f'{{"account": {{"email": "{token}"}}, "results": [{{"id": 1, "name": "{token}"}}]}}',
        f'{{"detail": "{escaped}"}}',
        f'[{{"id": "{escaped}"}}]',
        f"who is {token}?",
        f"<html>{token}</html>",
        f'{{"unfinished": "{token}"',
    ]
    return [answer(status, body.encode()) for body in bodies]


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_an_echoed_token_is_never_repeated(
    spelling: str, listening: Listen, talking_to: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    peer = listening(b"")
    client = talking_to(peer, read_deadline=0.1)
    for status in (200, 400, 500):
        for play in echo(status, spelling):
            peer.plays[:] = [play]
            for call in calls(client):
                assert_untold(told(call))
    assert_untold(caplog.text)


@pytest.mark.parametrize(
    "play",
    [
        reset,
        b"",
        f"HTTP/1.1 {BEARER}\r\n\r\n".encode(),
        f"{BEARER}\r\n\r\n".encode(),
        f"HTTP/1.1 400 {BEARER}\r\nRetry-After: {BEARER}\r\nX: {BEARER}\r\n\r\n".encode(),
        f"HTTP/1.1 400 Bad\r\n{BEARER}\r\n: {BEARER}\r\n\r\n{{}}".encode(),
        f"HTTP/1.1 302 Found\r\nLocation: /{TOKEN}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\nContent-Encoding: {TOKEN}\r\n\r\n{{}}".encode(),
        f"HTTP/1.1 200 OK\r\nContent-Length: {TOKEN}\r\n\r\n{{}}".encode(),
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{TOKEN}\r\n".encode(),
        answer(200, TOKEN.encode() * 50_000),
        answer(200, CREATED)[:-5],
    ],
)
def test_no_failure_tells_the_token(
    play: Any, listening: Listen, talking_to: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = talking_to(listening(play), read_deadline=0.1, deadline=1.0)
    for call in calls(client):
        assert_untold(told(call))
    assert_untold(caplog.text)


def test_no_failure_to_connect_tells_the_token(
    tls: ssl.SSLContext, listening: Listen, talking_to: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    untrusted = listening(answer(200), tls=tls)
    for url in (untrusted.url, "http://nosuch.invalid/", "http://127.0.0.1:1/"):
        for call in calls(talking_to(url, read_deadline=0.1)):
            assert_untold(told(call))
    assert_untold(caplog.text)


def test_the_token_is_not_in_what_is_shown_of_a_client(talking_to: Talk) -> None:
    client = talking_to("http://127.0.0.1:1/api/v1/")
    assert repr(client) == str(client) == "Client('http://127.0.0.1:1/api/v1')"
    assert_untold(f"{vars(client)}")
    assert repr(Token(TOKEN)) == str(Token(TOKEN)) == "***"
    for thing in (client, Token(TOKEN)):
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def bad_client(url: str, suffix: str) -> str:
    """The traceback of `Client(...)` from its first frame inward."""
    try:
        Client(url, TOKEN + suffix)
    except ValueError as error:
        inside = error.__traceback__ and error.__traceback__.tb_next
        told = traceback.TracebackException(
            type(error), error.with_traceback(None), inside, capture_locals=True
        )
        return "".join(told.format())
    raise AssertionError("the client was made")


def test_a_client_that_cannot_be_made_does_not_tell_the_token() -> None:
    assert_untold(bad_client("http://127.0.0.1:1", "\r\nX-Evil: 1"))
    assert_untold(bad_client("http://127.0.0.1:1", " é"))
    assert_untold(bad_client("nonsense", ""))


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "é", "vps_\x00", 'a"b', "a\\b"])
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="token"):
        Client("http://127.0.0.1:1", token)


def test_a_short_token_does_not_tear_holes_into_words(listening: Listen, talking_to: Talk) -> None:
    (snapshot,) = (
        talking_to(listening(answer(200, listed(SNAPSHOT))), token="pre").snapshots().items
    )
    assert snapshot.name == "pre-migration-snapshot"


def test_the_ca_file_is_the_only_way_to_trust_another(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r".+"):
        Client("https://127.0.0.1:1", TOKEN, ca_file=str(tmp_path / "missing.pem"))


def test_a_token_of_less_than_eight_characters_would_tear_holes_into_words() -> None:
    assert Token("12345678").hide("said 12345678.") == "said ***."
    assert Token("1234567").hide("said 1234567.") == "said 1234567."
