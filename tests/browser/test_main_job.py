"""The main job as a person does it, with real workers behind the pages and no reload."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from snapshots.models import Server, User
from tests.flow.conftest import Works, account, provider, server, works  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
PATIENCE = 60_000  # milliseconds: a restore with its safety snapshot takes up to 25 s at this pace


def accessible(page: Any) -> None:
    # Without its preloading, which asks for stylesheets at addresses of its own invention.
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(rule["id"], [n["html"][:120] for n in rule["nodes"]]) for rule in found] == []


def sign_in(page: Any, person: User) -> None:
    person.set_password(PASSWORD)
    person.save()
    page.goto("/servers/")  # leads to the sign-in, and back here after it
    page.fill("[name=login]", person.email)
    page.fill("[name=password]", "wrong")
    page.click("main button[type=submit]")
    assert "is not right" in page.text_content("main")
    accessible(page)
    page.fill("[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.wait_for_url("**/servers/")


def link(page: Any, name: str) -> Any:
    return page.get_by_role("link", name=name, exact=True)


def without_reload(page: Any) -> None:
    """From here on, a full page load would be seen by `still_here`."""
    page.evaluate("window.stillHere = true")


def still_here(page: Any) -> bool:
    return bool(page.evaluate("window.stillHere === true"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sign_in_take_watch_refuse_restore_delete_and_read(
    browser: Any,
    live_server: Any,
    works: Works,  # noqa: F811
    server: Server,  # noqa: F811
    rosa: User,
    scheme: str,
) -> None:
    context = browser.new_context(base_url=live_server.url, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    hosts: set[str] = set()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))

    sign_in(page, rosa)
    page.click("text=web-1")

    # Take a snapshot; a name the provider would not take is refused and kept.
    page.click("text=Take snapshot")
    page.fill("[name=note]", "Before the nginx update")
    page.fill("[name=name]", "before update")
    page.click("main form button[type=submit]")
    assert "Not allowed: space" in page.text_content("main")
    assert page.input_value("[name=name]") == "before update"
    assert page.input_value("[name=note]") == "Before the nginx update"
    accessible(page)
    page.fill("[name=name]", "before-update")
    page.click("main form button[type=submit]")

    # It is done when the provider lists it, on the page that is open.
    page.wait_for_url(f"**/servers/{server.pk}/")
    without_reload(page)
    link(page, "Restore before-update").wait_for(timeout=PATIENCE)
    assert still_here(page)
    accessible(page)

    # Restore: another name is refused with a sentence, and nothing is lost.
    link(page, "Restore before-update").click()
    accessible(page)
    page.fill("[name=typed]", "db-1")
    page.click("main form button[type=submit]")
    assert "not the name of the server you are restoring" in page.text_content("main")
    assert page.input_value("[name=typed]") == "db-1"
    page.fill("[name=typed]", "WEB-1")
    page.click("main form button[type=submit]")
    page.wait_for_url("**/operations/*/")
    without_reload(page)
    page.wait_for_selector("main .badge-status:has-text('Succeeded')", timeout=PATIENCE)
    assert still_here(page)
    accessible(page)
    assert len(works.provider.calls("POST", "/restore/", "applied")) == 1

    # Delete the snapshot by its name.
    page.goto(f"/servers/{server.pk}/")
    link(page, "Delete pre-upgrade").click()
    accessible(page)
    page.fill("[name=typed]", "pre-upgrade")
    page.click("main form button[type=submit]")
    page.wait_for_url("**/operations/*/")
    page.wait_for_selector("main .badge-status:has-text('Succeeded')", timeout=PATIENCE)

    # Read what happened.
    page.click("nav >> text=Activity")
    told = " ".join(page.text_content("main").casefold().split())
    for sentence in (
        "asked for the snapshot before-update of web-1",
        "the snapshot before-update of web-1 is complete",
        "web-1 is back at before-update",
        "the snapshot pre-upgrade of web-1 was deleted",
        "was refused",
    ):
        assert sentence in told
    accessible(page)

    expected = "Failed to load resource: the server responded with a status of 422"
    assert [line for line in complaints if not line.startswith(expected)] == []
    assert len(hosts) == 1
    context.close()
