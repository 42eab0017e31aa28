"""What evidence may decide, whatever it looks like: properties of one pure function."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from snapshots.models import Kind, Operation, Reason, State
from snapshots.operations import times
from snapshots.operations.settle import Evidence, decide, settle
from tests.conftest import take
from tests.pages.factories import a_server, an_account, an_operation

SENT = datetime(2026, 11, 23, 14, 2, tzinfo=UTC)
WORDS = ["", "active", "stopped", "restoring", "suspended", "in_progress", "completed", "failed"]

sightings = st.lists(
    st.builds(
        SimpleNamespace,
        after=st.integers(0, 3000),
        complete=st.booleans(),
        status=st.sampled_from(WORDS),
        marked=st.sampled_from([[], ["9"], ["9", "10"]]),
        candidates=st.sampled_from([[], ["9"], ["9", "10"]]),
        unchanged=st.sampled_from([True, False, None]),
    ),
    max_size=8,
)


def evidence(kind, state, seen, now, keeps=True):
    seen = sorted(seen, key=lambda s: s.after)
    for sighting in seen:
        sighting.begun_at = SENT + timedelta(seconds=sighting.after)
    return Evidence(kind, state, SENT, SENT + timedelta(seconds=now), seen, keeps)


def absent_twice(e, shows=lambda s: not s.status):
    """Two complete looks after the quiet window, a minute apart, with nothing else between."""
    run = []
    for sighting in reversed(e.seen):
        if not shows(sighting):
            break
        if sighting.complete and sighting.begun_at >= times.quiet_end(SENT):
            run.append(sighting.begun_at)
    return len(run) > 1 and run[0] - run[-1] >= timedelta(seconds=60)


@given(sightings, st.integers(0, 90_000), st.sampled_from([State.RUNNING, State.IN_DOUBT]))
@settings(max_examples=500)
def test_no_evidence_makes_a_restore_not_have_happened(seen, now, state):
    verdict = decide(evidence(Kind.RESTORE, state, seen, now))
    assert verdict is None or verdict.state in (
        State.RUNNING,
        State.SUCCEEDED,
        State.NEEDS_PERSON,
    )


@given(sightings, st.integers(0, 90_000))
@settings(max_examples=500)
def test_a_restore_succeeds_only_after_restoring_and_two_settled_readings(seen, now):
    e = evidence(Kind.RESTORE, State.RUNNING, seen, now)
    verdict = decide(e)
    if verdict and verdict.state == State.SUCCEEDED:
        words = [s.status for s in e.seen]
        assert "restoring" in words[:-2]
        assert set(words[-2:]) <= {"active", "stopped"}


@given(sightings, st.integers(0, 90_000), st.booleans())
@settings(max_examples=500)
def test_a_create_did_not_happen_only_after_two_complete_looks_that_agree(seen, now, keeps):
    e = evidence(Kind.CREATE, State.IN_DOUBT, seen, now, keeps)
    verdict = decide(e)
    if verdict and verdict.state == State.NOT_APPLIED:
        assert absent_twice(e, lambda s: not s.marked)


@given(sightings, st.integers(0, 90_000))
@settings(max_examples=500)
def test_a_delete_in_doubt_succeeds_only_after_two_complete_looks_that_agree(seen, now):
    e = evidence(Kind.DELETE, State.IN_DOUBT, seen, now)
    verdict = decide(e)
    if verdict and verdict.state == State.SUCCEEDED:
        assert absent_twice(e)


@given(sightings, st.sampled_from(Kind), st.sampled_from([State.RUNNING, State.IN_DOUBT]))
@settings(max_examples=300)
def test_nothing_stays_undecided_for_more_than_a_day(seen, kind, state):
    if kind == Kind.DELETE:
        state = State.IN_DOUBT
    assert decide(evidence(kind, state, seen, 24 * 3600)) is not None


@given(sightings, st.integers(0, 90_000), st.sampled_from([Kind.STOP, Kind.START]))
@settings(max_examples=500)
def test_a_server_that_takes_its_time_is_not_said_not_to_have_been_asked(seen, now, kind):
    e = evidence(kind, State.IN_DOUBT, seen, now)
    verdict = decide(e)
    if verdict and verdict.state == State.NOT_APPLIED:
        slow = times.quiet_end(SENT) + times.longest_power()
        assert sum(s.complete and s.begun_at >= slow for s in e.seen) >= 2


@given(sightings)
def test_a_restore_in_doubt_is_before_a_person_within_three_minutes_or_seen_running(seen):
    verdict = decide(evidence(Kind.RESTORE, State.IN_DOUBT, seen, 180))
    assert verdict is not None
    assert (verdict.state, verdict.reason) in (
        (State.RUNNING, Reason.SEEN_RESTORING),
        (State.NEEDS_PERSON, Reason.UNDECIDED),
    )


def test_what_is_not_watched_or_shows_nothing_is_not_settled(team, rosa):
    web = a_server(an_account(team))
    for state, more in (("succeeded", {"sent_at": SENT}), ("queued", {}), ("running", {})):
        operation = an_operation("create", web, state, rosa, **more)
        assert settle(operation) is False
        Operation.objects.filter(pk=operation.pk).delete()


def test_a_snapshot_that_vanished_while_it_was_made_is_still_told(stage, server, oscar):
    operation = stage.send(take(server, oscar))
    stage.provider.outside.delete_snapshot(operation.remote_id)
    after = stage.watch(operation, times=3)
    assert (after.state, after.reason) == (State.NEEDS_PERSON, Reason.VANISHED)
    assert after.snapshot == operation.snapshot
    assert after.snapshot.gone_at
