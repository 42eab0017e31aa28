"""The main job as a person does it, with real workers behind the pages and no reload."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import pytest
from axe_playwright_python.sync_playwright import Axe

from snapshots.models import Server, User
from tests.flow.conftest import Works, account, provider, server, works  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
PATIENCE = 60_000  # milliseconds: a restore with its safety snapshot takes up to 25 s at this pace


class Hand:
    """A person at the page, by mouse: how things are reached and pressed, and how one waits."""

    options: ClassVar[dict[str, Any]] = {"color_scheme": "light"}

    def __init__(self, page: Any) -> None:
        self.page = page

    def press(self, what: Any) -> None:
        what.click()

    def type(self, name: str, words: str) -> None:
        self.page.fill(f"[name={name}]", words)

    def send(self) -> None:
        self.press(self.page.locator("main form:not([action*=look]) button[type=submit]").first)

    def see(self, what: Any) -> None:
        """It comes by itself, on the page that is open."""
        self.page.evaluate("window.stillHere = true")
        what.wait_for(timeout=PATIENCE)
        assert self.page.evaluate("window.stillHere === true")

    def judge(self) -> None:
        # Without its preloading, which asks for stylesheets at addresses of its own invention.
        found = Axe().run(self.page, options={"preload": False}).response["violations"]
        assert [(rule["id"], [n["html"][:120] for n in rule["nodes"]]) for rule in found] == []
        wide = "document.documentElement.scrollWidth > innerWidth"
        assert not self.page.evaluate(wide)


class Keys(Hand):
    """By keyboard alone, in the dark, on the smallest of screens."""

    options: ClassVar[dict[str, Any]] = {
        "color_scheme": "dark",
        "viewport": {"width": 320, "height": 640},
    }

    def reach(self, what: Any) -> None:
        element = what.element_handle(timeout=PATIENCE)
        for _stop in range(120):
            if self.page.evaluate("one => document.activeElement === one", element):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{what} is not reached by Tab")

    def press(self, what: Any) -> None:
        self.reach(what)
        self.page.keyboard.press("Enter")

    def type(self, name: str, words: str) -> None:
        self.reach(self.page.locator(f"[name={name}]"))
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(words)

    def send(self) -> None:
        self.page.keyboard.press("Enter")


class Plain(Hand):
    """Without scripts, at 1280 pixels enlarged to 200 %."""

    options: ClassVar[dict[str, Any]] = {
        "java_script_enabled": False,
        "viewport": {"width": 640, "height": 400},
    }

    def see(self, what: Any) -> None:
        deadline = time.monotonic() + PATIENCE / 1000
        while not what.count():
            assert time.monotonic() < deadline, f"{what} did not come"
            self.page.wait_for_timeout(1000)
            self.page.reload()

    def judge(self) -> None:
        """Axe is a script."""


def sign_in(hand: Hand, person: User) -> None:
    person.set_password(PASSWORD)
    person.save()
    page = hand.page
    page.goto("/servers/")  # leads to the sign-in, and back here after it
    hand.type("login", person.email)
    hand.type("password", "wrong")
    hand.send()
    page.get_by_text("is not right").wait_for()
    hand.judge()
    hand.type("password", PASSWORD)
    hand.send()
    page.wait_for_url("**/servers/")


def link(page: Any, name: str) -> Any:
    return page.get_by_role("link", name=name, exact=True)


@pytest.mark.parametrize("how", [Hand, Keys, Plain])
def test_sign_in_take_watch_refuse_restore_delete_and_read(
    browser: Any,
    live_server: Any,
    works: Works,  # noqa: F811
    server: Server,  # noqa: F811
    rosa: User,
    how: type[Hand],
) -> None:
    context = browser.new_context(base_url=live_server.url, reduced_motion="reduce", **how.options)
    page = context.new_page()
    hand = how(page)
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))

    # Find the server.
    sign_in(hand, rosa)
    hand.type("q", "web")
    hand.send()
    page.wait_for_url("**/servers/?q=web*")
    hand.press(link(page, "web-1"))

    # Take a snapshot; a name the provider would not take is refused and kept.
    hand.press(link(page, "Take snapshot"))
    hand.type("note", "Before the nginx update")
    hand.type("name", "before update")
    hand.send()
    page.get_by_text("Not allowed: space").first.wait_for()
    assert page.input_value("[name=name]") == "before update"
    assert page.input_value("[name=note]") == "Before the nginx update"
    hand.judge()
    hand.type("name", "before-update")
    hand.send()

    # It is done when the provider lists it.
    page.wait_for_url(f"**/servers/{server.pk}/")
    hand.see(link(page, "Restore before-update"))
    hand.judge()

    # Restore: another name is refused with a sentence, and nothing is lost.
    hand.press(link(page, "Restore before-update"))
    hand.type("typed", "db-1")
    hand.judge()
    hand.send()
    page.get_by_text("not the name of the server you are restoring").first.wait_for()
    assert page.input_value("[name=typed]") == "db-1"
    hand.type("typed", "WEB-1")
    hand.send()
    page.wait_for_url("**/operations/*/")
    hand.see(page.locator("main .badge-status:has-text('Succeeded')"))
    hand.judge()
    assert len(works.provider.calls("POST", "/restore/", "applied")) == 1

    # Delete the snapshot by its name.
    page.goto(f"/servers/{server.pk}/")
    hand.press(link(page, "Delete pre-upgrade"))
    hand.type("typed", "pre-upgrade")
    hand.judge()
    hand.send()
    page.wait_for_url("**/operations/*/")
    hand.see(page.locator("main .badge-status:has-text('Succeeded')"))

    # Read what happened.
    hand.press(page.get_by_role("navigation", name="Main").get_by_role("link", name="Activity"))
    page.wait_for_url("**/activity/")
    said = " ".join(page.text_content("main").casefold().split())
    for sentence in (
        "asked for the snapshot before-update of web-1",
        "the snapshot before-update of web-1 is complete",
        "web-1 is back at before-update",
        "the snapshot pre-upgrade of web-1 was deleted",
        "was refused",
    ):
        assert sentence in said
    hand.judge()

    expected = "Failed to load resource: the server responded with a status of 422"
    assert [line for line in complaints if not line.startswith(expected)] == []
    assert len(hosts) == 1
    context.close()
