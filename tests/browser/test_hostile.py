"""What the provider says, at its worst, in every field: served over HTTP, mirrored, and shown."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from snapshots import accounts, inventory
from snapshots.models import Account, Operation, Server
from tests.hardening.visits import digest
from tests.pages.factories import an_operation

pytestmark = pytest.mark.django_db(transaction=True)

CORPUS = [
    '"><img src=x onerror=alert(1) data-pwned>',
    "<script data-pwned>alert(1)</script>",
    "</textarea></title></style><svg onload=alert(1) data-pwned>",
    '<a data-pwned hx-get="/pwned/" hx-trigger="load">x</a>',
    '<b data-pwned hx-on::load="alert(1)" hx-on:click="alert(1)">',
    '<div data-pwned id="flashes" hx-swap-oob="true">gone</div>',
    "' onmouseover='alert(1)' autofocus onfocus='alert(1)' data-pwned='",
    "{{ settings.SECRET_KEY }}{% load static %}{% csrf_token %}${7*7}<%= 7*7 %>",
    "javascript:alert(1)//<iframe data-pwned src=//evil.example>",
    "\u202egnp.exe\u2066 \x1b[31mred\x1b[0m \x00nul\r\nSet-Cookie: pwned=1",
    "<meta http-equiv=refresh content=0;url=//evil.example data-pwned><base href=//evil.example>",
    "<template data-pwned><!--[if IE]><style>@import '//evil.example'</style>" + "W" * 10_000,
]
UNSEEN = "\u202e\u2066\x1b\x00"


@pytest.fixture
def hostile(provider, settings, team, alice) -> Account:
    """An account that says another of these things in each field of each server."""
    settings.PROVIDER_API_URLS = [provider.url]
    token = provider.account(CORPUS[0])
    for n, word in enumerate(CORPUS):
        says = [CORPUS[(n + step) % len(CORPUS)] for step in range(8)]
        server = provider.server(
            token,
            word,
            status=says[1][:60],
            hostname=says[2],
            ip_address=says[3],
            location=says[4],
            plan={"name": says[5]},
            os={"name": says[6]},
        )
        provider.snapshot(server, says[7], description=says[1])
        provider.snapshot(server, says[2], status=says[3][:60], description=word)
    account = accounts.connect(team, label="", api_url=provider.url, token=token, actor=alice)
    inventory.observe(account.pk)
    return account


def addresses(account: Account, operations: list[Operation]) -> list[str]:
    found = ["/", "/servers/", "/snapshots/", "/activity/", "/accounts/", "/figures/"]
    found += [f"/accounts/{account.pk}/", f"/accounts/{account.pk}/change/"]
    for server in Server.objects.order_by("pk")[:3]:
        snapshot = server.snapshots.filter(status="completed").first()
        found += [f"/servers/{server.pk}/", f"/servers/{server.pk}/snapshots/new/"]
        found += [f"/snapshots/{snapshot.pk}/{verb}" for verb in ("", "restore/", "delete/")]
    return [*found, *(f"/operations/{one.pk}/" for one in operations)]


def test_nothing_the_provider_says_does_anything(hostile, alice, visit):
    servers = list(Server.objects.order_by("pk"))
    assert len(servers) == len(CORPUS)
    assert Server.objects.filter(name__contains="data-pwned").count() >= 8
    Account.objects.filter(pk=hostile.pk).update(trouble=CORPUS[3])
    told = [
        an_operation(
            "create", server, state, alice, reason="provider_said", details={"words": word}
        )
        for state, server, word in (
            ("failed", servers[3], CORPUS[3]),
            ("needs_person", servers[4], CORPUS[1]),
            ("in_doubt", servers[5], CORPUS[9]),
        )
    ]
    page = visit(alice, "/settings/")
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    before, shown = digest(), 0
    for address in addresses(hostile, told):
        answer = page.goto(address)
        assert answer.status == 200, address
        assert page.locator("[data-pwned], iframe, base, [hx-get='/pwned/']").count() == 0, address
        assert page.locator("script:not([src]):not([type='application/json'])").count() == 0
        text = page.inner_text("body")
        assert not [sign for sign in UNSEEN if sign in text], address
        shown += "data-pwned" in text
    assert shown > 15, "it stands there as text"
    assert dialogs == []
    assert page.complaints == []
    assert page.hosts == {urlsplit(page.url).netloc}
    assert not [url for url in asked if "pwned" in url or "evil" in url]
    assert "pwned" not in {one["name"] for one in page.context.cookies()}
    assert digest() == before
