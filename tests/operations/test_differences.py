"""What a plan says of itself, and in which words two of them differ."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from snapshots.operations.plan import differences, is_same, plan
from tests.pages.factories import a_server, a_snapshot, an_account

FACTS = {
    "server": "web-1",
    "address": "203.0.113.10",
    "server_status": "active",
    "snapshot_id": "801",
    "snapshot_name": "nightly",
    "snapshot_created_at": "2026-11-22T14:02:00+00:00",
    "snapshot_status": "completed",
    "newer": {"802": "weekly"},
    "undated": {"803": "old"},
    "since": {"create": 1},
    "fate": "unknown",
}


def told(**changed: object) -> list[str]:
    return [str(words) for words in differences(FACTS, FACTS | changed)]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, []),
        ({"server": "web-2"}, ["name of the server: web-1 → web-2"]),
        ({"address": ""}, ["address of the server: 203.0.113.10 → unknown"]),
        ({"server_status": "stopped"}, ["state of the server: active → stopped"]),
        ({"snapshot_name": "other"}, ["name of the snapshot: nightly → other"]),
        (
            {"snapshot_created_at": None},
            ["time of the snapshot: 2026-11-22T14:02:00+00:00 → unknown"],
        ),
        ({"snapshot_status": "failed"}, ["state of the snapshot: completed → failed"]),
        ({"newer": {}}, ["weekly is no longer listed"]),
        ({"undated": {}}, ["what is known of old"]),
        ({"newer": {"802": "weekly", "804": "new"}}, ["a new snapshot, new"]),
        ({"undated": {"803": "old", "804": "new"}}, ["a new snapshot, new"]),
        ({"newer": {"802": "weekly", "803": "old"}, "undated": {}}, ["what is known of old"]),
        ({"newer": {"802": "monthly"}}, ["a new snapshot, monthly"]),
        ({"since": {}}, ["something was done to the server"]),
        ({"fate": "kept"}, ["what is known of the fate of newer snapshots"]),
        ({"snapshot_id": "805"}, ["it is another snapshot"]),
        ({"of an earlier release": 1}, ["what such a page shows"]),
    ],
)
def test_each_fact_that_changed_is_named(changed, words):
    assert told(**changed) == words


def test_several_are_named_one_after_the_other():
    assert told(server="web-2", fate="kept", since={}) == [
        "name of the server: web-1 → web-2",
        "something was done to the server",
        "what is known of the fate of newer snapshots",
    ]


def test_these_are_the_facts_of_a_plan(team):
    made = plan(a_snapshot(a_server(an_account(team))))
    assert set(made.facts) == {*FACTS, "snapshot_server"}


def test_a_plan_says_how_far_back_it_goes_and_how_long_it_holds(stage, team):
    server = a_server(an_account(team))
    made = plan(a_snapshot(server, days=2))
    assert made.age == timedelta(days=2)
    assert made.valid_until == timezone.now() + timedelta(minutes=15)


def test_of_a_snapshot_without_a_date_nothing_is_older_or_younger(stage, team):
    server = a_server(an_account(team))
    nightly, lost = a_snapshot(server), a_snapshot(server, "lost", created_at=None)
    made = plan(lost)
    assert (made.age, made.newer, made.undated, made.since) == (None, [], [nightly], {})


def test_whether_a_page_still_shows_what_is(stage, team, rosa, vera):
    server = a_server(an_account(team))
    snapshot = a_snapshot(server)
    shown = plan(snapshot).sealed(rosa)
    assert is_same(shown, plan(snapshot), actor=rosa)
    assert not is_same(shown, plan(snapshot), actor=vera)
    a_snapshot(server, "new", days=0)
    assert not is_same(shown, plan(snapshot), actor=rosa)
