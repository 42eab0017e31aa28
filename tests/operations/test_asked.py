"""What is written of a request: each time, each name, each word of the history, and who is told."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from snapshots import operations, teams
from snapshots.errors import Refused
from snapshots.models import Event, Operation, Role, State, User
from snapshots.operations import approvals
from tests.conftest import delete, fresh, restore, take
from tests.operations.test_batches import delete_all, snapshot_all
from tests.pages.factories import a_snapshot, an_operation

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def nudges(caplog: Any, django_capture_on_commit_callbacks: Any) -> Any:
    """What workers were told. No broker is there in tests, so it is in the log."""

    def told(ask: Any) -> list[str]:
        caplog.clear()
        with django_capture_on_commit_callbacks(execute=True):
            ask()
        words = [one.getMessage() for one in caplog.records]
        return [line.split(":")[0] for line in words if line.startswith("no nudge")]

    return told


def times(operation: Operation) -> tuple[timedelta, timedelta | None, timedelta]:
    """From the click: when it is due, how long it can be thought over, when it ends unsent."""
    at = operation.created_at
    held = operation.hold_until and operation.hold_until - at
    return operation.due_at - at, held, operation.send_before - at


def hold(team: Any, **rules: int) -> None:
    for name, value in rules.items():
        setattr(team, name, value)
    team.save()


def test_the_times_of_each_kind(team, server, snapshot, rosa):
    now = timedelta(0)
    for ask, known in (
        (lambda: take(server, rosa), (now, None, 24 * HOUR)),
        (lambda: delete(snapshot, rosa), (now, None, HOUR)),
        (lambda: restore(snapshot, rosa), (now, None, 10 * MINUTE)),
    ):
        operation = ask()
        assert times(operation) == known
        operations.cancel(operation, actor=rosa)
    hold(team, hold=30, grace=2)
    snapshot = fresh(snapshot)
    operation = delete(snapshot, rosa)
    assert times(operation) == (2 * MINUTE, 2 * MINUTE, HOUR + 2 * MINUTE)
    operations.cancel(operation, actor=rosa)
    half = timedelta(seconds=30)
    assert times(restore(snapshot, rosa)) == (half, half, 10 * MINUTE + half)


def test_what_stands_in_line_waits_for_hours(server, rosa):
    copies = list(server.snapshots.select_related("server__account__team", "account__team"))
    first, second = delete_all(copies, rosa).operations.order_by("pk")
    assert times(first)[2] == HOUR
    assert (second.state, times(second)[2]) == (State.WAITING, 6 * HOUR)


def test_a_safety_snapshot_says_of_what_it_is_and_waits_as_long_as_its_restore(
    team, snapshot, rosa
):
    hold(team, hold=30)
    operation = restore(fresh(snapshot), rosa, safety_snapshot=True)
    child = operation.children.get()
    assert child.name == f"before-restore-{operation.created_at:%Y%m%d-%H%M%S}"
    assert child.note == "Before restoring web-1 to pre-upgrade"
    assert times(operation)[2] == HOUR
    assert times(child) == (timedelta(0), None, HOUR)


def test_what_was_seen_is_kept_to_be_compared(snapshot, rosa):
    listed = {"id", "name", "created_at", "server"}
    operation = delete(snapshot, rosa)
    assert set(operation.confirmed) == listed | {"status"}
    operations.cancel(operation, actor=rosa)
    operation = restore(snapshot, rosa)
    assert set(operation.confirmed) == listed | {"server_name", "server_status", "newer"}


def test_workers_are_told_of_what_is_due_when_it_is_there(team, server, snapshot, rosa, nudges):
    assert nudges(lambda: take(server, rosa)) == [f"no nudge for send [{last()}]"]
    operations.cancel(Operation.objects.get(), actor=rosa)
    hold(team, hold=30)
    snapshot = fresh(snapshot)
    assert nudges(lambda: restore(snapshot, rosa)) == []
    operation = Operation.objects.latest("pk")
    told = nudges(lambda: operations.release(operation, actor=rosa))
    assert told == [f"no nudge for send [{operation.pk}]"]
    operations.cancel(fresh(operation), actor=rosa)
    asked = nudges(lambda: restore(snapshot, rosa, safety_snapshot=True))
    assert asked == [f"no nudge for send [{last()}]"]  # of the safety snapshot
    assert Operation.objects.latest("pk").kind == "create"


def test_workers_are_told_of_a_restore_when_it_is_approved_and_due(
    team, snapshot, rosa, bob, nudges
):
    hold(team, guard="guarded")
    for seconds, told in ((0, ["no nudge for send [{}]"]), (30, [])):
        hold(team, hold=seconds)
        asked = fresh(restore(fresh(snapshot), rosa))
        said = {"typed": "web-1", "seen": approvals.sealed(asked, bob)}
        words = [line.format(asked.pk) for line in told]
        assert nudges(lambda a=asked, s=said: approvals.approve(a, actor=bob, **s)) == words
        operations.cancel(fresh(asked), actor=rosa)


def test_who_goes_by_a_long_address_is_written_down_as_far_as_it_fits(stage, team, snapshot):
    hold(team, guard="guarded")
    rosa, bob = (User.objects.create_user(f"{sign * 100}@example.com") for sign in "rb")
    for person in (rosa, bob):
        teams.add_member(team, person, Role.RESTORER)
    asked = fresh(restore(snapshot, rosa, safety_snapshot=True))
    said = {"typed": "web-1", "seen": approvals.sealed(asked, bob)}
    approvals.approve(asked, actor=bob, **said)
    stage.send(asked.children.get())
    operations.cancel(fresh(asked), actor=bob)
    asked = fresh(asked)
    assert asked.asked_by_name == "r" * 100
    assert asked.stopped_by_name == asked.approval.by_name == "b" * 100
    db = snapshot.account.servers.select_related("account__team").get(name="db-1")
    assert snapshot_all([db], rosa).asked_by_name == "r" * 100


def test_a_form_is_known_by_what_it_is_about_and_not_by_what_came_of_it(
    stage, server, snapshot, rosa
):
    key = uuid.uuid4()
    made = take(server, rosa, request_key=key)
    made = stage.watch(stage.send(made), minutes=5)
    assert (made.state, made.snapshot.name) == (State.SUCCEEDED, "before-update")
    assert take(server, rosa, request_key=key) == made
    twin = a_snapshot(server, snapshot.name)
    delete(snapshot, rosa, request_key=(key := uuid.uuid4()))
    with pytest.raises(Refused, match="already used for something else"):
        delete(twin, rosa, request_key=key)


def test_what_is_asked_for_behind_another_waits_for_it(server, snapshot, rosa):
    nightly = server.snapshots.select_related("server__account__team").get(name="nightly")
    first = delete(snapshot, rosa)
    assert delete(nightly, rosa, behind=first).state == State.WAITING


def last() -> int:
    return Operation.objects.latest("pk").pk


def test_every_refusal_stands_at_its_field(stage, account, server, snapshot, rosa):
    for name in ("three", "four", "five"):
        stage.provider.snapshot(server.remote_id, name)
    stage.provider.outside.power(server.remote_id, "stop")
    stage.look(account)
    snapshot, server = fresh(snapshot), fresh(server)

    def field(ask: Any) -> str | None:
        with pytest.raises(Refused) as refused:
            ask()
        return refused.value.field

    assert field(lambda: restore(snapshot, rosa, safety_snapshot=True)) == "safety_snapshot"
    assert field(lambda: restore(snapshot, rosa, typed="web-2")) == "typed"
    assert field(lambda: delete(snapshot, rosa, typed="web-2")) == "typed"
    going = server.snapshots.get(name="three")
    more = {"going": going, "stop_first": True}
    assert field(lambda: take(server, rosa, typed_going="three", **more)) == "stop_first"


def start(server: Any, actor: Any) -> Operation:
    return operations.request_start(server, actor=actor, request_key=uuid.uuid4())


def test_of_what_is_gone_or_not_complete_nothing_is_asked(server, snapshot, rosa):
    every = (
        *(partial(ask, server, rosa) for ask in (take, start)),
        *(partial(ask, snapshot, rosa) for ask in (restore, delete)),
    )

    def refused(*asks: Any) -> set[str]:
        words = set()
        for ask in asks:
            with pytest.raises(Refused) as refusal:
                ask()
            words.add(str(refusal.value))
        return words

    server.gone_at = snapshot.server.gone_at = timezone.now()
    assert refused(*every) == {"The provider no longer lists web-1."}
    server.gone_at = snapshot.server.gone_at = None
    snapshot.gone_at = timezone.now()
    assert refused(*every[2:]) == {"The provider no longer lists pre-upgrade."}
    snapshot.gone_at, snapshot.status = None, "failed"
    assert refused(every[2]) == {"pre-upgrade is “failed” at the provider, not completed."}
    assert every[3]().state == State.QUEUED  # but it may be deleted


def test_a_verdict_keeps_who_gave_it_and_five_hundred_characters_of_why(server, rosa):
    operation = an_operation("create", server, "needs_person", rosa)
    with pytest.raises(Refused, match="Please say what you saw") as refused:
        operations.give_verdict(operation, actor=rosa, happened=True, words=" ")
    assert refused.value.field == "words"
    operations.give_verdict(operation, actor=rosa, happened=True, words=" " + "x" * 600)
    row = fresh(operation)
    assert (row.state, row.details) == (State.SUCCEEDED, {"person": "Rosa", "words": "x" * 500})
    with pytest.raises(Refused, match="not waiting for a person any more"):
        operations.give_verdict(row, actor=rosa, happened=False, words="no")
    assert fresh(row).state == State.SUCCEEDED


def test_a_restore_that_is_called_off_says_by_whom_and_since_when(stage, snapshot, rosa, alice):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    stage.send(operation.children.get())
    before = fresh(operation)
    operations.cancel(operation, actor=alice)
    row = fresh(operation)
    assert (row.state, row.stop_requested, row.stopped_by_name) == (State.QUEUED, True, "Alice")
    assert row.revision > before.revision
    told = Event.objects.get(verb="restore.stop_asked")
    assert (told.operation, told.actor) == (operation, alice)
