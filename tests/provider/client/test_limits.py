"""Where what the provider says is cut, and what is just within."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from snapshots.provider import reading
from snapshots.provider.connection import Answer


def test_a_line_has_three_hundred_characters_and_no_more() -> None:
    assert reading.one_line("x" * 300) == "x" * 300
    assert reading.one_line("x" * 301) == "x" * 299 + "…"


def test_text_that_is_no_json_is_quoted_up_to_three_hundred_characters() -> None:
    for length, words in (
        (300, "HTTP 502: " + "x" * 300),
        (301, "HTTP 502 with an unreadable answer"),
    ):
        assert reading.summary(Answer(True, 502, "x" * length)) == words


def test_what_is_not_as_documented_is_quoted_if_there_is_anything() -> None:
    said = "HTTP 200, but not the documented answer"
    assert reading.not_as_documented(Answer(True, 200, data={})) == said
    assert reading.not_as_documented(Answer(True, 200, data={"detail": "Hm."})) == f"{said}: Hm."


def test_what_broke_off_says_how_far_it_had_come() -> None:
    assert reading.broke(Answer(True, None, problem="x")) == "No answer from the provider: x"
    assert reading.broke(Answer(True, 201, problem="x")) == "HTTP 201, but x"


@pytest.mark.parametrize("word", ["error", "fail", "failed", "failure", "FAILURE"])
def test_a_body_that_says_it_failed_does_not_agree(word: str) -> None:
    assert not reading.agrees({"status": word}, "1")
    assert reading.agrees({"status": "success"}, "1")


def test_names_numbers_and_years_at_their_limits() -> None:
    def row(**more: object) -> dict[str, object]:
        return {"id": 1, "server_id": 2, **more}

    for given, kept in ((0, 0), (2**31 - 1, 2**31 - 1), (2**31, None), (-1, None)):
        snapshot = reading.snapshot(row(size_mb=given))
        assert snapshot is not None
        assert snapshot.size_mb == kept
    for year, kept in (("0001", None), ("0002", 2), ("9998", 9998), ("9999", None)):
        snapshot = reading.snapshot(row(created_at=f"{year}-06-01T00:00:00Z"))
        assert snapshot is not None
        assert snapshot.created_at == (kept and datetime(kept, 6, 1, tzinfo=UTC))
    server = reading.server({"id": 1, "plan": "x" * 300})
    assert server is not None
    assert len(server.plan) == 255
