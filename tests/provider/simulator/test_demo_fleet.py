"""The fleet a demonstration begins with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from snapshots.provider.simulator import (
    DEMO_TOKEN,
    READ_ONLY_DEMO_TOKEN,
    SECOND_DEMO_TOKEN,
    Simulator,
    serve,
)
from snapshots.provider.simulator.clock import epoch

from .conftest import Caller


@pytest.fixture
def demo() -> Iterator[Simulator]:
    with serve("demo", now="2026-11-23T14:02:00Z") as simulator:
        yield simulator


def test_a_dozen_servers_in_various_states_with_none_to_five_snapshots(demo: Simulator) -> None:
    api = Caller(demo, DEMO_TOKEN)
    servers = api.get("/servers/").json()["results"]
    statuses = Counter(server["status"] for server in servers)
    assert len(servers) == 12
    assert statuses["suspended"] == 1
    assert statuses["stopped"] >= 1
    assert len({server["location"] for server in servers}) >= 4
    assert len({server["ip_address"] for server in servers}) == 12
    held = Counter(row["server"]["id"] for row in api.snapshots())
    counts = [held[server["id"]] for server in servers]
    assert (counts.count(5), counts.count(0)) == (1, 1)
    assert max(counts) == 5
    full = servers[counts.index(5)]["id"]
    assert api.create(str(full)).status_code == 400


def test_the_documentations_rows_keep_their_values_and_the_rest_is_recent(
    demo: Simulator,
) -> None:
    rows = {row["id"]: row for row in Caller(demo, DEMO_TOKEN).snapshots()}
    assert rows[801]["created_at"] == "2025-01-15T18:30:00Z"
    assert rows[798]["size_mb"] == 4856
    now = demo.clock.now()
    for id, row in rows.items():
        assert row["status"] == "completed"
        assert row["size_mb"] > 0
        age = (now - epoch(row["created_at"])) / 86400
        assert 0 < age < (400 if id not in (798, 801) else 1000)


def test_younger_snapshots_have_higher_ids(demo: Simulator) -> None:
    ids = [row["id"] for row in Caller(demo, DEMO_TOKEN).snapshots()]
    assert ids == sorted(ids, reverse=True)


def test_no_snapshot_is_older_than_its_server(demo: Simulator) -> None:
    world = demo.world
    for snapshot in world.snapshots.values():
        server = world.servers[snapshot.server]
        if snapshot.id != "798":  # the vendor's own example has one two days older
            assert server.created_at <= snapshot.created_at
        assert server.created_at <= server.updated_at <= demo.clock.now()


def test_the_second_company_speaks_the_live_dialect_over_two_pages(demo: Simulator) -> None:
    api = Caller(demo, SECOND_DEMO_TOKEN)
    first = api.get("/servers/").json()
    second = api.session.get(first["next"], timeout=5).json()
    assert (first["count"], len(first["results"]), len(second["results"])) == (25, 20, 5)
    assert len({row["hostname"] for row in first["results"] + second["results"]}) == 25
    assert api.get("/snapshots/").json()["count"] > 20
    assert api.get("/account/me/").json()["account"]["company_name"] == "Larkfield Media"


def test_the_read_only_token_sees_the_first_company_and_changes_nothing(
    demo: Simulator,
) -> None:
    api = Caller(demo, READ_ONLY_DEMO_TOKEN)
    assert api.get("/servers/").json()["count"] == 12
    assert api.get("/account/me/").json()["token"]["permissions"] == ["servers:read"]
    assert api.delete("/snapshots/801/").status_code == 403


def test_nothing_of_the_one_company_is_the_others(demo: Simulator) -> None:
    first = {row["id"] for row in Caller(demo, DEMO_TOKEN).snapshots()}
    second = Caller(demo, SECOND_DEMO_TOKEN).get("/snapshots/?page_size=100").json()["results"]
    assert all("id" not in row and row["uuid"] not in first for row in second)
    assert Caller(demo, SECOND_DEMO_TOKEN).delete("/snapshots/801/").status_code == 404


def test_the_demo_tokens_are_obviously_no_secrets() -> None:
    for token in (DEMO_TOKEN, READ_ONLY_DEMO_TOKEN, SECOND_DEMO_TOKEN):
        assert token.startswith("vps_demo_")
        assert token.strip("0") != token
