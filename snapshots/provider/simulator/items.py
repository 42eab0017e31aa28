"""Servers, snapshots and accounts as the provider writes them, in either dialect."""

from __future__ import annotations

from typing import Any

from .clock import iso
from .nouns import Account, Server, Snapshot, Token
from .world import World

LOCATION_NAMES = {
    "us-west": "US West (Los Angeles)",
    "us-east": "US East (New York)",
    "eu-west": "EU West (Amsterdam)",
    "eu-central": "EU Central (Frankfurt)",
    "ap-southeast": "Asia Pacific (Singapore)",
}


def wire_id(account: Account, id: str) -> int | str:
    """Integers in the documentation, uuids in the live dialect; opaque strings in our hands."""
    return int(id) if account.dialect == "documented" and id.isdecimal() else id


def identity(account: Account, token: Token) -> dict[str, Any]:
    return {
        "account": {
            "email": account.email,
            "first_name": account.first_name,
            "last_name": account.last_name,
            "company_name": account.name,
            "created_at": account.created_at,
        },
        "token": {"name": token.name, "permissions": list(token.permissions)},
    }


def server_item(account: Account, server: Server) -> dict[str, Any]:
    """One row of `GET /servers/`."""
    if account.dialect == "live":
        return {
            "uuid": server.id,
            "hostname": server.hostname,
            "status": server.status,
            "ipv4_addresses": [server.ip_address],
            "ipv6_addresses": [],
            "location_name": LOCATION_NAMES.get(server.location, server.location),
            "plan_name": server.plan["name"],
            "os_name": server.os["name"],
            "created_at": iso(server.created_at, precise=True),
        }
    return {
        "id": wire_id(account, server.id),
        "name": server.name,
        "hostname": server.hostname,
        "status": server.status,
        "ip_address": server.ip_address,
        "location": server.location,
        "plan": dict(server.plan),
        "os": dict(server.os),
        "created_at": iso(server.created_at),
        "updated_at": iso(server.updated_at),
    }


def server_detail(account: Account, server: Server) -> dict[str, Any]:
    """`GET /servers/{id}/`: the row again; in the live dialect with nested objects (seen)."""
    item = server_item(account, server)
    if account.dialect == "live":
        for flat in ("location_name", "plan_name", "os_name"):
            del item[flat]
        location = LOCATION_NAMES.get(server.location, server.location)
        item["location"] = {"id": 1 + len(server.location), "name": location}
        item["plan"] = {
            "ram": (server.plan.get("memory") or 0) // 1024,
            "ram_unit": "GB",
            "cpu": server.plan.get("vcpus"),
            "disk_space": server.plan.get("storage"),
        }
        item["operating_system_version"] = {"name": server.os["name"]}
        item["deployed"] = True
    return item


def server_reference(account: Account, server: Server) -> dict[str, Any]:
    if account.dialect == "live":
        return {"uuid": server.id, "hostname": server.hostname}
    return {"id": wire_id(account, server.id), "name": server.name}


def snapshot_item(world: World, snapshot: Snapshot) -> dict[str, Any]:
    """One row of `GET /snapshots/`, and the answer to a create."""
    server = world.servers[snapshot.server]
    account = world.accounts[server.account]
    live = account.dialect == "live"
    return {
        "uuid" if live else "id": wire_id(account, snapshot.id),
        "server": server_reference(account, server),
        "name": snapshot.name,
        "status": snapshot.status,
        "size_mb": snapshot.size_mb,
        "created_at": iso(snapshot.created_at, precise=live),
        "description": snapshot.description,
    }


def restore_answer(world: World, snapshot: Snapshot) -> dict[str, Any]:
    item = snapshot_item(world, snapshot)
    key = "uuid" if "uuid" in item else "id"
    return {
        "status": "success",
        "message": "Server is being restored from snapshot. This may take 5-15 minutes.",
        "snapshot": {key: item[key], "name": item["name"], "created_at": item["created_at"]},
        # The documented answer says so whatever a listing shows a moment later.
        "server": {**item["server"], "status": "restoring"},
    }
