"""Words that pages are made of."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.steps import showings
from dashboard.templatetags.ui import event_sentence, memory, size
from snapshots.models import Event, Sighting

BEGIN = datetime(2026, 11, 23, 14, 2, tzinfo=UTC)


def look(minute, status, complete=True):
    return Sighting(
        begun_at=BEGIN + timedelta(minutes=minute), status=status, complete=complete, marked=[]
    )


def test_looks_that_showed_the_same_are_told_once():
    seen = [look(0, "active"), look(1, "active"), look(2, "restoring"), look(3, "active")]
    told = [(s.last.status, s.looks, s.first.begun_at.minute) for s in showings(reversed(seen))]
    assert told == [("active", 1, 5), ("restoring", 1, 4), ("active", 2, 2)]


def test_an_incomplete_look_is_told_apart():
    assert len(showings([look(1, ""), look(0, "", complete=False)])) == 2


@pytest.mark.parametrize(
    ("megabytes", "words"), [(999, "999 MB"), (5120, "5.1 GB"), (21_690, "21.7 GB")]
)
def test_sizes_are_rounded_not_cut(megabytes, words):
    assert size(megabytes) == words


def test_memory_is_counted_as_it_is_sold():
    assert memory(32_768) == "32 GB memory"


def test_a_sentence_begins_with_a_capital_unless_it_begins_with_a_name():
    data = {"server": "web-1", "snapshot": "nightly"}
    assert event_sentence(Event(verb="restore.succeeded", data=data)) == "web-1 is back at nightly"
    asked = event_sentence(Event(verb="delete.succeeded", data=data))
    assert asked.startswith("The snapshot nightly")
