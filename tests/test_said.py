"""What was said to one person in their language is read by another in theirs."""

from __future__ import annotations

import json
import uuid

import pytest
from django.utils import translation

from snapshots import operations
from snapshots.errors import NotAllowed, Refused
from snapshots.events import sentence
from snapshots.models import Batch, Event, Snapshot
from snapshots.said import again, gettext, memo
from tests.conftest import delete, restore, take
from tests.pages.factories import text


def kept(words):
    """As a row of the database has it."""
    return json.loads(json.dumps(memo(words)))


def test_a_sentence_is_said_again_with_what_was_filled_in():
    with translation.override("eo"):
        words = gettext("Nothing is selected.")
        filled = gettext("The name has %(count)d characters; 64 fit.") % {"count": 70}
    assert again(kept(words)) == "Nothing is selected."
    assert again(kept(filled)) == "The name has 70 characters; 64 fit."
    with translation.override("eo"):
        assert again(kept(filled)) == filled != "The name has 70 characters; 64 fit."


def test_words_from_elsewhere_and_of_rows_from_before_stay():
    assert again(kept("100 % weg")) == "100 % weg"
    assert again("was said before") == "was said before"


@pytest.mark.parametrize("language", ["eo", "ar"])
def test_a_refusal_is_read_in_the_readers_language(server, snapshot, rosa, oscar, language):
    other = Snapshot.objects.get(server=server, name="nightly")
    with translation.override(language):
        for ask in (
            lambda: delete(snapshot, rosa, typed="nightly"),
            lambda: restore(other, oscar),
            lambda: take(server, oscar, name="a b"),
        ):
            with pytest.raises(Refused):
                ask()
        take(server, oscar)
        with pytest.raises(Refused):
            take(server, rosa)
    refusals = Event.objects.filter(verb="refused").order_by("pk")
    typed, right, name, busy = map(sentence, refusals)
    assert typed == (
        "was refused: That is not the name of the snapshot you are deleting, which is pre-upgrade."
        " You typed nightly, which is another snapshot of this server."
    )
    assert right.startswith("was refused: You may not restore servers in Northwind. Alice can")
    assert name.endswith("digits, - and _. Not allowed: space")
    assert "web-1 is busy: Oscar asked for the snapshot before-update at" in busy


def test_what_a_batch_left_out_is_read_in_the_readers_language(server, rosa, vera, client_of):
    take(server, rosa)
    other = server.account.servers.select_related("account__team").get(name="db-1")
    with translation.override("eo"):
        batch = operations.request_creates(
            [server, other], actor=rosa, name_pattern="{server}", request_key=uuid.uuid4()
        )
    page = text(client_of(vera).get(f"/batches/{Batch.objects.get().pk}/"))
    assert batch.refused
    assert "web-1 is busy: Rosa asked for the snapshot before-update" in page


def test_a_missing_right_is_still_a_refusal_of_its_own_kind(server, vera):
    with pytest.raises(NotAllowed, match="You may not take snapshots in Northwind"):
        take(server, vera)
