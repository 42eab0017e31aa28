"""Stopping and starting servers: operations like any other, settled by the server's own state."""

import uuid

import pytest

from snapshots import accounts, operations
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Event, Kind, Operation, Reason, Server, State
from tests.conftest import fresh, take


def start(server, actor, **more):
    more.setdefault("request_key", uuid.uuid4())
    return operations.request_start(server, actor=actor, **more)


@pytest.fixture
def stopped(stage, server) -> Server:
    stage.provider.outside.power(server.remote_id, "stop")
    stage.look(server.account)
    return Server.objects.select_related("account__team").get(pk=server.pk)


def three(server) -> list[Operation]:
    """The stop, the snapshot and the start, in this order."""
    return list(Operation.objects.filter(server=server).order_by("pk"))


def test_a_stopped_server_is_started_and_that_is_believed_when_it_is_seen(stage, stopped, rosa):
    operation = stage.send(start(stopped, rosa))
    assert operation.state == State.RUNNING
    operation = stage.watch(operation, times=1)
    assert (operation.state, operation.reason) == (State.SUCCEEDED, Reason.SEEN_POWER)
    assert fresh(stopped).status == "active"


def test_the_history_tells_the_start_step_by_step(stage, stopped, rosa):
    operation = stage.send(start(stopped, rosa))
    stage.watch(operation, times=1)
    verbs = Event.objects.filter(operation=operation).order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["start.asked", "start.sending", "start.running", "start.succeeded"]


def test_a_running_server_is_not_started(server, rosa):
    with pytest.raises(Refused, match="web-1 is not stopped"):
        start(server, rosa)


def test_a_stopped_server_is_not_stopped_for_a_snapshot(stopped, rosa):
    with pytest.raises(Refused, match="web-1 is not running, so there is nothing") as refused:
        take(stopped, rosa, stop_first=True)
    assert refused.value.field == "stop_first"


def test_an_operator_may_not_start_servers(stopped, oscar):
    with pytest.raises(NotAllowed, match=r"start and stop servers in Northwind\. Alice can give"):
        start(stopped, oscar)


def test_what_became_true_before_sending_is_not_asked_for(stage, stopped, rosa):
    operation = start(stopped, rosa)
    stage.provider.outside.power(stopped.remote_id, "start")
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, Reason.ALREADY)
    assert operation.details == {"words": "active"}
    assert stage.provider.calls("POST", "/servers/", "applied") == []


def test_a_lost_answer_is_settled_by_the_servers_state(stage, stopped, rosa):
    stage.provider.faults.add("close_after", method="POST", path="/power/")
    operation = stage.send(start(stopped, rosa))
    assert operation.state == State.IN_DOUBT
    assert stage.watch(operation, times=1).state == State.SUCCEEDED


def test_a_lost_request_did_not_happen_if_the_server_stays_as_it_was(stage, stopped, rosa):
    stage.provider.faults.add("close_before", method="POST", path="/power/")
    operation = stage.send(start(stopped, rosa))
    assert operation.state == State.IN_DOUBT
    # The request may be under way for 150 s, and the server may then take ten minutes to start.
    assert stage.watch(operation, times=13).state == State.IN_DOUBT
    operation = stage.watch(operation, times=2)
    assert (operation.state, operation.reason) == (State.NOT_APPLIED, Reason.STILL)


def test_stop_snapshot_start(stage, server, rosa):
    snapshot = take(server, rosa, stop_first=True)
    stop, create, go = three(server)
    assert create == snapshot
    assert [one.kind for one in (stop, create, go)] == [Kind.STOP, Kind.CREATE, Kind.START]
    assert [one.state for one in (stop, create, go)] == [
        State.QUEUED,
        State.WAITING,
        State.WAITING,
    ]

    stage.send(stop)
    assert stage.watch(stop, times=1).state == State.SUCCEEDED
    assert fresh(create).state == State.QUEUED
    stage.send(create)
    assert fresh(go).state == State.WAITING
    assert stage.watch(create, times=6).state == State.SUCCEEDED
    stage.send(go)
    assert stage.watch(go, times=1).state == State.SUCCEEDED
    calls = [call["path"].split("/")[-2] for call in stage.provider.calls("POST", "/", "applied")]
    assert calls == ["power", "snapshots", "power"]
    assert fresh(server).status == "active"


def test_nobody_gets_in_between_the_stop_and_the_snapshot(stage, server, rosa, oscar):
    take(server, rosa, stop_first=True)
    stop, _create, _go = three(server)
    stage.send(stop)
    stage.watch(stop, times=1)
    with pytest.raises(Refused, match="web-1 is busy: Rosa asked for the snapshot"):
        take(server, oscar, name="mine")


def test_where_the_stop_is_refused_nothing_follows(stage, server, rosa):
    take(server, rosa, stop_first=True)
    stop, create, go = three(server)
    stage.provider.faults.add(
        "answer", method="POST", path="/power/", status=400, body={"detail": "no"}
    )
    assert stage.send(stop).state == State.FAILED
    assert [fresh(one).state for one in (create, go)] == [State.FAILED, State.FAILED]
    assert {fresh(one).reason for one in (create, go)} == {Reason.NEEDED_FAILED}
    assert stage.provider.calls("POST", "/snapshots/", "applied") == []


def test_a_server_that_is_stopped_already_is_snapshotted_and_not_started(stage, server, rosa):
    take(server, rosa, stop_first=True)
    stop, create, go = three(server)
    stage.provider.outside.power(server.remote_id, "stop")
    assert stage.send(stop).reason == Reason.ALREADY
    stage.send(create)
    assert stage.watch(create, times=6).state == State.SUCCEEDED
    assert (fresh(go).state, fresh(go).reason) == (State.FAILED, Reason.NEEDED_FAILED)


def test_a_snapshot_that_fails_does_not_leave_the_server_stopped(stage, server, rosa):
    take(server, rosa, stop_first=True)
    stop, create, go = three(server)
    stage.send(stop)
    stage.watch(stop, times=1)
    stage.provider.faults.add(
        "answer", method="POST", path="/snapshots/", status=400, body={"detail": "no"}
    )
    assert stage.send(create).state == State.FAILED
    assert fresh(go).state == State.QUEUED


def test_a_server_that_we_stopped_is_started_after_a_pause_of_hours_too(stage, server, rosa, alice):
    take(server, rosa, stop_first=True)
    stop, create, go = three(server)
    stage.send(stop)
    stage.watch(stop, times=1)
    stage.send(create)
    stage.watch(create, times=6)
    accounts.pause(server.account, actor=alice)
    stage.later(hours=5)
    operations.sweep()
    assert stage.send(go).state == State.QUEUED
    accounts.resume(server.account, actor=alice)
    stage.send(go)
    assert stage.watch(go, times=1).state == State.SUCCEEDED
    assert fresh(server).status == "active"


def test_a_cancelled_stop_takes_what_follows_with_it(server, rosa):
    take(server, rosa, stop_first=True)
    stop, create, go = three(server)
    operations.cancel(stop, actor=rosa)
    assert [fresh(one).state for one in (create, go)] == [State.FAILED, State.FAILED]


def test_what_waits_can_be_cancelled(server, rosa):
    take(server, rosa, stop_first=True)
    stop, create, go = three(server)
    operations.cancel(go, actor=rosa)
    assert fresh(go).state == State.CANCELLED
    assert [fresh(one).state for one in (stop, create)] == [State.QUEUED, State.WAITING]


def test_stopping_first_needs_the_right_to_stop(server, oscar):
    with pytest.raises(NotAllowed, match="start and stop servers"):
        take(server, oscar, stop_first=True)
    assert not Operation.objects.exists()


def test_one_form_makes_one_line_however_often_it_is_sent(server, rosa):
    key = uuid.uuid4()
    first = take(server, rosa, stop_first=True, request_key=key)
    assert take(server, rosa, stop_first=True, request_key=key) == first
    assert Operation.objects.count() == 3
    with pytest.raises(Refused, match="already used for something else"):
        take(server, rosa, request_key=key)


def test_a_server_started_meanwhile_is_not_snapshotted_as_if_it_were_stopped(stage, server, rosa):
    take(server, rosa, stop_first=True)
    stop, create, go = three(server)
    stage.send(stop)
    stage.watch(stop, times=1)
    stage.provider.outside.power(server.remote_id, "start")
    create = stage.send(create)
    assert (create.state, create.reason) == (State.FAILED, Reason.CHANGED)
    assert create.details == {"what": "the server was started meanwhile"}
    assert stage.send(go).reason == Reason.ALREADY
