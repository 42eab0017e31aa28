"""A simulator over real HTTP, and plain `requests` to call it with: nothing of our client."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from snapshots.provider.simulator import Simulator


class Caller:
    """Calls the provider with one token. `server_id` in the documented dialect is an integer."""

    def __init__(self, sim: Simulator, token: str | None) -> None:
        self.sim, self.token = sim, token
        self.session = requests.Session()
        self.session.trust_env = False
        if token is not None:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", 10)
        return self.session.request(method, self.sim.url + path, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> requests.Response:
        return self("POST", path, json=json, **options)

    def delete(self, path: str, **options: Any) -> requests.Response:
        return self("DELETE", path, **options)

    def create(self, server: str, name: str = "snap", description: str = "") -> requests.Response:
        id = int(server) if server.isdecimal() else server
        body = {"server_id": id, "name": name, "description": description}
        return self.post("/snapshots/", body)

    def snapshots(self, **params: Any) -> list[dict[str, Any]]:
        return self.get("/snapshots/", params=params).json()["results"]

    def status(self, server: str) -> str:
        return self.get(f"/servers/{server}/").json()["status"]


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(now="2025-01-16T16:15:00Z") as simulator:
        yield simulator


@pytest.fixture
def documented() -> Iterator[Simulator]:
    """The vendor's page, at the moment of its example of a create."""
    with Simulator("documentation", now="2025-01-16T16:15:00Z") as simulator:
        yield simulator


@pytest.fixture
def token(sim: Simulator) -> str:
    return sim.account("Northwind")


@pytest.fixture
def api(sim: Simulator, token: str) -> Iterator[Caller]:
    caller = Caller(sim, token)
    yield caller
    caller.session.close()


@pytest.fixture
def web(sim: Simulator, token: str) -> str:
    return sim.server(token, "web-1")


@pytest.fixture
def snap(sim: Simulator, web: str) -> str:
    return sim.snapshot(web, "before-upgrade")


def raw(sim: Simulator, data: bytes, *, read: bool = True) -> bytes:
    """Send bytes on a fresh connection and return all that comes until it is closed."""
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as connection:
        connection.sendall(data)
        answer = b""
        while read and (part := connection.recv(65536)):
            answer += part
        return answer


def request(
    method: str, path: str, token: str = "", *lines: str, body: bytes = b"", close: bool = True
) -> bytes:
    """The bytes of a request, for `raw`."""
    head = [f"{method} {path} HTTP/1.1", "Host: provider.example", *lines]
    if token:
        head.append(f"Authorization: Bearer {token}")
    if body:
        head.append(f"Content-Length: {len(body)}")
        head.append("Content-Type: application/json")
    if close:
        head.append("Connection: close")
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body
