"""A provider that costs nothing: two versions of one large account, rendered before anybody asks.

The simulator would be measured with the client; this one only writes bytes. It is a process of its
own: `python -m bench.provider PORT SERVERS SNAPSHOTS`. `POST /next/` shows the other version.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
VERSIONS = 2


def servers(count: int, version: int) -> list[dict[str, Any]]:
    return [
        {
            "id": 10_000 + n,
            "name": f"web-{n:05}",
            "hostname": f"web-{n:05}.example.com",
            "status": ("active", "stopped")[version],
            "ip_address": f"10.{n // 65536}.{n // 256 % 256}.{n % 256}",
            "location": "us-west",
            "plan": {"id": 1, "name": "Standard VPS", "vcpus": 2, "memory": 4096, "storage": 80},
            "os": {"id": 5, "name": "Ubuntu 24.04 LTS"},
            "created_at": "2025-01-10T14:30:00Z",
            "updated_at": "2025-01-15T10:20:00Z",
        }
        for n in range(count)
    ]


def snapshots(count: int, of: int, version: int) -> list[dict[str, Any]]:
    return [
        {
            "id": 1_000_000 + n,
            "server": {"id": 10_000 + n % of, "name": f"web-{n % of:05}"},
            "name": f"weekly-{n // of}",
            "status": "completed",
            "size_mb": 1000 + n % 20_000 + version,
            "created_at": f"{BEGIN + timedelta(minutes=n):%Y-%m-%dT%H:%M:%SZ}",
            "description": "Before the weekly update",
        }
        for n in range(count)
    ]


def body(items: list[dict[str, Any]]) -> bytes:
    return json.dumps({"count": len(items), "results": items}).encode()


class Provider(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    bodies: dict[str, list[bytes]]
    version = 0

    def do_GET(self) -> None:
        self._answer(self.bodies[self.path.rstrip("/").rpartition("/")[2]][Provider.version])

    def do_POST(self) -> None:
        Provider.version = (Provider.version + 1) % VERSIONS
        self._answer(b"{}")

    def _answer(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Our client hangs up with a reset, always."""


def main(port: int, of: int, count: int) -> None:
    versions = range(VERSIONS)
    Provider.bodies = {
        "servers": [body(servers(of, version)) for version in versions],
        "snapshots": [body(snapshots(count, of, version)) for version in versions],
    }
    Server(("127.0.0.1", port), Provider).serve_forever()


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:4]))
