"""The help page: what is documented, and what our words mean."""

from snapshots.models import State
from tests.pages.factories import queries, text


def test_snapshots_and_backups_are_compared_by_what_is_documented(vera, client_of):
    page = text(client_of(vera).get("/help/"))
    for words in (
        "How many 5 per server 10 manual, and automatic ones",
        "Kept On the same infrastructure as the server On separate backup storage",
        "Best for Short-term rollback Disaster recovery and compliance",
    ):
        assert words in page


def test_every_state_a_person_can_meet_is_explained(vera, client_of):
    page = text(client_of(vera).get("/help/"))
    reserved = {State.HELD}
    for state in set(State) - reserved:
        assert f" {state.label} " in page


def test_the_guard_levels_are_explained(vera, client_of):
    page = text(client_of(vera).get("/help/"))
    for words in (
        "Open A button confirms it A button confirms it",
        "Guarded The server’s name is typed, and a second person approves The snapshot’s",
        "Sealed Not from here Not from here",
    ):
        assert words in page


def test_it_says_what_is_never_done(vera, client_of):
    page = text(client_of(vera).get("/help/"))
    assert "A confirmed restore is sent at most once." in page
    assert "Nothing is deleted to make room." in page


def test_it_lists_the_keys_and_where_they_are_switched_off(vera, client_of):
    page = client_of(vera).get("/help/")
    assert "Take a snapshot, on the page of a server" in text(page)
    assert 'href="/settings/#settings-keys"' in page.content.decode()


def test_it_costs_next_to_nothing(vera, client_of):
    assert queries(client_of(vera), "/help/") <= 5
