"""Listings and single reads: right values, or a word about why not, within one deadline."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from snapshots.provider.client import Client
from snapshots.provider.errors import NotSent, Unavailable
from snapshots.provider.types import Identity, Listing, Server, Snapshot
from tests.provider.client.documented import (
    ACCOUNT,
    SERVER,
    SERVER_OF_THE_OTHER_DIALECT,
    SNAPSHOT,
    listed,
)
from tests.provider.client.peer import Peer, answer

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
