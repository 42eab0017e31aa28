"""What the answer to a change means. Success only as documented, refusal only in readable words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from snapshots.provider.client import Client
from snapshots.provider.errors import Declined, ProviderError, Unknown
from snapshots.provider.types import Accepted, RestoreStarted, Snapshot
from tests.provider.client.documented import CREATED, RESTORED
from tests.provider.client.peer import Peer, answer

Listen = Callable[..., Peer]
Talk = Callable[..., Client]
Change = Callable[[Client], Accepted[Any]]


def create(client: Client) -> Accepted[Any]:
    return client.create_snapshot("12345", "before-update-snapshot", "why [ref:abcdefghij]")


def restore(client: Client) -> Accepted[Any]:
    return client.restore_snapshot("801", "12345")


def delete(client: Client) -> Accepted[Any]:
    return client.delete_snapshot("801")


def power(client: Client) -> Accepted[Any]:
    return client.power("12345", "stop")


CHANGES = [create, restore, delete, power]
each_change = pytest.mark.parametrize("change", CHANGES)


def outcome(change: Change, client: Client) -> Accepted[Any] | ProviderError:
    try:
        return change(client)
    except ProviderError as error:
        return error


def test_a_create_as_documented_is_accepted(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(201, CREATED))
    assert create(talking_to(peer)) == Accepted(
        201,
        "Snapshot is being created. This may take 3-10 minutes.",
        Snapshot(
            id="802",
            server_id="12345",
            server_name="web-server-01",
            name="before-update-snapshot",
            status="in_progress",
            size_mb=None,
            created_at=datetime(2025, 1, 16, 16, 15, tzinfo=UTC),
            description="Snapshot before system update",
        ),
    )
    assert peer.heard[0].startswith(b"POST /api/v1/snapshots/ HTTP/1.1\r\n")
    assert peer.bodies == [
        {
            "server_id": 12345,
            "name": "before-update-snapshot",
            "description": "why [ref:abcdefghij]",
        }
    ]


@pytest.mark.parametrize(("server_id", "sent"), [("0", 0), ("007", "007"), ("0b6e", "0b6e")])
def test_a_server_id_goes_out_as_it_came(
    server_id: str, sent: object, listening: Listen, talking_to: Talk
) -> None:
    peer = listening(answer(201, {"uuid": "u-1", "server": {"id": sent}, "name": "n"}))
    assert talking_to(peer).create_snapshot(server_id, "n").result.id == "u-1"
    assert peer.bodies[0]["server_id"] == sent


def test_a_restore_as_documented_is_accepted(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(200, RESTORED))
    assert restore(talking_to(peer)) == Accepted(
        200,
        "Server is being restored from snapshot. This may take 5-15 minutes.",
        RestoreStarted(snapshot_id="801", server_id="12345", server_status="restoring"),
    )
    assert peer.heard[0].startswith(b"POST /api/v1/snapshots/801/restore/ HTTP/1.1\r\n")
    assert peer.bodies == [None]


def test_a_restore_may_say_nothing_of_its_status_and_not_too_much_of_the_servers(
    listening: Listen, talking_to: Talk
) -> None:
    body = without(RESTORED, "status") | {"server": {"id": 12345, "status": "x" * 100}}
    assert restore(talking_to(listening(answer(200, body)))).result.server_status == "x" * 64


def test_a_delete_as_documented_is_accepted(listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(204))
    assert delete(talking_to(peer)) == Accepted(204, "", None)
    assert peer.heard[0].startswith(b"DELETE /api/v1/snapshots/801/ HTTP/1.1\r\n")


@pytest.mark.parametrize("body", [b"", {}, {"message": "Deleted."}, {"id": 801}, {"uuid": "801"}])
def test_a_delete_that_says_200_is_not_believed(
    body: object, listening: Listen, talking_to: Talk
) -> None:
    with pytest.raises(Unknown):
        delete(talking_to(listening(answer(200, body))))


@pytest.mark.parametrize("status", [200, 202, 204])
def test_power_is_accepted(status: int, listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(status, b"" if status == 204 else {"message": "Stopping."}))
    accepted = power(talking_to(peer))
    assert (accepted.status, accepted.result) == (status, None)
    assert peer.heard[0].startswith(b"POST /api/v1/servers/12345/power/ HTTP/1.1\r\n")
    assert peer.bodies == [{"action": "stop"}]


SUCCESSES = {create: CREATED, restore: RESTORED, delete: {}, power: {}}
ACCEPTED = {
    create: {200, 201, 202},
    restore: {200, 201, 202},
    delete: {204},
    power: {200, 202, 204},
}
DECLINED = {400, 401, 403, 404, 405, 409, 422, 429}


@each_change
def test_every_status_with_the_documented_body(change: Change, listening: Listen) -> None:
    """Success for the documented codes alone, however good the body looks."""
    peer = listening(b"")
    with Client(peer.url, "vps_x", deadline=30) as client:
        for status in range(100, 600):
            peer.plays[:] = [answer(status, SUCCESSES[change])]
            got = outcome(change, client)
            if status in ACCEPTED[change]:
                assert isinstance(got, Accepted), status
            else:
                assert type(got) is (Declined if status in DECLINED else Unknown), status
                assert got.status == (None if status == 100 else status)
    assert peer.connections == len(peer.heard) == 500


@each_change
def test_a_status_with_a_page_of_html(change: Change, listening: Listen) -> None:
    """HTML speaks for nobody: neither success nor refusal."""
    peer = listening(b"")
    with Client(peer.url, "vps_x", deadline=30) as client:
        for status in (*range(200, 210), *range(400, 512), 302, 520, 599):
            peer.plays[:] = [answer(status, b"<html><body>Sorry</body></html>")]
            got = outcome(change, client)
            if status == 204 and change in (delete, power):  # has no body, whatever follows
                assert isinstance(got, Accepted)
            else:
                assert type(got) is Unknown, status


@each_change
def test_every_status_without_a_body(change: Change, listening: Listen) -> None:
    peer = listening(b"")
    with Client(peer.url, "vps_x", deadline=30) as client:
        for status in range(100, 600):
            peer.plays[:] = [answer(status)]
            got = outcome(change, client)
            if status in {401, 403, 404, 429}:
                assert type(got) is Declined, status
            elif status in ACCEPTED[change] and change in (delete, power):
                assert isinstance(got, Accepted), status
            else:
                assert type(got) is Unknown, status


@pytest.mark.parametrize("status", [99, 600, 999, 1000])
@each_change
def test_a_status_that_does_not_exist_is_unknown(
    status: int, change: Change, listening: Listen, talking_to: Talk
) -> None:
    got = outcome(change, talking_to(listening(answer(status, SUCCESSES[change]))))
    assert type(got) is Unknown


def without(body: dict[str, Any], *path: str) -> dict[str, Any]:
    *parents, last = path
    copy: dict[str, Any] = {**body}
    at = copy
    for name in parents:
        at[name] = {**at[name]}
        at = at[name]
    del at[last]
    return copy


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        [CREATED],
        {"snapshot": CREATED},
        without(CREATED, "id"),
        without(CREATED, "name"),
        without(CREATED, "server"),
        without(CREATED, "server", "id"),
        {**CREATED, "id": None},
        {**CREATED, "id": -1},
        {**CREATED, "id": True},
        {**CREATED, "id": 1.0},
        {**CREATED, "id": "a\x00b"},
        {**CREATED, "id": [802]},
        {**CREATED, "name": "another"},
        {**CREATED, "name": "before-update-snapshot "},
        {**CREATED, "name": ["before-update-snapshot"]},
        {**CREATED, "server": {"id": 12346}},
        {**CREATED, "server": {"id": "012345"}},
        {**CREATED, "server": {"id": 12345.0}},
        {**CREATED, "server": {"id": 2**63}},
        {**CREATED, "server_id": 12346},
        {**CREATED, "error": "limit reached"},
        {**CREATED, "errors": ["limit reached"]},
        {**CREATED, "success": False},
    ],
)
def test_a_create_that_is_not_as_asked_is_unknown(
    body: object, listening: Listen, talking_to: Talk
) -> None:
    with pytest.raises(Unknown, match="not the documented answer") as raised:
        create(talking_to(listening(answer(201, body))))
    assert raised.value.status == 201


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        without(RESTORED, "snapshot"),
        without(RESTORED, "server"),
        without(RESTORED, "snapshot", "id"),
        without(RESTORED, "server", "id"),
        {**RESTORED, "snapshot": {"id": 802}},
        {**RESTORED, "server": {"id": 12346}},
        {**RESTORED, "server": {"id": -12345}},
        {**RESTORED, "server": None},
        {**RESTORED, "status": "error"},
        {**RESTORED, "status": None},
        {**RESTORED, "status": ["success"]},
        {**RESTORED, "success": False},
        {**RESTORED, "error": {"code": 5}},
        {**RESTORED, "server": {"id": 801}, "snapshot": {"id": 12345}},
    ],
)
def test_a_restore_that_is_not_as_asked_is_unknown(
    body: object, listening: Listen, talking_to: Talk
) -> None:
    with pytest.raises(Unknown):
        restore(talking_to(listening(answer(200, body))))


@pytest.mark.parametrize(
    "body",
    [
        [],
        "ok",
        5,
        None,
        {"id": 7},
        {"id": None, "uuid": "7"},
        {"id": True},
        {"status": "error"},
        {"status": "Failed"},
        {"success": False},
        {"error": "no"},
        b"ok",
        b"<p>ok",
        b"{",
    ],
)
@pytest.mark.parametrize("change", [delete, power])
def test_a_change_whose_answer_contradicts_is_unknown(
    change: Change, body: object, listening: Listen, talking_to: Talk
) -> None:
    with pytest.raises(Unknown):
        change(talking_to(listening(answer(200, body))))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "Snapshot limit reached."}, "Snapshot limit reached."),
        ({"detail": ["One.", "Two."]}, "One. Two."),
        ({"message": "Server is stopped."}, "Server is stopped."),
        ({"error": "bad", "code": 7}, "bad"),
        ({"detail": "", "message": "second"}, "second"),
        ({"name": ["Too long.", "Too odd."]}, "name: Too long. Too odd."),
        ({"name": "Taken.", "server_id": ["Unknown."]}, "name: Taken.; server_id: Unknown."),
        ({"non_field_errors": ["Both."], "x": 1}, "Both."),
        (["First.", "Second."], "First. Second."),
        ({"error": {"code": 7}}, '{"error": {"code": 7}}'),
        ({}, "HTTP 400"),
        ({"detail": "a\r\n\x1b[31mb\u202ec\u2028\x00  d"}, "a [31mbc d"),
        ({"detail": "x" * 1000}, "x" * 299 + "…"),
        ({"detail": "<script>alert(1)</script>"}, "<script>alert(1)</script>"),
    ],
)
@each_change
def test_a_refusal_carries_the_providers_words(
    change: Change, body: object, words: str, listening: Listen, talking_to: Talk
) -> None:
    with pytest.raises(Declined) as raised:
        change(talking_to(listening(answer(400, body))))
    assert raised.value.status == 400
    assert raised.value.message.removesuffix(" Bad Request") == words


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (502, b"<html>x</html>", "HTTP 502 with an HTML page"),
        (502, b"upstream is away", "HTTP 502: upstream is away"),
        (502, b"one\ntwo", "HTTP 502 with an unreadable answer"),
        (502, b"\xff\xfe", "HTTP 502 with an unreadable answer"),
        (503, {"detail": "Maintenance."}, "HTTP 503: Maintenance."),
        (500, b"", "HTTP 500 Internal Server Error"),
        (599, b"", "HTTP 599"),
        (404, b"404 page not found", "HTTP 404: 404 page not found"),
        (302, b"", "HTTP 302 Found"),
    ],
)
def test_what_is_unknown_is_told_in_one_safe_line(
    status: int, body: object, words: str, listening: Listen, talking_to: Talk
) -> None:
    with pytest.raises(Unknown) as raised:
        restore(talking_to(listening(answer(status, body))))
    assert (raised.value.status, raised.value.message) == (status, words)


@pytest.mark.parametrize("body", [b"Bad", b'"Bad"', b"5", b"null", b"[]", b"[1]", b"{", b"\xff"])
@each_change
def test_a_refusal_that_cannot_be_read_is_unknown(
    change: Change, body: bytes, listening: Listen, talking_to: Talk
) -> None:
    for status in (400, 401, 404, 429):
        assert type(outcome(change, talking_to(listening(answer(status, body))))) is Unknown


@each_change
def test_a_limit_hands_on_its_time(change: Change, listening: Listen, talking_to: Talk) -> None:
    peer = listening(answer(429, {"detail": "Throttled."}, Retry_After="17"))
    with pytest.raises(Declined) as raised:
        change(talking_to(peer))
    assert (raised.value.status, raised.value.retry_after) == (429, 17)
    assert peer.connections == 1


@each_change
def test_a_redirect_is_not_followed(change: Change, listening: Listen, talking_to: Talk) -> None:
    other = listening(answer(201, CREATED))
    for status in (301, 302, 303, 307, 308):
        peer = listening(answer(status, Location=f"{other.url}/snapshots/"))
        with pytest.raises(Unknown):
            change(talking_to(peer))
        with pytest.raises(ProviderError):
            talking_to(peer).servers()
    assert other.connections == 0
