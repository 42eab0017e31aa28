"""Listings and single reads: right values, or a word about why not, within one deadline."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest

from snapshots.provider import client as client_module
from snapshots.provider.client import Client
from snapshots.provider.errors import Declined, NotSent, ProviderError, Unavailable
from snapshots.provider.types import Identity, Listing, Server, Snapshot
from tests.provider.client.documented import (
    ACCOUNT,
    SERVER,
    SERVER_OF_THE_OTHER_DIALECT,
    SNAPSHOT,
    listed,
)
from tests.provider.client.peer import Peer, answer, is_gone, reset, wait_for_the_end

Listen = Callable[..., Peer]
Talk = Callable[..., Client]


def ids(listing: Listing[Any]) -> list[str]:
    return [item.id for item in listing.items]


def test_the_documented_account_is_read(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(200, ACCOUNT))
    assert talking_to(peer).identity() == Identity(
        email="ops@example.com",
        name="Ada Byron",
        company="Engines",
        token_name="dashboard",
        permissions=("servers:*", "snapshots:*"),
    )
    assert peer.heard[0].startswith(b"GET /api/v1/account/me/ HTTP/1.1\r\n")
    assert b"Authorization: Bearer vps_canary0123456789abcdef\r\n" in peer.heard[0]
    assert b"Accept-Encoding: identity\r\n" in peer.heard[0]


def test_an_account_without_an_address_is_no_account(listening: Listen, talking_to: Talk) -> None:
    for body in ({}, [], {"account": None}, {"account": {"email": 5}}, {"token": {}}):
        with pytest.raises(Unavailable):
            talking_to(listening(answer(200, body))).identity()


def test_a_token_without_named_permissions_has_none(listening: Listen, talking_to: Talk) -> None:
    body = {"account": {"email": "a@example.com"}, "token": {"permissions": [1, None, "x:*"]}}
    assert talking_to(listening(answer(200, body))).identity().permissions == ("x:*",)
    body["token"] = {"permissions": "all"}
    assert talking_to(listening(answer(200, body))).identity().permissions == ()


def test_the_documented_servers_are_read(listening: Listen, talking_to: Talk) -> None:
    listing = talking_to(listening(answer(200, listed(SERVER)))).servers()
    assert listing.complete
    assert listing.items == (
        Server(
            id="12345",
            name="web-server-01",
            hostname="web01.example.com",
            status="active",
            address="203.0.113.10",
            location="us-west",
            plan="Standard VPS",
            vcpus=2,
            memory_mb=4096,
            storage_gb=80,
            os="Ubuntu 22.04 LTS",
            created_at=datetime(2025, 1, 10, 14, 30, tzinfo=UTC),
        ),
    )


def test_the_other_dialect_is_read(listening: Listen, talking_to: Talk) -> None:
    (server,) = (
        talking_to(listening(answer(200, listed(SERVER_OF_THE_OTHER_DIALECT)))).servers().items
    )
    assert server == Server(
        id="0b6e6a54-6d3c-4a0e-8a51-5d3f3f0f2f11",
        name="db01.example.com",
        hostname="db01.example.com",
        status="stopped",
        address="203.0.113.20",
        location="us-east",
        plan="Performance VPS",
        vcpus=None,
        memory_mb=None,
        storage_gb=None,
        os="Debian 12",
        created_at=datetime(2025, 1, 10, 14, 30, 0, 123456, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("row", "field", "value"),
    [
        ({"ipv4_addresses": [{"address": "203.0.113.7"}]}, "address", "203.0.113.7"),
        ({"ipv4_addresses": [{"ip": "203.0.113.8"}]}, "address", "203.0.113.8"),
        ({"ipv4_addresses": []}, "address", ""),
        ({"ipv4_addresses": "203.0.113.8"}, "address", ""),
        ({"location": {"id": 3, "name": "us-east"}}, "location", "us-east"),
        ({"location": 5}, "location", ""),
        ({"plan": "Standard VPS"}, "plan", "Standard VPS"),
        ({"plan": {"vcpus": True}}, "vcpus", None),
        ({"plan": {"vcpus": -1}}, "vcpus", None),
        ({"plan": {"memory": 2**63}}, "memory_mb", None),
        ({"plan": {"storage": 80.5}}, "storage_gb", None),
        ({"os": None, "os_name": "Debian 12"}, "os", "Debian 12"),
        ({"status": "on-fire"}, "status", "on-fire"),
        ({"status": "x" * 100}, "status", "x" * 64),
        ({"name": "a\x00b\x1b[31m\u202ec\nd"}, "name", "ab[31mc d"),
        ({"name": "n" * 300}, "name", "n" * 255),
        ({"name": "Ŝaĝa \ud800 😀"}, "name", "Ŝaĝa  😀"),
        ({"created_at": "2024-06-15"}, "created_at", datetime(2024, 6, 15, tzinfo=UTC)),
        (
            {"created_at": "2024-06-15T12:00:00+02:00"},
            "created_at",
            datetime(2024, 6, 15, 10, tzinfo=UTC),
        ),
        (
            {"created_at": "2024-06-15T12:00:00"},
            "created_at",
            datetime(2024, 6, 15, 12, tzinfo=UTC),
        ),
        ({"created_at": "yesterday"}, "created_at", None),
        ({"created_at": 1718409600}, "created_at", None),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "created_at", None),
    ],
)
def test_odd_members_become_plain_values(
    row: dict[str, Any], field: str, value: object, listening: Listen, talking_to: Talk
) -> None:
    (server,) = talking_to(listening(answer(200, listed({"id": 1, **row})))).servers().items
    assert getattr(server, field) == value


def test_the_documented_snapshots_are_read(listening: Listen, talking_to: Talk) -> None:
    listing = talking_to(listening(answer(200, listed(SNAPSHOT)))).snapshots()
    assert listing == Listing(
        (
            Snapshot(
                id="801",
                server_id="12345",
                server_name="web-server-01",
                name="pre-migration-snapshot",
                status="completed",
                size_mb=5120,
                created_at=datetime(2025, 1, 15, 18, 30, tzinfo=UTC),
                description="Before major migration",
            ),
        ),
        complete=True,
    )


@pytest.mark.parametrize(
    "members", [{"server": 7}, {"server": "7"}, {"server_id": 7}, {"server": {"uuid": "7"}}]
)
def test_a_snapshot_names_its_server_in_several_ways(
    members: dict[str, Any], listening: Listen, talking_to: Talk
) -> None:
    body = listed({"id": 1, **members})
    (snapshot,) = talking_to(listening(answer(200, body))).snapshots().items
    assert snapshot.server_id == "7"


@pytest.mark.parametrize(
    "row",
    [
        None,
        5,
        "5",
        [],
        {},
        {"id": None},
        {"id": True},
        {"id": -1},
        {"id": 1.5},
        {"id": ""},
        {"id": "x" * 65},
        {"id": 10**70},
        {"id": "a\nb"},
        {"id": "\ud800"},
        {"id": ".."},
        {"id": {"id": 5}},
    ],
)
def test_a_malformed_row_is_left_out_and_the_listing_is_not_complete(
    row: object, listening: Listen, talking_to: Talk
) -> None:
    listing = talking_to(listening(answer(200, listed(SERVER, row)))).servers()
    assert ids(listing) == ["12345"]
    assert not listing.complete


def test_a_snapshot_of_no_server_or_of_two_is_malformed(
    listening: Listen, talking_to: Talk
) -> None:
    for members in ({}, {"server": {}}, {"server": {"id": 1}, "server_id": 2}, {"server": 1.5}):
        listing = talking_to(listening(answer(200, listed({"id": 1, **members})))).snapshots()
        assert listing == Listing((), complete=False)


def test_filters_are_sent_as_asked(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(200, listed()))
    client = talking_to(peer)
    client.servers(status="active", location="us-west & more")
    client.snapshots(server_id="12345")
    assert peer.paths == [
        "/api/v1/servers/?status=active&location=us-west+%26+more",
        "/api/v1/snapshots/?server_id=12345",
    ]


def test_snapshots_of_a_server_never_include_anothers(listening: Listen, talking_to: Talk) -> None:
    other = {**SNAPSHOT, "id": 9, "server": {"id": 99}}
    listing = talking_to(listening(answer(200, listed(SNAPSHOT, other)))).snapshots("12345")
    assert ids(listing) == ["801"]
    assert not listing.complete
    assert talking_to(listening(answer(200, listed(SNAPSHOT)))).snapshots("12345").complete


def test_one_server_is_read_and_must_be_the_one_asked(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(200, SERVER))
    assert talking_to(peer).server("12345").name == "web-server-01"
    assert peer.paths == ["/api/v1/servers/12345/"]
    with pytest.raises(Unavailable, match="not the documented answer"):
        talking_to(peer).server("12346")


# Pages.


@pytest.mark.parametrize(
    "body",
    [
        [{"id": 1}, {"id": 2}],
        {"results": [{"id": 1}, {"id": 2}]},
        {"results": [{"id": 1}, {"id": 2}], "count": None, "next": None},
        {"results": [{"id": 1}, {"id": 2}], "count": 2, "next": ""},
    ],
)
def test_a_list_may_be_bare_or_lack_count_and_next(
    body: object, listening: Listen, talking_to: Talk
) -> None:
    listing = talking_to(listening(answer(200, body))).servers()
    assert (ids(listing), listing.complete) == (["1", "2"], True)


@pytest.mark.parametrize("count", [0, 1, 3, -2, True, "2", 2.0, [2], {"n": 2}])
def test_a_count_that_differs_makes_the_listing_incomplete(
    count: object, listening: Listen, talking_to: Talk
) -> None:
    body = {"results": [{"id": 1}, {"id": 2}], "count": count}
    listing = talking_to(listening(answer(200, body))).servers()
    assert (ids(listing), listing.complete) == (["1", "2"], False)


def test_an_id_that_comes_twice_is_shown_once_in_an_incomplete_listing(
    listening: Listen, talking_to: Talk
) -> None:
    for count in (1, 2):
        body = {"results": [{"id": 1}, {"id": "1"}], "count": count}
        listing = talking_to(listening(answer(200, body))).servers()
        assert (ids(listing), listing.complete) == (["1"], False)


def pages(peer: Peer, *bodies: Callable[[str], dict[str, Any]]) -> None:
    peer.plays[:] = [answer(200, body(peer.url)) for body in bodies]


def test_pages_are_followed_to_the_end(listening: Listen, talking_to: Talk) -> None:
    peer = listening(b"")
    pages(
        peer,
        lambda url: {"count": 4, "results": [{"id": 1}], "next": f"{url}/servers/?page=2"},
        lambda url: {"count": 4, "results": [{"id": 2}], "next": "/api/v1/servers/?page=3"},
        lambda url: {"count": 4, "results": [{"id": 3}], "next": "?page=4"},
        lambda url: {"count": 4, "results": [{"id": 4}], "next": None},
    )
    listing = talking_to(peer).servers()
    assert (ids(listing), listing.complete) == (["1", "2", "3", "4"], True)
    assert peer.paths == ["/api/v1/servers/"] + [f"/api/v1/servers/?page={n}" for n in (2, 3, 4)]


def test_a_count_that_changes_between_pages_makes_the_listing_incomplete(
    listening: Listen, talking_to: Talk
) -> None:
    peer = listening(b"")
    pages(
        peer,
        lambda url: {"count": 3, "results": [{"id": 1}], "next": "?page=2"},
        lambda url: {"count": 2, "results": [{"id": 2}]},
    )
    assert not talking_to(peer).servers().complete


@pytest.mark.parametrize(
    "following",
    [
        "http://{other}/api/v1/servers/?page=2",
        "https://127.0.0.1:{port}/api/v1/servers/?page=2",
        "http://127.0.0.1:{port}@{other}/api/v1/servers/?page=2",
        "http://{other}\\@127.0.0.1:{port}/api/v1/servers/",
        "http://someone@127.0.0.1:{port}/api/v1/servers/?page=2",
        "//{other}/api/v1/servers/?page=2",
        "http://127.0.0.1:{port}/elsewhere/?page=2",
        "http://127.0.0.1:{port}/api/v10/servers/",
        "http://127.0.0.1:{port}/api/v1",
        "http://127.0.0.1:{port}/api/v1/../../admin/",
        "http://127.0.0.1:{port}/api/v1/%2e%2E/admin/",
        "http://127.0.0.1:{port}/api/v1/..%2fadmin/",
        "http://127.0.0.1:{port}/api/v1/..%5Cadmin/",
        "http://127.0.0.1:{port}/api/v1/servers/ \r\nX: y",
        "http://127.0.0.1:nonsense/api/v1/",
        "http://[::1/api/v1/",
        "file:///etc/passwd",
        "?pagé=2",
        "\ud800",
    ],
)
def test_next_is_followed_to_the_configured_api_only(
    following: str, listening: Listen, talking_to: Talk
) -> None:
    other, peer = listening(answer(200, listed())), listening(b"")
    address = f"127.0.0.1:{other.port}"
    following = following.format(other=address, port=peer.port)
    peer.plays[:] = [answer(200, {"results": [{"id": 1}], "next": following})]
    listing = talking_to(peer).servers()
    assert (ids(listing), listing.complete) == (["1"], False)
    assert (other.connections, len(peer.heard)) == (0, 1)


def test_the_port_of_a_scheme_may_be_said_or_not() -> None:
    for scheme, port in (("http", 80), ("https", 443)):
        said, unsaid = urlsplit(f"{scheme}://a.example:{port}/"), urlsplit(f"{scheme}://a.example/")
        assert client_module._origin(said) == client_module._origin(unsaid)


@pytest.mark.parametrize("following", [5, True, ["?page=2"], {"page": 2}])
def test_a_next_that_is_no_text_makes_the_listing_incomplete(
    following: object, listening: Listen, talking_to: Talk
) -> None:
    body = {"results": [{"id": 1}], "next": following}
    assert not talking_to(listening(answer(200, body))).servers().complete


def test_a_loop_of_pages_ends(listening: Listen, talking_to: Talk) -> None:
    peer = listening(b"")
    pages(
        peer,
        lambda url: {"results": [{"id": 1}], "next": "?page=2"},
        lambda url: {"results": [{"id": 2}], "next": f"{url}/servers/"},
    )
    listing = talking_to(peer).servers()
    assert (ids(listing), listing.complete) == (["1", "2"], False)
    assert len(peer.heard) == 2


def test_pages_without_end_end(listening: Listen, talking_to: Talk) -> None:
    peer = listening(b"")
    peer.plays[:] = [
        answer(200, {"results": [{"id": n}], "next": f"?page={n}"})
        for n in range(2, client_module.PAGES + 5)
    ]
    listing = talking_to(peer).servers()
    assert (len(listing.items), listing.complete) == (client_module.PAGES, False)


def test_a_page_that_fails_fails_the_listing(listening: Listen, talking_to: Talk) -> None:
    for second in (answer(404, {"detail": "Invalid page."}), answer(200, {}), answer(200, b"<p>")):
        peer = listening(answer(200, {"results": [{"id": 1}], "next": "?page=2"}), second)
        with pytest.raises(ProviderError):
            talking_to(peer).servers()


@pytest.mark.parametrize("body", [{}, {"results": None}, {"results": {}}, 5, None, "x", {"id": 1}])
def test_what_is_no_listing_is_none(body: object, listening: Listen, talking_to: Talk) -> None:
    with pytest.raises(Unavailable) as raised:
        talking_to(listening(answer(200, body))).servers()
    assert raised.value.status == 200


def test_the_pages_of_a_listing_share_one_limit(listening: Listen, talking_to: Talk) -> None:
    rows = [{"id": n, "name": "x" * 1000} for n in range(12_000)]
    peer = listening(b"")
    peer.plays[:] = [
        answer(200, {"results": rows, "next": f"?page={page}"}) for page in (2, 3, 4, 5)
    ]
    with pytest.raises(Unavailable, match="too large"):
        talking_to(peer).servers()
    assert len(peer.heard) == 3


def test_the_same_bytes_again_are_not_read_again(listening: Listen, talking_to: Talk) -> None:
    client = talking_to(listening(answer(200, listed(SERVER)), answer(200, listed(SERVER))))
    first = client.servers()
    again = client.servers(known=first.digest)
    assert (first.as_known, again.as_known, again.complete) == (False, True, True)
    assert again.digest == first.digest != ""


def test_other_bytes_than_the_known_ones_are_read(listening: Listen, talking_to: Talk) -> None:
    other = SERVER | {"status": "stopped"}
    client = talking_to(listening(answer(200, listed(SERVER)), answer(200, listed(other))))
    listing = client.servers(known=client.servers().digest)
    assert (listing.as_known, listing.items[0].status) == (False, "stopped")


def test_only_a_complete_listing_in_one_answer_can_be_known(
    listening: Listen, talking_to: Talk
) -> None:
    incomplete = answer(200, {"count": 5, "results": [SERVER]})
    paged = answer(200, {"results": [SERVER], "next": "?page=2"}), answer(200, {"results": []})
    assert talking_to(listening(incomplete)).servers().digest == ""
    assert talking_to(listening(*paged)).servers().digest == ""


def test_a_refusal_with_known_bytes_is_a_refusal(listening: Listen, talking_to: Talk) -> None:
    client = talking_to(listening(answer(200, listed(SERVER)), answer(401, listed(SERVER))))
    with pytest.raises(Declined):
        client.servers(known=client.servers().digest)


def test_finding_a_server_takes_one_call_where_there_are_no_pages(
    listening: Listen, talking_to: Talk
) -> None:
    peer = listening(answer(200, listed(SERVER)))
    found = talking_to(peer).find_server("12345")
    assert (ids(found), found.complete, peer.paths) == (["12345"], True, ["/api/v1/servers/"])


def test_finding_a_server_does_not_read_all_pages(listening: Listen, talking_to: Talk) -> None:
    first = answer(200, {"results": [{"id": 1}], "next": "?page=2"})
    peer = listening(first, answer(200, SERVER))
    found = talking_to(peer).find_server("12345")
    assert (ids(found), found.complete, found.calls) == (["12345"], True, 2)
    assert peer.paths == ["/api/v1/servers/", "/api/v1/servers/12345/"]


def test_only_all_pages_prove_that_a_server_is_not_there(
    listening: Listen, talking_to: Talk
) -> None:
    first = answer(200, {"results": [{"id": 1}], "next": "?page=2"})
    second = answer(200, {"results": [{"id": 2}]})
    missing = answer(404, {"detail": "Not found."})
    found = talking_to(listening(first, missing, first, second)).find_server("12345")
    assert (ids(found), found.complete) == (["1", "2"], True)


def test_a_refusal_to_tell_of_a_server_is_no_proof_that_it_is_not_there(
    listening: Listen, talking_to: Talk
) -> None:
    first = answer(200, {"results": [{"id": 1}], "next": "?page=2"})
    peer = listening(first, answer(403, {"detail": "No."}))
    with pytest.raises(Declined, match=r"No\.") as raised:
        talking_to(peer).find_server("12345")
    assert raised.value.status == 403
    assert peer.connections == 2


# Tries.


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
        talking_to(peer, read_deadline=0.4).servers()
    assert 0.25 < monotonic() - begun < 1
    assert peer.connections > 2


def test_a_hanging_try_leaves_time_for_another(listening: Listen, talking_to: Talk) -> None:
    def hang(conn: socket.socket) -> None:
        is_gone(conn, 5)

    peer = listening(hang, answer(200, listed(SERVER)))
    assert talking_to(peer, read_deadline=0.9).servers().complete


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


def test_ids_are_encoded_and_dots_refused(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(200, {"id": "a/../b?c#d %2e é"}))
    client = talking_to(peer)
    assert client.server("a/../b?c#d %2e é").id == "a/../b?c#d %2e é"
    assert peer.paths == ["/api/v1/servers/a%2F..%2Fb%3Fc%23d%20%252e%20%C3%A9/"]
    for refused in ("", ".", "..", "a\r\nb", "x" * 65, "\ud800"):
        with pytest.raises(NotSent):
            client.server(refused)
        with pytest.raises(NotSent):
            client.delete_snapshot(refused)
    assert len(peer.heard) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com",
        "example.com",
        "https://",
        "https://me:pw@example.com",
        "https://example.com/?a=b",
        "https://example.com/#a",
        "https://example.com:99999/",
        "https://exa mple.com/",
    ],
)
def test_an_address_that_is_no_api_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Client(url, "vps_x")
