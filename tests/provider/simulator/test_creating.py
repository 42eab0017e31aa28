"""POST /snapshots/: rules, words, durations."""

from __future__ import annotations

from typing import Any

import pytest

from snapshots.provider.simulator import Assumptions, Simulator

from .conftest import Caller

SLUG = 'Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.'


def test_a_create_is_in_progress_and_completed_after_3_to_10_minutes(
    sim: Simulator, token: str, api: Caller
) -> None:
    for storage in (20, 80, 160, 640, 2000):
        server = sim.server(token, f"disk-{storage}", storage=storage)
        assert api.create(server).status_code == 201
        sim.clock.advance(minutes=3, seconds=-1)
        [row] = api.snapshots(server_id=server)
        assert (row["status"], row["size_mb"]) == ("in_progress", None)
        sim.clock.advance(minutes=7, seconds=1)
        [row] = api.snapshots(server_id=server)
        assert row["status"] == "completed"
        assert 0.05 < row["size_mb"] / (storage * 1024) < 0.08


def test_a_larger_disk_takes_longer_and_the_same_one_takes_the_same(sim: Simulator) -> None:
    def seconds(storage: int) -> float:
        with Simulator(now=0) as other:
            server = other.server(other.account("A"), "web", storage=storage)
            other.outside.create_snapshot(server, "one")
            return other.world.coming[0].at

    assert seconds(80) == seconds(80)
    assert 180 <= seconds(20) < seconds(320) < seconds(640) <= 600


def test_the_pace_divides_the_duration() -> None:
    with Simulator(pace=60, now="2025-01-16T16:15:00Z") as sim:
        token = sim.account("A")
        api, server = Caller(sim, token), sim.server(token, "web")
        api.create(server)
        sim.clock.advance(2.9)
        assert api.snapshots()[0]["status"] == "in_progress"
        sim.clock.advance(7.1)
        assert api.snapshots()[0]["status"] == "completed"


@pytest.mark.parametrize("pace", [0, -1, float("inf"), float("nan")])
def test_a_pace_that_makes_no_sense_is_refused(pace: float) -> None:
    with pytest.raises(ValueError, match="pace"):
        Simulator(pace=pace)


@pytest.mark.parametrize("status", ["active", "stopped"])
def test_a_server_may_be_running_or_stopped(
    sim: Simulator, token: str, api: Caller, status: str
) -> None:
    assert api.create(sim.server(token, "web", status=status)).status_code == 201


@pytest.mark.parametrize("status", ["suspended", "restoring", "migrating"])
def test_a_server_in_any_other_state_is_refused(
    sim: Simulator, token: str, api: Caller, status: str
) -> None:
    answer = api.create(sim.server(token, "web", status=status))
    assert answer.status_code == 400
    assert answer.json() == {"detail": "Server is not in a valid state for a snapshot."}


def test_the_sixth_snapshot_is_refused(sim: Simulator, api: Caller, web: str) -> None:
    for number in range(5):
        assert api.create(web, f"s{number}").status_code == 201
        sim.clock.advance(minutes=10)
    answer = api.create(web, "sixth")
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("Snapshot limit reached. ")
    assert len(api.snapshots(server_id=web)) == 5
    assert len(sim.calls("POST", event="applied")) == 5


def test_failed_snapshots_do_not_fill_places_and_another_servers_do_not_either(
    sim: Simulator, token: str, api: Caller, web: str
) -> None:
    for number in range(4):
        sim.snapshot(web, f"s{number}")
    sim.snapshot(web, "broken", status="failed")
    other = sim.server(token, "web-2")
    assert api.create(other).status_code == 201
    assert api.create(web).status_code == 201


def test_a_second_create_while_one_is_in_progress_is_refused(
    sim: Simulator, api: Caller, web: str
) -> None:
    api.create(web)
    answer = api.create(web, "second")
    assert answer.status_code == 400
    assert "already in progress" in answer.json()["detail"]
    sim.clock.advance(minutes=10)
    assert api.create(web, "second").status_code == 201


def test_equal_names_are_allowed(api: Caller, web: str, snap: str) -> None:
    assert api.create(web, "before-upgrade").status_code == 201


def test_what_is_assumed_can_be_assumed_otherwise() -> None:
    strict = Assumptions(equal_names_allowed=False, limit_text="Too many.")
    with Simulator(assumptions=strict) as sim:
        token = sim.account("A")
        api, web = Caller(sim, token), sim.server(token, "web")
        sim.snapshot(web, "one")
        assert api.create(web, "one").json() == {
            "name": ["A snapshot with this name already exists."]
        }
        for number in range(4):
            sim.snapshot(web, f"s{number}")
        assert api.create(web, "two").json() == {"detail": "Too many."}


@pytest.mark.parametrize("name", ["a", "A-b_9", "2025-01-08", "_", "-", "x" * 255])
def test_a_name_of_letters_digits_hyphens_and_underscores_is_taken(
    api: Caller, web: str, name: str
) -> None:
    assert api.create(web, name).json()["name"] == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a b", SLUG),
        ("a.b", SLUG),
        ("ä", SLUG),
        ("a\nb", SLUG),
        ("٣", SLUG),
        ("", "This field may not be blank."),
        ("   ", "This field may not be blank."),
        (None, "This field may not be null."),
        (True, "Not a valid string."),
        ([], "Not a valid string."),
        ({"a": 1}, "Not a valid string."),
        ("x" * 256, "Ensure this field has no more than 255 characters."),
        ("a\x00", "Null characters are not allowed."),
    ],
)
def test_any_other_name_is_refused_in_the_frameworks_words(
    api: Caller, web: str, name: Any, words: str
) -> None:
    answer = api.post("/snapshots/", {"server_id": int(web), "name": name})
    assert (answer.status_code, answer.json()) == (400, {"name": [words]})


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        (
            {},
            {
                "server_id": ["This field is required."],
                "name": ["This field is required."],
            },
        ),
        ({"server_id": "x", "name": "a"}, {"server_id": ["A valid integer is required."]}),
        ({"server_id": 1.5, "name": "a"}, {"server_id": ["A valid integer is required."]}),
        ({"server_id": True, "name": "a"}, {"server_id": ["A valid integer is required."]}),
        ({"server_id": None, "name": "a"}, {"server_id": ["This field may not be null."]}),
        ({"server_id": "1" * 1001, "name": "a"}, {"server_id": ["String value too large."]}),
        (
            {"server_id": 12345, "name": "a", "description": "x" * 1001},
            {"description": ["Ensure this field has no more than 1000 characters."]},
        ),
        (
            [],
            {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]},
        ),
    ],
)
def test_wrong_fields_are_named_with_their_reasons(
    api: Caller, web: str, body: Any, errors: dict[str, Any]
) -> None:
    answer = api.post("/snapshots/", body)
    assert (answer.status_code, answer.json()) == (400, errors)


@pytest.mark.parametrize("server", ["{}", " {} ", "{}.0"])
def test_a_server_id_may_come_as_text_as_the_framework_allows(
    api: Caller, web: str, server: str
) -> None:
    body = {"server_id": server.format(web), "name": "a"}
    assert api.post("/snapshots/", body).status_code == 201


@pytest.mark.parametrize("server", [1, -1, 0, 2**63, 10**40])
def test_a_server_that_does_not_exist_is_404(api: Caller, server: int) -> None:
    answer = api.post("/snapshots/", {"server_id": server, "name": "a"})
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not found."})


def test_the_description_is_optional_and_kept_as_it_came(api: Caller, web: str) -> None:
    assert api.post("/snapshots/", {"server_id": int(web), "name": "a"}).json()["description"] == ""
    [row] = api.snapshots()
    assert row["description"] == ""


def test_a_description_keeps_every_sign(sim: Simulator, api: Caller, web: str) -> None:
    words = "Ĝis la revido [ref:abcde12345] <b>&amp;</b> 🙂"
    assert api.create(web, "a", words).json()["description"] == words
    assert api.snapshots()[0]["description"] == words


def test_a_lone_surrogate_is_refused_and_crashes_nothing(api: Caller, web: str) -> None:
    body = f'{{"server_id": {web}, "name": "a", "description": "\\ud800"}}'
    headers = {"Content-Type": "application/json"}
    answer = api("POST", "/snapshots/", data=body, headers=headers)
    expected = {"description": ["Surrogate characters are not allowed: U+D800."]}
    assert (answer.status_code, answer.json()) == (400, expected)


def test_an_account_may_not_keep_descriptions(sim: Simulator) -> None:
    token = sim.account("Forgetful", keeps_descriptions=False)
    api, web = Caller(sim, token), sim.server(token, "web")
    assert api.create(web, "a", "words").json()["description"] == ""


def test_the_live_dialect_creates_by_label(sim: Simulator) -> None:
    token = sim.account("Larkfield", "live")
    api, web = Caller(sim, token), sim.server(token, "shop-1")
    body = api.post(f"/servers/{web}/snapshot/", {"label": "by-hand"}).json()
    assert (body["name"], body["status"]) == ("by-hand", "in_progress")
    assert body["server"] == {"uuid": web, "hostname": "shop-1.example.com"}
    sim.clock.advance(minutes=10)
    answer = api.post(f"/servers/{web}/snapshot/")
    assert answer.status_code == 201
    assert answer.json()["name"] == "snapshot-2025-01-16T162500"
    assert api.post(f"/servers/{web}/snapshot/", {"label": "a b"}).json() == {"label": [SLUG]}


def test_the_documented_create_works_in_the_live_dialect_with_uuids(sim: Simulator) -> None:
    token = sim.account("Larkfield", "live")
    api, web = Caller(sim, token), sim.server(token, "shop-1")
    made = api.create(web, "one").json()
    assert api.snapshots(server_id=web)[0]["uuid"] == made["uuid"]
    for wrong in (12345, "12345", "x", True):
        answer = api.post("/snapshots/", {"server_id": wrong, "name": "a"})
        assert answer.json() == {"server_id": ["Must be a valid UUID."]}
