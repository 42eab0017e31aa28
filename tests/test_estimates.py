"""How long an operation takes: learned from our own, else the documentation, else unsaid."""

from __future__ import annotations

from datetime import timedelta
from math import ceil, floor

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from dashboard import expected
from dashboard.templatetags import ui
from snapshots import estimates
from snapshots.estimates import Basis
from tests.pages.factories import a_server, an_account, an_operation, queries, text

MINUTE = timedelta(minutes=1)
LENGTHS = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=60)


@pytest.fixture
def web(team):
    return a_server(an_account(team))


def took(server, by, *minutes, kind="create", **more):
    """Operations that took so many minutes, the last named one the newest."""
    now = timezone.now()
    for place, length in enumerate(minutes):
        ended = more.get("ended_at", now - timedelta(hours=len(minutes) - place))
        began = ended - length * MINUTE
        fields = {"sent_at": began, "accepted_at": began, "ended_at": ended, "state": "succeeded"}
        fields |= {"reason": "seen_done"} | more
        an_operation(kind, server, fields.pop("state"), by, **fields)


def minutes(estimate):
    return [round(one / MINUTE, 2) for one in (estimate.low, estimate.median, estimate.high)]


# -- what it rests on -----------------------------------------------------------------------------


def test_until_three_have_succeeded_the_documentation_speaks(web, rosa):
    took(web, rosa, 4, 4)
    estimate = estimates.for_kind("create", web)
    assert (estimate.basis, estimate.count) == (Basis.DOCUMENTED, 0)
    assert minutes(estimate) == [3, 6.5, 10]


def test_from_the_third_on_the_server_s_own_operations_do(web, rosa):
    took(web, rosa, 4, 5, 6)
    estimate = estimates.for_kind("create", web)
    assert (estimate.basis, estimate.count) == (Basis.SERVER, 3)
    assert minutes(estimate) == [4.5, 5, 5.8]


def test_a_new_server_is_taken_for_like_those_of_its_plan_in_its_account(web, rosa, team):
    for name in ("a", "b", "c"):
        took(a_server(web.account, name), rosa, 7)
    estimate = estimates.for_kind("create", web)
    assert (estimate.basis, estimate.count) == (Basis.PLAN, 3)
    assert minutes(estimate) == [7, 7, 7]
    other_plan = a_server(web.account, "big", plan="Big VPS")
    other_account = a_server(an_account(team, "Staging"), "stage")
    unknown_plan = a_server(web.account, "odd", plan="")
    for server in (other_plan, other_account, unknown_plan):
        assert estimates.for_kind("create", server).basis == Basis.DOCUMENTED


def test_servers_of_no_known_plan_are_not_alike(web, rosa):
    took(a_server(web.account, "odd", plan=""), rosa, 7, 7, 7)
    assert estimates.for_kind("create", a_server(web.account, "new", plan="")).count == 0


def test_kinds_are_not_mixed_and_without_documentation_nothing_is_said(web, rosa):
    took(web, rosa, 5, 5, 5)
    assert minutes(estimates.for_kind("restore", web)) == [5, 10, 15]
    for kind in ("delete", "stop", "start"):
        assert estimates.for_kind(kind, web) is None
    took(web, rosa, 1, 1, 1, kind="stop")
    assert estimates.for_kind("stop", web).count == 3


@pytest.mark.parametrize(
    "more",
    [
        {"state": "failed"},
        {"state": "not_applied"},
        {"state": "cancelled"},
        {"reason": "verdict"},
        {"reason": "not_listed"},
        {"accepted_at": None, "sent_at": None},
        {"ended_at": timezone.now() - timedelta(days=91)},
    ],
    ids=lambda more: "-".join(map(str, [*more.values()][:1])) if "ended_at" not in more else "old",
)
def test_what_measures_no_provider_is_left_out(web, rosa, more):
    took(web, rosa, 5, 5, 5, **more)
    assert estimates.for_kind("create", web).basis == Basis.DOCUMENTED


def test_only_the_last_ones_count(web, rosa):
    took(web, rosa, *[20] * 10, *[4] * estimates.MOST)
    estimate = estimates.for_kind("create", web)
    assert (minutes(estimate), estimate.count) == ([4, 4, 4], estimates.MOST)


def test_one_bad_night_does_not_become_what_is_usual(web, rosa):
    took(web, rosa, 4, 5, 6, 5, 4, 600)
    assert estimates.for_kind("create", web).high < 12 * MINUTE


def test_the_documented_range_follows_the_provider_s_pace(web, settings):
    settings.PROVIDER_PACE = 60.0
    assert estimates.for_kind("create", web).high == timedelta(seconds=10)


# -- numbers --------------------------------------------------------------------------------------


@given(LENGTHS)
def test_an_estimate_lies_in_order_and_within_what_was_measured(lengths):
    estimate = estimates.summary(lengths, Basis.SERVER)
    ends = timedelta(seconds=min(lengths)), timedelta(seconds=max(lengths))
    assert ends[0] <= estimate.low <= estimate.median <= estimate.high <= ends[1]
    assert estimate.count == len(lengths)


@given(LENGTHS, st.floats(min_value=0, max_value=1), st.floats(min_value=0, max_value=1))
def test_percentiles_rise_from_the_least_to_the_most(lengths, one, other):
    ordered = sorted(lengths)
    low, high = sorted((one, other))
    assert estimates.percentile(ordered, 0) == ordered[0]
    assert estimates.percentile(ordered, 1) == ordered[-1]
    assert estimates.percentile(ordered, low) <= estimates.percentile(ordered, high)


@given(LENGTHS)
def test_what_lies_far_out_is_drawn_in_and_nothing_else_is_touched(lengths):
    ordered = sorted(lengths)
    drawn_in = estimates.winsorised(ordered)
    assert drawn_in == sorted(drawn_in)
    middle = slice(len(ordered) // 4 + 1, -(len(ordered) // 4) - 1)
    assert drawn_in[middle] == ordered[middle]


@given(LENGTHS)
def test_slow_is_slower_by_what_can_be_said(lengths):
    estimate = estimates.summary(lengths, Basis.SERVER)
    assert estimates.spell(estimate.late, floor) != estimates.spell(estimate.high, ceil)


# -- questions to the database --------------------------------------------------------------------


def test_any_number_of_operations_costs_two_questions(web, rosa):
    servers = [a_server(web.account, f"s-{n}", plan=f"plan {n % 3}") for n in range(12)]
    for server in servers[:4]:
        took(server, rosa, 4, 5, 6)
    running = [an_operation("create", one, "running", rosa) for one in servers]
    running += [an_operation("restore", a_server(web.account, "r"), "running", rosa)]
    with CaptureQueriesContext(connection) as asked:
        found = estimates.of(running)
    assert len(asked) == 2
    assert found.keys() == {one.pk for one in running}
    assert [found[one.pk].basis.value for one in running] == [
        *["server"] * 4,
        *["plan"] * 8,
        "documented",
    ]
    with CaptureQueriesContext(connection) as asked:
        assert estimates.of([]) == {}
    assert len(asked) == 0


def test_a_page_asks_once_for_all_its_bars_and_its_pace(web, rosa, client_of):
    old = timezone.now() - timedelta(minutes=5)
    an_operation("create", web, "running", rosa, created_at=old)
    client = client_of(rosa)

    few = queries(client, "/")
    for n in range(5):
        an_operation("create", a_server(web.account, f"s-{n}"), "running", rosa, created_at=old)
    assert "s-4" in text(client.get("/"))
    assert queries(client, "/") == few


# -- words ----------------------------------------------------------------------------------------


def said(kind, low, high, basis=Basis.SERVER, count=12):
    length = timedelta(seconds=low), timedelta(seconds=(low + high) / 2), timedelta(seconds=high)
    return expected.usually(estimates.Estimate(*length, basis, count), kind, "vps-2")


def test_the_words_tell_what_an_estimate_rests_on():
    assert said("create", 250, 340) == "usually 4–6 min here (last 12 snapshots of this server)"
    assert said("restore", 250, 340) == "usually 4–6 min here (last 12 restores of this server)"
    assert said("delete", 2, 3) == (
        "usually less than a minute here (last 12 deletions on this server)"
    )
    assert said("stop", 62, 118) == "usually 1–2 min here (stopped 12 times before)"
    assert said("start", 301, 330) == "usually 5–6 min here (started 12 times before)"
    assert said("create", 250, 340, Basis.PLAN) == (
        "usually 4–6 min (last 12 snapshots of servers of the plan vps-2)"
    )
    assert said("create", 180, 600, Basis.DOCUMENTED) == (
        "usually 3–10 min (provider’s documentation)"
    )
    assert said("create", 301, 301).startswith("usually 5–6 min")
    assert said("create", 300, 300).startswith("usually about 5 min")
    assert expected.usually(None, "delete") == ""


def test_a_simulated_provider_s_pace_is_told_and_seconds_are_fine(settings):
    settings.PROVIDER_PACE = 15.0
    words = ui.usually("create")
    assert "12–40 s here" in words and "15 times faster" in words
    assert "usually 14–21 s here" in said("create", 14.2, 20.3)
    assert ui.usually("delete") == ""


def test_the_bar_moves_and_never_arrives():
    span = estimates.documented("create")
    shares = [ui.share_done(minute * MINUTE, span) for minute in range(0, 60, 3)]
    assert shares == sorted(shares)
    assert shares[0] == 0 and shares[-1] == 95
    assert ui.share_done(MINUTE, None) is None


def test_the_server_s_own_time_stands_beside_the_bar(web, rosa, client_of):
    took(web, rosa, 4, 5, 6)
    operation = an_operation("create", web, "running", rosa)
    page = client_of(rosa).get(f"/operations/{operation.pk}/").content.decode()
    assert "usually 4–6 min here (last 3 snapshots of this server)" in page
    assert 'data-median="300"' in page
    assert "Taking longer than usual." not in page


def test_past_what_is_usual_the_page_says_so(web, rosa, client_of):
    took(web, rosa, 4, 5, 6)
    began = timezone.now() - 8 * MINUTE
    operation = an_operation("create", web, "running", rosa, sent_at=began, accepted_at=began)
    page = client_of(rosa).get(f"/operations/{operation.pk}/").content.decode()
    assert "Taking longer than usual." in page
