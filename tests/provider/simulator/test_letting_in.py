"""Who is let in: tokens, permissions, accounts."""

from __future__ import annotations

import pytest
import requests

from snapshots.provider.simulator import Simulator

from .conftest import Caller

CALLS = [
    ("GET", "/account/me/"),
    ("GET", "/servers/"),
    ("GET", "/servers/12345/"),
    ("POST", "/servers/12345/power/"),
    ("POST", "/servers/12345/snapshot/"),
    ("GET", "/snapshots/"),
    ("POST", "/snapshots/"),
    ("POST", "/snapshots/801/restore/"),
    ("DELETE", "/snapshots/801/"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_without_a_token_every_call_is_401(sim: Simulator, method: str, path: str) -> None:
    answer = Caller(sim, None)(method, path)
    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_with_an_unknown_token_every_call_is_401(sim: Simulator, method: str, path: str) -> None:
    answer = Caller(sim, "vps_nobody")(method, path)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid token."})


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Bearer", "Invalid token header. No credentials provided."),
        ("Bearer a b", "Invalid token header. Token string should not contain spaces."),
        ("Basic abc", "Authentication credentials were not provided."),
        ("", "Authentication credentials were not provided."),
    ],
)
def test_an_odd_authorization_header_is_told_apart(
    sim: Simulator, header: str, detail: str
) -> None:
    answer = requests.get(sim.url + "/servers/", headers={"Authorization": header}, timeout=5)
    assert (answer.status_code, answer.json()) == (401, {"detail": detail})


def test_a_revoked_token_is_401_and_a_reissued_one_replaces_it(sim: Simulator, token: str) -> None:
    sim.outside.revoke_token(token)
    assert Caller(sim, token).get("/account/me/").status_code == 401
    sim.outside.allow_token(token)
    assert Caller(sim, token).get("/account/me/").status_code == 200
    new = sim.outside.reissue_token(token)
    assert Caller(sim, token).get("/account/me/").status_code == 401
    name = Caller(sim, new).get("/account/me/").json()["token"]["name"]
    assert name == "northwind-1"


def test_a_read_only_token_reads_everything_and_changes_nothing(
    sim: Simulator, token: str, web: str, snap: str
) -> None:
    api = Caller(sim, sim.token(token, "reader", ["servers:read"]))
    for path in ("/account/me/", "/servers/", f"/servers/{web}/", "/snapshots/"):
        assert api.get(path).status_code == 200
    refused = [
        api.create(web),
        api.post(f"/snapshots/{snap}/restore/"),
        api.delete(f"/snapshots/{snap}/"),
        api.post(f"/servers/{web}/power/", {"action": "stop"}),
        api.post(f"/servers/{web}/snapshot/"),
    ]
    for answer in refused:
        assert answer.status_code == 403
        assert answer.json() == {"detail": "You do not have permission to perform this action."}
    assert not sim.calls(event="applied")


@pytest.mark.parametrize("permission", ["*:*", "servers:*", "*:read", "servers:read"])
def test_a_permission_to_read_may_be_written_in_many_ways(
    sim: Simulator, token: str, permission: str
) -> None:
    api = Caller(sim, sim.token(token, "one", [permission]))
    assert api.get("/snapshots/").status_code == 200


def test_a_token_without_a_fitting_permission_still_may_ask_whose_it_is(
    sim: Simulator, token: str
) -> None:
    api = Caller(sim, sim.token(token, "domains", ["domains:*"]))
    assert api.get("/account/me/").status_code == 200
    assert api.get("/servers/").status_code == 403


def test_permissions_can_be_changed_outside(sim: Simulator, token: str, web: str) -> None:
    sim.outside.set_permissions("northwind-1", ["servers:read"])
    assert Caller(sim, token).create(web).status_code == 403


@pytest.mark.parametrize("dialect", ["documented", "live"])
def test_another_companys_things_do_not_exist(
    sim: Simulator, web: str, snap: str, dialect: str
) -> None:
    mallory = Caller(sim, sim.account("Mallory", dialect))
    assert mallory.get("/servers/").json()["results"] == []
    assert mallory.snapshots() == []
    answers = [
        mallory.get(f"/servers/{web}/"),
        mallory.post(f"/servers/{web}/power/", {"action": "stop"}),
        mallory.post(f"/snapshots/{snap}/restore/"),
        mallory.delete(f"/snapshots/{snap}/"),
    ]
    if dialect == "documented":
        assert mallory.snapshots(server_id=web) == []
        answers.append(mallory.create(web))
    for answer in answers:
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


def test_two_tokens_of_one_account_see_the_same(sim: Simulator, token: str, web: str) -> None:
    second = Caller(sim, sim.token(token))
    assert [s["id"] for s in second.get("/servers/").json()["results"]] == [int(web)]


def test_ids_are_never_there_twice_whatever_the_account(sim: Simulator) -> None:
    ids = set()
    for number in range(4):
        token = sim.account(f"Company {number}", "live" if number % 2 else "documented")
        for _ in range(5):
            server = sim.server(token, "same-name")
            ids |= {("server", server), ("snapshot", sim.snapshot(server, "same"))}
    assert len(ids) == 40
