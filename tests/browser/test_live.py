"""A page stays live, says how old it is, and never loses what it shows."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import expect

from snapshots.models import Account, State
from tests.browser.conftest import finish

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse battery"
ASK = "htmx.trigger('#live', 'live:now')"


def test_a_change_arrives_and_focus_and_open_menus_stay(running, alice, visit):
    page = visit(alice, "/settings/")
    expect(page).to_have_title("(1) Your settings · Holdfast")
    page.click("#tray-button")
    link = page.locator(f"#tray-link-{running.pk}")
    link.focus()
    finish(running)
    page.evaluate(ASK)
    expect(page.locator("#tray-panel")).to_contain_text("Succeeded")
    expect(page.locator("#tray-panel")).to_be_visible()
    expect(link).to_be_focused()
    expect(page).to_have_title("Your settings · Holdfast")
    expect(page.locator("#status")).to_have_text("Snapshot before-update of web-1: Succeeded")
    expect(page.locator("#flashes")).to_contain_text("before-update of web-1: Succeeded")
    assert page.complaints == []


def test_nothing_new_touches_nothing(running, alice, visit):
    page = visit(alice, "/settings/")
    page.evaluate("document.querySelector('#tray').dataset.mark = 'same'")
    with page.expect_response(lambda got: "/live/" in got.url) as answer:
        page.evaluate(ASK)
    assert answer.value.status == 204
    assert page.evaluate("document.querySelector('#tray').dataset.mark") == "same"


def test_an_answer_to_any_action_can_make_the_page_ask_at_once(running, alice, visit):
    page = visit(alice, "/settings/")
    with page.expect_response(lambda got: "/live/" in got.url):
        page.evaluate("htmx.trigger('main', 'live:now')")  # as an HX-Trigger header does


def test_a_wish_to_ask_that_comes_during_a_poll_is_heard_after_it(running, alice, visit):
    page, held = visit(alice, "/settings/"), []
    page.route("**/live/**", lambda route: held.append(route), times=1)
    with page.expect_request("**/live/**"):
        page.evaluate(ASK)
    finish(running)
    page.evaluate(ASK)
    with page.expect_request("**/live/**", timeout=3000):
        held[0].fulfill(status=204)
    expect(page.locator("#tray-panel")).to_contain_text("Succeeded")


def test_the_page_asks_by_itself_at_the_servers_pace(running, alice, visit):
    page = visit(alice, "/settings/")
    assert page.get_attribute("#live", "hx-trigger").startswith(("every 4", "every 5"))
    with page.expect_response(lambda got: "/live/" in got.url, timeout=7000):
        pass


def test_a_hidden_or_paused_page_asks_nothing(running, alice, visit):
    page = visit(alice, "/settings/")
    page.click("#freshness-switch")
    expect(page.locator("#freshness-words")).to_contain_text("Paused at")
    before = len(page.polls)
    page.evaluate(ASK)
    page.wait_for_timeout(2500)
    assert len(page.polls) == before
    page.reload()
    expect(page.locator("#freshness-words")).to_contain_text("Paused at")  # remembered in the tab
    page.click("#freshness-switch")
    expect(page.locator("#freshness-words")).to_have_text("Live")
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.wait_for_timeout(300)
    before = len(page.polls)
    page.evaluate(ASK)
    page.wait_for_timeout(2500)
    assert len(page.polls) == before
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    with page.expect_response(lambda got: "/live/" in got.url):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.mark.parametrize("how", ["502", "cut"])
def test_a_failing_poll_keeps_the_data_says_their_age_and_recovers(running, alice, visit, how):
    page = visit(alice, "/settings/")
    page.route(
        "**/live/**",
        lambda route: route.abort() if how == "cut" else route.fulfill(status=502, body="<h1>x"),
    )
    page.evaluate(ASK)
    expect(page.locator("#freshness-words")).to_contain_text("ago. Retrying…")
    expect(page.locator("h1")).to_have_text("Your settings")
    expect(page.locator("#tray-panel")).to_contain_text("before-update")
    page.unroute("**/live/**")
    expect(page.locator("#freshness-words")).to_have_text("Live", timeout=10_000)


def test_elapsed_time_ticks_without_asking(running, alice, visit):
    page = visit(alice, "/settings/")
    page.click("#freshness-switch")
    page.click("#tray-button")
    words = page.locator(f"#tray-{running.pk} [data-since]")
    first = words.inner_text()
    expect(words).not_to_have_text(first, timeout=3000)


def test_a_look_that_finds_no_change_is_told_on_an_open_page(fleet, alice, visit):
    Account.objects.update(complete_pass_at=timezone.now() - timedelta(minutes=12))
    page = visit(alice, f"/accounts/{fleet.pk}/")
    looked = page.locator(".page-head [data-looked]")
    expect(looked).to_have_text("12 min ago")
    Account.objects.update(complete_pass_at=timezone.now())
    page.evaluate(ASK)
    expect(looked).to_have_text("just now")
    assert page.polls == [204]


def test_what_was_to_come_is_not_told_when_its_time_has_passed(fleet, alice, visit):
    Account.objects.update(next_pass_at=timezone.now() + timedelta(hours=1))
    page = visit(alice, "/")
    words = page.locator("#next [data-until]")
    expect(words).to_contain_text("Next look at")
    words.evaluate("(one) => { one.dataset.until = Date.now() / 1000; }")
    expect(words).to_be_hidden(timeout=3000)


def test_a_dead_session_leads_to_the_sign_in_and_back(running, alice, visit):
    page = visit(alice, "/settings/")
    page.context.clear_cookies()
    page.evaluate(ASK)
    page.wait_for_url("**/auth/login/?next=%2Fsettings%2F")


def test_a_dead_session_leaves_what_is_being_typed(running, alice, visit):
    page = visit(alice, "/settings/")
    page.fill("[name=name]", "Alice of the night shift")
    page.context.clear_cookies()
    page.evaluate(ASK)
    expect(page.locator("#freshness-words")).to_contain_text("Signed out")
    assert page.input_value("[name=name]") == "Alice of the night shift"


def signs_in_here(page, user):
    """Fills in the sign-in that the page has led to."""
    page.wait_for_url("**/auth/login/**")
    user.set_password(PASSWORD)
    user.save()
    page.fill("[name=login]", user.email)
    page.fill("[name=password]", PASSWORD)
    page.click("main button[type=submit]")


def test_what_was_typed_is_there_again_after_the_sign_in(fleet, alice, visit):
    server = fleet.servers.get(name="web-1")
    page = visit(alice, f"/servers/{server.pk}/snapshots/new/")
    page.fill("[name=note]", "before the night shift")
    Session.objects.all().delete()
    page.click("main form button[type=submit]")
    signs_in_here(page, alice)
    page.wait_for_url("**/snapshots/new/")
    assert page.input_value("[name=note]") == "before the night shift"
    expect(page.locator("#flashes")).to_contain_text("is here again. It was not sent.")
    page.goto("/")
    page.goto(f"/servers/{server.pk}/snapshots/new/")
    assert page.input_value("[name=note]") == ""
    assert page.complaints == []


def test_what_one_typed_is_not_there_for_another_nor_is_a_confirmation(fleet, alice, rosa, visit):
    snapshot = fleet.snapshots.filter(status="completed").first()
    page = visit(alice, f"/snapshots/{snapshot.pk}/delete/")
    page.fill("[name=typed]", snapshot.name)
    Session.objects.all().delete()
    page.reload()
    signs_in_here(page, alice)
    page.wait_for_url("**/delete/")
    assert page.input_value("[name=typed]") == ""
    page.goto("/settings/")
    page.fill("[name=name]", "Alice of the night shift")
    Session.objects.all().delete()
    page.reload()
    signs_in_here(page, rosa)
    page.wait_for_url("**/settings/")
    assert page.input_value("[name=name]") == "Rosa"


def test_a_failure_is_an_alert_that_stays(running, alice, visit):
    page = visit(alice, "/settings/")
    finish(running, State.FAILED)
    page.evaluate(ASK)
    expect(page.locator("#flashes [role=alert]")).to_contain_text("Failed")
    expect(page.locator("#flashes [data-goes-away]")).to_have_count(0)


def test_the_server_page_draws_the_running_operation_in_place(running, alice, visit):
    page = visit(alice, f"/servers/{running.server_id}/")
    expect(page.locator("main")).to_contain_text("before-update")
    finish(running, State.FAILED)
    page.evaluate(ASK)
    expect(page.locator("main progress")).to_have_count(0)
    assert page.complaints == []
