"""From the link in the log to a team of four, as new people do it: in the browser only."""

from __future__ import annotations

from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from snapshots import first_run, inventory
from snapshots.models import Account, Server, Snapshot
from tests.pages.test_second_factor import code_of

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a long enough one"
ON = {"color_scheme": "light", "reduced_motion": "reduce"}


@pytest.fixture
def token(provider, settings):
    """An account at the provider with two servers, each with a snapshot."""
    settings.PROVIDER_API_URLS = [provider.url]
    token = provider.account("Northwind")
    for name in ("web-1", "db-1"):
        server = provider.server(token, name)
        provider.snapshot(server, "nightly", created_at=timezone.now() - timedelta(days=1))
    return token


def is_accessible(page):
    found = Axe().run(page, options={"preload": False}).response["violations"]
    page.complaints.clear()  # axe itself sets styles
    assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found] == []


def give_code(page, secret, button):
    """A code lasts half a minute, which may end on the way: then the next one."""
    for _ in range(2):
        page.fill("#id_code", code_of(secret))
        page.click(button)
        page.wait_for_load_state()
        if not page.locator("#id_code").count():
            return


def invite(page, role, *, tags=(), accounts=()):
    """The link for somebody of this role, limited where something is named."""
    page.goto("/team/")
    page.click("#invite")
    page.check(f"[value={role}]")
    if tags or accounts:
        page.check("[value=only]")
    for words in (*tags, *accounts):
        page.check(f".reach-only label:has-text('{words}') input")
    page.click("main form #invite")
    return page.input_value("#link").removeprefix("http://localhost:8000")


def join(visit, link, name):
    """Somebody new, who opens the link."""
    page = visit(None, link, **ON)
    page.fill("[name=email]", f"{name.lower()}@example.com")
    page.fill("[name=name]", name)
    page.fill("[name=password]", PASSWORD)
    page.click("#join")
    page.wait_for_selector("text=You are in Northwind.")
    return page


def test_a_new_installation_becomes_a_team_with_different_rights(db, visit, token):
    # The owner
    page = visit(None, f"/first/{first_run.new_secret()}/", **ON)
    assert page.url.endswith("/first/")
    is_accessible(page)
    for name, words in {"email": "alice@example.com", "name": "Alice", "team": "Northwind"}.items():
        page.fill(f"[name={name}]", words)
    page.fill("[name=password]", PASSWORD)
    page.click("#begin")
    page.wait_for_selector("text=Northwind is created, and it is yours.")
    is_accessible(page)

    # The second factor
    page.click("#second-factor")
    page.click("#app-on")
    is_accessible(page)
    secret = page.inner_text("#secret")
    give_code(page, secret, "main form button[type=submit]")
    assert page.locator("#codes li").count() == 10
    is_accessible(page)
    page.click("#done")
    assert "on" in page.inner_text("section:has(#app-title) .chip")
    page.click("#go-on")

    # The account
    page.click("#connect")
    page.fill("[name=label]", "Live")
    page.fill("[name=token]", token)
    page.click("#check")
    page.wait_for_selector("text=Connect this account?")
    page.click("#save")
    page.wait_for_selector("h1:has-text('Live')")
    inventory.observe(Account.objects.get().pk)
    page.click("#go-on")
    assert page.locator("#step-account a:has-text('Live')").count() == 1
    page.click("#done")

    # A tag
    web, db_1 = (Server.objects.get(name=name) for name in ("web-1", "db-1"))
    page.goto(f"/servers/{web.pk}/")
    page.click("#change-tags")
    is_accessible(page)
    page.fill("[name=tags]", "web")
    page.click("#save")
    page.wait_for_selector("#tag-1:has-text('web')")

    # Three people
    rosa = join(visit, invite(page, "restorer", tags=["web"]), "Rosa")
    oscar = join(visit, invite(page, "operator", accounts=["Live"]), "Oscar")
    vera = join(visit, invite(page, "viewer"), "Vera")
    page.goto("/team/")
    is_accessible(page)

    rosa.goto("/servers/")
    assert rosa.locator("#table tbody tr").count() == 1
    assert "db-1" not in rosa.content()
    assert rosa.goto(f"/servers/{db_1.pk}/").status == 404
    for one in (oscar, vera):
        one.goto("/servers/")
        assert one.locator("#table tbody tr").count() == 2

    # Every refusal says which right is missing, and who can give it
    snapshot = Snapshot.objects.get(server=web)
    for one, address, right in (
        (rosa, f"/servers/{web.pk}/tags/", "tag servers"),
        (rosa, "/accounts/new/", "manage provider accounts"),
        (oscar, f"/snapshots/{snapshot.pk}/restore/", "restore servers"),
        (vera, f"/servers/{web.pk}/snapshots/new/", "take snapshots"),
    ):
        assert one.goto(address).status == 403
        words = f"You may not {right} in Northwind. Alice can give you that right."
        assert words in one.inner_text("main"), address
    assert rosa.goto(f"/snapshots/{snapshot.pk}/restore/").status == 200

    # Suspended, and let in again
    page.click("[id^=suspend-]:has-text('Rosa')")
    is_accessible(page)
    page.click("#suspend")
    page.wait_for_selector("text=Rosa is suspended and signed out everywhere.")
    rosa.goto("/servers/")
    assert "/auth/login/" in rosa.url
    rosa.fill("[name=login]", "rosa@example.com")
    rosa.fill("[name=password]", PASSWORD)
    rosa.click("#sign-in")
    rosa.wait_for_selector("text=You are suspended in Northwind.")
    assert "Alice can let you in again." in rosa.inner_text("main")
    is_accessible(rosa)
    page.click("[id^=resume-]")
    page.wait_for_selector("text=Rosa is let in again.")
    rosa.goto("/servers/")
    assert rosa.locator("#table tbody tr").count() == 1

    # With a password alone she is not in again
    page.context.clear_cookies()
    page.goto("/auth/login/")
    page.fill("[name=login]", "alice@example.com")
    page.fill("[name=password]", PASSWORD)
    page.click("#sign-in")
    page.goto("/team/")  # the password alone opens nothing
    assert page.locator("#second").count() == 1
    give_code(page, secret, "#second")
    page.wait_for_selector("#me-button")
    assert page.complaints == rosa.complaints == []


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_the_set_up_fit_and_are_accessible(db, visit, width, scheme):
    size = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    page = visit(None, "/auth/login/", **size, reduced_motion="reduce")

    def is_well():
        is_accessible(page)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{page.url} is {over} px too wide at {width} px"

    is_well()
    page.click("#first-run")
    is_well()
    page.goto(f"/first/{first_run.new_secret()}/")
    page.click("#begin")  # nothing is filled in: it says so
    is_well()
    for name, words in {"email": "a@example.com", "name": "Alice", "team": "Northwind"}.items():
        page.fill(f"[name={name}]", words)
    page.fill("[name=password]", PASSWORD)
    page.click("#begin")
    page.wait_for_selector("#checks")
    is_well()
    page.goto("/team/")
    page.click("#invite")
    page.check("[value=only]")
    is_well()
