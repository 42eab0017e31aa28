"""What many things are told before they are asked for is what each would be told when it is."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from snapshots.errors import Refused
from snapshots.models import Server, Snapshot, User
from snapshots.operations import against_creates, against_deletes
from tests.conftest import delete, take
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation


@pytest.fixture
def servers(team: Any, rosa: User) -> dict[str, Server]:
    """One for each thing that may be in the way, with a snapshot that could be deleted."""
    account, refused = an_account(team), an_account(team, "Refused", paused="token")
    made = {name: a_server(account, name) for name in ("free", "busy", "full", "last slot")}
    made["gone"] = a_server(account, "gone", gone_at=timezone.now())
    made["token"] = a_server(refused, "token")
    made["with a failed one"] = a_server(account, "with a failed one")
    for name, number in {"full": 4, "last slot": 3, "with a failed one": 3}.items():
        for n in range(number):
            a_snapshot(made[name], f"older-{n}")
    a_snapshot(made["with a failed one"], "failed", status="failed")
    for server in made.values():
        a_snapshot(server)
    an_operation("delete", made["busy"], "queued", rosa)
    return made


def refusal(ask: Any, *args: Any) -> str:
    try:
        ask(*args)
    except Refused as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("person", ["rosa", "vera"])
def test_of_a_snapshot_of_each_server(servers, request, person):
    actor = request.getfixturevalue(person)
    said = against_creates([*servers.values()], actor=actor)
    for name, server in servers.items():
        assert said.get(server.pk, "") == refusal(take, server, actor), name
    free = {"free", "last slot", "with a failed one"} if person == "rosa" else set()
    assert {name for name, one in servers.items() if one.pk not in said} == free


@pytest.mark.parametrize("person", ["rosa", "oscar"])
def test_of_the_deletion_of_each_snapshot(servers, request, person):
    actor = request.getfixturevalue(person)
    copies = [one.snapshots.latest("pk") for one in servers.values()]
    copies += [
        a_snapshot(a_server(servers["free"].account, f"with-{word}"), word, **fields)
        for word, fields in {
            "failed": {"status": "failed"},
            "in-progress": {"status": "in_progress"},
            "deleted": {"gone_at": timezone.now()},
        }.items()
    ]
    rows = Snapshot.objects.filter(pk__in=[one.pk for one in copies])
    copies = list(rows.select_related("server__account__team", "account__team"))
    said = against_deletes(copies, actor=actor)
    for snapshot in copies:
        assert said.get(snapshot.pk, "") == refusal(delete, snapshot, actor), snapshot.name
    assert bool(len(copies) - len(said)) is (person == "rosa")


def test_a_server_whose_slots_are_promised_is_full(servers, rosa, oscar):
    an_operation("create", servers["last slot"], "running", oscar)
    said = against_creates([servers["last slot"]], actor=rosa)
    assert "busy" in said[servers["last slot"].pk]


def test_only_of_a_server_that_is_full_is_it_asked_by_what(servers, rosa):
    def asked(*names: str) -> int:
        with CaptureQueriesContext(connection) as questions:
            against_creates([servers[name] for name in names], actor=rosa)
        return len(questions)

    asked("free")  # what she may is known from then on
    assert asked("free", "last slot", "with a failed one") == asked("free")
    assert asked("free", "full") > asked("free")
