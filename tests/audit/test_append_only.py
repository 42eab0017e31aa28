"""The history cannot be changed: not by us, and not unnoticed by whoever has the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from snapshots import whence
from snapshots.models import Event, Team, append_only

CHANGES: dict[str, Callable[[Any], object]] = {
    "its words": lambda lines: lines.update(actor_name="Mallory"),
    "its time": lambda lines: lines.update(at="2020-01-01T00:00:00Z"),
    "who it was": lambda lines: lines.update(actor=None),
    "what it tells": lambda lines: lines.update(data={}),
    "its place": lambda lines: lines.update(seq=2),
    "its being there": lambda lines: lines.delete(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_database_refuses_to_change_or_delete_a_line(team: Team, change: Any) -> None:
    line = Event.objects.get(verb="team.created")
    Event.objects.filter(pk=line.pk).update(seq=1, mac="00", sealed_at=line.at)
    before = Event.objects.values().get()
    with pytest.raises(IntegrityError), transaction.atomic():
        change(Event.objects.all())
    assert Event.objects.values().get() == before


def test_what_is_put_on_a_line_once_is_not_in_the_way(team: Team) -> None:
    lines = Event.objects.filter(verb="team.created")
    assert lines.update(seq=7, mac="ab" * 32) == 1
    assert lines.update(to_tell=True) == lines.update(to_tell=False) == 1


def test_a_table_is_not_emptied_either(team: Team) -> None:
    empty = "TRUNCATE {} CASCADE" if connection.vendor == "postgresql" else "DELETE FROM {}"
    connection.check_constraints()  # PostgreSQL empties no table that has checks to do
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(empty.format(append_only.TABLE))
    assert Event.objects.exists()


def test_whoever_is_in_the_history_cannot_be_deleted(team: Team, alice: Any) -> None:
    with pytest.raises(IntegrityError):
        alice.delete()


@pytest.mark.django_db(transaction=True)
def test_a_migration_leaves_the_database_refusing() -> None:
    call_command("migrate", "snapshots", "0003", verbosity=0)
    assert not append_only.in_place()
    call_command("migrate", verbosity=0)
    assert append_only.in_place()


def test_a_line_says_from_where_it_was_asked_for(
    client_of: Any, alice: Any, team: Team, settings: Any
) -> None:
    settings.TRUST_PROXY_HEADERS = True
    asked = {"x-forwarded-for": "203.0.113.9, 198.51.100.7", "x-request-id": "from-the-proxy"}
    page = f"/team/{team.pk}/name/"
    client_of(alice).post(page, {"name": "Southwind"}, headers=asked)
    line = Event.objects.get(verb="team.renamed")
    assert (line.address, line.request_id) == ("198.51.100.7", "from-the-proxy")
    assert whence.address.get() == ""


def test_nobody_is_believed_about_their_address_without_a_proxy(
    client_of: Any, alice: Any, team: Team
) -> None:
    page = f"/team/{team.pk}/name/"
    client_of(alice).post(page, {"name": "Southwind"}, headers={"x-forwarded-for": "198.51.100.7"})
    assert Event.objects.get(verb="team.renamed").address == "127.0.0.1"
