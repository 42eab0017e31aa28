"""The answers of the provider's documentation."""

from __future__ import annotations

from typing import Any

SNAPSHOT: dict[str, Any] = {
    "id": 801,
    "server": {"id": 12345, "name": "web-server-01"},
    "name": "pre-migration-snapshot",
    "status": "completed",
    "size_mb": 5120,
    "created_at": "2025-01-15T18:30:00Z",
    "description": "Before major migration",
}

CREATED: dict[str, Any] = {
    "id": 802,
    "server": {"id": 12345, "name": "web-server-01"},
    "name": "before-update-snapshot",
    "status": "in_progress",
    "size_mb": None,
    "created_at": "2025-01-16T16:15:00Z",
    "description": "Snapshot before system update",
    "message": "Snapshot is being created. This may take 3-10 minutes.",
}

RESTORED: dict[str, Any] = {
    "status": "success",
    "message": "Server is being restored from snapshot. This may take 5-15 minutes.",
    "snapshot": {
        "id": 801,
        "name": "pre-migration-snapshot",
        "created_at": "2025-01-15T18:30:00Z",
    },
    "server": {"id": 12345, "name": "web-server-01", "status": "restoring"},
}

SERVER: dict[str, Any] = {
    "id": 12345,
    "name": "web-server-01",
    "hostname": "web01.example.com",
    "status": "active",
    "ip_address": "203.0.113.10",
    "location": "us-west",
    "plan": {"id": 1, "name": "Standard VPS", "vcpus": 2, "memory": 4096, "storage": 80},
    "os": {"id": 5, "name": "Ubuntu 22.04 LTS"},
    "created_at": "2025-01-10T14:30:00Z",
    "updated_at": "2025-01-15T10:20:00Z",
}

SERVER_OF_THE_OTHER_DIALECT: dict[str, Any] = {
    "uuid": "0b6e6a54-6d3c-4a0e-8a51-5d3f3f0f2f11",
    "hostname": "db01.example.com",
    "status": "stopped",
    "ipv4_addresses": ["203.0.113.20", "203.0.113.21"],
    "ipv6_addresses": ["2001:db8::1"],
    "location_name": "us-east",
    "plan_name": "Performance VPS",
    "os_name": "Debian 12",
    "created_at": "2025-01-10T14:30:00.123456Z",
}

ACCOUNT: dict[str, Any] = {
    "account": {
        "email": "ops@example.com",
        "first_name": "Ada",
        "last_name": "Byron",
        "company_name": "Engines",
        "created_at": "2024-06-15",
    },
    "token": {"name": "dashboard", "permissions": ["servers:*", "snapshots:*"], "extra": 1},
}


def listed(*rows: Any, **more: Any) -> dict[str, Any]:
    return {"count": len(rows), "results": list(rows), **more}
