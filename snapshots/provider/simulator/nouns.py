"""The things that exist at the provider. Times are seconds since the epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Account:
    id: str
    name: str
    dialect: str = "documented"
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    created_at: str = "2024-06-15"
    keeps_descriptions: bool = True


@dataclass
class Token:
    secret: str
    name: str
    account: str
    permissions: list[str]
    active: bool = True

    def allows(self, resource: str, verb: str) -> bool:
        """Whether a permission such as `servers:*`, `servers:read` or `*:*` covers this."""
        for permission in self.permissions:
            where, _, what = permission.partition(":")
            if where in ("*", resource) and what in ("*", verb):
                return True
        return False


@dataclass
class Server:
    id: str
    account: str
    name: str
    hostname: str
    status: str
    ip_address: str
    location: str
    plan: dict[str, Any]
    os: dict[str, Any]
    created_at: float
    updated_at: float


@dataclass
class Snapshot:
    id: str
    server: str
    name: str
    status: str
    size_mb: int | None
    created_at: float
    description: str


@dataclass
class Coming:
    """Something that will happen by itself at a time: the end of a create or restore, ..."""

    at: float
    kind: str
    target: str
    n: int
    details: dict[str, Any] = field(default_factory=dict)
