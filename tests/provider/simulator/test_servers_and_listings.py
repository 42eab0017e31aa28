"""GET /servers/, one server, its power, and paging."""

from __future__ import annotations

import pytest

from snapshots.provider.simulator import Simulator

from .conftest import Caller


def test_servers_are_filtered_by_status_and_location(sim: Simulator, token: str) -> None:
    api = Caller(sim, token)
    sim.server(token, "a")
    sim.server(token, "b", status="stopped")
    sim.server(token, "c", status="stopped", location="eu-west")

    def names(query: str) -> list[str]:
        return [s["name"] for s in api.get(f"/servers/{query}").json()["results"]]

    assert names("") == ["a", "b", "c"]
    assert names("?status=stopped") == ["b", "c"]
    assert names("?location=us-west") == ["a", "b"]
    assert names("?status=stopped&location=eu-west") == ["c"]
    assert names("?status=none") == []
    assert names("?status=&location=") == ["a", "b", "c"]


def test_one_server_is_read_by_its_id(sim: Simulator, api: Caller, web: str) -> None:
    row = api.get("/servers/").json()["results"][0]
    assert api.get(f"/servers/{web}/").json() == row
    for nobody in ("1", "x", "9" * 300):
        answer = api.get(f"/servers/{nobody}/")
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


@pytest.mark.parametrize(
    ("before", "action", "after"),
    [
        ("active", "stop", "stopped"),
        ("active", "hard_stop", "stopped"),
        ("active", "restart", "active"),
        ("stopped", "start", "active"),
    ],
)
def test_power_switches_a_server(
    sim: Simulator, token: str, api: Caller, before: str, action: str, after: str
) -> None:
    server = sim.server(token, "web", status=before)
    answer = api.post(f"/servers/{server}/power/", {"action": action})
    assert answer.status_code == 200
    assert answer.json()["server"] == {"id": int(server), "name": "web", "status": after}
    assert api.status(server) == after


@pytest.mark.parametrize(
    ("before", "action"),
    [("active", "start"), ("stopped", "stop"), ("stopped", "restart"), ("suspended", "start")],
)
def test_power_that_makes_no_sense_is_refused(
    sim: Simulator, token: str, api: Caller, before: str, action: str
) -> None:
    server = sim.server(token, "web", status=before)
    answer = api.post(f"/servers/{server}/power/", {"action": action})
    assert answer.status_code == 400
    assert api.status(server) == before


def test_an_unknown_or_missing_power_action_is_named(api: Caller, web: str) -> None:
    answer = api.post(f"/servers/{web}/power/", {"action": "explode"})
    assert answer.json() == {"action": ['"explode" is not a valid choice.']}
    answer = api.post(f"/servers/{web}/power/")
    assert answer.json() == {"action": ["This field is required."]}


def test_snapshots_are_listed_newest_first_over_all_servers(
    sim: Simulator, token: str, api: Caller, web: str
) -> None:
    other = sim.server(token, "web-2")
    sim.snapshot(web, "old", created_at="2025-01-01T00:00:00Z")
    sim.snapshot(other, "new", created_at="2025-01-03T00:00:00Z")
    sim.snapshot(web, "middle", created_at="2025-01-02T00:00:00Z")
    assert [s["name"] for s in api.snapshots()] == ["new", "middle", "old"]
    assert [s["name"] for s in api.snapshots(server_id=web)] == ["middle", "old"]


def test_a_filter_by_a_server_that_is_none_of_ours_shows_nothing(api: Caller, snap: str) -> None:
    assert api.get("/snapshots/?server_id=99").json() == {"count": 0, "results": []}
    answer = api.get("/snapshots/?server_id=abc")
    assert answer.status_code == 400
    assert answer.json() == {"server_id": ["A valid integer is required."]}


def test_the_documented_dialect_pages_only_when_asked(sim: Simulator, token: str) -> None:
    api = Caller(sim, token)
    for number in range(25):
        sim.server(token, f"s{number}")
    whole = api.get("/servers/").json()
    assert (whole["count"], len(whole["results"]), "next" in whole) == (25, 25, False)
    page = api.get("/servers/?page=2&page_size=10").json()
    assert (page["count"], len(page["results"])) == (25, 10)
    assert page["next"] == f"{sim.url}/servers/?page_size=10&page=3"
    assert page["previous"] == f"{sim.url}/servers/?page_size=10"


def test_the_live_dialect_pages_by_20_and_at_most_by_100(sim: Simulator) -> None:
    token = sim.account("Larkfield", "live")
    api = Caller(sim, token)
    for number in range(120):
        sim.server(token, f"s{number}")
    first = api.get("/servers/").json()
    assert (first["count"], len(first["results"]), first["previous"]) == (120, 20, None)
    assert len(api.get("/servers/?page_size=1000").json()["results"]) == 100
    for odd in ("0", "-1", "x", "", "1e3", "9" * 50):
        assert len(api.get(f"/servers/?page_size={odd}").json()["results"]) == 20
    seen, url = [], f"{sim.url}/servers/?page_size=50"
    while url:
        page = api.session.get(url, timeout=5).json()
        seen += [row["hostname"] for row in page["results"]]
        url = page["next"]
    assert seen == [f"s{number}.example.com" for number in range(120)]
    last = api.get("/servers/?page=last").json()
    assert (last["next"], len(last["results"])) == (None, 20)


@pytest.mark.parametrize("page", ["0", "-1", "x", "7", "9" * 50, "1.5"])
def test_a_page_that_is_not_there_is_404(sim: Simulator, page: str) -> None:
    api = Caller(sim, sim.account("Larkfield", "live"))
    answer = api.get(f"/servers/?page={page}")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid page."})


def test_an_empty_live_listing_has_all_four_keys(sim: Simulator) -> None:
    api = Caller(sim, sim.account("Larkfield", "live"))
    empty = {"count": 0, "next": None, "previous": None, "results": []}
    assert api.get("/servers/").json() == empty
    assert api.get("/snapshots/").json() == empty


def test_the_live_dialect_has_its_own_fields(sim: Simulator) -> None:
    token = sim.account("Larkfield", "live")
    api, id = Caller(sim, token), sim.server(token, "shop-1", location="eu-west")
    [row] = api.get("/servers/").json()["results"]
    assert row == {
        "uuid": id,
        "hostname": "shop-1.example.com",
        "status": "active",
        "ipv4_addresses": row["ipv4_addresses"],
        "ipv6_addresses": [],
        "location_name": "EU West (Amsterdam)",
        "plan_name": "Standard VPS",
        "os_name": "Ubuntu 22.04 LTS",
        "created_at": "2025-01-16T16:15:00.000000Z",
    }
    detail = api.get(f"/servers/{id}/").json()
    assert detail["location"]["name"] == "EU West (Amsterdam)"
    assert detail["plan"] == {"ram": 4, "ram_unit": "GB", "cpu": 2, "disk_space": 80}


def test_links_never_repeat_a_strange_host(sim: Simulator) -> None:
    token = sim.account("Larkfield", "live")
    for number in range(21):
        sim.server(token, f"s{number}")
    api = Caller(sim, token)
    page = api.get("/servers/", headers={"Host": 'evil"><script>'}).json()
    assert page["next"].startswith(sim.url)
    page = api.get("/servers/", headers={"Host": "provider.example:81"}).json()
    assert page["next"] == "http://provider.example:81/api/v1/servers/?page=2"
