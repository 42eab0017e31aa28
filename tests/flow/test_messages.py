"""Messages with real workers: none is lost with a worker or the broker, and repeats are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.utils import timezone

from snapshots.models import Delivery, State, Topic
from snapshots.notices import webhooks
from tests.conftest import take
from tests.provider.client.peer import Peer, answer, wait_for_the_end


@pytest.fixture(autouse=True)
def peer(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> Iterator[Peer]:
    """A receiver that takes the first message and never answers. Known before the workers start."""

    def take_it_and_say_nothing(conn: Any) -> None:
        made.hear(conn)
        wait_for_the_end(conn)

    made = Peer(take_it_and_say_nothing, answer(204))
    settings.WEBHOOK_ALLOWED_HOSTS = [f"127.0.0.1:{made.port}"]
    monkeypatch.setenv("WEBHOOK_ALLOWED_HOSTS", f"127.0.0.1:{made.port}")
    monkeypatch.setenv("EMAIL_URL", f"filemail:///{tmp_path}/mail")
    yield made
    made.close()


def ids(peer: Peer) -> list[bytes]:
    return [
        line
        for request in peer.heard
        for line in request.split(b"\r\n")
        if line.startswith(b"webhook-id:")
    ]


def test_a_worker_killed_while_it_posts_and_a_wiped_broker_lose_no_message(
    peer, works, team, alice, server, oscar, tmp_path
):
    webhooks.add(team, name="x", address=f"{peer.origin}/", topics=[Topic.FINISHED], actor=alice)
    works.wait_for_state(take(server, oscar), State.SUCCEEDED)
    works.wait_for(lambda: peer.heard)
    works.kill("worker")
    redis.Redis(port=works.port).flushall()
    mine = Delivery.objects.filter(webhook__isnull=False)
    assert mine.get().state == "waiting"
    mine.update(leased_until=timezone.now())  # as if its lease had ended
    works.start("worker")
    works.wait_for(lambda: mine.filter(state="sent").exists())
    assert len(ids(peer)) == 2
    assert len(set(ids(peer))) == 1
    works.wait_for(lambda: Delivery.objects.filter(user=oscar, state="sent").exists())
    [mail] = list((tmp_path / "mail").iterdir())
    assert "To: oscar@example.com" in mail.read_text()
