"""What the provider tells us, as values that nobody changes.

Items of listings are tuples: a look may bring tens of thousands. Remote ids are opaque strings: the
documentation shows integers, a published client shows uuids, and nothing of ours ever calculates
with one. Status words are kept exactly as they came.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose token this is: `GET /account/me/`."""

    email: str
    name: str
    company: str
    token_name: str
    permissions: tuple[str, ...]


class Server(NamedTuple):
    """One item of `GET /servers/`, in either dialect. Sizes: memory in MB, storage in GB."""

    id: str
    name: str
    hostname: str
    status: str
    address: str
    location: str
    plan: str
    vcpus: int | None
    memory_mb: int | None
    storage_gb: int | None
    os: str
    created_at: datetime | None


class Snapshot(NamedTuple):
    """One item of `GET /snapshots/`. `size_mb` is None while the provider has not measured it."""

    id: str
    server_id: str
    server_name: str
    name: str
    status: str
    size_mb: int | None
    created_at: datetime | None
    description: str


@dataclass(frozen=True, slots=True)
class RestoreStarted:
    """The provider's 200 to a restore. It means *started*, never *done*."""

    snapshot_id: str
    server_id: str
    server_status: str


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A listing over all its pages.

    `complete` is True only if every page was read, each was well-formed, no id came twice, and
    `count`, where the provider gave one, equals the number of items. Absence may be concluded
    from complete listings only.

    `digest` is of the answer's bytes where a complete listing came in one answer, else empty. A
    listing `as_known` came with the bytes that the caller knows by that digest: its items were
    not read again. `calls` is how many requests it took.
    """

    items: tuple[T, ...]
    complete: bool
    digest: str = field(default="", compare=False)
    as_known: bool = field(default=False, compare=False)
    calls: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Accepted(Generic[T]):
    """A mutating call that was answered as documented, for the ids that were asked."""

    status: int
    message: str
    result: T
