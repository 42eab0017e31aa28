"""Whatever the body is: a right value or a ProviderError, never anything else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshots.provider import reading
from snapshots.provider.client import Client
from snapshots.provider.errors import Declined, ProviderError, Unavailable, Unknown
from snapshots.provider.types import Listing, RestoreStarted, Server, Snapshot
from tests.malformed import RAW, filled
from tests.provider.client.documented import ACCOUNT, CREATED, RESTORED, SERVER, SNAPSHOT, listed
from tests.provider.client.peer import Peer, answer

GOOD = json.dumps(CREATED).encode()


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    with Peer(b"") as peer:
        yield peer


@pytest.fixture(scope="module")
def client(peer: Peer) -> Iterator[Client]:
    with Client(peer.url, "vps_canary0123456789", deadline=30, read_deadline=30) as client:
        yield client


@pytest.mark.parametrize("raw", RAW, ids=lambda body: repr(body[:20]))
def test_what_is_not_json_as_we_accept_it_says_nothing(
    raw: bytes, peer: Peer, client: Client
) -> None:
    body = filled(raw, server="12345", snapshot="801", name="before-update-snapshot")
    peer.plays[:] = [answer(200, body)]
    for read in (client.identity, client.servers, client.snapshots, lambda: client.server("1")):
        with pytest.raises(Unavailable):
            read()
    for status in (200, 201, 400, 404):
        peer.plays[:] = [answer(status, body)]
        for change in (
            lambda: client.create_snapshot("12345", "before-update-snapshot"),
            lambda: client.restore_snapshot("801", "12345"),
            lambda: client.delete_snapshot("801"),
            lambda: client.power("12345", "start"),
        ):
            with pytest.raises(Unknown):
                change()


def test_a_byte_order_mark_does_no_harm(peer: Peer, client: Client) -> None:
    peer.plays[:] = [answer(201, b"\xef\xbb\xbf" + GOOD)]
    assert client.create_snapshot("12345", "before-update-snapshot").result.id == "802"


def test_json_as_deep_as_it_can_be_read_can_be_put_into_words(peer: Peer, client: Client) -> None:
    outcomes = set()
    for depth in range(800, 1000):
        body = b'{"a":' * depth + b"[5]" + b"}" * depth
        peer.plays[:] = [answer(401, body)]
        with pytest.raises((Declined, Unavailable)) as raised:
            client.identity()
        assert len(raised.value.message) <= 300
        outcomes.add(raised.value.message[:6])
    assert outcomes == {'{"a": ', "HTTP 4"}


def test_json_too_deep_for_words_has_none() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert reading.error_words(deep) == ""


# Documents of the right words in any wrong place, and the documented ones with parts exchanged.

WORDS = [
    *("id", "uuid", "server", "server_id", "snapshot", "name", "hostname", "status", "size_mb"),
    *("created_at", "description", "message", "detail", "error", "results", "count", "next"),
    *("account", "token", "email", "permissions", "plan", "location", "os", "ipv4_addresses"),
]
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([801, 802, 12345, -1, 0, 2**63, 10**80, 1.5, 1e300, "801", "12345", "success"]),
    st.sampled_from(["before-update-snapshot", "..", "", "2025-01-15", "9999-99-99", "?page=2"]),
    st.text(st.characters(codec=None), max_size=8),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(WORDS), inner, max_size=6)
    ),
    max_leaves=12,
)


@st.composite
def almost(draw: st.DrawFn, document: dict[str, Any]) -> Any:
    """The document with up to three of its members, at any depth, exchanged or gone."""
    copy = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(0, 3))):
        at: Any = copy
        while isinstance(at, (dict, list)) and at:
            key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
            if isinstance(at[key], (dict, list)) and at[key] and draw(st.booleans()):
                at = at[key]
                continue
            if draw(st.booleans()):
                at[key] = draw(JSON)
            else:
                del at[key]
            break
    return copy


quickly = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def document(body: Any) -> bytes:
    return json.dumps(body).encode()


@quickly
@given(body=JSON | almost(CREATED), status=st.sampled_from([200, 201, 202, 400, 404, 500]))
def test_no_body_makes_a_create_of_something_else_look_accepted(
    body: Any, status: int, peer: Peer, client: Client
) -> None:
    peer.plays[:] = [answer(status, document(body))]
    try:
        accepted = client.create_snapshot("12345", "before-update-snapshot")
    except ProviderError as error:
        assert isinstance(error, (Unknown, Declined))
        assert isinstance(error, Unknown) or status in (400, 404)
    else:
        assert status in (200, 201, 202)
        assert body["name"] == "before-update-snapshot"
        assert accepted.result.server_id == "12345"
        own_id = body["uuid"] if body.get("id") is None else body["id"]
        assert accepted.result.id == str(own_id)


@quickly
@given(body=JSON | almost(RESTORED), status=st.sampled_from([200, 202, 400, 404, 500]))
def test_no_body_makes_a_restore_of_something_else_look_accepted(
    body: Any, status: int, peer: Peer, client: Client
) -> None:
    peer.plays[:] = [answer(status, document(body))]
    try:
        accepted = client.restore_snapshot("801", "12345")
    except ProviderError as error:
        assert isinstance(error, Unknown) or status in (400, 404)
    else:
        assert isinstance(accepted.result, RestoreStarted)
        assert "801" in document(body["snapshot"]).decode()
        assert "12345" in document(body["server"]).decode()


@quickly
@given(body=JSON, status=st.sampled_from([200, 204, 400, 404, 500]))
def test_no_body_makes_a_refused_delete_or_power_look_accepted(
    body: Any, status: int, peer: Peer, client: Client
) -> None:
    peer.plays[:] = [answer(status, document(body))]
    for change in (lambda: client.delete_snapshot("801"), lambda: client.power("801", "stop")):
        try:
            change()
        except ProviderError as error:
            assert isinstance(error, Unknown) or status in (400, 404)
        else:
            assert status == 204 or (status == 200 and isinstance(body, dict))


def assert_plain(item: Server | Snapshot) -> None:
    assert 0 < len(item.id) <= 64
    assert item.id.isprintable()
    for value in (item.id, item.name, item.status):
        value.encode()
        assert "\x00" not in value
    assert item.created_at is None or item.created_at.utcoffset() is not None


@quickly
@given(
    body=JSON
    | st.builds(lambda rows, count: {"results": rows, "count": count}, st.lists(JSON), LEAVES)
    | almost(listed(SERVER, {**SERVER, "id": 2}, next=None))
    | almost(listed(SNAPSHOT, {**SNAPSHOT, "id": 2})),
)
def test_every_listing_is_plain_values_or_unavailable(
    body: Any, peer: Peer, client: Client
) -> None:
    for read in (client.servers, client.snapshots):
        peer.plays[:] = [answer(200, document(body)), answer(200, {"results": []})]
        listing: Listing[Any]
        try:
            listing = read()
        except Unavailable:
            continue
        for item in listing.items:
            assert_plain(item)
        assert len({item.id for item in listing.items}) == len(listing.items)
        rows = body if isinstance(body, list) else body["results"]
        if listing.complete:
            assert len(listing.items) == len(rows)


@quickly
@given(body=JSON | almost(ACCOUNT))
def test_every_account_is_plain_values_or_unavailable(
    body: Any, peer: Peer, client: Client
) -> None:
    peer.plays[:] = [answer(200, document(body))]
    try:
        identity = client.identity()
    except Unavailable:
        return
    assert identity.email
    assert all(isinstance(permission, str) for permission in identity.permissions)


@settings(max_examples=150, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_on_the_wire_are_an_answer_or_a_provider_error(
    raw: bytes, peer: Peer, client: Client
) -> None:
    peer.plays[:] = [b"HTTP/1.1 200 OK\r\n" + raw]
    for call in (lambda: client.delete_snapshot("801"), lambda: client.restore_snapshot("8", "1")):
        try:
            call()
        except ProviderError as error:
            assert isinstance(error, Unknown)
