"""What the provider tells us, as frozen values.

Remote ids are opaque strings: the documentation shows integers, a published client shows uuids,
and nothing of ours ever calculates with one. Status words are kept exactly as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose token this is: `GET /account/me/`."""

    email: str
    name: str
    company: str
    token_name: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Server:
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


@dataclass(frozen=True, slots=True)
class Snapshot:
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
    """

    items: tuple[T, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Accepted(Generic[T]):
    """A mutating call that was answered as documented, for the ids that were asked."""

    status: int
    message: str
    result: T
