"""No token is seen anywhere; and one that is would be."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.db import connection

from dashboard.logs import log
from snapshots.models import Team
from tests import canary

TOKEN = "vps_sim_northwind_0001"


@pytest.fixture
def seen() -> Any:
    """What was seen, which is no fault of this test."""
    yield canary.hits
    canary.hits = []


@pytest.mark.parametrize("before", ["", "x", "xx", "xxx"])
def test_a_token_is_seen_plain_and_in_base64(seen: list[str], before: str) -> None:
    canary.look(f"Bearer {TOKEN}", "here")
    canary.look(base64.b64encode(f"{before}{TOKEN}".encode()), "here too")
    assert [one.split(":")[0] for one in seen] == ["here", "here too"]


def test_a_token_would_be_seen_in_the_log_and_in_the_database(seen: list[str], db: None) -> None:
    try:
        raise OSError(f"refused {TOKEN}")
    except OSError:
        log.exception("could not")
    Team.objects.create(name=TOKEN)
    canary.look_at_the_whole_database()
    assert {one.partition(":")[0].partition(",")[0] for one in seen} == {
        "the log of dashboard.logs",
        "the database",
        "the table snapshots_team",
    }


def test_a_dump_tells_nothing_without_the_keys(account: Any, stage: Any) -> None:
    token = stage.tokens[account.pk]
    assert token.startswith(canary.WORD.decode())
    canary.look_at_the_whole_database()
    with connection.cursor() as cursor:
        cursor.execute("SELECT sealed_token FROM snapshots_account")
        assert len(cursor.fetchone()[0]) > len(token)
