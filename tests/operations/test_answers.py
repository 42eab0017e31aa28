"""Whatever the provider answers, to whatever we ask: the whole way, from the row to the page.

Every status, every body of tests/malformed.py, and bodies that Hypothesis makes up, each for every
call of the client. The operation is then in the state that docs/operations.md gives, nothing is
called a success that is none, no error is one of ours, and every page that shows it answers 200.

`make test` takes a share of them, evenly spread; `make proof` takes all.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import Client as Browser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snapshots import accounts, inventory, operations
from snapshots.errors import Refused
from snapshots.models import Account, Kind, Operation, Pass, Reason, Server, Snapshot, State, User
from tests import malformed
from tests.conftest import Stage, delete, fresh, restore, take
from tests.long import LONG, so_many
from tests.malformed import filled
from tests.provider.client.documented import ACCOUNT, CREATED, RESTORED, SERVER, SNAPSHOT, listed
from tests.provider.client.test_bodies import JSON, almost

SPECIAL = {100, 200, 201, 202, 204, 301, 304, 400, 401, 403, 404, 405, 408, 409, 422, 429, 500, 503}
STATUSES = [n for n in range(100, 600) if LONG or n in SPECIAL or n % 100 == 19]


@dataclass
class Desk:
    """One queued operation of each kind, on a server each, and somebody who looks at the pages."""

    stage: Stage
    account: Account
    browser: Browser
    alice: User
    asked: dict[Kind, Operation]

    @contextmanager
    def answering(
        self, path: str, status: int, body: Any, *, method: str = "GET"
    ) -> Iterator[None]:
        """Inside, the provider answers so; afterwards our rows are as they were before."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        faults = self.stage.provider.faults
        fault = faults.add(
            "answer",
            path=path,
            method=method,
            status=status,
            body=b64encode(raw).decode(),
            base64=True,
            times=None,
        )
        try:
            with transaction.atomic():
                yield
                transaction.set_rollback(True)
        finally:
            faults.remove(fault)

    def send(self, kind: Kind, status: int, body: Any) -> Operation:
        """What becomes of the operation when its call is answered so. Its pages are looked at."""
        method, path = (
            "POST",
            {"create": "^/snapshots/$", "restore": "/restore/$"}.get(kind, "/power"),
        )
        if kind == Kind.DELETE:
            method, path = "DELETE", "^/snapshots/"
        with self.answering(path, status, body, method=method):
            operations.send(self.asked[kind].pk)
            operation = fresh(self.asked[kind])
            assert operation.reason != Reason.OUR_FAULT
            assert operation.attempts.get().answered_at
            self.pages(f"/operations/{operation.pk}/", "/")
        return operation

    def look(self, path: str, status: int, body: Any) -> Account:
        """What a look makes of it."""
        with self.answering(path, status, body):
            self.stage.later(seconds=1)
            Account.objects.update(next_pass_at=self.account.connected_at, reads_left=30)
            inventory.observe(self.account.pk)
            account = fresh(self.account)
            assert "an error of ours" not in account.trouble
            complete = Pass.objects.latest("pk").complete
            assert complete is not bool(account.trouble)
            assert complete or not Snapshot.objects.exclude(gone_at=None).exists()
            assert not Server.objects.exclude(gone_at=None).exists()
            self.pages("/servers/", "/snapshots/")
        return account

    def pages(self, *more: str) -> None:
        for page in (f"/accounts/{self.account.pk}/", *more):
            assert self.browser.get(page).status_code == 200, page

    def filled(self, kind: Kind, body: bytes | str) -> bytes:
        operation = self.asked[kind]
        snapshot = operation.server.snapshots.get().remote_id
        return filled(
            body, server=operation.server.remote_id, snapshot=snapshot, name=operation.name
        )


@pytest.fixture
def desk(
    stage: Stage,
    team: Any,
    alice: User,
    rosa: User,
    client_of: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    monkeypatch.setattr("snapshots.provider.client.BACKOFF", 0.0)  # patience costs time alone
    token = stage.provider.account("Northwind")
    for kind in Kind:
        server = stage.provider.server(token, f"for-{kind}")
        stage.provider.snapshot(server, "nightly")
        if kind == Kind.START:
            stage.provider.outside.change_server(server, status="stopped")
    account = accounts.connect(
        team, label="Production", api_url=stage.provider.url, token=token, actor=alice
    )
    stage.tokens[account.pk] = token
    stage.look(account)
    servers = {one.name: one for one in Server.objects.select_related("account__team")}
    copies = {one.server.name: one for one in Snapshot.objects.select_related("account__team")}
    key = "00000000-0000-4000-8000-000000000000"
    asked = {
        Kind.CREATE: take(servers["for-create"], rosa),
        Kind.RESTORE: restore(copies["for-restore"], rosa),
        Kind.DELETE: delete(copies["for-delete"], rosa),
        Kind.STOP: take(servers["for-stop"], rosa, stop_first=True).needs,
        Kind.START: operations.request_start(servers["for-start"], actor=rosa, request_key=key),
    }
    return Desk(stage, fresh(account), client_of(alice), alice, asked)


# -- every status, to every change ----------------------------------------------------------------

SUCCESS = {
    Kind.CREATE: '{"id": 90802, "server": {"id": $server}, "name": "$name"}',
    Kind.RESTORE: '{"snapshot": {"id": $snapshot}, "server": {"id": $server}}',
    Kind.DELETE: "{}",
    Kind.STOP: '{"status": "success"}',
    Kind.START: '{"status": "success"}',
}
DONE = {200: State.RUNNING, 202: State.RUNNING}
ACCEPTED: dict[Kind, dict[int, State]] = {
    Kind.CREATE: DONE | {201: State.RUNNING},
    Kind.RESTORE: DONE | {201: State.RUNNING},
    Kind.DELETE: {204: State.SUCCEEDED},
    Kind.STOP: DONE | {204: State.RUNNING},
    Kind.START: DONE | {204: State.RUNNING},
}


def documented(kind: Kind, status: int) -> State:
    """As the table of docs/operations.md has it, for an answer in readable words."""
    if status == 429 and kind != Kind.RESTORE:
        return State.QUEUED
    if status in (400, 401, 403, 404, 405, 409, 422, 429) and (status, kind) != (404, Kind.DELETE):
        return State.FAILED
    return ACCEPTED[kind].get(status, State.IN_DOUBT)


@pytest.mark.parametrize("kind", Kind)
def test_every_status_of_a_change_leads_to_the_documented_state(desk, kind):
    """With the body of a success, which is the one that could deceive."""
    for status in STATUSES:
        operation = desk.send(kind, status, desk.filled(kind, SUCCESS[kind]))
        assert operation.state == documented(kind, status), status


@pytest.mark.parametrize("kind", Kind)
def test_every_status_with_a_page_of_html_leaves_a_change_in_doubt(desk, kind):
    for status in STATUSES if LONG else (200, 201, 204, 400, 404, 429, 502):
        operation = desk.send(kind, status, b"<html><body>Sorry</body></html>")
        has_no_body = status == 204 and kind in ACCEPTED and 204 in ACCEPTED[kind]
        expected = ACCEPTED[kind][204] if has_no_body else State.IN_DOUBT
        assert operation.state == expected, status


# -- every status, to every read ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["^/servers/$", "^/snapshots/$"])
def test_every_status_of_a_listing_but_200_is_no_look(desk, path):
    for status in STATUSES:
        account = desk.look(path, status, listed())
        assert account.paused == ("token" if status == 401 else "")
        assert bool(account.trouble) is (status != 200), status


FIRST_PAGE = listed(SERVER, next="?page=2")


@pytest.mark.parametrize("path", ["^/servers/$", "^/snapshots/$", "^/servers/[^/]+/$"])
def test_before_sending_every_status_but_200_of_a_read_sends_nothing(desk, path):
    """The third is the call for one server, where the listing comes in pages."""
    operation = desk.asked[Kind.CREATE]
    for status in STATUSES:
        if status == 200:
            continue
        with desk.answering(path, status, {"detail": "no"}):
            pages = desk.stage.provider.faults.add(
                "answer", path="^/servers/$", method="GET", status=200, body=FIRST_PAGE, times=None
            )
            if "[^/]+" not in path:
                desk.stage.provider.faults.remove(pages)
            operations.send(operation.pk)
            seen = fresh(operation)
            if status == 404 and "[^/]+" in path:  # then all pages are read: there is no second
                assert (seen.state, seen.reason) == (State.QUEUED, "no_read")
            assert (seen.state, seen.reason) == (State.QUEUED, "no_read"), status
            assert fresh(desk.account).paused == ("token" if status == 401 else ""), status
            desk.pages(f"/operations/{operation.pk}/")
        desk.stage.provider.faults.clear()
    assert desk.stage.provider.calls("POST") == []


def test_every_status_of_the_account_but_200_refuses_a_token_in_words(desk):
    for status in STATUSES:
        with desk.answering("^/account/me/$", status, ACCOUNT):
            with pytest.raises(Refused) as refusal:
                accounts.replace_token(
                    desk.account, desk.stage.tokens[desk.account.pk], actor=desk.alice
                )
            assert ("belongs to ops@example.com" in str(refusal.value)) is (status == 200), status
            desk.pages()


# -- every malformed body -------------------------------------------------------------------------

BODIES = {
    Kind.CREATE: malformed.CREATE,
    Kind.RESTORE: malformed.RESTORE,
    Kind.DELETE: malformed.POWER,
    Kind.STOP: malformed.POWER,
    Kind.START: malformed.POWER,
}


def a_share(bodies: list[Any], turn: int, of: int = 12) -> list[Any]:
    return bodies if LONG else bodies[turn % of :: of]


@pytest.mark.parametrize(("turn", "kind"), [*enumerate(Kind)])
def test_no_malformed_body_is_a_success(desk, turn, kind):
    status = 201 if kind == Kind.CREATE else 200
    for body in a_share([*malformed.RAW, *BODIES[kind]], turn):
        operation = desk.send(kind, status, desk.filled(kind, body))
        assert operation.state == State.IN_DOUBT, body[:200]


@pytest.mark.parametrize(("turn", "kind"), [*enumerate(Kind)])
def test_no_body_that_cannot_be_read_is_a_refusal(desk, turn, kind):
    for body in a_share(malformed.RAW, turn, of=32):
        for status in (400, 404):
            operation = desk.send(kind, status, desk.filled(kind, body))
            assert operation.state == State.IN_DOUBT, (status, body[:200])


@pytest.mark.parametrize(("turn", "path"), [(0, "^/servers/$"), (1, "^/snapshots/$")])
def test_no_malformed_body_is_a_whole_listing(desk, turn, path):
    for body in a_share([*malformed.RAW, *malformed.LISTING], turn):
        account = desk.look(path, 200, desk.filled(Kind.CREATE, body))
        assert account.trouble, body[:200]


def test_no_malformed_body_is_an_account(desk):
    for body in a_share([*malformed.RAW, *malformed.ACCOUNT], 3):
        with desk.answering("^/account/me/$", 200, desk.filled(Kind.CREATE, body)):
            with pytest.raises(Refused, match="could not be asked"):
                accounts.replace_token(
                    desk.account, desk.stage.tokens[desk.account.pk], actor=desk.alice
                )
            desk.pages()


def test_there_are_several_hundred_of_them():
    assert len({*map(bytes, map(str.encode, map(str, malformed.EVERYTHING)))}) >= 490


# -- bodies that nobody thought of ----------------------------------------------------------------


def made_up(
    examples: int, **strategies: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """So many examples, each with rows as before."""
    profile = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: profile(given(**strategies)(test))


@made_up(
    so_many(50, 5000),
    kind=st.sampled_from(Kind),
    status=st.sampled_from([200, 200, 201, 202, 204, 400, 401, 403, 404, 409, 429, 500, 503]),
    body=JSON | almost(CREATED) | almost(RESTORED),
)
def test_no_made_up_body_is_the_success_of_something_else(desk, kind, status, body):
    asked = desk.asked[kind]
    server, snapshot = asked.server.remote_id, asked.server.snapshots.get().remote_id
    text = json.dumps(body).replace("12345", server).replace("801", snapshot)
    text = text.replace("before-update-snapshot", asked.name)
    operation = desk.send(kind, status, text.encode())
    assert operation.state in (
        State.RUNNING,
        State.SUCCEEDED,
        State.IN_DOUBT,
        State.FAILED,
        State.QUEUED,
    )
    if operation.state in (State.FAILED, State.QUEUED):
        assert 400 <= status < 500
    if operation.state in (State.RUNNING, State.SUCCEEDED):
        assert status in ACCEPTED[kind]
        told = json.loads(text) if kind in (Kind.CREATE, Kind.RESTORE) else {}
        if kind == Kind.CREATE:
            assert told["name"] == asked.name
            assert operation.remote_id not in ("", snapshot)
        if told:
            assert server in json.dumps(told.get("server", told.get("server_id")))
        if kind == Kind.RESTORE:
            assert snapshot in json.dumps(told["snapshot"])


@made_up(
    so_many(50, 5000),
    path=st.sampled_from(["^/servers/$", "^/snapshots/$"]),
    body=JSON
    | st.builds(lambda rows, count: {"results": rows, "count": count}, st.lists(JSON), JSON)
    | almost(listed(SERVER, {**SERVER, "id": 2}, next=None))
    | almost(listed(SNAPSHOT, {**SNAPSHOT, "id": 2})),
)
def test_no_made_up_listing_breaks_a_look_or_a_page(desk, path, body):
    desk.look(path, 200, body)
