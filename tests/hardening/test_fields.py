"""Fields that a form does not have, and things of another team in those that it has."""

from __future__ import annotations

from typing import Any

from tests.hardening.asks import ASKS, Ask, address_of
from tests.hardening.scene import Scene
from tests.hardening.table import ROWS
from tests.hardening.visits import digest, ready, undone

DONE = {"200", "302", "303"}
# Made by chance, so that two that are the same differ in it.
BY_CHANCE = (
    *("secret_hash", "message_id", "marker", "sealed_secret", "sealed_old_secret", "sealed_token"),
    *("password", "request_key", "request_id", "session_key"),
)
# Said in words that name both teams' people: what was refused, and of whom.
TOLD = ("snapshots_event", "account_emailaddress")


def extra(scene: Scene) -> dict[str, Any]:
    """What would make somebody more, or somebody else, or another's, if it were heeded."""
    mallory, theirs = scene.people["mallory"].pk, scene.theirs
    nouns = ("account", "server", "snapshot", "operation", "batch", "webhook", "member", "team")
    users = ("user", "actor", "asked_by", "invited_by", "paused_by", "accepted_by")
    return {
        **{noun: theirs.pk(noun) for noun in nouns},
        **{f"{noun}_id": theirs.pk(noun) for noun in nouns},
        **dict.fromkeys((*users, *(f"{name}_id" for name in users)), mallory),
        **dict.fromkeys(("is_active", "is_staff", "is_superuser"), "on"),
        "id": theirs.pk("account"),
        "pk": theirs.pk("account"),
        "role": "owner",
        "rank": 9,
        "right": "manage_people",
        "email": "mallory@evil.example",
        "state": "succeeded",
        "paused": "",
        "slots": 99,
        "scope": "",
        "actor_name": "Nobody",
        "secret_hash": "0" * 64,
        "sealed_token": "x",
        "suspended_at": "",
        "next": "https://evil.example/",
    }


def after(scene: Scene, row: str, who: str, more: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status, and the whole database as it is once the form was sent with `more` in it."""
    with undone():
        client = ready(scene, row, who)
        body = ASKS.get(row, Ask()).body(scene.ours, scene.people[who])
        answer = client.post(address_of(row, scene.ours), more | body)
        return answer.status_code, digest(without=BY_CHANCE)


def test_a_field_that_no_form_has_changes_nothing(scene, subtests):
    more = extra(scene)
    for row in ROWS.values():
        who = "vera" if row.name.endswith(":own") else "alice"
        if row.cells[who][1] in DONE:
            with subtests.test(row.name):
                assert after(scene, row.name, who, more) == after(scene, row.name, who, {})


def test_a_thing_of_another_team_in_a_field_stays_as_it_was(scene, subtests):
    before = digest()
    for name, ask in ASKS.items():
        alice = scene.people["alice"]
        ours, foreign = ask.body(scene.ours, alice), ask.body(scene.theirs, alice)
        swapped = {key: value for key, value in foreign.items() if ours.get(key) != value}
        if not swapped:
            continue
        with subtests.test(name), undone():
            ready(scene, name, "alice").post(address_of(name, scene.ours), ours | swapped)
            for table, rows in digest().items():
                for row in rows if table not in TOLD else ():
                    is_new = row not in before[table]
                    assert not (is_new and scene.theirs.word in repr(row)), (table, row)
                    assert not (is_new and row.get("team_id") == scene.theirs.team.pk), (table, row)
