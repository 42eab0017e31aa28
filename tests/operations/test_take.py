"""Taking a snapshot: from the request to the provider's word that it is complete."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from snapshots import operations
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Event, Operation, Snapshot, State
from tests.conftest import fresh, take


def test_an_operator_takes_a_snapshot_and_it_is_done_when_the_provider_says_so(
    stage, server, oscar
):
    operation = take(server, oscar, note="Before the nginx update")
    assert operation.state == State.QUEUED

    operation = stage.send(operation)
    assert operation.state == State.RUNNING
    assert operation.snapshot.status == "in_progress"

    assert stage.watch(operation).state == State.RUNNING
    done = stage.watch(operation, minutes=5)
    assert done.state == State.SUCCEEDED
    assert done.snapshot.status == "completed"
    assert done.snapshot.note == "Before the nginx update"
    assert len(stage.provider.calls("POST", "/snapshots/", "applied")) == 1


def test_the_history_tells_every_step_in_the_order_it_happened(stage, server, oscar):
    operation = take(server, oscar)
    stage.send(operation)
    stage.watch(operation, minutes=5)
    verbs = Event.objects.filter(operation=operation).order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["create.asked", "create.sending", "create.running", "create.succeeded"]


def test_one_form_makes_one_operation_however_often_it_is_sent(server, oscar):
    key = uuid.uuid4()
    first = take(server, oscar, request_key=key)
    assert take(server, oscar, request_key=key) == first
    assert Operation.objects.count() == 1


def test_nor_when_the_snapshot_has_been_made_meanwhile(stage, server, oscar):
    key = uuid.uuid4()
    first = take(server, oscar, request_key=key)
    stage.send(first)  # and the answer to the click was lost, so the browser sends it again
    assert take(server, oscar, request_key=key) == first


def test_the_same_form_for_something_else_is_refused(server, oscar):
    key = uuid.uuid4()
    take(server, oscar, request_key=key)
    with pytest.raises(Refused, match="already used for something else"):
        take(server, oscar, name="another", request_key=key)


def test_a_second_operation_on_the_same_machine_is_told_who_is_at_work(server, oscar, rosa):
    take(server, oscar)
    with pytest.raises(Refused, match="web-1 is busy: Oscar asked for the snapshot before-update"):
        take(server, rosa, name="mine")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "needs a name"),
        ("a b", "Not allowed: space"),
        ("größe", "Not allowed: ß ö"),
        ("x" * 65, "65 characters"),
    ],
)
def test_a_name_the_provider_would_not_take_is_refused_before_it_is_asked(
    server, oscar, name, sentence
):
    with pytest.raises(Refused, match=sentence):
        take(server, oscar, name=name)
    assert not Operation.objects.exists()


def test_a_viewer_may_not_and_learns_who_can_help(server, vera):
    with pytest.raises(NotAllowed, match=r"take snapshots in Northwind. Alice can give"):
        take(server, vera)
    assert Event.objects.get(verb="refused").actor == vera


def test_with_five_of_five_the_five_are_named_and_nothing_is_sent(stage, account, server, oscar):
    for name in ("three", "four", "five"):
        stage.provider.snapshot(server.remote_id, name)
    stage.look(account)
    with pytest.raises(Refused, match=r"All 5 slots of web-1 .*nightly.*three"):
        take(server, oscar)


@pytest.mark.parametrize(
    ("status", "outcome", "begins"),
    [(400, "declined", "nono"), (502, "unknown", "HTTP 502: nono")],
)
def test_of_what_the_provider_said_the_attempt_keeps_three_hundred_signs(
    stage, server, oscar, status, outcome, begins
):
    body = {"detail": "no" * 200}
    stage.provider.faults.add("answer", method="POST", status=status, body=body)
    attempt = stage.send(take(server, oscar)).attempts.get()
    assert (attempt.outcome, attempt.status, len(attempt.excerpt)) == (outcome, status, 300)
    assert attempt.excerpt.startswith(begins)


def test_an_answer_that_names_a_snapshot_which_was_there_before_proves_nothing(
    stage, server, snapshot, oscar
):
    body = {
        "id": snapshot.remote_id,
        "name": "before-update",
        "status": "in_progress",
        "server": server.remote_id,
    }
    stage.provider.faults.add("answer", method="POST", status=201, body=body)
    operation = stage.send(take(server, oscar))
    assert (operation.state, operation.snapshot) == (State.IN_DOUBT, None)
    attempt = operation.attempts.get()
    assert (attempt.status, attempt.excerpt) == (
        201,
        "HTTP 201, naming a snapshot that was there before",
    )


def test_what_is_due_is_announced_again_after_ten_seconds(stage, server, oscar):
    operation = take(server, oscar)
    assert operations.due() == [operation.pk]
    stage.later(seconds=9)
    assert operations.due() == []
    stage.later(seconds=1)
    assert operations.due() == [operation.pk]


def test_what_was_accepted_is_looked_at_in_ten_seconds_and_given_up_after_a_day(
    stage, account, server, oscar
):
    operation = stage.send(take(server, oscar))
    now = timezone.now()
    assert (operation.sent_at, operation.accepted_at) == (now, now)
    assert operation.due_at == now + timedelta(hours=24)
    assert fresh(account).next_pass_at == now + timedelta(seconds=10)
    attempt = operation.attempts.get()
    assert (attempt.number, attempt.deadline) == (1, now + timedelta(seconds=30))
    told = Event.objects.filter(operation=operation).order_by("pk")
    assert [(one.verb, one.data.get("reason")) for one in told] == [
        ("create.asked", None),
        ("create.sending", None),
        ("create.running", "accepted"),
    ]


def test_a_failed_snapshot_takes_no_slot_at_the_provider_either(stage, server, oscar):
    for name in ("three", "four", "five"):
        made = stage.provider.snapshot(server.remote_id, name)
    stage.provider.outside.change_snapshot(made, status="failed")
    assert stage.send(take(server, oscar)).state == State.RUNNING


def test_a_slot_taken_outside_meanwhile_stops_it_just_before_sending(stage, server, oscar):
    operation = take(server, oscar)
    for name in ("three", "four", "five"):
        stage.provider.snapshot(server.remote_id, name)
    operation = stage.send(operation)
    assert operation.state == State.FAILED
    assert "all 5 slots are taken (five, four, three, nightly, pre-upgrade)" in operation.why
    assert not stage.provider.calls("POST")


def test_a_right_withdrawn_after_the_click_stops_it_just_before_sending(stage, server, oscar, team):
    operation = take(server, oscar)
    oscar.memberships.update(role="viewer")
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "right_withdrawn")
    assert operation.details == {"person": "Oscar"}
    assert not stage.provider.calls("POST")


def test_a_cancelled_request_is_never_sent(stage, server, oscar):
    operation = take(server, oscar)
    operations.cancel(operation, actor=oscar)
    assert stage.send(operation).state == State.CANCELLED
    assert not stage.provider.calls("POST")


def test_once_sent_it_is_too_late_to_cancel(stage, server, oscar):
    operation = stage.send(take(server, oscar))
    with pytest.raises(Refused, match="Too late to cancel"):
        operations.cancel(operation, actor=oscar)


def test_not_sent_within_a_day_it_expires(stage, server, oscar):
    operation = take(server, oscar)
    stage.later(hours=24)
    operations.sweep()
    assert fresh(operation).state == State.EXPIRED
    assert stage.send(operation).state == State.EXPIRED
    assert not stage.provider.calls("POST")


def test_a_failed_snapshot_is_believed_when_it_was_seen_twice(stage, server, oscar):
    stage.provider.faults.add("create_fails")
    operation = stage.send(take(server, oscar))
    assert stage.watch(operation, times=1, minutes=11).state == State.RUNNING
    assert stage.watch(operation, times=1).state == State.FAILED
    assert Snapshot.objects.get(pk=operation.snapshot_id).status == "failed"


def test_a_snapshot_the_provider_forgets_needs_a_person_and_is_not_taken_again(
    stage, server, oscar
):
    stage.provider.faults.add("forgets")
    operation = stage.send(take(server, oscar))
    operation = stage.watch(operation, times=3, minutes=11)
    assert (operation.state, operation.reason) == (State.NEEDS_PERSON, "vanished")
    assert len(stage.provider.calls("POST", "/snapshots/", "applied")) == 1
