"""What comes from another site, or from no page of ours, does nothing."""

from __future__ import annotations

import pytest

from tests.hardening.asks import address_of
from tests.hardening.scene import Scene
from tests.hardening.table import ROWS
from tests.hardening.visits import PASSING, TOLD, body_of, ready, undone, writes

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
WORD = "abcdefghijklmnopqrstuvwxyz012345"
TOKEN = {"X-CSRFToken": WORD, "HX-Request": "true"}


def status(scene: Scene, row: str, method: str, headers: dict[str, str]) -> int:
    """Of a request by somebody who may; nothing is written."""
    who = "vera" if row.endswith(":own") else "alice"
    with undone():
        client = ready(scene, row, who, checks_csrf=True)
        client.cookies["csrftoken"] = WORD
        data = body_of(scene, row, who) if method == "POST" else None
        with writes() as written:
            answer = getattr(client, method.lower())(
                address_of(row, scene.ours), data, headers=headers
            )
        if answer.status_code == 403:
            assert written <= PASSING | TOLD, f"{method} wrote to {written}"
    return answer.status_code


def test_every_unsafe_request_without_a_token_is_refused(scene, subtests):
    for row in ROWS:
        with subtests.test(row):
            assert {status(scene, row, method, {}) for method in UNSAFE} == {403}


def test_with_a_token_and_another_origin_it_is_refused_too(scene, subtests):
    for row in ROWS:
        with subtests.test(row):
            for origin in ("https://evil.example", "null"):
                assert status(scene, row, "POST", TOKEN | {"Origin": origin}) == 403


@pytest.mark.parametrize("origin", ["http://testserver:8080", "https://testserver", "http://evil"])
def test_what_only_looks_like_our_own_origin_is_not(scene, origin):
    assert status(scene, "pause_account", "POST", TOKEN | {"Origin": origin}) == 403


def test_with_a_token_and_our_own_origin_it_is_heard(scene):
    own = {"X-CSRFToken": WORD, "Origin": "http://testserver"}
    assert status(scene, "pause_account", "POST", own) == 303
    assert status(scene, "restore_snapshot", "POST", own) == 303
    assert status(scene, "restore_snapshot", "POST", own | {"X-CSRFToken": "x" * 32}) == 403
