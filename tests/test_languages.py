"""Three languages, each of them whole: no sentence without a translation, none that breaks."""

from __future__ import annotations

import ast
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.urls import URLPattern
from django.utils import translation

from dashboard import catalogue, password_links, urls
from dashboard.templatetags import ui
from snapshots.events import line
from snapshots.text import same_name
from tests.conftest import take

LANGUAGES = catalogue.LANGUAGES


def names(messages) -> list[catalogue.Key]:
    return [catalogue.key(message) for message in messages if message.id]


@pytest.fixture(scope="module")
def source():
    return catalogue.gather()


# -- the catalogues -------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_sentence_of_the_source_has_its_entry(language, source):
    """If this fails: `manage.py messages`, then translate what is new."""
    kept = catalogue.read(language)
    assert set(kept) == set(names(source))
    for message in source:
        assert not message.id or kept[catalogue.key(message)].id == message.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_untranslated_or_guessed(language):
    lacking = [one for one, message in catalogue.read(language).items() if not message.string]
    lacking += [entry["id"] for entry in catalogue.missing(language)]
    assert not lacking


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_values_go_into_each_translation(language):
    complaints = {
        one: catalogue.mistake(message.id, message.string)
        for one, message in catalogue.read(language).items()
        if catalogue.is_complete(message)
    }
    assert not {one: wrong for one, wrong in complaints.items() if wrong}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_compiled_file_is_fresh(language):
    file = catalogue.po_file(language).with_suffix(".mo")
    assert file.read_bytes() == catalogue.compiled(language)


def test_no_sentence_is_only_a_value(source):
    only_a_value = re.compile(r"\s*(%\(\w+\)\w|%\w|\{\w*\})?\s*")
    assert not [one for one in names(source) if only_a_value.fullmatch(one.id)]


def test_every_marked_word_is_found(source):
    """Against a second, simpler reader of the templates."""
    found = {one.id for one in names(source)}
    marked = re.compile(r"""(?:\{%\s*translate\s+|_\()(["'])(.+?)\1""")
    for path in Path(settings.BASE_DIR, "templates").rglob("*.*"):
        for _quote, words in marked.findall(path.read_text()):
            assert words.replace("%", "%%") in found, path


def test_the_source_calls_gettext_with_plain_strings():
    """An f-string or a variable would never be found by the tool."""
    for folder in catalogue.CODE:
        for path in Path(settings.BASE_DIR, folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {
                    "_",
                    "gettext",
                    "gettext_lazy",
                    "pgettext_lazy",
                }:
                    for argument in node.args:
                        assert isinstance(argument, ast.Constant), f"{path}:{node.lineno}"


def test_plural_forms_are_those_of_django():
    assert catalogue.Words("ar").num_plurals == 6
    assert "n%100>=11 && n%100<=99 ? 4 : 5" in catalogue.Words("ar").plural_expr
    assert catalogue.Words("eo").num_plurals == 2


# -- translating ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "string", "is_right"),
    [
        ("Restore of {server}", "Restaŭro de {server}", True),
        ("Restore of {server}", "Restaŭro de {servilo}", False),
        ("Restore of {server}", "Restaŭro", False),
        ("%(a)s to %(b)s", "al %(b)s %(a)s", True),
        ("%d min ago", "antaŭ %d min", True),
        ("%d min ago", "antaŭ minutoj", False),
        ("%s of %d", "%d de %s", False),
        ("42 %% of it", "42 % de ĝi", False),
        ("42 %% of it", "42 %% de ĝi", True),
        ("Servers", "", False),
        ("Servers ", "Serviloj", False),
        (("%(n)s day", "%(n)s days"), ("unu tago", "%(n)s tagoj"), True),
        (("%(n)s day", "%(n)s days"), ("unu tago", "%(m)s tagoj"), False),
        (("%d day", "%d days"), ("unu tago", "%d tagoj"), False),
    ],
)
def test_translations_that_would_break_are_refused(source, string, is_right):
    assert (catalogue.mistake(source, string) == "") is is_right


# -- in use ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("eo", "ltr"), ("ar", "rtl")])
def test_a_page_says_its_language_and_direction(alice, client_of, language, direction):
    alice.language = language
    alice.save()
    response = client_of(alice).get("/settings/")
    assert f'<html lang="{language}" dir="{direction}"' in response.content.decode()
    assert response["Content-Language"] == language


def test_the_person_comes_before_the_cookie_and_the_cookie_before_the_browser(alice, client_of):
    client = client_of(alice)
    head = {"HTTP_ACCEPT_LANGUAGE": "ar"}
    assert 'lang="ar"' in client.get("/settings/", **head).content.decode()
    client.cookies["language"] = "eo"
    assert '<html lang="eo"' in client.get("/settings/", **head).content.decode()
    alice.language = "en"
    alice.save()
    assert '<html lang="en"' in client.get("/settings/", **head).content.decode()


def test_one_reader_does_not_leave_their_language_to_the_next(alice, oscar, client_of):
    alice.language = "ar"
    alice.save()
    client_of(alice).get("/settings/")
    assert '<html lang="en"' in client_of(oscar).get("/settings/").content.decode()


def test_an_address_that_is_none_is_told_in_the_readers_language(alice, client_of):
    alice.language = "ar"
    alice.save()
    response = client_of(alice).get("/no/such/page/")
    assert response.status_code == 404
    assert '<html lang="ar" dir="rtl"' in response.content.decode()


def test_a_guest_chooses_on_the_sign_in_page(client, db):
    page = client.get("/auth/login/").content.decode()
    assert '<html lang="en" dir="ltr"' in page and "العربية" in page
    answer = client.post(
        "/settings/language/", {"language": "ar"}, HTTP_REFERER="http://testserver/auth/login/"
    )
    assert (answer.status_code, answer["Location"]) == (302, "/auth/login/")
    assert '<html lang="ar" dir="rtl"' in client.get("/auth/login/").content.decode()


def test_a_language_that_is_none_changes_nothing(client, db):
    client.post("/settings/language/", {"language": "xx"})
    assert '<html lang="en"' in client.get("/auth/login/").content.decode()


def test_a_saved_language_speaks_at_once(alice, client_of):
    client = client_of(alice)
    form = {"name": "Alice", "time_zone": "UTC", "theme": "dark", "density": "compact"}
    page = client.post("/settings/", form | {"language": "eo"}, follow=True).content.decode()
    assert '<html lang="eo"' in page
    with translation.override("eo"):
        assert str(translation.gettext("Your settings are saved.")) in page
    page = client.post("/settings/", form | {"language": ""}, follow=True).content.decode()
    assert '<html lang="en"' in page  # back to the browser's


def test_mail_is_in_the_language_of_whom_it_is_for(alice, client, mailoutbox):
    alice.language = "eo"
    alice.save()
    client.post("/auth/password/reset/", {"email": alice.email}, HTTP_ACCEPT_LANGUAGE="ar")
    password_links.send()
    with translation.override("eo"):
        assert mailoutbox[0].subject == translation.gettext("Choose a new password for Holdfast")
    assert "/auth/password/reset/key/" in mailoutbox[0].body


def test_nobody_gets_mail_because_somebody_typed_their_address(client, db, mailoutbox):
    client.post("/auth/password/reset/", {"email": "stranger@example.com"})
    password_links.send()
    assert mailoutbox == []


# -- no half-translated page ----------------------------------------------------------------------


def left_in_english(html: str, language: str) -> list[str]:
    """Parts of our English sentences that stand on a page of another language."""
    page = " ".join(unescape(html).split())
    found = []
    for message in catalogue.read(language).values():
        strings = [message.string] if isinstance(message.string, str) else message.string
        sources = [message.id] if isinstance(message.id, str) else message.id
        for part in re.split(r"%\(\w+\)\w|%\w|\{\w*\}", " \0 ".join(sources).replace("%%", "%")):
            words = " ".join(part.split(" \0 ")[0].split())
            if len(words) > 12 and " " in words and words in page:
                found += [words] if not any(words in string for string in strings) else []
    return found


def addresses(subjects: dict[str, Any]) -> list[str]:
    """Every address of the product, with what the fixtures have for its number."""
    routes = [str(one.pattern) for one in urls.urlpatterns if isinstance(one, URLPattern)]
    found = []
    for route in routes:
        subject = subjects.get(route.partition("/")[0])
        if "<str:" in route or "<uuid:" in route or ("<int:" in route and subject is None):
            continue
        found.append("/" + re.sub(r"<int:\w+>", str(getattr(subject, "pk", "")), route))
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_translated_as_a_whole(
    server, snapshot, team, alice, rosa, client_of, language
):
    operation = take(server, rosa)
    alice.language = language
    alice.save()
    client, pages, left = client_of(alice), 0, {}
    subjects = {
        "accounts": server.account,
        "servers": server,
        "snapshots": snapshot,
        "operations": operation,
        "team": team,
        "members": rosa.memberships.get(),
    }
    for address in [*addresses(subjects), "/auth/password/change/", "/auth/logout/", "/no/such/"]:
        response = client.get(address)
        if "html" not in response.get("Content-Type", ""):
            continue
        if response.status_code in (200, 404, 422) and response.content:
            html = response.content.decode()
            assert f'<html lang="{language}"' in html, address
            left |= {address: words} if (words := left_in_english(html, language)) else {}
            pages += 1
    assert pages > 20
    assert not left


@pytest.mark.parametrize("language", LANGUAGES)
def test_guests_are_spoken_to_in_one_language(client, db, language):
    client.cookies["language"] = language
    wrong = {"login": "nobody@example.com", "password": "nothing"}
    answers = [
        client.get("/auth/login/"),
        client.post("/auth/login/", wrong),
        client.post("/auth/login/", {}),
        client.get("/auth/password/reset/"),
        client.get("/auth/password/reset/done/"),
        client.get("/auth/password/reset/key/1-wrong/"),
    ]
    for answer in answers:
        html = answer.content.decode()
        assert not left_in_english(html, language)
        for english in ("This field", ">Email<", ">Password<", "Forgot your"):
            assert english not in html


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_password_that_is_too_weak_is_refused_in_ones_language(alice, client_of, language):
    alice.language = language
    alice.set_password("a long enough one")
    alice.save()
    form = {"oldpassword": "a long enough one", "password1": "short", "password2": "short"}
    html = client_of(alice).post("/auth/password/change/", form).content.decode()
    assert 'id="error-summary"' in html
    assert "This password is too short" not in html and "at least" not in html


@pytest.mark.parametrize("seconds", [5, 50, 3600 * 3, 86400 * 3, 86400 * 11, 86400 * 100])
def test_relative_times_are_translated(seconds):
    english = ui.since_words(seconds)
    for language in LANGUAGES:
        with translation.override(language):
            assert ui.since_words(seconds) != english


def test_arabic_counts_in_its_own_ways():
    with translation.override("ar"):
        days = [ui.since_words(86400 * n + 60) for n in (2, 3, 11, 100)]
    assert len({re.sub(r"\d+", "", words) for words in days}) == 4
    assert "2" not in days[0]  # the dual says two by itself


# -- from right to left ---------------------------------------------------------------------------


def test_names_in_sentences_that_are_read_from_the_right_are_kept_apart():
    with translation.override("ar"):
        words = translation.gettext("Restored %(server)s to %(name)s")
        assert "\u2068%(server)s\u2069" in words and "\u2068%(name)s\u2069" in words
    with translation.override("eo"):
        assert "\u2068" not in translation.gettext("Restored %(server)s to %(name)s")


def test_a_date_says_by_its_month_which_way_it_is_read():
    """The first letter that stands in no isolate decides, where a sentence takes it in."""
    with translation.override("ar"):
        assert "\u2068" not in translation.gettext("%(day)d %(month)s %(year)d, %(clock)s %(zone)s")


def test_numbers_need_no_isolates():
    with translation.override("ar"):
        assert "\u2068" not in translation.gettext("%d min ago")


def test_the_history_keeps_names_apart_and_shows_what_names_hide(stage, server, rosa):
    take(server, rosa, name="before-update")
    event = server.events.latest("pk")
    with translation.override("ar"):
        assert "\u2068before-update\u2069" in line(event)
    event.data["snapshot"] = "before\u202eupdate"
    assert "before‹U+202E›update" in line(event)


def test_what_was_copied_from_such_a_sentence_is_the_name_all_the_same():
    assert same_name("\u2068Web-1\u2069 ", "web-1")
    assert not same_name("\u2068web-2\u2069", "web-1")
