"""What takes longer than usual is told once, and never of what has ended."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from snapshots import estimates, operations
from snapshots.events import sentence
from snapshots.models import Account, Event, Operation
from snapshots.operations import slow
from tests.conftest import fresh
from tests.pages.factories import a_server, an_account, an_operation

MINUTE = timedelta(minutes=1)


@pytest.fixture
def web(team):
    return a_server(an_account(team))


def running(server, by, minutes, kind="create", state="running", **more):
    began = timezone.now() - minutes * MINUTE
    more = {"sent_at": began, "accepted_at": began, "due_at": timezone.now() + MINUTE} | more
    return an_operation(kind, server, state, by, **more)


def took(server, by, *minutes, kind="create"):
    now = timezone.now()
    for length in minutes:
        began = now - length * MINUTE
        an_operation(kind, server, "succeeded", by, sent_at=began, ended_at=now)


def told():
    return Event.objects.filter(verb__endswith=".slow")


def test_it_is_told_with_how_long_it_has_been_and_what_is_usual(web, rosa):
    took(web, rosa, 4, 5, 6)
    before = fresh(web.account).revision
    operation = running(web, rosa, 7.5)
    operations.sweep()
    operation = fresh(operation)
    assert operation.slow_at is not None
    assert operation.revision == fresh(web.account).revision > before
    assert sentence(told().get()) == (
        "the snapshot nightly of web-1 takes longer than usual: 7 min so far, usually up to 6 min"
    )


def test_it_is_told_once(web, rosa):
    took(web, rosa, 4, 5, 6)
    running(web, rosa, 9)
    operations.sweep()
    revision = fresh(web.account).revision
    operations.sweep()
    assert told().count() == 1
    assert fresh(web.account).revision == revision


def test_it_is_told_to_people_who_want_to_know(web, rosa):
    took(web, rosa, 4, 5, 6)
    running(web, rosa, 9)
    operations.sweep()
    assert told().get().to_tell


@pytest.mark.parametrize(("minutes", "is_told"), [(6.9, False), (7.1, True)])
def test_a_whole_minute_is_granted(web, rosa, minutes, is_told):
    """An end is learned at the next look, and "6 min, usually up to 6 min" says nothing."""
    took(web, rosa, 4, 5, 5.9)
    running(web, rosa, minutes)
    operations.sweep()
    assert told().exists() is is_told


@pytest.mark.parametrize(("kind", "top"), [("create", 10), ("restore", 15)])
def test_without_own_operations_the_documented_top_decides(web, rosa, kind, top):
    # due_at lies ahead, so that the restore is not decided by time alone
    early = running(web, rosa, top - 1, kind)
    late = running(a_server(web.account, "db-1"), rosa, top + 1, kind)
    operations.sweep()
    assert fresh(early).slow_at is None
    assert fresh(late).slow_at is not None
    assert told().get().verb == f"{kind}.slow"


def test_where_nothing_is_known_nothing_is_slow(web, rosa):
    running(web, rosa, 500, "stop")
    operations.sweep()
    assert not told().exists()


@pytest.mark.parametrize("kind", ["stop", "start"])
def test_power_is_measured_by_our_own_operations(web, rosa, kind):
    took(web, rosa, 1, 1, 1, kind=kind)
    running(web, rosa, 5, kind)
    operations.sweep()
    assert told().get().verb == f"{kind}.slow"
    assert "takes longer than usual: 5 min so far, usually up to 1 min" in sentence(told().get())


@pytest.mark.parametrize("state", ["queued", "sending", "in_doubt", "needs_person"])
def test_what_is_not_known_to_run_is_not_called_slow(web, rosa, state):
    running(web, rosa, 60, state=state)
    operations.sweep()
    assert not told().exists()


@pytest.mark.parametrize("state", ["succeeded", "failed", "not_applied", "cancelled", "expired"])
def test_what_has_ended_is_never_called_slow(web, rosa, state):
    ended = running(web, rosa, 60, state=state)
    estimate = estimates.documented("create")
    operations.sweep()
    assert slow.tell(ended, estimate, timezone.now()) is False
    assert not told().exists()
    assert fresh(ended).slow_at is None


def test_losing_to_the_end_leaves_nothing_behind(web, rosa):
    seen = running(web, rosa, 60)
    Operation.objects.filter(pk=seen.pk).update(state="succeeded", ended_at=timezone.now())
    before = fresh(web.account).revision
    assert slow.tell(seen, estimates.documented("create"), timezone.now()) is False
    assert fresh(web.account).revision == before
    assert not told().exists()


def test_one_that_cannot_be_told_keeps_no_other_from_it(web, rosa):
    an_odd_one = running(web, rosa, 70)
    Operation.objects.filter(pk=an_odd_one.pk).update(kind="delete")  # which never runs
    took(web, rosa, 1, 1, 1, kind="delete")
    other = running(a_server(web.account, "db-1"), rosa, 60)
    operations.sweep()
    assert fresh(other).slow_at is not None
    assert told().count() == 1


@pytest.mark.django_db(transaction=True)
def test_in_a_race_one_tells_it(web, rosa):
    seen = running(web, rosa, 60)
    usual, gate, won = estimates.documented("create"), threading.Barrier(4), []

    def tell() -> None:
        try:
            mine = Operation.objects.select_related("account", "server", "team").get(pk=seen.pk)
            gate.wait()
            won.append(slow.tell(mine, usual, timezone.now()))
        finally:
            connection.close()

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False, False, False, True]
    assert told().count() == 1
    assert fresh(seen).revision == Account.objects.get(pk=web.account_id).revision
