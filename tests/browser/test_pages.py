"""Every page: no violation of the policy, no other host, no sideways scrolling, nothing for axe."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from snapshots.models import Delivery, Snapshot, Webhook

pytestmark = pytest.mark.django_db(transaction=True)


def a_webhook(operation: Any) -> int:
    """With one message that was delivered and one that was not."""
    team = operation.team
    made, is_new = Webhook.objects.get_or_create(
        team=team,
        address="https://chat.example.com/",
        defaults={"name": "Chat", "topics": ["slow"]},
    )
    if is_new:
        Delivery.objects.create(team=team, webhook=made, state="sent", attempts=1, status=204)
        Delivery.objects.create(team=team, webhook=made, trouble="unreached", attempts=2)
    return made.pk


def addresses(operation: Any) -> list[str]:
    server = operation.server_id
    snapshot = Snapshot.objects.filter(server=server, status="completed").values_list(
        "pk", flat=True
    )[0]
    member = operation.team.memberships.values_list("pk", flat=True)[0]
    return [
        *(
            "/",
            "/servers/",
            "/snapshots/",
            "/activity/",
            "/accounts/",
            "/settings/",
            "/help/",
            "/figures/",
            "/nowhere/",
        ),
        *(
            f"/servers/{server}/",
            f"/servers/{server}/figures/",
            f"/servers/{server}/snapshots/new/",
        ),
        *(f"/snapshots/{snapshot}/{more}" for more in ("", "restore/", "delete/")),
        *(f"/operations/{operation.pk}/", f"/accounts/{operation.account_id}/"),
        *(f"/accounts/{more}" for more in ("new/", f"{operation.account_id}/token/")),
        *(f"/accounts/{operation.account_id}/{more}/" for more in ("change", "remove")),
        *("/team/new/", f"/team/{operation.team_id}/", f"/team/{operation.team_id}/invite/"),
        *(f"/team/{operation.team_id}/{more}/" for more in ("name", "leave")),
        *(f"/members/{member}/{more}/" for more in ("role", "remove")),
        *("/join/", "/join/nonsense/"),
        *(
            "/settings/messages/",
            "/webhooks/",
            "/webhooks/new/",
            f"/webhooks/{a_webhook(operation)}/",
        ),
        *("/auth/password/change/", "/auth/logout/", "/auth/reauthenticate/"),
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_accessible_and_keeps_to_the_policy(running, alice, visit, scheme):
    alice.set_password("to be asked for it")
    alice.save()
    page, complaints = visit(alice, color_scheme=scheme, reduced_motion="reduce"), []
    for address in addresses(running):
        page.goto(address)
        page.wait_for_function("window.htmx")
        complaints += page.complaints
        found = Axe().run(page, options={"preload": False}).response["violations"]
        told = [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found]
        assert told == [], address
        page.complaints.clear()  # axe itself sets styles
    expected = "Failed to load resource: the server responded with a status of 404"
    assert [line for line in complaints if not line.startswith(expected)] == []
    assert len(page.hosts) == 1


@pytest.mark.parametrize("width", [320, 640, 1280])
def test_no_page_scrolls_sideways(running, alice, visit, width):
    page = visit(alice, viewport={"width": width, "height": 800})
    for address in addresses(running):
        page.goto(address)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{address} is {over} px too wide at {width} px"


def test_the_theme_follows_the_system_until_one_is_chosen(alice, visit):
    def ground(page: Any) -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert ground(visit(alice, "/settings/", color_scheme="light")) == "rgb(246, 248, 250)"
    assert ground(visit(alice, "/settings/", color_scheme="dark")) == "rgb(13, 17, 23)"
    alice.theme = "dark"
    alice.save()
    assert ground(visit(alice, "/settings/", color_scheme="light")) == "rgb(13, 17, 23)"


def test_signing_out_leaves_nothing_behind(running, alice, visit):
    page = visit(alice, "/settings/")
    page.click("#me-button")
    page.click("#me-panel form[action*=logout] button")
    page.wait_for_url("**/auth/login/")
    kept = page.evaluate("[Object.keys(localStorage), Object.keys(sessionStorage)]")
    assert kept == [[], ["htmx-current-path-for-history"]]  # the sign-in page's own
    page.go_back()
    page.wait_for_url("**/auth/login/**")
    assert "before-update" not in page.content()


def test_menus_work_without_javascript(running, alice, visit):
    page = visit(alice, "/settings/", java_script_enabled=False)
    page.click("#tray-button")
    assert page.locator("#tray-panel").is_visible()
    page.keyboard.press("Escape")
    page.click("#me-button")
    page.click("#me-panel [name=theme][value=dark]")
    assert page.get_attribute("html", "data-bs-theme") == "dark"
    assert page.locator("noscript").count() == 1


def test_hostile_names_stay_text(running, alice, visit):
    payload = '"><img src=x onerror=alert(1)><a hx-get="/settings/" hx-trigger="load">\u202e'
    running.server.name = payload[:250]
    running.server.status = payload[:60]
    running.server.save()
    Snapshot.objects.update(name=payload[:250], status="completed", description=payload)
    running.account.trouble = payload
    running.account.label = payload[:100]
    running.account.save()
    page = visit(alice)
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    for address in addresses(running):
        page.goto(address)
        page.wait_for_timeout(50)
        assert page.locator("img[src=x], [hx-get='/settings/']").count() == 0, address
        assert "\u202e" not in page.inner_text("body"), address
    assert alerts == []
