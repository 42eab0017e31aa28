"""What the documentation says of messages is what the code does."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from snapshots.models import Role, Topic
from snapshots.notices import delivery, signing, webhooks, wishes
from snapshots.notices.guard import PORTS
from snapshots.notices.post import SECONDS

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
WORDS = " ".join(PAGE.split())


def test_its_example_checks_what_we_sign():
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    scope: dict[str, Any] = {}
    exec(code, scope)
    check, secret, body = scope["is_from_holdfast"], signing.new_secret(), b'{"type":"x"}'
    now = int(time.time())
    headers = signing.headers("msg_1", now, body, [signing.new_secret(), secret])
    assert check(headers, body, secret)
    assert not check(headers, body + b" ", secret)
    assert not check(headers, body, signing.new_secret())
    assert not check(signing.headers("msg_1", now - 600, body, [secret]), body, secret)
    assert not check(headers | {"webhook-id": "msg_2"}, body, secret)


def test_its_timetable_is_ours():
    units = {"s": 1, "min": 60, "h": 3600}
    told = re.search(r"sent again after (.*?), with the same id", WORDS)[1]
    pairs = re.findall(r"(\d+) (s|min|h)\b", told)
    assert tuple(timedelta(seconds=int(n) * units[unit]) for n, unit in pairs) == (
        delivery.RETRY_AFTER
    )
    assert f"within {SECONDS:g} seconds" in WORDS
    assert f"listed for {delivery.KEPT.days} days" in WORDS
    hours = webhooks.OLD_SECRET_HOLDS.total_seconds() / 3600
    assert f"two signatures for {hours:g} hours" in WORDS
    assert f"on ports {' and '.join(map(str, sorted(PORTS)))}," in WORDS


def test_its_table_of_topics_is_complete():
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.M) == Topic.values


def test_its_table_of_defaults_is_ours():
    rows = {
        "failed, in doubt, needs a person": (Topic.FAILED, Topic.IN_DOUBT, Topic.NEEDS_PERSON),
        "account paused": (Topic.ACCOUNT_PAUSED,),
        "emergency": (Topic.EMERGENCY,),
        "finished, slower than usual": (Topic.FINISHED, Topic.SLOW),
    }
    said = {"everything": "everything", "mine": "what they asked for", "nothing": "nothing"}
    for words, topics in rows.items():
        [cells] = re.findall(rf"^\| {words} \| (.*) \|$", PAGE, re.M)
        for topic in topics:
            roles = (Role.OWNER, Role.ADMIN, Role.RESTORER)
            ours = [
                said[wishes.default(role, topic)] + ", always" * wishes.is_fixed(role, topic)
                for role in roles
            ]
            assert cells.split(" | ") == ours
