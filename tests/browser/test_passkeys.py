"""Passkeys: a real browser with an authenticator of its own, under our Content-Security-Policy."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator

from snapshots.models import Operation
from tests.browser.conftest import visit_as

PASSWORD = "correct horse battery"


@pytest.fixture
def rosa(rosa):
    rosa.set_password(PASSWORD)
    rosa.save()
    return rosa


def with_authenticator(page: Any) -> Any:
    """A device that knows its owner and keeps passkeys, plugged in."""
    wire = page.context.new_cdp_session(page)
    wire.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    found = wire.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return wire, found["authenticatorId"]


def add(page: Any, *, alone: bool) -> None:
    page.goto("/auth/2fa/webauthn/add/")
    page.fill("#id_name", "Laptop")
    if alone:
        page.check("#id_passwordless")
    page.click("#add")
    page.wait_for_selector("#codes")


def test_a_passkey_signs_in_alone_and_proves_who_it_is(browser, live_server, rosa, fleet):
    page = visit_as(browser, live_server.url, rosa)
    with_authenticator(page)
    add(page, alone=True)
    assert page.locator("#codes li").count() == 10
    page.click("#done")
    assert "signs in alone" in page.inner_text("#passkeys")
    page.context.clear_cookies()

    page.goto("/auth/login/?next=/servers/")
    page.click("#sign-in-passkey")
    page.wait_for_url("**/servers/")
    assert "Rosa" in page.inner_text("#me-button")

    session = page.context.cookies()
    forget_the_proof(session)
    snapshot = fleet.servers.get(name="web-1").snapshots.get(status="completed")
    page.goto(f"/snapshots/{snapshot.pk}/delete/")
    page.fill("#id_typed", snapshot.name)
    page.click("main form button[type=submit]")
    assert f"Delete the snapshot {snapshot.name} of web-1, for ever." in page.inner_text(
        "#approved"
    )
    page.click("#prove-passkey")
    page.wait_for_url("**/operations/*/")
    assert Operation.objects.get(kind="delete").snapshot == snapshot
    assert [one for one in page.complaints if "401" not in one] == []
    page.context.close()


def forget_the_proof(cookies: list[dict[str, Any]]) -> None:
    """As if six minutes had passed."""
    from django.conf import settings
    from django.contrib.sessions.backends.db import SessionStore

    key = next(one["value"] for one in cookies if one["name"] == settings.SESSION_COOKIE_NAME)
    session = SessionStore(key)
    session["proved"][1] -= 360
    session.save()


def test_a_passkey_comes_second_after_the_password(browser, live_server, rosa):
    page = visit_as(browser, live_server.url, rosa)
    with_authenticator(page)
    add(page, alone=False)
    page.context.clear_cookies()
    page.goto("/auth/login/")
    page.fill("#id_login", rosa.email)
    page.fill("#id_password", PASSWORD)
    page.click("#sign-in")
    page.wait_for_url("**/auth/2fa/authenticate/")
    page.goto("/servers/")  # a password alone opens nothing
    assert page.url.endswith("/auth/2fa/authenticate/")
    page.click("#second-passkey")
    page.wait_for_selector("#me-button")
    assert page.complaints == []
    page.context.close()


def test_without_the_passkey_the_page_says_so(browser, live_server, rosa):
    page = visit_as(browser, live_server.url, None)
    with_authenticator(page)  # which has none
    page.goto("/auth/login/")
    page.click("#sign-in-passkey")
    page.wait_for_selector(".passkey-failed:not([hidden])", timeout=15000)
    assert not Authenticator.objects.exists()
    page.context.close()
