"""Each fault of the wire, once: what the client sees, and what was done behind it."""

from __future__ import annotations

import base64
import gzip
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from snapshots.provider.simulator import Simulator

from .conftest import Caller, raw, request

GONE = requests.exceptions.ConnectionError


def count(sim: Simulator, event: str) -> int:
    return len(sim.calls("POST", event=event))


@pytest.mark.parametrize(
    "status", [200, 202, 204, 302, 400, 409, 429, 500, 502, 503, 504, 599, 799]
)
def test_any_status_can_be_answered_with_nothing_done(
    sim: Simulator, api: Caller, web: str, status: int
) -> None:
    sim.faults.add("answer", method="POST", status=status, body={"detail": "no"})
    answer = api("POST", "/snapshots/", json={"server_id": 1, "name": "a"}, allow_redirects=False)
    assert answer.status_code == status
    assert count(sim, "applied") == 0
    assert api.create(web).status_code == 201


def test_an_interim_status_is_followed_by_nothing(sim: Simulator, api: Caller, web: str) -> None:
    sim.faults.add("answer", status=102)
    answer = raw(sim, request("GET", "/api/v1/servers/", api.token or "", close=False))
    assert answer.startswith(b"HTTP/1.1 102 Processing\r\n")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_bad_gateway_in_html_may_come_after_the_work_was_done(
    sim: Simulator, api: Caller, web: str
) -> None:
    page = "<html><h1>502 Bad Gateway</h1></html>"
    sim.faults.add("answer", method="POST", status=502, body=page, apply=True)
    answer = api.create(web)
    assert (answer.status_code, answer.text) == (502, page)
    assert answer.headers["Content-Type"] == "text/html"
    assert count(sim, "applied") == 1
    assert len(api.snapshots()) == 1


@pytest.mark.parametrize("after", ["0", "-1", "1e9", "Wed, 21 Oct 2015 07:28:00 GMT", "soon"])
def test_too_many_requests_with_any_retry_after(sim: Simulator, api: Caller, after: str) -> None:
    body = {"detail": "Request was throttled."}
    sim.faults.add("answer", status=429, headers={"Retry-After": after}, body=body)
    answer = api.get("/servers/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, after)


def test_any_body_can_be_answered_byte_for_byte(sim: Simulator, api: Caller) -> None:
    for body in (b"\xef\xbb\xbf{}", b"\xff\xfe", b'{"count": NaN}', b'{"a":1,"a":2}', b""):
        text = base64.b64encode(body).decode()
        sim.faults.add("answer", status=200, body=text, base64=True)
        assert api.get("/servers/").content == body


def test_a_length_can_be_made_to_lie(sim: Simulator, token: str) -> None:
    sim.faults.add("answer", status=200, body="{}", headers={"Content-Length": "50"})
    answer = raw(sim, request("GET", "/api/v1/servers/", token, close=False))
    assert b"Content-Length: 50\r\n" in answer
    assert answer.endswith(b"{}")


@pytest.mark.parametrize(("when", "applied"), [("before", 0), ("after", 1)])
def test_a_call_hangs_before_or_after_its_work_until_released(
    sim: Simulator, api: Caller, web: str, when: str, applied: int
) -> None:
    fault = sim.faults.add("hang", method="POST", when=when)
    with pytest.raises(requests.exceptions.ReadTimeout):
        api("POST", "/snapshots/", json={"server_id": int(web), "name": "a"}, timeout=0.2)
    assert (count(sim, "arrived"), count(sim, "applied")) == (1, applied)
    with ThreadPoolExecutor(1) as pool:
        fault.times = 2
        waiting = pool.submit(api.create, web, "b")
        while count(sim, "arrived") < 2:
            pass
        assert not waiting.done()
        fault.release()
        assert waiting.result(5).status_code in (201, 400)
    assert count(sim, "applied") == 1


def test_a_call_hangs_for_some_seconds(sim: Simulator, api: Caller) -> None:
    sim.faults.add("hang", seconds=0.05)
    answer = api.get("/servers/")
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.05


@pytest.mark.parametrize("rst", [False, True])
def test_closing_before_the_work_does_nothing(
    sim: Simulator, api: Caller, web: str, rst: bool
) -> None:
    sim.faults.add("close_before", method="POST", rst=rst)
    with pytest.raises(GONE, match="reset by peer" if rst else "without response"):
        api.create(web)
    assert (count(sim, "arrived"), count(sim, "applied"), count(sim, "answered")) == (1, 0, 0)


@pytest.mark.parametrize("rst", [False, True])
def test_closing_after_the_work_hides_what_was_done(
    sim: Simulator, api: Caller, web: str, rst: bool
) -> None:
    sim.faults.add("close_after", method="POST", rst=rst)
    with pytest.raises(GONE, match="reset by peer" if rst else "without response"):
        api.create(web)
    assert (count(sim, "arrived"), count(sim, "applied"), count(sim, "answered")) == (1, 1, 0)
    assert len(api.snapshots()) == 1


@pytest.mark.parametrize("rst", [False, True])
@pytest.mark.parametrize("at", [0, 1, 12, 60, 200])
def test_an_answer_is_cut_at_a_byte(
    sim: Simulator, api: Caller, web: str, at: int, rst: bool
) -> None:
    sim.faults.add("cut", method="POST", at=at, rst=rst)
    data = b'{"server_id":%s,"name":"a"}' % web.encode()
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as connection:
        connection.sendall(request("POST", "/api/v1/snapshots/", api.token or "", body=data))
        got, was_reset = b"", False
        try:
            while part := connection.recv(4096):
                got += part
        except ConnectionResetError:
            was_reset = True
    assert (len(got), was_reset) == (at, rst)
    assert count(sim, "applied") == 1
    partial = sim.calls("POST", event="answered")
    assert [(e["bytes"], e["complete"]) for e in partial] == ([(at, False)] if at else [])


@pytest.mark.parametrize("now", ["close", "rst", "timeout", "hang"])
def test_work_is_done_late_by_the_clock(sim: Simulator, api: Caller, web: str, now: str) -> None:
    sim.faults.add("late", method="POST", seconds=40, now=now)
    body = {"server_id": int(web), "name": "a", "description": "[ref:latelatela]"}
    try:
        answer = api("POST", "/snapshots/", json=body, timeout=0.3 if now == "hang" else 10)
        assert (now, answer.status_code) == ("timeout", 504)
    except requests.exceptions.RequestException:
        assert now != "timeout"
    sim.clock.advance(39)
    assert count(sim, "applied") == 0
    assert api.snapshots() == []
    sim.clock.advance(1)
    [applied] = sim.calls("POST", event="applied")
    [arrived] = sim.calls("POST")
    assert applied["call"] == arrived["call"]
    assert applied["marker"] == "[ref:latelatela]"
    [row] = api.snapshots()
    # It began when it was applied, not when it was asked for.
    assert row["created_at"] == "2025-01-16T16:15:40Z"


def test_with_a_running_clock_late_work_is_done_without_anybody_calling() -> None:
    with Simulator(frozen=False) as sim:
        token = sim.account("A")
        web = sim.server(token, "web")
        sim.faults.add("late", method="POST", seconds=0.02, now="timeout")
        assert Caller(sim, token).create(web).status_code == 504
        # The file of entries itself: reading `sim.log` would let the work happen.
        while not any(entry["event"] == "applied" for entry in sim.history.entries):
            pass


def test_late_work_may_be_refused_by_what_happened_in_between(
    sim: Simulator, api: Caller, snap: str
) -> None:
    sim.faults.add("late", method="DELETE", seconds=40)
    with pytest.raises(GONE):
        api.delete(f"/snapshots/{snap}/")
    sim.outside.delete_snapshot(snap)
    sim.clock.advance(40)
    assert sim.calls("DELETE", event="applied") == []


def test_garbage_is_no_http(sim: Simulator, api: Caller, web: str) -> None:
    sim.faults.add("garbage", method="POST")
    with pytest.raises(GONE):
        api.create(web)
    assert count(sim, "applied") == 1
    sim.faults.add("garbage", method="POST", text="HTTP/1.1 abc\r\n\r\n", apply=False)
    with pytest.raises(GONE):
        api.create(web)
    assert count(sim, "applied") == 1


def test_garbage_of_one_seed_is_always_the_same(sim: Simulator, token: str) -> None:
    def garbage() -> bytes:
        sim.faults.add("garbage", seed=7, size=64)
        return raw(sim, request("GET", "/api/v1/servers/", token))

    first = garbage()
    assert len(first) == 64
    assert garbage() == first


def test_an_answer_drips(sim: Simulator, api: Caller, web: str) -> None:
    sim.faults.add("drip", method="POST", size=16, seconds=0.001)
    assert api.create(web).status_code == 201
    fault = sim.faults.add("drip", seconds=30)
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as connection:
        connection.sendall(request("GET", "/api/v1/servers/", api.token or ""))
        assert connection.recv(100) == b"H"
        fault.release()
        rest = b""
        while part := connection.recv(4096):
            rest += part
    assert rest.startswith(b"TTP/1.1 200 OK")


def test_a_body_floods(sim: Simulator, token: str) -> None:
    sim.faults.add("flood", what="body", mb=3)
    assert len(raw(sim, request("GET", "/api/v1/servers/", token))) > 3 * 1024 * 1024


def test_headers_flood(sim: Simulator, token: str) -> None:
    sim.faults.add("flood", what="headers", mb=1)
    answer = raw(sim, request("GET", "/api/v1/servers/", token))
    assert answer.count(b"X-Pad-") == 1024
    assert b"\r\n\r\n" not in answer


def test_gzip_is_small_on_the_wire_and_large_unpacked(sim: Simulator, token: str) -> None:
    sim.faults.add("flood", what="gzip", mb=8)
    answer = raw(sim, request("GET", "/api/v1/servers/", token))
    assert len(answer) < 20_000
    assert len(gzip.decompress(answer.partition(b"\r\n\r\n")[2])) == 8 * 1024 * 1024


# Matchers


def test_a_fault_meets_one_call_unless_told(sim: Simulator, api: Caller) -> None:
    fault = sim.faults.add("answer", status=500)
    assert [api.get("/servers/").status_code for _ in range(3)] == [500, 200, 200]
    assert fault.used == 1
    sim.faults.add("answer", status=500, times=2)
    assert [api.get("/servers/").status_code for _ in range(3)] == [500, 500, 200]
    fault = sim.faults.add("answer", status=500, times="forever")
    assert {api.get("/servers/").status_code for _ in range(5)} == {500}
    sim.faults.remove(fault)
    assert api.get("/servers/").status_code == 200
    sim.faults.add("answer", status=500, skip=2)
    assert [api.get("/servers/").status_code for _ in range(4)] == [200, 200, 500, 200]


def test_a_fault_meets_only_its_method_path_token_and_server(
    sim: Simulator, token: str, api: Caller, web: str, snap: str
) -> None:
    other = sim.server(token, "web-2")
    second = Caller(sim, sim.token(token, "second"))
    sim.faults.add("answer", status=500, method="POST", times=None)
    assert (api.get("/servers/").status_code, api.create(web).status_code) == (200, 500)
    sim.faults.clear()
    sim.faults.add("answer", status=500, path=r"^/snapshots/\d+/restore/$", times=None)
    assert api.get("/snapshots/").status_code == 200
    assert api.post(f"/snapshots/{snap}/restore/").status_code == 500
    sim.faults.clear()
    sim.faults.add("answer", status=500, token="second", times=None)
    assert (api.get("/servers/").status_code, second.get("/servers/").status_code) == (200, 500)
    sim.faults.clear()
    sim.faults.add("answer", status=500, server=web, times=None)
    assert api.get(f"/servers/{web}/").status_code == 500
    assert api.get(f"/snapshots/?server_id={web}").status_code == 500
    assert api.create(web).status_code == 500
    assert api.post(f"/snapshots/{snap}/restore/").status_code == 500
    assert api.delete(f"/snapshots/{snap}/").status_code == 500
    assert api.get(f"/servers/{other}/").status_code == 200
    assert api.create(other).status_code == 201


def test_chance_is_repeatable(sim: Simulator, api: Caller) -> None:
    def run() -> list[int]:
        fault = sim.faults.add("answer", status=500, times=None, probability=0.5, seed=3)
        codes = [api.get("/servers/").status_code for _ in range(30)]
        sim.faults.remove(fault)
        return codes

    first = run()
    assert 5 < first.count(500) < 25
    assert run() == first


def test_a_fault_of_the_wire_and_one_of_the_work_go_together(
    sim: Simulator, api: Caller, web: str
) -> None:
    sim.faults.add("create_fails")
    sim.faults.add("close_after", method="POST")
    with pytest.raises(GONE):
        api.create(web)
    sim.clock.advance(minutes=10)
    assert api.snapshots()[0]["status"] == "failed"
    assert sim.calls("POST")[0]["fault"] == "create_fails+close_after"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("nothing", {}),
        ("hang", {"second": 1}),
        ("hang", {"when": "never"}),
        ("late", {"now": "x"}),
        ("answer", {"status": 42}),
        ("answer", {"path": "("}),
        ("cut", {"at": "x"}),
        ("drip", {"seconds": "x"}),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_at_once(
    sim: Simulator, kind: str, options: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        sim.faults.add(kind, **options)  # type: ignore[arg-type]
    assert sim.faults.armed == []


def test_clearing_lets_go_of_calls_that_hang(sim: Simulator, api: Caller) -> None:
    sim.faults.add("hang")
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(api.get("/servers/").status_code))
    thread.start()
    while not sim.calls("GET"):
        pass
    sim.faults.clear()
    thread.join(5)
    assert codes == [200]
