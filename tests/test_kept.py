"""What is written once does the same as what the models write each time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from snapshots import kept
from snapshots.models import Attempt, Operation, State
from tests.conftest import fresh, take

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def operation(server, oscar) -> Operation:
    return take(server, oscar)


def test_a_row_is_inserted_as_it_would_be_saved(operation):
    saved, inserted = (
        Attempt(
            operation=operation,
            number=number,
            claimed_at=NOW,
            deadline=NOW + timedelta(seconds=30),
            pre_image={"snapshots": ["1", "é"]},
        )
        for number in (1, 2)
    )
    saved.save()
    kept.insert(inserted)
    assert inserted.pk == saved.pk + 1
    differ = {"id", "number"}
    one, other = (
        {name: value for name, value in row.items() if name not in differ}
        for row in Attempt.objects.order_by("number").values()
    )
    assert one == other
    inserted.excerpt = "kept"
    inserted.save()  # it knows that it is in the database
    assert fresh(inserted).excerpt == "kept"


@pytest.mark.parametrize("order", [(None, NOW), (NOW, None)])
def test_nothing_and_something_are_written_each_as_what_they_are(operation, order):
    for at in order:
        changes = {"nudged_at": at, "details": {"words": "busy"}}
        assert kept.update(Operation, {"id": operation.pk, "sent_at": None}, changes) == 1
        assert fresh(operation).nudged_at == at
    assert fresh(operation).details == {"words": "busy"}


def test_an_update_whose_row_has_changed_changes_nothing(operation):
    was = {"version": operation.version, "state": State.QUEUED, "id": operation.pk}
    assert kept.update(Operation, was, {"state": State.EXPIRED, "version": 1}) == 1
    assert kept.update(Operation, was, {"state": State.FAILED, "version": 1}) == 0
    assert fresh(operation).state == State.EXPIRED


def test_whole_rows_come_with_what_is_selected_with_them(
    operation, snapshot, django_assert_num_queries
):
    rows = Operation.objects.select_related("account", "snapshot")
    for snapshot_of_it in (None, snapshot):  # the second time as it was written the first time
        Operation.objects.update(snapshot=snapshot_of_it)
        with django_assert_num_queries(1):
            [found] = kept.rows("a test", lambda: rows.filter(pk=operation.pk), [operation.pk])
            assert found.snapshot == snapshot_of_it
            assert found.account.label == "Production"
        for name in ("state", "confirmed", "request_key", "created_at"):
            assert getattr(found, name) == getattr(operation, name)


def test_where_nothing_can_be_nothing_is_asked(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert kept.ask("a test of none", lambda: Operation.objects.none().values_list("pk")) == []
