"""Every page: no violation of the policy, no other host, no sideways scrolling, nothing for axe."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from snapshots.models import Account, Operation, Server, Snapshot, Team, User
from tests.browser.conftest import visit_as
from tests.gallery.pages import Shot, pages
from tests.gallery.scene import build
from tests.long import LONG

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def scene(db, settings):
    """The scene of the gallery, which has every page in every state."""
    settings.ROOT_URLCONF = "tests.gallery.urls"
    return build()


def bones(html: str) -> str:
    """What axe judges, without the words: pages that agree in this need not be judged twice."""
    html = re.sub(r"<(script|meta)\b[^>]*>", "", html)
    words = r"value|href|action|title|datetime|content|aria-label|(?:hx|data)-[\w-]+"
    html = re.sub(rf'\b({words})="[^"]+"', "", html)
    html = re.sub(r">[^<]*[^<\s][^<]*", ">words", html)
    return re.sub(r"\s+|\d+", " ", html)


def wrong_with(page: Any) -> list[Any]:
    """At three widths (640 is 1280 enlarged to 200 %), in both themes."""
    wrong: list[Any] = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        wrong += [f"{over} px too wide at {width} px"] if over > 0 else []
    # Without axe's preloading, which asks for stylesheets at addresses of its own invention.
    asked = {"preload": False, "resultTypes": ["violations"]}
    found = Axe().run(page, options=asked).response["violations"]
    page.emulate_media(color_scheme="dark")
    asked |= {"runOnly": {"type": "rule", "values": OF_COLOURS}}
    found += page.evaluate("asked => axe.run(asked)", asked)["violations"]
    page.emulate_media(color_scheme="light")
    return wrong + [(rule["id"], [one["html"][:120] for one in rule["nodes"]]) for rule in found]


WIDTHS = (320, 640, 1280)
OF_COLOURS = ["color-contrast", "link-in-text-block"]
EXPECTED = re.compile(r"Failed to load resource: the server responded with a status of [45]\d\d ")
ROLES = ("alice", "adam", "rosa", "oscar", "vera")  # owner, admin, restorer, operator, viewer
# Who may do all sees each part; `make proof` looks with the others, too.
LOOKING = ROLES if LONG else ("alice",)
FAILING = ("/broken/", "/silent/")
PARTS = 5  # to run one by itself


class Visitors:
    """One page for each person who comes."""

    def __init__(self, browser: Any, url: str, people: dict[str, User]) -> None:
        self.browser, self.url, self.people = browser, url, people
        self.pages: dict[str, Any] = {}

    def judge(self, shot: Shot, who: str) -> list[Any]:
        """What is wrong with the page as `who` sees it."""
        if who not in self.pages:
            calm = {"color_scheme": "light", "reduced_motion": "reduce"}
            self.pages[who] = visit_as(self.browser, self.url, self.people.get(who), **calm)
        page = self.pages[who]
        page.complaints.clear()  # axe itself sets styles
        page.goto(shot.path)
        if shot.first:
            shot.first(page)
        complaints = [line for line in page.complaints if not EXPECTED.match(line)]
        return wrong_with(page) + complaints


@pytest.fixture
def visitors(scene, browser, live_server):
    visitors = Visitors(browser, live_server.url, scene.people)
    yield visitors
    for page in visitors.pages.values():
        page.context.close()


@pytest.mark.parametrize("part", range(PARTS))
def test_every_page_and_state_is_accessible_for_every_role(scene, visitors, client_of, part):
    """In light and dark, at any width, without breaking the policy or asking another host."""
    clients = {who: client_of(scene.people[who]) for who in ROLES}
    judged: set[str] = set()
    wrong = {}
    for name, shot in list(pages(scene).items())[part::PARTS]:
        if shot.who not in ROLES or shot.first or shot.path in FAILING:
            wrong[name, shot.who] = visitors.judge(shot, shot.who)
            continue
        for who in dict.fromkeys([shot.who, *LOOKING]):
            looks = bones(clients[who].get(shot.path).content.decode())
            if looks not in judged:
                wrong[name, who] = visitors.judge(shot, who)
            judged.add(looks)
    assert {what: found for what, found in wrong.items() if found} == {}
    hosts = {host for page in visitors.pages.values() for host in page.hosts}
    assert hosts == {urlsplit(visitors.url).netloc}


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


def test_hostile_names_stay_text(scene, visit):
    payload = '"><img src=x onerror=alert(1)><a hx-get="/settings/" hx-trigger="load">\u202e'
    Server.objects.update(name=payload, status=payload[:60], hostname=payload)
    Snapshot.objects.update(name=payload, description=payload)
    Account.objects.update(label=payload[:100], trouble=payload)
    Operation.objects.update(name=payload, note=payload, asked_by_name=payload)
    Team.objects.update(name=payload)
    alice = scene.people["alice"]
    page = visit(alice)
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    for name, shot in pages(scene).items():
        if shot.who == "alice" and not shot.first:
            page.goto(shot.path)
            assert page.locator("img[src=x], [hx-get='/settings/']").count() == 0, name
            assert "\u202e" not in page.inner_text("body"), name
    assert alerts == []
