"""Who has which slot, who could go to make room, and which one to go back to."""

from datetime import timedelta

import pytest
from django.utils import timezone

from snapshots import operations
from snapshots.operations import Use
from snapshots.operations.choosing import recommend
from tests.conftest import fresh, restore, take
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation


@pytest.fixture
def web(team):
    return a_server(an_account(team))


def uses(server):
    return [(slot.use, slot.name) for slot in operations.slots(server)]


def locked(snapshot, actor):
    operations.lock(snapshot, actor=actor, words="the audit needs it")
    return snapshot


def made(server, by, name, days, **more):
    snapshot = a_snapshot(server, name, days=days)
    an_operation("create", server, "succeeded", by, snapshot=snapshot, **more)
    return snapshot


def a_restore(server, by, days):
    return an_operation(
        "restore", server, "succeeded", by, ended_at=timezone.now() - timedelta(days=days)
    )


# -- slots ----------------------------------------------------------------------------------------


def test_each_slot_says_what_it_is_used_for(web, rosa):
    locked(a_snapshot(web, "a", days=5), rosa)
    made(web, rosa, "b", days=4, parent=a_restore(web, rosa, days=4))
    a_snapshot(web, "c", days=3)
    a_snapshot(web, "broken", status="failed")
    an_operation("create", web, "queued", rosa, name="d")
    assert uses(web) == [
        (Use.LOCKED, "a"),
        (Use.SAFETY, "b"),
        (Use.MANUAL, "c"),
        (Use.RESERVED, "d"),
        (Use.FREE, ""),
    ]


def test_the_limit_is_the_accounts_and_may_be_exceeded(web):
    web.account.slots = 1
    assert uses(web) == [(Use.FREE, "")]
    for name in ("a", "b"):
        a_snapshot(web, name, days=1)
    assert uses(web) == [(Use.MANUAL, "a"), (Use.MANUAL, "b")]


def test_a_slot_is_reserved_from_the_click_until_the_snapshot_is_complete(stage, server, oscar):
    operation = take(server, oscar)
    assert uses(server)[2] == (Use.RESERVED, "before-update")
    operation = stage.send(operation)
    assert uses(server)[2] == (Use.RESERVED, "before-update")
    stage.watch(operation, minutes=5)
    assert uses(server)[2:4] == [(Use.MANUAL, "before-update"), (Use.FREE, "")]


def test_one_that_ends_without_a_snapshot_gives_its_slot_back(stage, server, oscar):
    operation = take(server, oscar)
    operations.cancel(operation, actor=oscar)
    assert [use for use, _name in uses(server)] == [Use.MANUAL] * 2 + [Use.FREE] * 3


def test_a_safety_snapshot_reserves_one_and_so_does_one_that_stands_in_line(
    server, snapshot, rosa, account
):
    restore(snapshot, rosa, safety_snapshot=True)
    assert uses(server)[2][0] == Use.RESERVED
    db = account.servers.select_related("account__team").get(name="db-1")
    take(db, rosa, stop_first=True)
    assert uses(db)[0] == (Use.RESERVED, "before-update")


# -- who could go ---------------------------------------------------------------------------------


def named(server, **more):
    return [(one.snapshot.name, one.why) for one in operations.candidates(server, **more)]


def test_candidates_are_ranked_and_each_says_why(web, rosa, oscar):
    """Of the same rank the oldest goes first, so each here is older than those before it."""
    today = timezone.localdate()
    a_snapshot(web, "over", days=1, keep_until=today - timedelta(days=1))
    made(web, rosa, "older-safety", days=2, parent=a_restore(web, rosa, days=3))
    a_snapshot(web, "plain", days=3)
    a_snapshot(web, "plain-and-older", days=20)
    a_snapshot(web, "described", days=30, purpose="the move")
    made(web, rosa, "fresh-safety", days=31, parent=a_restore(web, rosa, days=2.9))
    for name, days in (("good", 35), ("last-good", 1)):
        operations.mark_good(a_snapshot(web, name, days=days), actor=rosa, words="it works")
    a_snapshot(web, "kept", days=40, keep_until=today + timedelta(days=3))
    found = named(web)
    assert [name for name, _why in found] == [
        *("over", "older-safety", "plain-and-older", "plain", "described", "fresh-safety"),
        *("good", "kept"),
    ]
    words = dict(found)
    assert words["older-safety"] == "The safety snapshot of a restore that was over 3 days ago."
    assert words["plain"] == "Nobody said what it is for."
    assert words["described"] == "Somebody said what it is for: the move"
    assert words["over"].startswith("It was to be kept until ")
    assert words["kept"].startswith("It is to be kept until ")


def test_never_the_one_to_restore_a_locked_one_or_the_last_known_good(web, rosa):
    target = a_snapshot(web, "target", days=9)
    locked(a_snapshot(web, "locked", days=8), rosa)
    for name, days in (("good", 7), ("last-good", 6)):
        row = a_snapshot(web, name, days=days)
        operations.mark_good(row, actor=rosa, words="all tests pass")
    a_snapshot(web, "in-progress", status="in_progress")
    a_snapshot(web, "failed", status="failed")
    going = a_snapshot(web, "going", days=5)
    an_operation("delete", web, "queued", rosa, snapshot=going)
    why = "Known good, though not the newest: Rosa, “all tests pass”"
    assert named(web, keep=target) == [("good", why)]
    assert operations.last_known_good(web).name == "last-good"


# -- which to go back to --------------------------------------------------------------------------


def best(server, makers=()):
    oldest_first = server.snapshots.order_by("created_at")
    return recommend(list(oldest_first), {one.snapshot_id: one for one in makers})


def test_of_none_or_one_there_is_nothing_to_choose(web):
    assert best(web) is None
    a_snapshot(web, "only")
    a_snapshot(web, "failed", status="failed")
    a_snapshot(web, "gone", gone_at=timezone.now())
    assert best(web) is None


def test_the_last_known_good_one_comes_first_with_the_words_of_who_marked_it(web, rosa):
    for name, days in (("older", 5), ("good", 3), ("nightly", 1)):
        row = a_snapshot(web, name, days=days)
        if name != "nightly":
            operations.mark_good(row, actor=rosa, words="all tests pass")
    found = best(web)
    assert found.snapshot.name == "good"
    assert found.why == "It is the last known good one. Rosa: “all tests pass”"


@pytest.mark.parametrize(
    "words", [{"name": "pre-upgrade"}, {"purpose": "before the move"}, {"description": "antaŭ ĝi"}]
)
def test_else_the_newest_from_before_a_change_as_people_say_it(web, words):
    a_snapshot(web, "before-that", days=9)
    a_snapshot(web, **({"name": "x", "days": 3} | words))
    a_snapshot(web, "nightly", days=1)
    found = best(web)
    assert found.snapshot.created_at < timezone.now() - timedelta(days=2)
    assert found.snapshot.name in ("x", "pre-upgrade")
    assert "the newest that was taken before a change" in found.why


def test_else_the_newest_but_no_safety_snapshot(web, rosa):
    a_snapshot(web, "weekly", days=4)
    a_snapshot(web, "nightly", days=2)
    safety = made(web, rosa, "before-restore", days=1, parent=a_restore(web, rosa, days=1))
    found = best(web, safety.operations.all())
    assert found.snapshot.name == "nightly"
    assert "so the least is lost" in found.why


def test_of_nothing_but_safety_snapshots_the_newest(web, rosa):
    parent = a_restore(web, rosa, days=1)
    both = [made(web, rosa, f"before-{n}", days=n, parent=parent) for n in (1, 2)]
    found = best(web, [one.operations.get() for one in both])
    assert found.snapshot == fresh(both[0])
    assert "There are only safety snapshots" in found.why
