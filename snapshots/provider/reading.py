"""What the provider said: JSON into words and values.

Whatever arrives, nothing here raises: what is missing or odd becomes "" or None, and only a row
without an id that we can use is no row.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from snapshots.provider.connection import EMPTY, Answer, NoData
from snapshots.provider.types import Identity, Server, Snapshot

# These need no words: a gate, a wrong address or a limit answers before anything is done.
DECLINING_SILENTLY: Final = {401, 403, 404, 429}

# What the provider said, in words.


def is_readable(answer: Answer) -> bool:
    """Whether a 4xx is the API's own: JSON in the shapes it uses for errors, or a clear silence."""
    if answer.data is EMPTY:
        return answer.status in DECLINING_SILENTLY
    return isinstance(answer.data, dict) or _is_strings(answer.data)


def error_words(data: object) -> str:
    """The provider's own sentence: `detail`, `message` or `error`, fields, any JSON."""
    if isinstance(data, dict):
        for name in ("detail", "message", "error"):
            if words := one_line(_joined(data.get(name))):
                return words
        fields = [
            words if name == "non_field_errors" else f"{name}: {words}"
            for name, value in data.items()
            if (words := _joined(value))
        ]
        if fields:
            return one_line("; ".join(fields))
    if words := one_line(_joined(data)):
        return words
    try:
        return "" if not data or isinstance(data, NoData) else one_line(json.dumps(data))
    except RecursionError:
        return ""


def _joined(value: object) -> str:
    if isinstance(value, str):
        return value
    return " ".join(value) if isinstance(value, list) and _is_strings(value) else ""


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def summary(answer: Answer) -> str:
    text = answer.text.strip()
    words = error_words(answer.data)
    if words:
        return f"HTTP {answer.status}: {words}"
    if answer.data is EMPTY or not isinstance(answer.data, NoData):
        return phrase(answer.status)
    if text.startswith("<") or "<html" in text.lower():
        return f"HTTP {answer.status} with an HTML page"
    if text and len(text) <= 300 and "\n" not in text:
        return f"HTTP {answer.status}: {one_line(text)}"
    return f"HTTP {answer.status} with an unreadable answer"


def not_as_documented(answer: Answer) -> str:
    words = error_words(answer.data)
    return f"HTTP {answer.status}, but not the documented answer" + (f": {words}" if words else "")


def broke(answer: Answer) -> str:
    if answer.status is None:
        return f"No answer from the provider: {answer.problem}"
    return f"HTTP {answer.status}, but {answer.problem}"


def phrase(status: int | None) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status or 0).phrase}"
    except ValueError:
        return f"HTTP {status}"


# What the provider said, as values.

# Control characters, direction marks (they reorder what stands around them), lone surrogates.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def clean(value: object, limit: int) -> str:
    if not isinstance(value, str):
        return ""
    if value.isprintable():  # then nothing of the kind is in it; most of a large listing is so
        return value[:limit]
    return _UNSEEN.sub("", re.sub(r"[\t\r\n]+", " ", value))[:limit]


def one_line(value: object) -> str:
    text = " ".join(clean(value, 10_000).split())
    return text if len(text) <= 300 else f"{text[:299]}…"


def member(value: object, name: str, default: object = None) -> object:
    return value.get(name, default) if isinstance(value, dict) else default


def _first(value: object, *names: str) -> object:
    if isinstance(value, dict):
        for name in names:
            if (found := value.get(name)) is not None:
                return found
    return None


def is_id(value: str) -> bool:
    is_plain = value.isprintable() and value == value.strip()
    return 0 < len(value) <= 64 and is_plain and value not in {".", ".."}


def _id(value: object) -> str | None:
    if type(value) is int and value >= 0:
        value = str(value)
    return value if isinstance(value, str) and is_id(value) else None


def ref(value: object) -> str | None:
    """The id of something that is shown as an object, or as its bare id."""
    if isinstance(value, dict):
        value = value["id"] if value.get("id") is not None else value.get("uuid")
    return _id(value)


def on_wire(server_id: str) -> int | str:
    """The documentation says integer; the other dialect has uuids."""
    return int(server_id) if re.fullmatch(r"0|[1-9][0-9]*", server_id) else server_id


def fails(data: object) -> bool:
    """A success that says it is none."""
    return bool(_first(data, "error", "errors")) or member(data, "success") is False


def agrees(data: object, asked: str) -> bool:
    """Whether the body of a change without a result leaves no doubt about its success."""
    if data is EMPTY:
        return True
    named = _first(data, "id", "uuid")
    word = member(data, "status")
    return (
        isinstance(data, dict)
        and not fails(data)
        and (named is None or _id(named) == asked)
        and not (isinstance(word, str) and word.lower() in {"error", "fail", "failed", "failure"})
    )


def _name(value: object) -> str:
    """A plan, a system or a place: its name, or an object with one."""
    return clean(member(value, "name") if isinstance(value, dict) else value, 255)


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**31 else None


def _moment(value: object) -> datetime | None:
    """A moment or a bare date, in UTC. A year that no zone's arithmetic survives is no moment."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment and moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        elif moment and moment.tzinfo is not UTC:
            moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment and 1 < moment.year < 9999 else None


def _address(row: dict[str, object]) -> str:
    addresses = row.get("ipv4_addresses")
    first = addresses[0] if isinstance(addresses, list) and addresses else None
    return clean(row.get("ip_address") or _first(first, "address", "ip") or first, 64)


def server(row: object) -> Server | None:
    server_id = ref(row)
    if not isinstance(row, dict) or server_id is None:
        return None
    plan = row.get("plan")
    return Server(
        id=server_id,
        name=clean(row.get("name"), 255) or clean(row.get("hostname"), 255) or server_id,
        hostname=clean(row.get("hostname"), 255),
        status=clean(row.get("status"), 64),
        address=_address(row),
        location=_name(_first(row, "location", "location_name")),
        plan=_name(_first(row, "plan", "plan_name")),
        vcpus=_count(member(plan, "vcpus")),
        memory_mb=_count(member(plan, "memory")),
        storage_gb=_count(member(plan, "storage")),
        os=_name(_first(row, "os", "os_name")),
        created_at=_moment(row.get("created_at")),
    )


def snapshot(row: object) -> Snapshot | None:
    if not isinstance(row, dict):
        return None
    snapshot_id, server = ref(row), row.get("server")
    server_id = ref(row.get("server_id") if server is None else server)
    if snapshot_id is None or server_id is None:
        return None
    if None not in (server, row.get("server_id")) and ref(row["server_id"]) != server_id:
        return None  # two that differ name none
    return Snapshot(
        snapshot_id,
        server_id,
        clean(_first(server, "name", "hostname"), 255),
        clean(row.get("name"), 255) or snapshot_id,
        clean(row.get("status"), 64),
        _count(row.get("size_mb")),
        _moment(row.get("created_at")),
        clean(row.get("description"), 2000),
    )


def identity(data: object) -> Identity | None:
    account, token = member(data, "account"), member(data, "token")
    email = clean(member(account, "email"), 255)
    if not email:
        return None
    names = (clean(member(account, part), 255) for part in ("first_name", "last_name"))
    permissions = member(token, "permissions")
    return Identity(
        email=email,
        name=" ".join(filter(None, names)),
        company=clean(member(account, "company_name"), 255),
        token_name=clean(member(token, "name"), 255),
        permissions=tuple(
            clean(word, 64)
            for word in (permissions if isinstance(permissions, list) else [])[:200]
            if isinstance(word, str)
        ),
    )
