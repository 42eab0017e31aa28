"""What the client says of a broken exchange is ours, and so it is said in the reader's language."""

from __future__ import annotations

import pytest
from django.utils import translation

from snapshots.models import Account, Reason
from snapshots.provider import connection, reading
from snapshots.provider.connection import EMPTY, NOT_JSON, Answer
from snapshots.wire_words import PROBLEMS, in_our_words
from tests.pages.factories import an_account, text

PROVIDERS = "HTTP 400: Snapshot limit reached. Please delete one first."


def test_every_problem_of_the_wire_is_known():
    said = {words for _kind, words in connection._WORDS}
    assert said < set(PROBLEMS)


@pytest.mark.parametrize(
    "words",
    [
        reading.broke(Answer(True, problem="the connection was lost")),
        reading.broke(Answer(True, status=200, problem="the answer broke off")),
        reading.not_as_documented(Answer(True, status=200, data=EMPTY)),
        reading.not_as_documented(Answer(True, status=200, data={"detail": "well"})),
        reading.summary(Answer(True, status=502, text="<html>", data=NOT_JSON)),
        reading.summary(Answer(True, status=502, text="x" * 400, data=NOT_JSON)),
        "The provider was not reached: it refuses connections",
    ],
)
def test_it_is_said_in_another_language_and_in_english_as_it_was(words):
    assert in_our_words(words) == words
    for language in ("eo", "ar"):
        with translation.override(language):
            said = in_our_words(words)
        assert said and said != words
        assert "answer" not in said and "connection" not in said


def test_the_providers_own_words_are_left_as_they_came():
    with translation.override("eo"):
        assert in_our_words(PROVIDERS) is None
        assert in_our_words("HTTP 503, but come again") is None
        assert Reason.PROVIDER_SAID.sentence({"words": PROVIDERS}).endswith(PROVIDERS)


def test_a_page_quotes_the_provider_and_not_us(team, alice, client_of):
    ours = an_account(team, "Ours", trouble="No answer from the provider: it refuses connections")
    theirs = an_account(team, "Theirs", trouble=PROVIDERS)
    alice.language = "eo"
    alice.save()
    client = client_of(alice)
    page = client.get(f"/accounts/{ours.pk}/")
    assert "Neniu respondo de la provizanto: ĝi rifuzas konektojn" in text(page)
    assert "No answer" not in text(page)
    Account.objects.filter(pk=ours.pk).delete()
    page = client.get(f"/accounts/{theirs.pk}/").content.decode()
    assert f'lang="en" dir="auto" data-hx-disable>{PROVIDERS}</q>' in page
