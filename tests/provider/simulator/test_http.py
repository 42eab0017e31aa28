"""The wire itself: methods, framing, hostile bytes, clients that leave."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from snapshots.provider.simulator import Simulator

from .conftest import Caller, raw, request

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/snapshots/801/", "DELETE, OPTIONS"),
        ("PUT", "/snapshots/801/", "DELETE, OPTIONS"),
        ("PATCH", "/snapshots/801/", "DELETE, OPTIONS"),
        ("GET", "/snapshots/801/restore/", "POST, OPTIONS"),
        ("DELETE", "/snapshots/", "GET, POST, HEAD, OPTIONS"),
        ("POST", "/servers/", "GET, HEAD, OPTIONS"),
        ("DELETE", "/servers/12345/", "GET, HEAD, OPTIONS"),
        ("GET", "/servers/12345/power/", "POST, OPTIONS"),
        ("POST", "/account/me/", "GET, HEAD, OPTIONS"),
        ("HEAD", "/snapshots/801/", "DELETE, OPTIONS"),
        ("TRACE", "/snapshots/", "GET, POST, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_is_not_there_is_405_with_what_is(
    api: Caller, method: str, path: str, allow: str
) -> None:
    answer = api(method, path)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == allow
    if method != "HEAD":
        assert answer.json() == {"detail": f'Method "{method}" not allowed.'}


def test_head_is_a_get_without_its_body_and_options_tells_what_is_taken(
    api: Caller, web: str
) -> None:
    got, head = api.get("/servers/"), api("HEAD", "/servers/")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    options = api("OPTIONS", "/servers/")
    assert options.status_code == 200
    assert options.json()["parses"] == ["application/json"]


@pytest.mark.parametrize("path", ["/", "/nothing/", "/snapshots/1/restore/x/", "/servers//"])
def test_an_unknown_path_is_the_frameworks_page(api: Caller, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_missing_last_slash_is_a_redirect_on_which_a_post_would_be_a_get(
    sim: Simulator, api: Caller, web: str
) -> None:
    answer = api.get("/servers?status=active", allow_redirects=False)
    assert answer.status_code == 301
    assert answer.headers["Location"] == "/api/v1/servers/?status=active"
    posted = api.post("/snapshots", {"server_id": int(web), "name": "a"})
    assert posted.status_code == 200
    assert not sim.calls(event="applied")


def test_a_redirect_cannot_be_made_to_carry_headers(sim: Simulator, token: str) -> None:
    answer = raw(sim, request("POST", "/api/v1/servers/%0d%0aX-Bad:1/power", token))
    assert answer.startswith(b"HTTP/1.1 301")
    assert b"\r\nX-Bad" not in answer


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "JSON parse error - Expecting property name enclosed in double quotes"),
        (b"nope", "JSON parse error - Expecting value: line 1 column 1 (char 0)"),
        (b'{"a": NaN}', "JSON parse error - Out of range float values"),
        (b'{"a": Infinity}', "JSON parse error - Out of range float values"),
        (b"\xff\xfe{}", "JSON parse error - 'utf-8' codec can't decode"),
        (b"\xef\xbb\xbf{}", "JSON parse error - "),
        (b'{"a": ' + b"9" * 5000 + b"}", "JSON parse error - "),
        (b"[" * 100_000, "JSON parse error - "),
    ],
)
def test_a_body_that_is_no_json_is_400(api: Caller, body: bytes, words: str) -> None:
    answer = api("POST", "/snapshots/", data=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(words)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", ""])
def test_a_body_of_another_type_is_415(sim: Simulator, api: Caller, kind: str) -> None:
    answer = api("POST", "/snapshots/", data=b"{}", headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert answer.json() == {"detail": f'Unsupported media type "{kind}" in request.'}


def test_a_charset_after_the_type_is_taken(api: Caller, web: str) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    data = f'{{"server_id": {web}, "name": "a"}}'
    assert api("POST", "/snapshots/", data=data, headers=headers).status_code == 201


def test_a_connection_is_kept_for_the_next_call(sim: Simulator, api: Caller) -> None:
    both = request("GET", "/api/v1/servers/", api.token or "", close=False)
    both += request("GET", "/api/v1/snapshots/", api.token or "")
    assert raw(sim, both).count(b"HTTP/1.1 200 OK") == 2


def test_a_body_over_a_mebibyte_is_413_and_the_connection_ends(sim: Simulator, token: str) -> None:
    head = request("POST", "/api/v1/snapshots/", token, "Content-Length: 1048577", close=False)
    answer = raw(sim, head)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"Connection: close" in answer


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "9" * 30, "+1", "0x10"])
def test_a_length_that_is_no_number_is_400(sim: Simulator, token: str, length: str) -> None:
    data = request("POST", "/api/v1/snapshots/", token, f"Content-Length: {length}", close=False)
    assert raw(sim, data).startswith(b"HTTP/1.1 400")


def test_a_chunked_body_is_411(api: Caller) -> None:
    assert api("POST", "/snapshots/", data=iter([b"{}"]), headers=JSON).status_code == 411


HOSTILE = [
    b"\x00" * 100,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200,
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /api/v1/servers/ HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"BREW /api/v1/servers/ HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET //evil.example/api/v1/ HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /api/v1/snapshots/?" + b"a=1&" * 5000 + b" HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /api/v1/servers/\xff\xfe%ff%00/ HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"GET /api/v1/servers/ HTTP/1.1\r\nAuthorization: Bearer \xe9\xff\r\nConnection: close\r\n\r\n",
    b"GET http://other.example/api/v1/servers/ HTTP/1.1\r\nConnection: close\r\n\r\n",
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bytes_are_answered_or_dropped_and_serving_goes_on(
    sim: Simulator, api: Caller, data: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass
    assert api.get("/servers/").status_code == 200


def test_too_many_parameters_are_refused(sim: Simulator, token: str) -> None:
    query = "&".join(f"a{n}=1" for n in range(101))
    assert Caller(sim, token).get(f"/servers/?{query}").status_code == 400


def test_a_client_that_leaves_in_the_middle_harms_nobody(
    sim: Simulator, api: Caller, snap: str
) -> None:
    create = request("POST", "/api/v1/snapshots/", api.token or "", body=b'{"server_id":12345}')
    restore = request("POST", f"/api/v1/snapshots/{snap}/restore/", api.token or "")
    for whole in (create, restore):
        for end in range(5, len(whole)):
            raw(sim, whole[:end], read=False)
    assert api.get("/servers/").status_code == 200
    # What never arrived whole did not arrive.
    assert not sim.calls("POST")


def test_many_calls_at_once_are_all_answered_and_the_limit_holds(
    sim: Simulator, token: str, web: str
) -> None:
    for number in range(4):
        sim.snapshot(web, f"s{number}")
    barrier = threading.Barrier(20)

    def create(number: int) -> int:
        barrier.wait(10)
        headers = {"Authorization": f"Bearer {token}"}
        body = {"server_id": int(web), "name": f"race-{number}"}
        return requests.post(
            f"{sim.url}/snapshots/", json=body, headers=headers, timeout=10
        ).status_code

    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(create, range(20)))
    assert sorted(codes) == [201] + [400] * 19
    assert len(sim.calls(event="applied")) == 1
    assert [entry["n"] for entry in sim.log] == list(range(1, len(sim.log) + 1))


def test_the_date_is_the_providers(sim: Simulator, api: Caller) -> None:
    assert api.get("/servers/").headers["Date"] == "Thu, 16 Jan 2025 16:15:00 GMT"


def test_stopping_closes_the_port_and_open_connections(sim: Simulator, token: str) -> None:
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as idle:
        idle.sendall(b"GET /api")
        Caller(sim, token).get("/servers/")
        sim.stop()
        assert idle.recv(10) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", sim.port), timeout=1)
