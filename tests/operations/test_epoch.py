"""A database that was put back to an earlier time must not send again what was sent since.

The database is really put back: its rows are those of a copy that was made before.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import sqlite3
import stat
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.utils import timezone

from snapshots import operations
from snapshots.errors import Refused
from snapshots.models import Account, Attempt, Epoch, Event, Operation, Reason, State
from snapshots.operations import epoch
from snapshots.operations.epoch import Witness, compare
from snapshots.turns import QUOTA
from tests import services
from tests.conftest import delete, fresh, restore, take

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def witness(settings, tmp_path) -> Path:
    """Beside the workers, and in no backup."""
    settings.WITNESS_FILE = str(tmp_path / "witness")
    operations.sweep()
    return tmp_path / "witness"


@contextmanager
def put_back_to_now(directory: Path) -> Iterator[None]:
    """What happens inside will be unknown to the database afterwards."""
    copy = directory / "copy"
    tools = (_sqlite_copy, _sqlite_put_back)
    if connection.vendor == "postgresql":
        tools = (_postgres_copy, _postgres_put_back)
    make, put_back = tools
    make(copy)
    yield
    connections.close_all()
    put_back(copy)


def _sqlite_copy(copy: Path) -> None:
    connection.ensure_connection()
    with sqlite3.connect(copy) as target:
        connection.connection.backup(target)


def _sqlite_put_back(copy: Path) -> None:
    with sqlite3.connect(copy) as source, sqlite3.connect(connection.settings_dict["NAME"]) as now:
        source.backup(now)


def _postgres(program: str, *words: str) -> None:
    known = connection.settings_dict
    where = [f"--host={known['HOST']}", f"--username={known['USER']}", f"--dbname={known['NAME']}"]
    command = [services.postgres_programs() / program, *where, *words]
    subprocess.run(command, check=True, capture_output=True)


def _postgres_copy(copy: Path) -> None:
    _postgres("pg_dump", "--format=custom", f"--file={copy}")


def _postgres_put_back(copy: Path) -> None:
    _postgres("pg_restore", "--clean", "--single-transaction", str(copy))


def changes(stage, event: str = "arrived") -> list[dict]:
    return [entry for entry in stage.provider.calls(event=event) if entry["method"] != "GET"]


def work(stage, account: Account) -> None:
    """What workers do in a while: the tick, every message, and a look."""
    operations.sweep()
    for pk in Operation.objects.values_list("pk", flat=True):
        operations.send(pk)
    stage.look(account)


@pytest.fixture
def put_back(stage, account, server, snapshot, rosa, witness, tmp_path) -> Operation:
    """A restore that was sent, and that the database believes to be queued."""
    operation = restore(snapshot, rosa)
    with put_back_to_now(tmp_path):
        stage.send(operation)
        assert stage.watch(operation, times=20).state == State.SUCCEEDED
    operation = fresh(operation)
    assert (operation.state, Attempt.objects.count()) == (State.QUEUED, 0)
    assert len(changes(stage)) == 1
    return operation


def test_what_was_sent_is_not_sent_again(stage, account, put_back):
    for _ in range(5):
        work(stage, account)
        stage.later(minutes=1)
    assert len(changes(stage)) == 1


def test_not_even_by_a_worker_that_was_faster_than_the_tick(stage, put_back):
    operations.send(put_back.pk)
    assert fresh(put_back).state == State.QUEUED
    assert len(changes(stage)) == 1


def test_without_the_file_it_would_have_been(stage, server, oscar, tmp_path):
    operation = take(server, oscar)
    with put_back_to_now(tmp_path):
        stage.watch(stage.send(operation), minutes=4)
    assert stage.send(operation).state == State.RUNNING
    assert len(changes(stage)) == 2


def test_it_is_in_doubt_and_then_before_a_person(stage, account, put_back):
    operations.sweep()
    operation = fresh(put_back)
    assert (operation.state, operation.reason) == (State.IN_DOUBT, Reason.PUT_BACK)
    assert operation.due_at == timezone.now() + timedelta(seconds=30 + 120)
    assert Event.objects.filter(operation=operation, verb="restore.in_doubt").count() == 1
    stage.later(minutes=3)
    operations.sweep()
    assert fresh(operation).state == State.NEEDS_PERSON


def test_another_restore_of_the_server_is_not_taken_for_it(stage, account, put_back, snapshot):
    operations.sweep()
    stage.provider.outside.restore_snapshot(snapshot.remote_id)
    assert stage.watch(put_back, times=1).state == State.IN_DOUBT
    stage.later(minutes=3)
    operations.sweep()
    assert fresh(put_back).state == State.NEEDS_PERSON


def test_a_snapshot_with_our_marker_is_proof(stage, server, oscar, witness, tmp_path):
    operation = take(server, oscar)
    with put_back_to_now(tmp_path):
        stage.send(operation)
    operations.sweep()
    assert stage.watch(operation, times=1).state == State.RUNNING
    assert stage.watch(operation, minutes=5).state == State.SUCCEEDED
    assert len(changes(stage)) == 1


def test_what_waits_in_a_line_is_in_doubt_when_its_turn_comes(
    stage, server, rosa, witness, tmp_path
):
    from tests.operations.test_batches import delete_all

    copies = list(server.snapshots.select_related("server__account__team", "account__team"))
    first, second = delete_all(copies, rosa).operations.order_by("pk")
    with put_back_to_now(tmp_path):
        stage.send(first)
        stage.send(second)
        assert fresh(second).state == State.SUCCEEDED
    operations.sweep()
    with pytest.raises(Refused, match="Too late to cancel"):
        operations.cancel(fresh(second), actor=rosa)
    stage.later(hours=7)
    operations.sweep()
    assert [fresh(one).state for one in (first, second)] == [State.NEEDS_PERSON, State.WAITING]
    words = {"actor": rosa, "happened": True, "words": "it is gone"}
    operations.give_verdict(fresh(first), **words)
    assert fresh(second).state == State.IN_DOUBT
    assert len(changes(stage)) == 2


def test_what_is_asked_from_now_on_waits_until_a_person_goes_on(
    stage, account, put_back, oscar, monkeypatch, witness
):
    operations.sweep()
    stage.later(seconds=1)
    asked = take(account.servers.get(name="db-1"), oscar)
    stage.later(minutes=1)
    work(stage, account)
    assert fresh(asked).state == State.QUEUED

    monkeypatch.setattr("sys.stdin", io.StringIO("I have looked at the provider\n"))
    call_command("restored_from_backup", "--go-on", stdout=io.StringIO())
    row = Epoch.objects.get()
    assert row.number == 2
    assert epoch._read() == Witness(str(row.installation), 2, 0)
    work(stage, account)
    assert fresh(asked).state == State.RUNNING
    assert fresh(put_back).state in (State.IN_DOUBT, State.NEEDS_PERSON)


def test_nobody_goes_on_before_every_account_was_looked_at(stage, account, put_back):
    stage.later(minutes=1)
    operations.sweep()
    with pytest.raises(CommandError, match=r"Production has not been looked at since\."):
        call_command("restored_from_backup", "--go-on")


def test_nobody_goes_on_without_the_sentence(stage, account, put_back, monkeypatch):
    work(stage, account)
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    with pytest.raises(CommandError, match="That is not the sentence"):
        call_command("restored_from_backup", "--go-on", stdout=io.StringIO())
    assert epoch.stopped()


def test_pages_say_that_nothing_is_sent(account, put_back, alice, client_of):
    operations.sweep()
    page = client_of(alice).get("/").content.decode()
    assert "Nothing is sent." in page


def test_without_a_file_a_person_says_it(stage, server, oscar, tmp_path):
    operation = take(server, oscar)
    with put_back_to_now(tmp_path):
        stage.send(operation)
    call_command("restored_from_backup", stdout=io.StringIO())
    work(stage, operation.account)
    assert fresh(operation).state in (State.IN_DOUBT, State.RUNNING)
    assert len(changes(stage)) == 1


def test_however_many_may_have_been_sent_none_of_them_expires(server, rosa):
    """The tick doubts so many at a time; of the others nobody may say that they were not sent."""
    first = take(server, rosa)
    many = [fresh(first) for _ in range(QUOTA + 20)]
    for number, one in enumerate(many):
        one.pk, one.request_key, one.lock_key = None, uuid.uuid4(), f"machine {number}"
    Operation.objects.bulk_create(many)
    Operation.objects.update(send_before=first.created_at)
    epoch.stop(Epoch.Why.SAID)
    operations.sweep()
    states = Operation.objects.values_list("state", flat=True)
    assert set(states) == {State.IN_DOUBT, State.QUEUED}


def test_what_may_have_been_sent_cannot_be_cancelled_before_the_tick_has_doubted_it(
    server, snapshot, rosa
):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    epoch.stop(Epoch.Why.SAID)
    for one in (operation, operation.children.get()):
        with pytest.raises(Refused, match="Too late to cancel"):
            operations.cancel(fresh(one), actor=rosa)
    assert set(Operation.objects.values_list("state", flat=True)) == {State.QUEUED}


# -- what does not stop anything ------------------------------------------------------------------


def test_a_backup_since_which_nothing_was_sent_stops_nothing(
    stage, server, snapshot, rosa, oscar, witness, tmp_path
):
    stage.send(delete(snapshot, rosa))
    operation = take(server, oscar)
    with put_back_to_now(tmp_path):
        operations.cancel(operation, actor=oscar)
    operations.sweep()
    assert stage.send(operation).state == State.RUNNING


def test_a_worker_that_died_between_claim_and_file_stops_nothing(stage, server, oscar, witness):
    before = witness.read_text()
    stage.send(take(server, oscar))
    witness.write_text(before)
    operations.sweep()
    assert not epoch.stopped()


def test_a_file_that_cannot_be_written_means_not_sent(stage, server, oscar, witness):
    witness.with_name("witness.new").mkdir()  # where the draft would be
    operation = stage.send(take(server, oscar))
    assert (operation.state, operation.reason) == (State.QUEUED, Reason.NOT_SENT)
    assert changes(stage) == []


def test_the_file_remembers_the_last_attempt_before_it_is_sent(stage, server, oscar, witness):
    stage.provider.faults.add("close_before", method="POST")
    stage.send(take(server, oscar))
    assert json.loads(witness.read_text())["attempt"] == Attempt.objects.latest("pk").pk


def test_an_older_attempt_does_not_turn_the_file_back(server, witness):
    epoch.note(7)
    epoch.note(5)
    assert json.loads(witness.read_text())["attempt"] == 7


def test_nor_does_the_file_of_another_database_or_epoch_go_on_in_ours(server, witness):
    for file in (Witness(str(OTHERS), 1, 99), Witness(epoch._read().installation, 0, 99)):
        witness.write_text(json.dumps(file._asdict()))
        epoch.note(5)
        assert json.loads(witness.read_text())["attempt"] == 5


def test_a_new_database_takes_the_file_of_an_older_one_over(db, witness):
    witness.write_text(json.dumps(Witness(str(OTHERS), 1, 99)._asdict()))
    operations.sweep()
    assert not epoch.stopped()
    assert epoch._read() == Witness(str(Epoch.objects.get().installation), 1, 0)


def test_nothing_has_to_be_known_of_a_database_to_stop_it(db):
    epoch.stop(Epoch.Why.SAID)
    assert epoch.stopped()


def test_the_file_outlives_a_loss_of_power_and_is_written_by_one_at_a_time(
    db, witness, monkeypatch
):
    kept, sync = [], os.fsync

    def watched(descriptor):
        known = os.fstat(descriptor)
        kept.append("directory" if stat.S_ISDIR(known.st_mode) else known.st_size)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    before = len([*Path("/dev/fd").iterdir()])
    epoch.note(7)
    assert kept == [witness.stat().st_size, "directory"]
    assert len([*Path("/dev/fd").iterdir()]) == before
    lock = witness.with_name("witness.lock")
    with epoch._alone(), lock.open() as another, pytest.raises(BlockingIOError):
        fcntl.flock(another, fcntl.LOCK_EX | fcntl.LOCK_NB)


OURS, OTHERS = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.mark.parametrize(
    ("row", "seen", "last", "finding"),
    [
        (None, None, 0, "new"),
        (None, None, 9, "new"),  # from a version that had no such file
        (None, (OTHERS, 1, 5), 0, "new"),  # begun anew
        (None, (OURS, 1, 5), 9, "behind"),  # a backup of a version that had none
        (1, None, 0, "new"),
        (1, None, 9, "lost"),
        (1, (OTHERS, 1, 5), 0, "new"),
        (1, (OTHERS, 1, 5), 9, "foreign"),
        (1, (OURS, 1, 5), 5, None),
        (1, (OURS, 1, 5), 6, None),
        (1, (OURS, 1, 5), 4, "behind"),
        (1, (OURS, 1, 5), 0, "behind"),
        (1, (OURS, 2, 5), 9, "behind"),
        (2, (OURS, 1, 5), 4, None),  # another machine's, from before a person went on
    ],
)
def test_what_is_concluded_from_database_and_file(row, seen, last, finding):
    known = row and Epoch(installation=OURS, number=row)
    told = seen and Witness(str(seen[0]), *seen[1:])
    assert compare(known, told, last) == finding
