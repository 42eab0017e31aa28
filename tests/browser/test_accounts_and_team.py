"""From nothing to an account, and from a link to a member: as people do it, by keyboard too."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

from snapshots import accounts, invitations, teams
from snapshots.models import Account, Membership, Role
from tests.conftest import person

pytestmark = pytest.mark.django_db(transaction=True)


def violations(page):
    found = Axe().run(page, options={"preload": False}).response["violations"]
    page.complaints.clear()  # axe itself sets styles
    return [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found]


@pytest.fixture
def token(provider, settings):
    settings.PROVIDER_API_URLS = [provider.url]
    token = provider.account("Northwind")
    provider.server(token, "web-1")
    return token


@pytest.mark.parametrize("javascript", [True, False])
def test_an_account_is_connected_after_its_servers_were_seen(team, alice, visit, token, javascript):
    page = visit(alice, "/accounts/", java_script_enabled=javascript)
    page.click("#connect-first")
    page.fill("[name=label]", "Live")
    page.fill("[name=token]", token)
    page.press("[name=token]", "Enter")
    page.wait_for_selector("text=Connect this account?")
    assert page.locator("td", has_text="web-1").count() == 1
    assert token not in page.content()
    page.press("#save", "Enter")
    page.wait_for_selector("h1:has-text('Live')")
    assert "Looking…" in page.inner_text("h1 + p")
    assert page.complaints == []
    assert Account.objects.get().has_token(token)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_a_token_opens_and_what_was_removed_are_accessible(
    team, alice, visit, token, provider, scheme
):
    page = visit(alice, "/accounts/new/", color_scheme=scheme, reduced_motion="reduce")
    page.fill("[name=token]", token)
    page.click("#check")
    page.wait_for_selector("text=Connect this account?")
    assert violations(page) == []
    account = accounts.connect(team, label="Live", api_url=provider.url, token=token, actor=alice)
    accounts.remove(account, typed="Live", actor=alice)
    page.goto(f"/accounts/{account.pk}/")
    assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_invitation_is_made_and_used(team, alice, visit, scheme):
    page = visit(alice, f"/team/{team.pk}/", color_scheme=scheme, reduced_motion="reduce")
    page.click("#invite")
    page.check("[value=restorer]")
    page.click("#invite")
    link = page.input_value("#link")
    assert violations(page) == []
    path = link.removeprefix("http://localhost:8000")
    nora = person("Nora")
    theirs = visit(nora, path, color_scheme=scheme, reduced_motion="reduce")
    assert theirs.url.endswith("/join/")
    assert violations(theirs) == []
    theirs.click("#join")
    theirs.wait_for_url("**/")
    assert Membership.objects.get(user=nora, team=team).role == Role.RESTORER
    page.goto(f"/team/{team.pk}/")
    assert violations(page) == []


@pytest.mark.parametrize("javascript", [True, False])
def test_a_stranger_joins_without_javascript_too(team, alice, browser, live_server, javascript):
    _invitation, secret = invitations.invite(
        team, Role.VIEWER, actor=alice, email="nora@example.com"
    )
    context = browser.new_context(base_url=live_server.url, java_script_enabled=javascript)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.headers.get("referer", "")))
    page.goto(f"/join/{secret}/")
    page.fill("[name=name]", "Nora")
    page.fill("[name=password]", "a long enough one")
    page.click("#join")
    page.wait_for_url("**/")
    assert page.inner_text("body").count("Nora")
    assert not [one for one in asked if secret in one]
    context.close()


@pytest.mark.parametrize("javascript", [True, False])
def test_the_team_is_switched_in_the_header(team, alice, visit, javascript):
    teams.create_team("Second", owner=alice)
    page = visit(alice, "/servers/", java_script_enabled=javascript)
    assert "All teams" in page.inner_text("#team-button")
    page.click("#team-button")
    page.click("#team-panel button:has-text('Second')")
    page.wait_for_url("**/servers/")
    assert "Second" in page.inner_text("#team-button")


@pytest.mark.parametrize("width", [320, 640])
def test_the_header_with_a_team_does_not_scroll_sideways(team, alice, visit, width):
    teams.create_team("A team with quite a long name indeed", owner=alice)
    page = visit(alice, "/servers/", viewport={"width": width, "height": 800})
    for address in ("/servers/", "/team/", f"/team/{team.pk}/"):
        page.goto(address)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{address} is {over} px too wide at {width} px"


@pytest.mark.parametrize("language", ["en", "eo", "ar"])
@pytest.mark.parametrize("width", [1024, 1280])
def test_the_places_have_room_beside_the_team(team, alice, visit, width, language):
    alice.language = language
    alice.save()
    teams.create_team("Southwind Labs", owner=alice)
    page = visit(alice, "/servers/", viewport={"width": width, "height": 800})
    nav = "document.querySelector('.nav-main')"
    assert page.evaluate(f"{nav}.scrollWidth <= {nav}.clientWidth")
