"""Races for the last slot and for a locked snapshot: the database decides, and one wins."""

import pytest

from snapshots import operations
from snapshots.errors import Refused
from snapshots.models import Account, Kind, Operation, Snapshot, State
from snapshots.models.operation import HOLDING
from tests.conftest import NOW, delete, fresh, restore, take
from tests.long import so_many
from tests.operations.test_guarantees import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def one_left(stage, account, server):
    """web-1 with four of five."""
    for name in ("one", "two"):
        stage.provider.snapshot(server.remote_id, name, created_at=NOW)
    stage.look(account)
    return server


def test_of_two_who_want_the_last_slot_exactly_one_reserves_it(one_left, snapshot, rosa, oscar):
    for n in range(so_many(15, 300)):
        answers = at_once(
            lambda n=n: take(one_left, oscar, name=f"a{n}"),
            lambda n=n: (
                take(one_left, rosa, name=f"b{n}")
                if n % 2
                else restore(snapshot, rosa, safety_snapshot=True)
            ),
        )
        assert sorted(isinstance(answer, Refused) for answer in answers) == [False, True]
        used = [slot.use for slot in operations.slots(one_left)]
        assert used.count(operations.Use.RESERVED) == 1
        creates = Operation.objects.filter(kind=Kind.CREATE, state__in=HOLDING)
        assert creates.count() == 1
        first = Operation.objects.get(parent=None, state__in=HOLDING)
        operations.cancel(first, actor=rosa)


def test_of_two_who_make_room_on_a_full_server_one_deletes_one(
    stage, account, one_left, rosa, alice
):
    stage.provider.snapshot(one_left.remote_id, "three", created_at=NOW)
    stage.look(account)
    rows = one_left.snapshots.select_related("server__account__team", "account__team")
    one, two = rows.get(name="one"), rows.get(name="two")
    for n in range(so_many(15, 300)):
        answers = at_once(
            lambda n=n: take(one_left, rosa, name=f"a{n}", going=one, typed_going="one"),
            lambda n=n: take(one_left, alice, name=f"b{n}", going=two, typed_going="two"),
        )
        assert sorted(isinstance(answer, Refused) for answer in answers) == [False, True]
        assert Operation.objects.filter(kind=Kind.DELETE, state__in=HOLDING).count() == 1
        first = Operation.objects.get(parent=None, state__in=HOLDING)
        operations.cancel(first, actor=rosa)


def test_of_lock_and_deletion_exactly_one_wins(stage, account, server, rosa, alice):
    """A lock that was accepted is kept: what it locks is not deleted from here any more."""
    for n in range(so_many(20, 300)):
        made = stage.provider.snapshot(server.remote_id, f"round-{n}", created_at=NOW)
        stage.look(account)
        rows = server.snapshots.select_related("server__account__team", "account__team")
        row = rows.get(remote_id=made)
        operation = delete(row, rosa)
        Account.objects.update(reads_left=30)

        def lock_after_a_look(row=row, operation=operation):
            with operation.account.client() as client:
                client.find_server(operation.server.remote_id)
                client.snapshots(operation.server.remote_id)
            operations.lock(row, actor=alice, words="the audit needs it")

        locked, _sent = at_once(lock_after_a_look, lambda o=operation: operations.send(o.pk))
        is_deleted = made not in stage.provider.world.snapshots
        assert isinstance(locked, Refused) is is_deleted
        if is_deleted:
            assert fresh(operation).state == State.SUCCEEDED
        else:
            assert fresh(operation).reason == "locked"
            stage.provider.outside.delete_snapshot(made)
        Snapshot.objects.filter(pk=row.pk).update(gone_at=NOW)
