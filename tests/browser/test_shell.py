"""What the frame of every page does in a browser: keys, density, the title, print, directions."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from snapshots.models import State
from tests.browser.conftest import finish

PLACES = ["/", "/servers/", "/snapshots/", "/activity/", "/accounts/", "/settings/"]


# -- keys -----------------------------------------------------------------------------------------


def test_g_and_a_letter_lead_to_a_place(alice, fleet, visit):
    page = visit(alice)
    for letter, path in [
        ("s", "servers"),
        ("n", "snapshots"),
        ("a", "activity"),
        ("c", "accounts"),
    ]:
        page.keyboard.press("g")
        page.keyboard.press(letter)
        page.wait_for_url(f"**/{path}/")
    assert not page.complaints


def test_keys_are_found_on_keyboards_without_latin_letters(alice, fleet, visit):
    page = visit(alice)
    page.evaluate("""() => {
        for (const [key, code] of [["ل", "KeyG"], ["س", "KeyS"]])
            document.body.dispatchEvent(new KeyboardEvent("keydown", { key, code, bubbles: true }));
    }""")
    page.wait_for_url("**/servers/")


def test_the_slash_finds_the_search(alice, fleet, visit):
    page = visit(alice, "/servers/")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("web-3")  # and not a second slash
    assert page.evaluate("document.activeElement.value") == "web-3"


def test_the_slash_leads_to_the_servers_where_there_is_nothing_to_search(alice, fleet, visit):
    page = visit(alice, "/settings/")
    page.keyboard.press("/")
    page.wait_for_url("**/servers/#search")
    assert page.evaluate("document.activeElement.name") == "q"


def test_n_takes_a_snapshot_of_the_server_on_the_page(alice, fleet, visit):
    server = fleet.servers.get(name="web-1")
    page = visit(alice, f"/servers/{server.pk}/")
    page.keyboard.press("n")
    page.wait_for_url(f"**/servers/{server.pk}/snapshots/new/")


def test_the_question_mark_shows_the_keys_and_escape_closes(alice, fleet, visit):
    page = visit(alice)
    page.keyboard.press("?")
    expect(page.locator("#keys-dialog")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.keyboard.press("Escape")
    expect(page.locator("#keys-dialog")).to_be_hidden()
    assert page.url.endswith("/")  # keys wait while something is open


def test_keys_are_letters_while_somebody_types(alice, fleet, visit):
    page = visit(alice, "/settings/")
    page.fill("[name=name]", "")
    page.focus("[name=name]")
    page.keyboard.type("g/s?n")
    assert page.input_value("[name=name]") == "g/s?n"
    expect(page.locator("#keys-dialog")).to_be_hidden()
    assert page.url.endswith("/settings/")


def test_keys_with_control_belong_to_the_browser(alice, fleet, visit):
    page = visit(alice)
    page.keyboard.press("Control+Shift+?")
    expect(page.locator("#keys-dialog")).to_be_hidden()


def test_keys_can_be_switched_off(alice, fleet, visit):
    alice.shortcuts = False
    alice.save()
    page = visit(alice)
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.keyboard.press("?")
    assert page.locator("#keys-dialog").count() == 0
    assert page.locator("script[src*='keys']").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("open_it", ["#tray-button", "#me-button", "?"])
def test_what_opens_is_accessible(alice, running, visit, open_it, scheme):
    page = visit(alice, "/settings/", color_scheme=scheme, reduced_motion="reduce")
    page.keyboard.press("?") if open_it == "?" else page.click(open_it)
    found = Axe().run(page, options={"preload": False}).response["violations"]
    assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found] == []


def test_the_menu_shows_the_keys_too(alice, fleet, visit):
    page = visit(alice)
    page.click("#me-button")
    page.click("#me-keys")
    expect(page.locator("#keys-dialog")).to_be_visible()
    expect(page.locator("#me-panel")).to_be_hidden()
    page.click("#keys-dialog button")
    expect(page.locator("#keys-dialog")).to_be_hidden()


def test_the_signs_stand_out_in_forced_colours(alice, running, visit):
    page = visit(alice, "/servers/", forced_colors="active")
    border = "getComputedStyle(document.querySelector('main .badge-status')).borderStyle"
    assert page.evaluate(border) == "solid"
    here = "getComputedStyle(document.querySelector('.nav-main [aria-current]')).borderBottomColor"
    there = "getComputedStyle(document.querySelector('#nav-activity')).borderBottomColor"
    assert page.evaluate(here) != page.evaluate(there)


def test_the_first_tab_leads_past_the_frame(alice, fleet, visit):
    page = visit(alice, "/servers/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    assert page.locator(".skip-link").bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("width", [700, 1280])
def test_the_bar_on_top_hides_nothing_that_has_focus(alice, fleet, visit, width):
    page = visit(alice, "/settings/", viewport={"width": width, "height": 400})
    for _stop in range(30):
        page.keyboard.press("Tab")
    for _stop in range(25):
        page.keyboard.press("Shift+Tab")
        # The browser scrolls with its next frame, which a busy machine draws later.
        page.wait_for_function(
            """() => {
            const bar = document.querySelector("#topbar"), one = document.activeElement;
            const under = bar.getBoundingClientRect().bottom;
            if (bar.contains(one) || one.matches(".skip-link, body")) return true;
            return one.getBoundingClientRect().top >= under;
        }""",
            timeout=5000,
        )


# -- density --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("density", "least", "most"), [("comfortable", 48, 80), ("compact", 36, 47)]
)
def test_rows_are_as_high_as_was_chosen(alice, fleet, visit, density, least, most):
    alice.density = density
    alice.save()
    page = visit(alice, "/servers/", viewport={"width": 1280, "height": 800})
    heights = page.eval_on_selector_all(
        ".data-table tbody tr", "rows => rows.map(row => row.getBoundingClientRect().height)"
    )
    assert heights and all(least <= height <= most for height in heights)


# -- what the tab says ----------------------------------------------------------------------------


def test_a_failure_stands_in_the_title_until_somebody_is_back(alice, running, visit):
    page = visit(alice, "/servers/")
    assert page.title().startswith("(1) ")
    finish(running, State.FAILED)
    page.evaluate("htmx.trigger('#live', 'live:now')")
    expect(page).to_have_title("Failed: Snapshot before-update of web-1 · Holdfast")
    assert "failed" in page.get_attribute("#favicon", "href")
    page.keyboard.press("Shift")
    expect(page).to_have_title("Servers · Holdfast")
    assert "failed" not in page.get_attribute("#favicon", "href")


def test_success_takes_the_count_out_of_the_title(alice, running, visit):
    page = visit(alice, "/servers/")
    finish(running)
    page.evaluate("htmx.trigger('#live', 'live:now')")
    expect(page).to_have_title("Servers · Holdfast")


def test_times_tick_in_the_servers_own_words(alice, running, visit):
    alice.language = "ar"
    alice.save()
    page = visit(alice, f"/operations/{running.pk}/")
    ticking = page.locator("[data-since]").first
    before = ticking.text_content()
    expect(ticking).not_to_have_text(before)  # it ticks
    digits = "".join(char if not char.isdigit() else "0" for char in before)
    after = "".join(char if not char.isdigit() else "0" for char in ticking.text_content())
    assert digits.replace("00", "0") == after.replace("00", "0")


# -- paper ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/activity/", "/servers/", "operation"])
def test_pages_print(alice, running, visit, path):
    page = visit(alice, f"/operations/{running.pk}/" if path == "operation" else path)
    assert page.pdf()[:5] == b"%PDF-"
    page.emulate_media(media="print")
    expect(page.locator(".topbar")).to_be_hidden()
    expect(page.locator("main h1")).to_be_visible()
    if path != "/activity/":
        expect(page.locator("main .badge-status").first).to_be_visible()
    foot = page.locator(".print-foot")
    expect(foot).to_contain_text("Printed by Alice from")
    expect(foot).to_contain_text("UTC")
    expect(foot).to_contain_text("last checked at")
    for button in page.locator("button, .btn").all():
        expect(button).to_be_hidden()


def test_folded_parts_are_printed(alice, running, visit):
    page = visit(alice, "/settings/")
    page.evaluate("""() => {
        const folded = document.createElement("details");
        folded.innerHTML = "<summary>More</summary><p id='inside'>Inside</p>";
        document.querySelector("main").append(folded);
    }""")
    expect(page.locator("#inside")).to_be_hidden()
    page.emulate_media(media="print")
    assert page.locator("#inside").bounding_box()["height"] > 5
    assert page.evaluate("document.querySelector('#inside').checkVisibility()")


# -- directions, widths ---------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "eo", "ar"])
@pytest.mark.parametrize("width", [320, 768])
def test_no_page_is_wider_than_the_window(alice, running, visit, language, width):
    alice.language = language
    alice.save()
    page = visit(alice, "/", viewport={"width": width, "height": 700})
    for path in [*PLACES, f"/servers/{running.server_id}/", f"/operations/{running.pk}/"]:
        page.goto(path)
        box = "document.documentElement"
        assert page.evaluate(f"{box}.scrollWidth <= {box}.clientWidth"), path


@pytest.mark.parametrize("language", ["en", "ar"])
def test_where_one_is_stays_in_sight_in_a_narrow_window(alice, fleet, visit, language):
    alice.language = language
    alice.save()
    page = visit(alice, "/accounts/", viewport={"width": 320, "height": 700})
    box = page.locator("#nav-accounts").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 320


def test_long_words_do_not_push_the_page_apart(alice, running, visit):
    """Words of other languages: 40 % longer, everywhere in the frame."""
    page = visit(alice, "/servers/", viewport={"width": 320, "height": 700})
    page.evaluate("""() => {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        while (walker.nextNode()) {
            const words = walker.currentNode.data.trim();
            if (words) walker.currentNode.data = words + "ŝ".repeat(Math.ceil(words.length * 0.4));
        }
    }""")
    box = "document.documentElement"
    assert page.evaluate(f"{box}.scrollWidth <= {box}.clientWidth")


def test_targets_of_the_frame_are_large_enough(alice, running, visit):
    page = visit(alice, "/", viewport={"width": 320, "height": 700})
    for target in page.locator(".topbar :is(a, button):visible").all():
        box = target.bounding_box()
        assert box["width"] >= 24 and box["height"] >= 24
