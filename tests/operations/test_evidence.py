"""What evidence decides, at the second: a table of what was seen, and what is said then.

Times are seconds after sending. A request may be under way until 150; two looks prove something
if they are 60 apart. What holds for any evidence is in test_settle.py.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from snapshots.models import Kind, Reason, State
from snapshots.operations.settle import Evidence, decide

SENT = datetime(2026, 11, 23, 14, 2, tzinfo=UTC)
DAY = 24 * 3600
CREATE, RESTORE, DELETE, STOP, START = (
    Kind.CREATE,
    Kind.RESTORE,
    Kind.DELETE,
    Kind.STOP,
    Kind.START,
)


def look(at: float, status: str = "", **more: Any) -> Any:
    """One complete look, `at` seconds after sending. Without a status it was not listed."""
    seen = {"complete": True, "marked": [], "candidates": [], "unchanged": None} | more
    return SimpleNamespace(begun_at=SENT + timedelta(seconds=at), status=status, **seen)


def said(kind: Kind, state: State, now: float, *looks: Any, **more: Any) -> Any:
    """The verdict in words: state, reason, and what else it has, each if there is any."""
    more = {"keeps_descriptions": True} | more
    verdict = decide(Evidence(kind, state, SENT, SENT + timedelta(seconds=now), looks, **more))
    if verdict is None:
        return None
    details = {"details": verdict.details} if verdict.details else {}
    remote_id = {"remote_id": verdict.remote_id} if verdict.remote_id else {}
    return (verdict.state, verdict.reason, details | remote_id)


def running(kind: Kind, now: float, *looks: Any) -> Any:
    return said(kind, State.RUNNING, now, *looks)


def in_doubt(kind: Kind, now: float, *looks: Any, **more: Any) -> Any:
    return said(kind, State.IN_DOUBT, now, *looks, **more)


def person(reason: Reason) -> Any:
    return (State.NEEDS_PERSON, reason, {})


# -- two looks that agree -------------------------------------------------------------------------

VANISHED = person(Reason.VANISHED)


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([look(10)], None),
        ([look(10), look(69)], None),
        ([look(10), look(70)], VANISHED),
        ([look(10, complete=False), look(70)], None),
        ([look(10), look(70, complete=False)], None),
        ([look(10), look(40, complete=False), look(70)], VANISHED),
        ([look(10), look(70), look(80, complete=False)], VANISHED),
        ([look(10), look(40), look(70)], VANISHED),
        ([look(10), look(40, "in_progress"), look(70)], None),
        ([look(10), look(40, "in_progress", complete=False), look(70)], None),
        ([look(10, "in_progress"), look(20), look(80)], VANISHED),
        ([look(10), look(70), look(80, "in_progress")], None),
    ],
)
def test_absence_is_shown_by_two_complete_looks_a_minute_apart_and_nothing_between(looks, verdict):
    assert running(CREATE, 100, *looks) == verdict


# -- a snapshot that is being taken ---------------------------------------------------------------


def test_a_snapshot_is_done_when_it_is_listed_as_completed():
    done = (State.SUCCEEDED, Reason.SEEN_DONE, {})
    assert running(CREATE, 60) is None
    assert running(CREATE, 60, look(10, "in_progress")) is None
    assert running(CREATE, 60, look(10, "completed", complete=False)) == done
    assert running(CREATE, 60, look(10, "completed"), look(20, "in_progress")) is None


def test_a_snapshot_has_failed_when_that_is_seen_twice_running():
    failed, well = (State.FAILED, Reason.SEEN_FAILED, {}), "in_progress"
    assert running(CREATE, 60, look(10, "failed")) is None
    assert running(CREATE, 60, look(10, "failed"), look(20, "failed")) == failed
    assert running(CREATE, 60, look(5, well), look(10, "failed"), look(20, "failed")) == failed
    assert running(CREATE, 60, look(10, "failed"), look(20, well)) is None
    assert running(CREATE, 60, look(10, "failed"), look(20, well), look(30, "failed")) is None


# -- a snapshot that may not have been begun ------------------------------------------------------


def test_one_marker_is_proof_at_any_time_and_two_are_for_a_person():
    found = (State.RUNNING, Reason.SEEN_MARKED, {"remote_id": "9"})
    assert in_doubt(CREATE, 60) is None
    assert in_doubt(CREATE, 60, look(10, marked=["9"], complete=False)) == found
    two = look(10, marked=["9", "10"])
    assert in_doubt(CREATE, 60, two) == person(Reason.TWO_MARKED)


NEW = {"candidates": ["9"]}


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([look(150), look(210)], (State.NOT_APPLIED, Reason.NOT_LISTED, {})),
        ([look(149), look(209)], None),
        ([look(149), look(150), look(209)], None),
        ([look(150), look(210), look(220, complete=False)], None),
        ([look(150, marked=["9"]), look(160), look(210)], None),
        ([look(150, **NEW), look(210, **NEW)], person(Reason.UNMARKED)),
        ([look(150, **NEW), look(200, **NEW)], None),
        ([look(150), look(210, **NEW)], None),
        ([look(150, **NEW), look(210)], None),
    ],
)
def test_where_descriptions_are_kept_only_the_marker_counts(looks, verdict):
    assert in_doubt(CREATE, 300, *looks) == verdict


LATE = 150 + 30 * 60


@pytest.mark.parametrize(
    ("now", "looks", "verdict"),
    [
        (300, [look(149, **NEW)], None),
        (300, [look(150, **NEW, complete=False)], None),
        (300, [look(150, **NEW)], (State.RUNNING, Reason.ADOPTED, {"remote_id": "9"})),
        (300, [look(150, candidates=["9", "10"])], person(Reason.SEVERAL_MATCH)),
        (LATE - 1, [look(150), look(210)], None),
        (LATE, [look(150), look(210)], (State.NOT_APPLIED, Reason.NOT_LISTED, {})),
        (LATE, [look(149), look(209)], None),
        (LATE, [look(150, **NEW), look(209), look(210)], None),
        (LATE, [look(150, marked=["9"]), look(209), look(210)], None),
    ],
)
def test_where_they_are_not_kept_what_fits_is_adopted_and_absence_takes_half_an_hour_more(
    now, looks, verdict
):
    assert in_doubt(CREATE, now, *looks, keeps_descriptions=False) == verdict


# -- a restore ------------------------------------------------------------------------------------

WORKS = look(10, "restoring")
DONE = (State.SUCCEEDED, Reason.SEEN_DONE)
QUARTER = 15 * 60


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([], None),
        ([look(10, "active"), look(70, "active")], None),
        ([WORKS, look(20, "active")], None),
        ([WORKS, look(20, "active"), look(79, "active")], None),
        (
            [WORKS, look(20, "active"), look(80, "stopped")],
            (*DONE, {"details": {"words": "stopped"}}),
        ),
        (
            [WORKS, look(20, "stopped"), look(80, "active")],
            (*DONE, {"details": {"words": "active"}}),
        ),
        ([look(5, "active"), WORKS, look(70, "active")], None),
        ([WORKS, look(20, "active"), look(80, "active"), look(90, "restoring")], None),
        ([WORKS, look(20, "suspended"), look(80, "suspended")], None),
        ([WORKS, look(20), look(80)], person(Reason.SERVER_VANISHED)),
        ([look(20), look(80)], person(Reason.SERVER_VANISHED)),
    ],
)
def test_a_restore_is_done_when_it_was_seen_at_work_and_the_server_rests_again(looks, verdict):
    assert running(RESTORE, 100, *looks) == verdict


def test_a_restore_that_is_never_seen_at_work_is_for_a_person_after_a_quarter_of_an_hour():
    seen, half_seen = look(20, "active"), look(20, "active", complete=False)
    assert running(RESTORE, QUARTER - 1, seen) is None
    assert running(RESTORE, QUARTER, seen) == person(Reason.NEVER_RESTORING)
    assert running(RESTORE, QUARTER, half_seen) == person(Reason.UNSEEN)
    assert running(RESTORE, QUARTER) == person(Reason.UNSEEN)
    assert running(RESTORE, QUARTER, WORKS, look(20, "active")) is None


def test_a_restore_in_doubt_is_under_way_if_it_is_seen_and_for_a_person_if_not():
    found = (State.RUNNING, Reason.SEEN_RESTORING, {})
    assert in_doubt(RESTORE, 149, look(20, "active")) is None
    assert in_doubt(RESTORE, 150, look(20, "active")) == person(Reason.UNDECIDED)
    assert in_doubt(RESTORE, 20, look(10, "restoring", complete=False)) == found
    assert in_doubt(RESTORE, 150, look(10, "restoring"), look(20, "active")) == found


# -- a deletion -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("looks", "verdict"),
    [
        ([], None),
        ([look(150), look(210)], (State.SUCCEEDED, Reason.NOT_LISTED, {})),
        ([look(149), look(209)], None),
        (
            [look(150, "completed", unchanged=True), look(210, "completed", unchanged=True)],
            (State.NOT_APPLIED, Reason.STILL_LISTED, {}),
        ),
        ([look(149, "completed", unchanged=True), look(209, "completed", unchanged=True)], None),
        (
            [look(150, "completed", unchanged=False), look(210, "completed", unchanged=False)],
            person(Reason.CHANGED_MEANWHILE),
        ),
        ([look(149, "completed", unchanged=False), look(209, "completed", unchanged=False)], None),
        ([look(150, "completed", unchanged=True), look(210, "completed", unchanged=False)], None),
        ([look(150, "completed"), look(210, "completed")], None),
        ([look(150), look(210, "completed", unchanged=True)], None),
    ],
)
def test_a_deletion_in_doubt_is_decided_by_two_looks_after_the_quiet_window(looks, verdict):
    assert in_doubt(DELETE, 300, *looks) == verdict


# -- stop and start -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "aim", "other"), [(STOP, "stopped", "active"), (START, "active", "stopped")]
)
@pytest.mark.parametrize("state", [State.RUNNING, State.IN_DOUBT])
def test_a_server_that_is_as_it_was_to_be_settles_it(kind, aim, other, state):
    done = (State.SUCCEEDED, Reason.SEEN_POWER, {"details": {"words": aim}})
    assert said(kind, state, 60) is None
    assert said(kind, state, 60, look(10, other)) is None
    assert said(kind, state, 60, look(10, aim, complete=False)) == done
    assert said(kind, state, 60, look(10, other), look(20, aim), look(30, other)) == done
    assert said(kind, state, 99, look(10), look(70)) == person(Reason.SERVER_VANISHED)


@pytest.mark.parametrize(
    ("state", "late", "ended"),
    [(State.RUNNING, 600, State.FAILED), (State.IN_DOUBT, 750, State.NOT_APPLIED)],
)
def test_a_server_that_is_still_as_it_was_after_ten_minutes_will_not_change(state, late, ended):
    still = (ended, Reason.STILL, {"details": {"words": "suspended"}})

    def verdict(first: float, second: float, word: str = "suspended") -> Any:
        return said(STOP, state, 2000, look(first, "active"), look(second, word))

    assert verdict(late, late + 60) == still
    assert verdict(late - 1, late + 60) is None
    assert verdict(late, late + 59) is None
    assert verdict(late, late + 60, word="") is None


# -- whatever it is -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CREATE, STOP, START])
@pytest.mark.parametrize("state", [State.RUNNING, State.IN_DOUBT])
def test_after_a_day_a_person_is_asked(kind, state):
    assert said(kind, state, DAY - 1) is None
    assert said(kind, state, DAY) == person(Reason.TOO_LONG)


def test_after_a_day_what_is_seen_still_decides():
    assert running(CREATE, DAY, look(10, "completed")) == (State.SUCCEEDED, Reason.SEEN_DONE, {})


def test_in_a_database_that_was_put_back_only_one_marker_decides_and_then_a_person():
    ask_at = SENT + timedelta(seconds=100)
    found = (State.RUNNING, Reason.SEEN_MARKED, {"remote_id": "9"})
    for kind in (CREATE, RESTORE, DELETE, STOP):
        for seen in ([], [look(20, "restoring")], [look(20, "stopped", marked=["9", "10"])]):
            assert in_doubt(kind, 99, *seen, ask_at=ask_at) is None
            assert in_doubt(kind, 100, *seen, ask_at=ask_at) == person(Reason.PUT_BACK)
        for now in (99, DAY):
            assert in_doubt(kind, now, look(20, marked=["9"]), ask_at=ask_at) == found
