"""What stands around every page, and the rules that no template may break."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils import timezone

from dashboard.templatetags import ui
from snapshots.models import Account, Operation, Server, Snapshot, State
from tests.conftest import take

TEMPLATES = sorted(Path(settings.BASE_DIR, "templates").rglob("*.html"))
FORBIDDEN = {
    "an inline style": r"\sstyle\s*=",
    "a style element": r"<style",
    "an inline script": r"<script(?![^>]*\ssrc=)",
    "an inline handler": r"\son(?:click|load|error|change|submit|input|focus|toggle|key\w+)\s*=",
    "hx-on": r"hx-on",
    "script values": r"['\"]js:|javascript:",
    "the safe filter": r"\|\s*safe(seq)?\b",
    "autoescape off": r"autoescape\s+off",
    "DELETE by htmx": r"hx-(delete|put|patch)",
    "a trigger filter": r"hx-trigger=\"[^\"]*\[",
    "another host": r"(?:href|src|action)=\"(?:https?:)?//",
    "boost": r"hx-boost",
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.parent.name + "/" + path.name)
def test_no_template_breaks_a_rule(template):
    text = template.read_text()
    broken = [rule for rule, pattern in FORBIDDEN.items() if re.search(pattern, text, re.I)]
    assert not broken


def test_forms_carry_their_token():
    for template in TEMPLATES:
        for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", template.read_text(), re.S):
            assert "csrf_token" in form, template


def page(client) -> str:
    response = client.get("/settings/")
    assert response.status_code == 200
    return response.content.decode()


def test_the_page_frame(alice, client_of):
    html = page(client_of(alice))
    assert '<html lang="en" dir="ltr"' in html
    assert 'href="#main"' in html and 'id="main"' in html
    assert html.count('role="status"') == 1
    assert "hx-swap-oob" not in html
    config = json.loads(re.search(r"name=\"htmx-config\" content='([^']+)'", html)[1])
    assert config["historyCacheSize"] == 0
    assert not config["allowEval"] and not config["allowScriptTags"]
    assert not config["includeIndicatorStyles"] and config["selfRequestsOnly"]
    swaps = {rule["code"]: rule["swap"] for rule in config["responseHandling"]}
    assert swaps == {
        **{"204": False, "[23]..": True, "403": True, "409": True, "422": True, "...": False}
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_drawn_by_the_server(alice, client_of, theme):
    alice.theme = theme
    alice.save()
    assert f'data-bs-theme="{theme}"' in page(client_of(alice))


def test_a_guest_sees_the_theme_of_last_time(client, db):
    assert "data-bs-theme" not in client.get("/auth/login/").content.decode()
    client.cookies["theme"] = "dark"
    assert 'data-bs-theme="dark"' in client.get("/auth/login/").content.decode()
    client.cookies["theme"] = '"><script>'
    assert "data-bs-theme" not in client.get("/auth/login/").content.decode()


def test_the_theme_switch_goes_back_to_the_page(alice, client_of):
    client = client_of(alice)
    there = {"theme": "dark"}
    back = client.post(
        "/settings/theme/", there, headers={"Referer": "http://testserver/servers/?q=a"}
    )
    assert back["Location"] == "/servers/?q=a"
    away = client.post("/settings/theme/", there, headers={"Referer": "https://evil.example/"})
    assert away["Location"] == "/"
    alice.refresh_from_db()
    assert alice.theme == "dark"


SETTINGS = {
    "name": "Alice F.",
    "language": "eo",
    "time_zone": "Asia/Kathmandu",
    "theme": "light",
    "density": "compact",
}


def test_my_settings_are_saved_in_one_form(alice, client_of):
    client = client_of(alice)
    assert client.post("/settings/", SETTINGS).status_code == 302
    alice.refresh_from_db()
    assert {name: getattr(alice, name) for name in SETTINGS} == SETTINGS
    assert not alice.shortcuts  # the box was not ticked
    assert client.cookies["theme"].value == "light" and client.cookies["language"].value == "eo"


def test_wrong_settings_are_told_and_not_worn(alice, client_of):
    client = client_of(alice)
    wrong = client.post("/settings/", SETTINGS | {"time_zone": "Mars/Olympus", "name": ""})
    assert wrong.status_code == 422
    html = wrong.content.decode()
    assert 'id="error-summary"' in html and "Mars/Olympus" in html
    assert 'lang="en"' in html and 'data-bs-theme="light"' not in html


@pytest.mark.parametrize(
    ("typed", "zone"),
    [
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("europe/paris", "Europe/Paris"),
        (" utc ", "UTC"),
    ],
)
def test_a_zone_may_be_typed_as_people_call_it(alice, client_of, typed, zone):
    client_of(alice).post("/settings/", SETTINGS | {"time_zone": typed})
    alice.refresh_from_db()
    assert alice.time_zone == zone


def test_the_tray_shows_what_runs_and_the_title_counts_it(server, rosa, vera, client_of):
    take(server, rosa)
    html = page(client_of(vera))
    assert "Snapshot before-update of web-1" in html
    assert "<title>(1) " in html


def test_the_tray_counts_all_and_never_loses_what_needs_a_person(server, rosa, vera, client_of):
    first = take(server, rosa)
    many = [Operation.objects.get(pk=first.pk) for _ in range(70)]
    for number, one in enumerate(many):
        one.pk, one.request_key, one.lock_key = None, uuid4(), f"machine {number}"
    Operation.objects.bulk_create(many)
    Operation.objects.filter(pk=first.pk).update(state=State.NEEDS_PERSON)
    html = page(client_of(vera))
    assert "Operations: 70 running, 1 waiting for a person" in html
    assert "and 61 more" in html
    assert "<title>(70) " in html


def test_another_team_sees_nothing_of_it(server, rosa, mallory, client_of):
    take(server, rosa)
    html = page(client_of(mallory))
    assert "web-1" not in html and "before-update" not in html


def test_the_shell_costs_few_queries(server, rosa, vera, client_of, django_assert_max_num_queries):
    take(server, rosa)
    client = client_of(vera)
    with django_assert_max_num_queries(6):  # session, person, roles, revisions, tray (2)
        page(client)


def test_addresses_are_written_from_left_to_right_in_every_language(client, db):
    client.cookies["language"] = "ar"
    fields = re.findall(
        r"<input[^>]*type=\"(?:email|password)\"[^>]*>", client.get("/auth/login/").content.decode()
    )
    assert len(fields) == 2 and all('dir="ltr"' in one for one in fields)


def test_keys_are_left_out_where_they_are_switched_off(alice, client_of):
    assert "js/keys" in page(client_of(alice))
    alice.shortcuts = False
    alice.save()
    html = page(client_of(alice))
    assert "js/keys" not in html and "keys-dialog" not in html


def test_density_is_drawn_by_the_server(alice, client_of):
    alice.density = "compact"
    alice.save()
    assert 'data-density="compact"' in page(client_of(alice))


def test_a_failure_is_told_to_the_page_that_watches(server, rosa, vera, client_of):
    operation = take(server, rosa)
    client = client_of(vera)
    address = re.search(r'hx-get="([^"]+)"', page(client))[1].replace("&amp;", "&")
    revision = Account.next_revision(operation.account_id)
    Operation.objects.filter(pk=operation.pk).update(
        state=State.FAILED, ended_at=timezone.now(), revision=revision
    )
    answer = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert 'data-failure="Failed: Snapshot before-update of web-1"' in answer
    assert "data-failure" not in page(client)  # a page that is opened later has it in its tray


# -- words ----------------------------------------------------------------------------------------


def draw(text: str, **context: object) -> str:
    return Template(text).render(Context(context))


def test_an_unknown_status_is_shown_as_it_came_and_never_as_success(db):
    html = draw("{% status_badge s %}", s=Server(status="<melting>"))
    assert "“&lt;melting&gt;”" in html
    assert "is-unknown" in html and "is-ok" not in html
    assert "is-unknown" in draw("{% status_badge s %}", s=Snapshot(status=""))


def test_every_state_has_a_word_a_shape_and_a_tint(db):
    for state in State:
        html = draw("{% state_badge o %}", o=Operation(state=state))
        assert "<svg" in html and str(state.label) in html


def test_invisible_characters_are_shown():
    assert ui.shown("web\u202e1\x00") == "web‹U+202E›1‹U+0000›"
    assert ui.shown("größe 东京") == "größe 东京"
    words = draw("{% provider_words t %}", t='<img hx-get="/x">\u2066')
    assert "data-hx-disable" in words and "<img" not in words and "‹U+2066›" in words


@pytest.mark.parametrize(
    ("ago", "words"),
    [(5, "just now"), (50, "1 min ago"), (3600 * 3, "3 h ago"), (86400 * 9, "9 days ago")],
)
def test_times_in_words(ago, words):
    html = draw("{% ago t %}", t=timezone.now() - timedelta(seconds=ago))
    assert f">{words}</time>" in html
    assert "title=" in html and "datetime=" in html


def test_spans_and_sizes():
    assert ui.duration(timedelta(minutes=2, seconds=13)) == "2 min 13 s"
    assert ui.duration(3900) == "1 h 5 min"
    assert ui.size(31234) == "31.2 GB"
    assert ui.size(640) == "640 MB"
    assert ui.size(None) == "size unknown"
