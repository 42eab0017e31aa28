"""“Still needed?”: asked of what was taken for a change that seems to have settled."""

from datetime import timedelta

import pytest
from django.utils import timezone

from tests.pages.factories import a_snapshot, an_operation, text

QUESTION = "Still needed?"


def made_here(web, by, name, days, **more):
    snapshot = a_snapshot(web, name, days=days)
    ended = timezone.now() - timedelta(days=days)
    an_operation("create", web, "succeeded", by, snapshot=snapshot, ended_at=ended, **more)
    return snapshot


def page_of(web, user, client_of):
    return text(client_of(user).get(f"/servers/{web.pk}/"))


@pytest.fixture
def settled(web, rosa):
    """Taken before an update five days ago, and another one since."""
    snapshot = made_here(web, rosa, "before-update", days=5)
    made_here(web, rosa, "nightly", days=1)
    return snapshot


def test_after_a_change_has_settled_the_question_is_asked_and_says_why(
    settled, web, rosa, client_of
):
    answer = client_of(rosa).get(f"/servers/{web.pk}/")
    page = text(answer)
    assert page.count(QUESTION) == 1
    assert "It was taken before a change, days have passed" in page
    assert f'id="ask-delete-{settled.pk}" href="/snapshots/{settled.pk}/delete/"' in (
        answer.content.decode()
    )


@pytest.mark.parametrize(
    ("name", "note", "asked"),
    [
        ("before-update", "", True),
        ("pre_migration", "", True),
        ("x", "Before the new release", True),
        ("x", "antaŭ la ĝisdatigo", True),
        ("premium", "", False),
        ("beforehand", "", False),
        ("nightly", "", False),
    ],
)
def test_the_words_of_people_tell_what_was_taken_before_a_change(
    web, rosa, client_of, name, note, asked
):
    made_here(web, rosa, name, days=5, note=note)
    made_here(web, rosa, "newest", days=1)
    assert (QUESTION in page_of(web, rosa, client_of)) is asked


def test_nobody_is_asked_about_the_newest_or_the_only_one(web, rosa, client_of):
    made_here(web, rosa, "before-update", days=5)
    assert QUESTION not in page_of(web, rosa, client_of)


def test_nobody_is_asked_too_soon(web, rosa, client_of):
    made_here(web, rosa, "before-update", days=2)
    made_here(web, rosa, "nightly", days=1)
    assert QUESTION not in page_of(web, rosa, client_of)


def test_what_was_found_at_the_provider_is_left_alone(web, rosa, client_of):
    a_snapshot(web, "before-update", days=5)
    made_here(web, rosa, "nightly", days=1)
    assert QUESTION not in page_of(web, rosa, client_of)


def test_a_change_that_went_wrong_has_not_settled(settled, web, rosa, client_of):
    an_operation("restore", web, "failed", rosa, snapshot=settled)
    assert QUESTION not in page_of(web, rosa, client_of)


def test_a_server_that_was_put_back_to_it_still_needs_it(settled, web, rosa, client_of):
    an_operation("restore", web, "succeeded", rosa, snapshot=settled)
    assert QUESTION not in page_of(web, rosa, client_of)


def test_a_safety_snapshot_is_asked_about_when_its_restore_has_settled(web, rosa, client_of):
    old = a_snapshot(web, "pre-upgrade", days=20)
    restore = an_operation("restore", web, "succeeded", rosa, snapshot=old)
    made_here(web, rosa, "safety", days=5, parent=restore)
    made_here(web, rosa, "nightly", days=1)
    page = page_of(web, rosa, client_of)
    assert "It holds the state before a restore that succeeded days ago." in page


def test_where_slots_are_scarce_old_ones_are_asked_about(web, rosa, client_of):
    made_here(web, rosa, "quarter-end", days=20)
    made_here(web, rosa, "nightly", days=1)
    assert QUESTION not in page_of(web, rosa, client_of)
    made_here(web, rosa, "weekly", days=2)
    made_here(web, rosa, "daily", days=3)
    page = page_of(web, rosa, client_of)
    assert page.count(QUESTION) == 1
    assert "It is more than two weeks old, and 4 of 5 slots are taken." in page


def test_who_may_not_delete_is_not_asked(settled, web, oscar, client_of):
    assert QUESTION not in page_of(web, oscar, client_of)


def test_two_questions_are_enough_for_one_page_and_the_oldest_come_first(web, rosa, client_of):
    for days in (9, 8, 7):
        made_here(web, rosa, f"before-{days}", days=days)
    made_here(web, rosa, "nightly", days=1)
    page = page_of(web, rosa, client_of)
    assert page.count(QUESTION) == 2
    assert page.index("before-7") < page.index("before-8") < page.index(QUESTION)
