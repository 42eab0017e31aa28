"""A real browser on the real pages: Debian's Chromium, headless, through Playwright."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, Page, sync_playwright

from snapshots.models import Account, Operation, Server, Snapshot, State, Team, User
from tests.conftest import prove
from tests.services import chromium


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Chromium is missing, and in CI that is a failure.")
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit(Page):
    """For the type checker: a page that also keeps what went wrong and who was asked."""

    complaints: list[str]
    polls: list[int]
    hosts: set[str]


def visit_as(browser: Browser, url: str, user: User | None, **options: Any) -> Any:
    """A page of `user`, or of nobody; it keeps what went wrong and who was asked."""
    context = browser.new_context(base_url=url, **options)
    if user:
        client = Client()
        client.force_login(user)
        prove(client)
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])
    page: Any = context.new_page()
    page.complaints, page.polls, page.hosts = [], [], set()
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: _keep(page, said))
    page.on("request", lambda request: page.hosts.add(request.url.split("/")[2]))
    page.on("response", lambda got: "/live/" in got.url and page.polls.append(got.status))
    return page


@pytest.fixture
def visit(browser: Browser, live_server: Any) -> Iterator[Callable[..., Any]]:
    """`visit(alice, "/servers/")`: the page as she sees it."""
    pages = []

    def open_page(user: User, path: str = "/", **options: Any) -> Any:
        page = visit_as(browser, live_server.url, user, **options)
        pages.append(page)
        page.goto(path)
        return page

    yield open_page
    for page in pages:
        page.context.close()


def _keep(page: Any, said: Any) -> None:
    if said.type == "error":
        page.complaints.append(f"{said.text} ({said.location.get('url')})")


@pytest.fixture
def fleet(team: Team, alice: User) -> Account:
    """An account with a server in each state, and snapshots in each."""
    now = timezone.now()
    account = Account.objects.create(
        team=team,
        label="Production",
        api_url="http://127.0.0.1:1/api/v1",
        identity="ops@example.com",
        complete_pass_at=now,
    )
    words = ["active", "stopped", "suspended", "restoring", "melting"]
    for number, word in enumerate(words, start=1):
        server = Server.objects.create(
            account=account,
            remote_id=str(number),
            name=f"web-{number}",
            status=word,
            address=f"192.0.2.{number}",
        )
        for age, status in enumerate(["completed", "in_progress", "failed"], start=1):
            Snapshot.objects.create(
                account=account,
                server=server,
                remote_id=f"{number}-{age}",
                name=f"nightly-{age}",
                status=status,
                size_mb=31_234,
                created_at=now - timedelta(days=age),
            )
    return account


@pytest.fixture
def running(fleet: Account, alice: User) -> Operation:
    """A snapshot that the provider has been taking for two minutes."""
    server = fleet.servers.get(name="web-1")
    began = timezone.now() - timedelta(minutes=2)
    return Operation.objects.create(
        kind="create",
        team=fleet.team,
        account=fleet,
        server=server,
        lock_key=server.lock_key,
        asked_by=alice,
        asked_by_name=str(alice),
        name="before-update",
        state=State.RUNNING,
        created_at=began,
        sent_at=began,
        accepted_at=began,
        send_before=began + timedelta(hours=1),
    )


def finish(operation: Operation, state: State = State.SUCCEEDED) -> None:
    """What a worker's last word looks like to the pages."""
    revision = Account.next_revision(operation.account_id)
    Operation.objects.filter(pk=operation.pk).update(
        state=state, ended_at=timezone.now(), revision=revision
    )
