"""What keeps a change from being sent twice, late, or on old grounds.

Each fence stands in a scene where it holds; the same scene follows without it, where what it is
there for happens. The fences of the wire are in tests/provider/client/test_fences.py, the witness
against a database that was put back in test_epoch.py, and all of them together, each left out in
turn, in tests/campaigns/test_model.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest

from snapshots import operations
from snapshots.models import Operation, State
from snapshots.operations import times
from snapshots.operations.fence import fence
from snapshots.provider.client import Client
from tests.conftest import Stage, fresh, restore, take
from tests.flow.conftest import database_url

sender = import_module("snapshots.operations.send")  # the package has a function of that name


def restores(stage: Stage) -> int:
    return len(stage.provider.calls("POST", "/restore/"))


@contextmanager
def worker(**does: Callable[[Client], None]) -> Iterator[None]:
    """Inside, a worker `does` something of its own before it makes a call, or after a look."""

    class Interrupted(Client):
        def snapshots(self, *asked: Any, **more: Any) -> Any:
            listing = super().snapshots(*asked, **more)
            does.get("after_its_look", bool)(self)
            return listing

        def restore_snapshot(self, *asked: Any) -> Any:
            does.get("before_its_call", bool)(self)
            return super().restore_snapshot(*asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("snapshots.models.account.Client", Interrupted)
        yield


# -- the claim compares ---------------------------------------------------------------------------


def two_workers_with_the_same_message(stage: Stage, operation: Operation) -> int:
    """One is between its look and its claim while the other does everything. Requests sent."""
    others = [operation.pk]
    with worker(after_its_look=lambda _: others and operations.send(others.pop())):
        operations.send(operation.pk)
    return restores(stage)


def test_a_claim_that_somebody_else_had_first_sends_nothing(stage, snapshot, rosa):
    assert two_workers_with_the_same_message(stage, restore(snapshot, rosa)) == 1


def test_without_comparing_both_would_send(stage, snapshot, rosa, monkeypatch):
    def careless(seen, to, *_, changes=None, also=None, **more):
        values = {"state": to, "claim_deadline": None} | (changes or {})
        Operation.objects.filter(pk=seen.pk).update(**values)
        if also:
            also(0)
        return True

    def numbered_anew(attempt):  # or else the attempts' numbers would collide
        attempt.number = attempt.operation.attempts.count() + 1
        attempt.save()

    monkeypatch.setattr(sender, "move", careless)
    monkeypatch.setattr(sender.kept, "insert", numbered_anew)
    assert two_workers_with_the_same_message(stage, restore(snapshot, rosa)) == 2


# -- the claim ends -------------------------------------------------------------------------------


def a_worker_dies_in_the_middle_of_its_call(stage: Stage, operation: Operation) -> Operation:
    def die(_: Client) -> None:
        raise SystemExit

    with worker(before_its_call=die), pytest.raises(SystemExit):
        operations.send(operation.pk)
    assert fresh(operation).state == State.SENDING
    stage.later(seconds=31)
    operations.sweep()
    return fresh(operation)


def test_half_a_minute_after_its_claim_a_silent_worker_is_given_up(stage, snapshot, rosa):
    operation = a_worker_dies_in_the_middle_of_its_call(stage, restore(snapshot, rosa))
    assert (operation.state, operation.reason) == (State.IN_DOUBT, "claim_lost")


def test_without_a_deadline_it_would_be_waited_for_for_ever(stage, snapshot, rosa, monkeypatch):
    monkeypatch.setattr(times, "CLAIM", timedelta(days=365))
    operation = a_worker_dies_in_the_middle_of_its_call(stage, restore(snapshot, rosa))
    stage.watch(operation, times=3, days=1)
    operations.sweep()
    assert fresh(operation).state == State.SENDING


def test_a_call_ends_before_the_timer_rings_and_that_before_the_claim_ends():
    with Client("http://127.0.0.1:1", "vps_x") as client:
        assert times.CLAIM_MAY_TAKE + client._deadline < times.FENCE
    assert timedelta(seconds=times.FENCE) < times.CLAIM


# -- a worker that was frozen dies ----------------------------------------------------------------

FROZEN = """
import os, signal, sys, django
django.setup()
from snapshots import operations
from snapshots.models import account
from snapshots.operations import times
from snapshots.operations.fence import fence

class Frozen(account.Client):
    def create_snapshot(self, *asked):
        os.kill(os.getpid(), signal.SIGSTOP)
        return super().create_snapshot(*asked)

account.Client, times.FENCE = Frozen, 0.5
operations.send(int(sys.argv[1]), fenced=sys.argv[2] == "fenced")
"""


def frozen_between_claim_and_call(operation: Operation, fenced: str) -> int:
    """A worker stops itself there, and wakes after its fence. Returns how it ended."""
    Operation.objects.update(send_before=operation.send_before + timedelta(days=3650))
    process = subprocess.Popen(
        [sys.executable, "-c", FROZEN, str(operation.pk), fenced],
        env=os.environ | {"DATABASE_URL": database_url()},
    )
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert fresh(operation).state == State.SENDING
    signal.sigtimedwait([], 0.7)  # the fence's time, which passes for the stopped process too
    process.send_signal(signal.SIGCONT)
    return process.wait(20)


@pytest.mark.django_db(transaction=True)
def test_a_frozen_worker_dies_when_it_thaws_and_sends_nothing(stage, server, oscar):
    assert frozen_between_claim_and_call(take(server, oscar), "fenced") == -signal.SIGALRM
    assert stage.provider.calls("POST") == []


@pytest.mark.django_db(transaction=True)
def test_without_the_timer_it_would_send(stage, server, oscar):
    assert frozen_between_claim_and_call(take(server, oscar), "not fenced") == 0
    assert len(stage.provider.calls("POST", "/snapshots/", "applied")) == 1


def test_the_timer_is_the_kernels_and_so_is_what_it_does():
    """No handler of ours stands between: a handler would run after the next instruction."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        with fence(60):
            assert 59 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
            assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        with fence(None):
            assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_after_the_call_the_timer_is_stopped():
    code = (
        "import django, signal\n"
        "django.setup()\n"
        "from snapshots.operations.fence import fence\n"
        "with fence(0.1): pass\n"
        "assert signal.sigtimedwait([signal.SIGALRM], 0.3) is None\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# -- a look is no ground for long -----------------------------------------------------------------


def a_worker_hangs_after_its_look(stage: Stage, operation: Operation) -> Operation:
    """For 46 seconds, in which somebody takes another snapshot in the provider's panel."""

    def hang(_: Client) -> None:
        stage.later(seconds=46)
        stage.provider.snapshot(operation.server.remote_id, "meanwhile")

    with worker(after_its_look=hang):
        return stage.send(operation)


def test_what_was_read_46_seconds_ago_is_read_again(stage, snapshot, rosa):
    operation = a_worker_hangs_after_its_look(stage, restore(snapshot, rosa))
    assert operation.state == State.QUEUED
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "changed")
    assert "new snapshot meanwhile" in operation.why
    assert restores(stage) == 0


def test_if_it_held_longer_the_newer_snapshot_would_be_lost_unasked(
    stage, snapshot, rosa, monkeypatch
):
    monkeypatch.setattr(times, "LOOK_HOLDS", timedelta(minutes=10))
    operation = a_worker_hangs_after_its_look(stage, restore(snapshot, rosa))
    assert operation.state == State.RUNNING
    assert restores(stage) == 1


# -- a claim that took long leaves no time for a call ---------------------------------------------


def a_database_takes_four_seconds(
    stage: Stage, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> Operation:
    """To write the claim: by the monotonic clock, which no change of the time of day moves."""
    clock = iter([100.0, 104.0])
    monkeypatch.setattr(sender, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    return stage.send(operation)


def test_a_claim_that_took_too_long_is_not_used(stage, snapshot, rosa, monkeypatch):
    operation = a_database_takes_four_seconds(stage, restore(snapshot, rosa), monkeypatch)
    assert (operation.state, operation.reason) == (State.QUEUED, "not_sent")
    assert "too slow to send in time" in operation.why
    assert restores(stage) == 0


def test_if_it_were_the_call_would_end_after_the_timer(stage, snapshot, rosa, monkeypatch):
    monkeypatch.setattr(times, "CLAIM_MAY_TAKE", 60.0)
    operation = a_database_takes_four_seconds(stage, restore(snapshot, rosa), monkeypatch)
    assert (operation.state, restores(stage)) == (State.RUNNING, 1)


# -- a quiet time before anything is said not to have happened ------------------------------------


@pytest.fixture
def keeps(stage: Stage, server: Any, oscar: Any) -> None:
    """The account is known to keep descriptions."""
    stage.watch(stage.send(take(server, oscar, name="first")), minutes=5)


def a_create_takes_effect_late(stage: Stage, server: Any, oscar: Any) -> list[str]:
    """After 145 s: within claim and quiet window together. Returns the states on the way."""
    stage.provider.faults.add("late", method="POST", path="^/snapshots/$", seconds=145)
    operation = stage.send(take(server, oscar))
    return [stage.watch(operation, times=1, seconds=34).state for _ in range(6)]


def test_what_takes_effect_within_the_quiet_window_is_found(stage, keeps, server, oscar):
    states = a_create_takes_effect_late(stage, server, oscar)
    assert states == [State.IN_DOUBT] * 4 + [State.RUNNING] * 2


def test_without_the_window_it_would_be_said_not_to_have_happened(
    stage, keeps, server, oscar, monkeypatch
):
    monkeypatch.setattr(times, "quiet_window", timedelta)
    assert a_create_takes_effect_late(stage, server, oscar)[-1] == State.NOT_APPLIED
    assert len(stage.provider.calls("POST", "/snapshots/", "applied")) == 2
