"""Figures: drawn by the server, with the same numbers in words beside each drawing."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from dashboard import plots
from dashboard.plots import fleet, scales
from snapshots.models import Kind, Operation, Server
from tests.pages.factories import a_server, a_snapshot, an_operation, queries, text

NUMBERS = st.lists(st.integers(min_value=0, max_value=10_000), min_size=1, max_size=9)


def took(server, by, *minutes, kind="create"):
    now = timezone.now()
    for place, length in enumerate(minutes):
        ended = now - timedelta(hours=len(minutes) - place)
        began = ended - timedelta(minutes=length)
        an_operation(kind, server, "succeeded", by, sent_at=began, ended_at=ended)


def coverage_of(account, now=None):
    found = plots.coverage(Server.objects.filter(account=account), now or timezone.now())
    return found, {part.key: part.number for part in found.parts}


# -- what is counted ------------------------------------------------------------------------------


def test_servers_are_counted_by_the_age_of_what_they_could_go_back_to(web):
    ages = {"day": 0.5, "week": 3, "month": 12, "older": 40}
    for key, days in ages.items():
        server = a_server(web.account, key)
        a_snapshot(server, days=days)
        a_snapshot(server, "first", days=60)
    a_snapshot(web, days=0, status="failed")
    a_snapshot(web, days=0, status="in_progress")
    a_snapshot(web, days=0, gone_at=timezone.now())
    a_snapshot(web, created_at=None)
    a_server(web.account, "gone", gone_at=timezone.now())
    found, numbers = coverage_of(web.account)
    assert numbers == {"day": 1, "week": 1, "month": 1, "older": 1, "none": 1}
    assert (found.total, found.covered) == (5, 2)


@pytest.mark.parametrize("ages", [fleet.AGES, fleet.FINE_AGES])
def test_every_age_falls_into_exactly_one_part(web, ages):
    now = timezone.now()
    edges = [age.since for age in ages if age.since] + [timedelta(0)]
    for n, edge in enumerate(edges):
        a_snapshot(a_server(web.account, f"s-{n}"), created_at=now - edge)
    numbers = fleet._by_age(Server.objects.filter(account=web.account), now, ages)
    found = [None, *(now - edge for edge in edges)]
    assert numbers == [sum(age.holds(at, now) for at in found) for age in ages]
    assert sum(numbers) == len(edges) + 1
    assert numbers == [1] * len(ages)


def test_each_part_leads_to_just_its_servers(web, vera, client_of):
    old = a_server(web.account, "long-ago")
    a_snapshot(old, days=40)
    client = client_of(vera)
    page = client.get("/figures/").content.decode()
    assert 'id="coverage-older" href="/servers/?coverage=older"' in page
    assert "coverage-day" not in page  # nothing there, so nothing to click
    listed = text(client.get("/servers/", {"coverage": "older"}))
    assert "long-ago" in listed and "web-1" not in listed
    listed = text(client.get("/servers/", {"coverage": "none"}))
    assert "web-1" in listed and "long-ago" not in listed


def test_slots_are_counted_by_what_is_listed(web):
    a_snapshot(web)
    a_snapshot(web, "coming", status="in_progress")
    a_snapshot(web, "broken", status="failed")
    a_snapshot(web, "gone", gone_at=timezone.now())
    a_server(web.account, "none")
    found = plots.slots(Server.objects.filter(account=web.account))
    assert [(part.words, part.number) for part in found] == [
        *(("0", 1), ("1", 0), ("2", 1)),
        *(("3", 0), ("4", 0), ("5", 0)),
    ]
    assert plots.slots(Server.objects.none()) == []


def test_the_biggest_come_first_and_what_is_unknown_is_not_made_up(web):
    small, empty = a_server(web.account, "small"), a_server(web.account, "empty")
    a_snapshot(web, size_mb=5000)
    a_snapshot(web, "second", size_mb=3000)
    a_snapshot(web, "unknown", size_mb=None)
    a_snapshot(web, "gone", size_mb=9000, gone_at=timezone.now())
    a_snapshot(small, size_mb=2000)
    a_snapshot(empty, size_mb=None)
    found = plots.biggest(Server.objects.filter(account=web.account))
    assert [(big.server, big.number, big.size_mb, big.width) for big in found] == [
        (web, 2, 8000, 100),
        (small, 1, 2000, 25),
    ]


def test_sizes_stand_where_they_were_taken(web):
    assert plots.sizes(web) is None
    for days, size in ((10, 1000), (5, 3500), (0, 4000)):
        a_snapshot(web, f"d-{days}", days=days, size_mb=size)
    a_snapshot(web, "unknown", size_mb=None)
    found = plots.sizes(web)
    assert [dot.item.name for dot in found.dots] == ["d-10", "d-5", "d-0"]
    assert [round(dot.x) for dot in found.dots] == [2, 50, 98]
    assert found.top == 4000
    assert [dot.y for dot in found.dots] == [75, 12.5, 0]
    assert (found.least, found.most, found.has_gone) == (1000, 4000, False)


def test_snapshots_of_one_moment_do_not_divide_by_nothing(web):
    now = timezone.now()
    for name in ("a", "b"):
        a_snapshot(web, name, created_at=now, size_mb=0)
    assert [dot.x for dot in plots.sizes(web).dots] == [scales.MARGIN] * 2


def test_durations_are_drawn_for_each_kind_with_enough_of_them(web, rosa):
    took(web, rosa, *range(1, 41))
    took(web, rosa, 5, 6, 7, kind="restore")
    took(web, rosa, 1, 1, kind="stop")
    took(web, rosa, 1, 1, 1, kind="delete")  # answered at once: nothing to see
    creates, restores = plots.durations(Operation.objects.all())
    assert (creates.kind, restores.kind) == (Kind.CREATE, Kind.RESTORE)
    assert [round(dot.value / 60) for dot in creates.dots] == [*range(11, 41)]
    assert creates.caption == "How long the last 30 snapshots took"
    assert restores.band[0] < restores.median < sum(restores.band)


def test_one_that_hung_does_not_press_the_others_to_the_ground(web, rosa):
    took(web, rosa, *[5] * 9, 600)
    (found,) = plots.durations(Operation.objects.all())
    assert found.top < 3600
    assert found.beyond == 1
    assert found.dots[-1].y == 0


# -- positions ------------------------------------------------------------------------------------


@given(NUMBERS)
def test_shares_fill_the_bar_and_nothing_that_is_there_is_invisible(numbers):
    widths = scales.shares(numbers)
    assert sum(widths) == pytest.approx(100 if any(numbers) else 0)
    for number, width in zip(numbers, widths, strict=True):
        assert (width > 1) == (number > 0)


@given(NUMBERS)
def test_bars_keep_their_order(numbers):
    widths = [part.width for part in scales.bars((str(n), "", n) for n in numbers)]
    assert max(widths) == (100 if any(numbers) else 0)
    by_number = [width for _number, width in sorted(zip(numbers, widths, strict=True))]
    assert by_number == sorted(by_number)


@given(st.floats(min_value=0, max_value=1e9))
def test_scales_end_above_what_they_hold_but_not_far(value):
    for top in (scales.ceiling(value), scales.clock_ceiling(value)):
        assert top >= value
        assert top <= max(10, 3.1 * value)
        assert 0 <= scales.down(value, top) <= 100


# -- pages ----------------------------------------------------------------------------------------


def test_the_page_says_in_words_what_it_draws(web, rosa, vera, client_of):
    a_snapshot(web, days=2, size_mb=31_234)
    a_snapshot(web, "older", days=3, size_mb=20_000)
    took(web, rosa, 4, 5, 6)
    answer = client_of(vera).get("/figures/")
    page = text(answer)
    for words in (
        "1 of 1 server has a snapshot younger than 7 days.",
        "1 to 7 days 1",
        "2 to 7 days 1",
        "web-1 2 51.2 GB",
        "How long the last 3 snapshots took",
        "from 4 min 30 s (a quarter took less) to 5 min 48 s (nine of ten took less)",
    ):
        assert words in page
    assert "style=" not in answer.content.decode()


def test_the_page_of_one_server_has_its_sizes_and_durations(web, rosa, vera, client_of):
    a_snapshot(web, days=9, size_mb=1000, gone_at=timezone.now())
    a_snapshot(web, "older", days=3, size_mb=20_000)
    took(web, rosa, 4, 5, 6)
    took(a_server(web.account, "db-99"), rosa, 50, 50, 50)
    page = text(client_of(vera).get(f"/servers/{web.pk}/figures/"))
    assert "Sizes of the last 2 snapshots of this server" in page
    assert "From 1.0 GB to 20.0 GB" in page
    assert "No longer listed" in page
    assert "How long the last 3 snapshots took" in page
    assert "50 min" not in page


def test_the_figures_are_one_click_from_what_they_are_about(web, vera, client_of):
    client = client_of(vera)
    assert 'href="/figures/"' in client.get("/").content.decode()
    figures = f"/servers/{web.pk}/figures/"
    assert f'href="{figures}"' in client.get(f"/servers/{web.pk}/").content.decode()


def test_with_nothing_to_draw_the_pages_say_so(web, vera, mallory, client_of):
    assert "Nothing to draw yet" in text(client_of(mallory).get("/figures/"))
    page = text(client_of(vera).get(f"/servers/{web.pk}/figures/"))
    assert "Drawn as soon as the sizes of two snapshots are known." in page
    assert "Drawn as soon as three operations of one kind have succeeded." in page


def test_nothing_of_another_team_is_drawn(web, rosa, mallory, client_of):
    a_snapshot(web)
    took(web, rosa, 4, 5, 6)
    client = client_of(mallory)
    assert "web-1" not in text(client.get("/figures/"))
    assert client.get(f"/servers/{web.pk}/figures/").status_code == 404


def test_numbers_in_drawings_are_no_words(web, rosa, client_of):
    """A comma for a point, or digits of another script, would draw nothing."""
    for n, days in enumerate((1, 3, 3)):
        a_snapshot(a_server(web.account, f"s-{n}"), days=days)
    took(web, rosa, 4, 5, 6)
    rosa.language = "ar"
    rosa.save()
    page = client_of(rosa).get("/figures/", headers={"accept-language": "ar"}).content.decode()
    page = page[page.index("<main") :]
    places = re.findall(r' (?:x|y|cx|cy|x1|x2|y1|y2|width|height|r|rx)="([^"]*)"', page)
    assert len(places) > 50
    assert all(re.fullmatch(r"\d+(\.\d+)?%?", place) for place in places), places


def test_a_thousand_servers_cost_no_more_queries(web, rosa, vera, client_of):
    client = client_of(vera)
    few = queries(client, "/figures/")
    for n in range(40):
        a_snapshot(a_server(web.account, f"s-{n}"), days=n)
    took(web, rosa, 4, 5, 6)
    assert queries(client, "/figures/") == few
