"""The vendor's own published client works against the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

pytest.importorskip("vps_mcp")
from vps_mcp import server as tools
from vps_mcp.client import VPSClient

from snapshots.provider.simulator import DEMO_TOKEN, SECOND_DEMO_TOKEN, Simulator

T = TypeVar("T")


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Simulator("demo") as simulator:
        monkeypatch.setenv("VPS_API_URL", simulator.url)
        yield simulator


def use(token: str, monkeypatch: pytest.MonkeyPatch, call: Callable[[], Awaitable[T]]) -> T:
    """Run one of the client's tools with a token, as its own process would."""
    monkeypatch.setenv("VPS_API_TOKEN", token)
    monkeypatch.setattr(tools, "_client", None)

    async def run() -> T:
        try:
            return await call()
        finally:
            await tools._get_client().close()

    return finish(run())


def finish(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, in a thread of its own: the browser's driver may hold a loop in ours."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result(60)


def id_of(sim: Simulator, name: str) -> str:
    return next(s.id for s in sim.world.servers.values() if s.name == name)


def test_it_lists_servers_in_the_live_dialect(
    demo: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = use(SECOND_DEMO_TOKEN, monkeypatch, lambda: tools.list_servers(page=2))
    assert "25 total" in text
    assert "Server: edge-3.larkfield.example" in text
    assert f"UUID: {id_of(demo, 'edge-3')}" in text
    assert "IPv4: 198.51.100.34" in text
    assert "Location: Asia Pacific (Singapore)" in text
    assert "OS: AlmaLinux 9" in text


def test_it_lists_servers_as_documented_as_far_as_it_reads_them(
    demo: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = use(DEMO_TOKEN, monkeypatch, lambda: tools.list_servers())
    assert "Server: web01.example.com" in text
    assert "12 total" in text


def test_it_reads_one_server(demo: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = id_of(demo, "shop-1")
    text = use(SECOND_DEMO_TOKEN, monkeypatch, lambda: tools.get_server(shop))
    assert "Plan: 8 GB RAM, 4 vCPUs, 160 GB disk" in text
    assert "Location: EU Central (Frankfurt)" in text
    assert "OS: Ubuntu 24.04 LTS" in text
    text = use(DEMO_TOKEN, monkeypatch, lambda: tools.get_server("12345"))
    assert "Server: web01.example.com" in text
    text = use(DEMO_TOKEN, monkeypatch, lambda: tools.get_server("1"))
    assert text == "Error (404): Not found."


@pytest.mark.parametrize(
    ("token", "name"), [(DEMO_TOKEN, "web-server-01"), (SECOND_DEMO_TOKEN, "shop-1")]
)
def test_it_switches_power_in_both_dialects(
    demo: Simulator, monkeypatch: pytest.MonkeyPatch, token: str, name: str
) -> None:
    id = id_of(demo, name)
    for action, status in (("stop", "stopped"), ("start", "active"), ("hard_stop", "stopped")):

        def switch(action: str = action) -> Awaitable[Any]:
            return tools.server_power(id, action)

        sent = f"Power action '{action}' sent to server {id}."
        assert use(token, monkeypatch, switch) == sent
        assert demo.world.servers[id].status == status


@pytest.mark.parametrize(
    ("token", "name"), [(DEMO_TOKEN, "cache-01"), (SECOND_DEMO_TOKEN, "shop-1")]
)
def test_it_creates_a_snapshot_in_both_dialects(
    demo: Simulator, monkeypatch: pytest.MonkeyPatch, token: str, name: str
) -> None:
    id = id_of(demo, name)
    text = use(token, monkeypatch, lambda: tools.create_snapshot(id, label="by-its-client"))
    assert text.startswith(f"Snapshot initiated for server {id}.")
    demo.clock.advance(minutes=10)
    [made] = [s for s in demo.world.snapshots.values() if s.name == "by-its-client"]
    assert (made.server, made.status) == (id, "completed")
    text = use(token, monkeypatch, lambda: tools.create_snapshot(id))
    assert "Snapshot is being created." in text


def test_it_reads_our_errors(demo: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    text = use("vps_nobody", monkeypatch, lambda: tools.list_servers())
    assert text == "Error (401): Invalid token."
    text = use(DEMO_TOKEN, monkeypatch, lambda: tools.create_snapshot("12345", label="a b"))
    assert text.startswith("Error (400):\n  label: Enter a valid")


def test_its_client_takes_the_base_url_as_an_argument(demo: Simulator) -> None:
    async def run() -> Any:
        client = VPSClient(SECOND_DEMO_TOKEN, base_url=demo.url + "/")
        try:
            return await client._get("/servers/", params={"page": 1, "page_size": 100})
        finally:
            await client.close()

    assert len(finish(run())["results"]) == 25
