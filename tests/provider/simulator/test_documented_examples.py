"""The examples of the vendor's page, body for body."""

from __future__ import annotations

from snapshots.provider.simulator import DEMO_TOKEN, Simulator

from .conftest import Caller


def test_listing_the_snapshots_of_a_server(documented: Simulator) -> None:
    answer = Caller(documented, DEMO_TOKEN).get("/snapshots/?server_id=12345")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "count": 2,
        "results": [
            {
                "id": 801,
                "server": {"id": 12345, "name": "web-server-01"},
                "name": "pre-migration-snapshot",
                "status": "completed",
                "size_mb": 5120,
                "created_at": "2025-01-15T18:30:00Z",
                "description": "Before major migration",
            },
            {
                "id": 798,
                "server": {"id": 12345, "name": "web-server-01"},
                "name": "weekly-snapshot-2025-01-08",
                "status": "completed",
                "size_mb": 4856,
                "created_at": "2025-01-08T12:00:00Z",
                "description": "Weekly snapshot",
            },
        ],
    }


def test_creating_a_snapshot(documented: Simulator) -> None:
    answer = Caller(documented, DEMO_TOKEN).post(
        "/snapshots/",
        {
            "server_id": 12345,
            "name": "before-update-snapshot",
            "description": "Snapshot before system update",
        },
    )
    assert answer.status_code == 201
    assert answer.json() == {
        "id": 802,
        "server": {"id": 12345, "name": "web-server-01"},
        "name": "before-update-snapshot",
        "status": "in_progress",
        "size_mb": None,
        "created_at": "2025-01-16T16:15:00Z",
        "description": "Snapshot before system update",
        "message": "Snapshot is being created. "
        "This may take 3-10 minutes depending on server size.",
    }


def test_restoring_a_snapshot(documented: Simulator) -> None:
    answer = Caller(documented, DEMO_TOKEN).post("/snapshots/801/restore/")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "success",
        "message": "Server is being restored from snapshot. This may take 5-15 minutes.",
        "snapshot": {
            "id": 801,
            "name": "pre-migration-snapshot",
            "created_at": "2025-01-15T18:30:00Z",
        },
        "server": {"id": 12345, "name": "web-server-01", "status": "restoring"},
    }


def test_deleting_a_snapshot(documented: Simulator) -> None:
    api = Caller(documented, DEMO_TOKEN)
    answer = api.delete("/snapshots/801/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [s["id"] for s in api.snapshots()] == [798]


def test_listing_the_servers(documented: Simulator) -> None:
    body = Caller(documented, DEMO_TOKEN).get("/servers/").json()
    assert body["count"] == 2
    assert list(body) == ["count", "results"]
    assert body["results"][0] == {
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
    second = body["results"][1]
    assert (second["id"], second["name"], second["location"]) == (12346, "db-server-01", "us-east")
    assert second["plan"] == {
        "id": 2,
        "name": "Performance VPS",
        "vcpus": 4,
        "memory": 8192,
        "storage": 160,
    }
    assert second["os"] == {"id": 3, "name": "Debian 12"}


def test_asking_whose_token_this_is(documented: Simulator) -> None:
    body = Caller(documented, DEMO_TOKEN).get("/account/me/").json()
    assert body == {
        "account": {
            "email": "dana.whitfield@northwind.example",
            "first_name": "Dana",
            "last_name": "Whitfield",
            "company_name": "Northwind Outfitters",
            "created_at": "2024-06-15",
        },
        "token": {"name": "dashboard", "permissions": ["*:*"]},
    }
