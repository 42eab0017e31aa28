"""Many people at once, each with a connection of their own: the database decides who was first.

`make test` runs a few rounds, `make proof` as many as the figures in docs/reliability.md say.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier

import pytest
import requests
from django.conf import settings
from django.test import Client as Browser

from snapshots import operations
from snapshots.errors import Refused
from snapshots.models import Event, Operation, Role, Server, Snapshot, State, User
from tests.conftest import Stage, fresh, member, prove, take
from tests.long import so_many
from tests.operations.test_guarantees import at_once
from tests.pages.factories import a_server, a_snapshot, an_account

pytestmark = pytest.mark.django_db(transaction=True)

PEOPLE = 20
Form = dict[str, str]
Click = Callable[[str, Form], requests.Response]


def a_browser(site: str, signed_in: Browser) -> Click:
    """What one person's browser does with a form, on a connection of its own."""
    prove(signed_in)
    session = requests.Session()
    session.cookies.set(
        settings.SESSION_COOKIE_NAME, signed_in.cookies[settings.SESSION_COOKIE_NAME].value
    )
    secret = "x" * 32  # a browser gets it with a page; it is the same in cookie and form
    session.cookies.set(settings.CSRF_COOKIE_NAME, secret)

    def click(address: str, form: Form) -> requests.Response:
        form = {"csrfmiddlewaretoken": secret, "request_key": str(uuid.uuid4()), **form}
        return session.post(f"{site}{address}", form, allow_redirects=False, timeout=60)

    return click


@contextmanager
def people_at_once(clicks: list[Click]) -> Iterator[Callable[..., list[requests.Response]]]:
    """Gives what lets all of them click on the same thing, in the same moment."""
    ready = Barrier(len(clicks))

    def wait_and_click(click: Click, address: str, form: Form) -> requests.Response:
        ready.wait(30)
        return click(address, form)

    with ThreadPoolExecutor(len(clicks)) as people:

        def all_click(address: str, forms: list[Form]) -> list[requests.Response]:
            waiting = [
                people.submit(wait_and_click, one, address, form)
                for one, form in zip(clicks, forms, strict=True)
            ]
            return [one.result(90) for one in waiting]

        yield all_click


def test_of_twenty_people_on_one_server_at_once_one_is_accepted(live_server, team, client_of):
    """Over HTTP, through every layer: sign-in, form, page. The others are told who was first."""
    servers = so_many(8, 500)
    account = an_account(team)
    for n in range(servers):
        a_snapshot(a_server(account, f"web-{n}"), "nightly")
    people = [member(f"Person {n}", Role.RESTORER, team) for n in range(PEOPLE)]
    signed_in = [client_of(person) for person in people]
    clicks = [a_browser(live_server.url, one) for one in signed_in]
    with people_at_once(clicks) as all_click:
        for n, snapshot in enumerate(Snapshot.objects.select_related("server__account")):
            if n % 50 == 49:  # a proof of identity holds for five minutes, 500 servers take longer
                for one in signed_in:
                    prove(one)
            plan = operations.plan(snapshot)
            form = {"typed": snapshot.server.name, "safety_snapshot": "on"}
            forms = [form | {"seen": plan.sealed(person)} for person in people]
            answers = all_click(f"/snapshots/{snapshot.pk}/restore/", forms)
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses == [303] + [422] * (PEOPLE - 1)
            first = Operation.objects.get(server=snapshot.server, parent=None).asked_by_name
            told = [one for one in answers if one.status_code == 422]
            assert all(f"{first} asked to restore it to nightly" in one.text for one in told)
    assert Operation.objects.filter(state=State.QUEUED, parent=None).count() == servers
    assert Event.objects.filter(verb="restore.asked").count() == servers
    assert Event.objects.filter(verb="refused").count() == servers * (PEOPLE - 1)


def cancel_after_a_look(operation: Operation, oscar: User) -> None:
    """A worker looks at the provider before its claim; who cancels takes about as long."""
    with operation.account.client() as client:
        client.find_server(operation.server.remote_id)
        client.snapshots(operation.server.remote_id)
    operations.cancel(operation, actor=oscar)


def test_of_cancel_and_send_exactly_one_wins(stage: Stage, server: Server, oscar: User):
    """The provider refuses each, so that the next round can begin."""
    rounds, won = so_many(50, 1000), {State.CANCELLED: 0, State.FAILED: 0}
    refusal = {"status": 400, "body": {"detail": "not today"}}
    stage.provider.faults.add("answer", method="POST", times=None, **refusal)
    for n in range(rounds):
        operation = fresh(take(server, oscar, name=f"round-{n}"))
        server.account.__class__.objects.update(reads_left=30)
        before = len(stage.provider.calls("POST"))
        cancelled, _ = at_once(
            lambda o=operation: cancel_after_a_look(o, oscar),
            lambda o=operation: operations.send(o.pk),
        )
        sent = len(stage.provider.calls("POST")) - before
        state = fresh(operation).state
        assert (state, sent) in {(State.CANCELLED, 0), (State.FAILED, 1)}
        assert isinstance(cancelled, Refused) is (state == State.FAILED)
        won[state] += 1
    assert sum(won.values()) == rounds
    assert min(won.values()) > rounds / 50, f"no race: {won}"
