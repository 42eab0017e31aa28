"""Log lines: one id from the click to the worker, no secrets, no forged lines."""

from __future__ import annotations

import json
import logging

import pytest
from django.test import RequestFactory

from dashboard import logs
from snapshots.whence import request_id


def record(words: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("snapshots.test", logging.INFO, __file__, 1, words, arguments, None)
    vars(made).update(extra)
    return made


def test_a_line_for_machines_is_one_json_object() -> None:
    line = logs.Machine().format(record("sent %s", "restore\n2026 INFO all is well", task="t"))
    assert "\n" not in line
    told = json.loads(line)
    assert told["message"] == "sent restore\n2026 INFO all is well"
    assert (told["level"], told["logger"], told["task"]) == ("info", "snapshots.test", "t")


def test_a_line_for_people_is_one_line() -> None:
    line = logs.Terminal().format(record("sent %s", "restore\n2026\x1b[2J\u2028INFO forged"))
    assert line.isprintable()
    assert "restore\\n2026" in line


@pytest.mark.parametrize("format", [logs.Machine, logs.Terminal])
@pytest.mark.parametrize(
    ("words", "secret"),
    [
        ("token vps_abcdef0123456789 refused", "abcdef0123456789"),
        ("Authorization: Bearer 0123456789", "0123456789"),
        ("cannot reach redis://:hunter2@broker:6379/0", "hunter2"),
        ("Key (email)=(ada@example.com) already exists", "ada@example.com"),
    ],
)
def test_no_line_holds_a_secret_or_an_address(format, words: str, secret: str) -> None:
    assert secret not in format().format(record(words))
    try:
        raise ValueError(words)
    except ValueError as error:
        failed = record("failed")
        failed.exc_info = (ValueError, error, error.__traceback__)
    assert secret not in format().format(failed)


def test_djangos_own_lines_name_the_page_and_not_its_path() -> None:
    request = RequestFactory().get("/invitations/very-secret/")
    request.resolver_match = None
    line = logs.Machine().format(record("Not Found: %s", request.path, request=request))
    assert "very-secret" not in line


def test_an_answer_carries_the_id_of_its_request(client, db) -> None:
    ids = {client.get("/healthz")["X-Request-ID"] for _ in range(2)}
    assert len(ids) == 2
    assert all(logs.FITTING.fullmatch(one) for one in ids)
    assert request_id.get() == ""


def test_an_id_from_outside_is_believed_only_behind_a_trusted_proxy(client, settings) -> None:
    def answered(given: str) -> str:
        return client.get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"]

    assert answered("from-outside-1") != "from-outside-1"
    settings.TRUST_PROXY_HEADERS = True
    assert answered("from-the-proxy-1") == "from-the-proxy-1"
    assert answered('short","x"') != 'short","x"'


def test_a_change_leaves_a_line_with_who_and_what(caplog, client_of, vera, db) -> None:
    with caplog.at_level(logging.INFO, logger="dashboard.logs"):
        response = client_of(vera).post("/settings/theme/", {"theme": "dark"})
    line = next(one for one in caplog.records if one.name == "dashboard.logs")
    assert (line.view, line.user_id, line.status) == ("theme", vera.pk, response.status_code)
    assert vera.email not in str(vars(line))
