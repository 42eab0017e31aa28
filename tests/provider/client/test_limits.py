"""Where what the provider says is cut, and what is just within."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from snapshots.provider import reading
from snapshots.provider.connection import Answer


def test_a_line_has_three_hundred_characters_and_no_more() -> None:
    assert reading.one_line("x" * 300) == "x" * 300
    assert reading.one_line("x" * 301) == "x" * 299 + "…"
    assert reading.one_line("x" + " " * 9_999 + "beyond") == "x"


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


LONG = "x" * 3000


def lengths(value: object, *names: str) -> list[int]:
    return [len(getattr(value, name)) for name in names]


def test_every_word_of_a_listing_is_cut() -> None:
    words = ("name", "hostname", "status", "ip_address", "location", "os")
    server = reading.server({"id": 1, **dict.fromkeys(words, LONG)})
    shown = ("name", "hostname", "status", "address", "location", "os")
    assert lengths(server, *shown) == [255, 255, 64, 64, 255, 255]
    server = reading.server({"id": 1, "hostname": LONG})
    assert lengths(server, "name") == [255]
    words = ("name", "status", "description")
    about = {"id": 2, "hostname": LONG}
    snapshot = reading.snapshot({"id": 1, "server": about, **dict.fromkeys(words, LONG)})
    assert lengths(snapshot, "server_name", *words) == [255, 255, 64, 2000]


def test_every_word_of_an_identity_is_cut_and_so_are_its_permissions() -> None:
    account = dict.fromkeys(("email", "first_name", "last_name", "company_name"), LONG)
    token = {"name": LONG, "permissions": [LONG] * 201}
    identity = reading.identity({"account": account, "token": token})
    assert identity is not None
    assert lengths(identity, "email", "name", "company") == [255, 255 + 1 + 255, 255]
    assert lengths(identity, "token_name", "permissions") == [255, 200]
    assert {len(word) for word in identity.permissions} == {64}
