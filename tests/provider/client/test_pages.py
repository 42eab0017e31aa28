"""Listings of several pages, and the same answer again: whole, or known to be not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from snapshots.provider import client as client_module
from snapshots.provider.client import Client
from snapshots.provider.errors import Declined, ProviderError, Unavailable
from snapshots.provider.types import Listing
from tests.provider.client.documented import SERVER, listed
from tests.provider.client.peer import Peer, answer

Listen = Callable[..., Peer]
Talk = Callable[..., Client]


def ids(listing: Listing[Any]) -> list[str]:
    return [item.id for item in listing.items]


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
