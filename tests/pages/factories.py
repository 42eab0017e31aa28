"""Rows in any state, in plain words, for pages that only have to show them."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from html.parser import HTMLParser
from itertools import count
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from snapshots.models import Account, Operation, Server, Snapshot, Team, User

_ids = count(90_000)


def an_account(team: Team, label: str = "Production", **more: Any) -> Account:
    """A connected account, last looked at ten seconds ago."""
    looked = timezone.now() - timedelta(seconds=10)
    fields = {
        "api_url": "https://provider.example/api/v1",
        "identity": f"ops{next(_ids)}@example.com",
        "token_hint": "f3Qa",
        "permissions": ["servers:*"],
        "applied_pass_at": looked,
        "complete_pass_at": looked,
        "revision": 1,
    }
    return Account.objects.create(team=team, label=label, **(fields | more))


def a_server(account: Account, name: str = "web-1", **more: Any) -> Server:
    fields = {
        "remote_id": str(next(_ids)),
        "status": "active",
        "address": "203.0.113.10",
        "location": "us-west",
        "plan": "Standard VPS",
        "os": "Debian 12",
        "revision": 1,
    }
    return Server.objects.create(account=account, name=name, **(fields | more))


def a_snapshot(server: Server, name: str = "nightly", days: float = 1, **more: Any) -> Snapshot:
    """A completed snapshot, taken `days` ago."""
    fields = {
        "account": server.account,
        "remote_id": str(next(_ids)),
        "status": "completed",
        "size_mb": 5120,
        "created_at": timezone.now() - timedelta(days=days),
        "revision": 1,
    }
    return Snapshot.objects.create(server=server, name=name, **(fields | more))


def an_operation(kind: str, server: Server, state: str, by: User, **more: Any) -> Operation:
    """An operation in `state`, as if it had got there."""
    now = timezone.now()
    snapshot = more.get("snapshot")
    fields: dict[str, Any] = {
        "team": server.account.team,
        "account": server.account,
        "lock_key": server.lock_key,
        "asked_by": by,
        "asked_by_name": str(by),
        "name": snapshot.name if snapshot else "nightly",
        "send_before": now + timedelta(minutes=10),
        "created_at": now - timedelta(minutes=1),
        "revision": 1,
    }
    if state == "sending":
        fields["claim_deadline"] = now + timedelta(seconds=30)
    if state in {"sending", "running", "in_doubt", "needs_person"}:
        fields["sent_at"] = now - timedelta(seconds=50)
    if state == "running":
        fields["accepted_at"] = now - timedelta(seconds=49)
    if state in {"succeeded", "failed", "not_applied", "cancelled", "expired"}:
        fields["ended_at"] = now
    return Operation.objects.create(kind=kind, server=server, state=state, **(fields | more))


def text(response: Any) -> str:
    """What a person reads: no tags, entities resolved, spaces collapsed."""
    body = response.content.decode()
    body = re.sub(r"<(script|style|template)\b.*?</\1>", " ", body, flags=re.S)
    words = html.unescape(re.sub(r"<[^>]+>", " ", body))
    return re.sub(r"\s+([.,;:)])", r"\1", re.sub(r"\s+", " ", words))


def form_on(response: Any, action: str) -> dict[str, str]:
    """What a browser without scripts would send for the form with this address, untouched."""

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.inside, self.area, self.sent = False, "", dict[str, str]()

        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            given = dict(attributes)
            if tag == "form":
                self.inside = given.get("action") == action
            if not self.inside or "name" not in given or "disabled" in given:
                return
            if tag == "textarea":
                self.area = given["name"] or ""
                self.sent[self.area] = ""
            is_choice = given.get("type") in ("checkbox", "radio")
            if tag == "input" and (not is_choice or "checked" in given):
                self.sent[given["name"] or ""] = given.get("value") or (
                    "on" if given.get("type") == "checkbox" else ""
                )

        def handle_data(self, data: str) -> None:
            if self.inside and self.area:
                self.sent[self.area] += data.removeprefix("\n")

        def handle_endtag(self, tag: str) -> None:
            if tag == "textarea":
                self.area = ""
            if tag == "form":
                self.inside = False

    reader = Reader()
    reader.feed(response.content.decode())
    assert reader.sent, f"no form leads to {action}"
    return reader.sent


def queries(client: Any, address: str) -> int:
    """How many questions to the database one page costs."""
    with CaptureQueriesContext(connection) as asked:
        assert client.get(address).status_code == 200
    return len(asked)
