"""Lists in a browser: searching while typing, live rows, selecting with and without scripts."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from snapshots.models import Account, Batch, Server
from tests.browser.conftest import finish
from tests.pages.factories import an_operation

pytestmark = pytest.mark.django_db(transaction=True)
ASK = "htmx.trigger('#live', 'live:now')"


def rows(page):
    return page.locator("#selection tbody tr")


def change(server, **fields):
    revision = Account.next_revision(server.account_id)
    Server.objects.filter(pk=server.pk).update(revision=revision, **fields)


def test_searching_while_typing_keeps_the_focus_and_the_address(fleet, alice, visit):
    page = visit(alice, "/servers/")
    expect(rows(page)).to_have_count(5)
    page.locator("#id_q").press_sequentially("web-2", delay=30)
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#id_q")).to_be_focused()
    expect(page.locator("#id_q")).to_have_value("web-2")
    expect(page.locator("#count")).to_have_text("1 server")
    assert page.url.endswith("/servers/?q=web-2")
    page.click("#chip-q")
    expect(rows(page)).to_have_count(5)
    page.go_back()
    expect(page.locator("#id_q")).to_have_value("web-2")
    assert page.complaints == []


def test_a_head_sorts_in_place_and_keeps_the_focus(fleet, alice, visit):
    page = visit(alice, "/servers/?q=web")
    page.focus("#sort-name")
    page.keyboard.press("Enter")
    expect(page.locator("th[aria-sort=descending] #sort-name")).to_be_focused()
    expect(rows(page).first).to_contain_text("web-5")
    assert page.url.endswith("/servers/?q=web&sort=-name")
    page.fill("#id_q", "web-")
    page.wait_for_url("**/servers/?q=web-&sort=-name")


def test_a_changed_row_comes_alone_and_what_is_selected_stays(fleet, alice, visit):
    page = visit(alice, "/servers/")
    page.evaluate("document.querySelector('#results').dataset.mark = 'same'")
    web = fleet.servers.get(name="web-1")
    row = page.locator(f"#server-{web.pk}")
    row.locator("input").check()
    expect(page.locator("#selected-words")).to_have_text("Selected: 1")
    change(web, status="stopped")
    page.evaluate(ASK)
    expect(row).to_contain_text("Stopped")
    expect(row.locator("input")).to_be_checked()
    assert page.get_attribute("#results", "data-mark") == "same"
    Server.objects.create(account=fleet, remote_id="9", name="web-9", status="active")
    change(web, status="active")
    page.evaluate(ASK)
    expect(rows(page)).to_have_count(6)
    expect(row.locator("input")).to_be_checked()
    assert page.complaints == []


def test_a_row_tells_that_its_operation_ended(running, alice, visit):
    page = visit(alice, "/servers/")
    row = page.locator(f"#server-{running.server_id}")
    expect(row).to_contain_text("Snapshot before-update of web-1")
    finish(running)
    page.evaluate(ASK)
    expect(row).not_to_contain_text("before-update")


def test_several_at_once_by_keyboard_alone(fleet, alice, visit):
    page = visit(alice, "/servers/?q=web-1")
    page.focus("#pick-all")
    page.keyboard.press("Space")
    expect(rows(page).locator("input").first).to_be_checked()
    page.focus("#take-selected")
    page.keyboard.press("Enter")
    page.wait_for_url("**/servers/snapshots/new/?**")
    page.focus("#take")
    page.keyboard.press("Enter")
    page.wait_for_url("**/batches/*/")
    expect(page.locator("#lines tbody tr")).to_have_count(1)
    finish(Batch.objects.get().operations.get())
    page.evaluate(ASK)
    expect(page.locator("#batch-words")).to_have_text("1 of 1 succeeded.")
    assert page.complaints == []


def test_everything_works_without_javascript(fleet, alice, visit):
    page = visit(alice, "/servers/", java_script_enabled=False)
    page.fill("#id_q", "web-1")
    page.click("#filter")
    expect(rows(page)).to_have_count(1)
    expect(page.locator("#pick-all")).to_be_hidden()
    rows(page).locator("input").check()
    page.click("#take-selected")
    page.fill("#id_name_pattern", "{server}-by-hand")
    page.click("#take")
    expect(page.locator("#lines tbody tr")).to_contain_text("web-1-by-hand")


@pytest.mark.parametrize("address", ["/servers/", "/snapshots/", "/activity/"])
def test_nothing_is_wider_than_a_small_phone(fleet, alice, visit, address):
    page = visit(alice, address, viewport={"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate("document.querySelector('#table, .card').scrollWidth") <= 320
    assert page.complaints == []


def test_a_hundred_running_rows_are_one_request_an_interval(fleet, alice, visit):
    for n in range(100):
        server = Server.objects.create(
            account=fleet, remote_id=f"many-{n}", name=f"many-{n:03d}", status="active"
        )
        an_operation("create", server, "running", alice, name="nightly")
    page = visit(alice, "/servers/?q=many")
    expect(rows(page)).to_have_count(100)
    page.wait_for_timeout(300)
    before = len(page.polls)
    page.wait_for_timeout(6500)
    assert 1 <= len(page.polls) - before <= 4
