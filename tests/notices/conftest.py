"""Receivers of messages: webhooks that listen, and what a worker does every two seconds."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail

from snapshots import notices
from snapshots.models import Team, Topic, User, Webhook
from snapshots.notices import webhooks
from tests.provider.client.peer import Peer, Play, answer

OK = answer(204)
EVERYTHING = tuple(Topic.values)


def a_tick() -> None:
    """What the task does."""
    notices.write_messages()
    notices.deliver()


def subjects(person: User) -> list[str]:
    """What this person's mailbox shows, oldest first."""
    return [sent.subject for sent in mail.outbox if sent.to == [person.email]]


@pytest.fixture
def mailing(settings: Any) -> None:
    """This installation sends e-mail (into `mail.outbox`)."""
    settings.EMAIL_IS_SENT = True
    settings.SITE_URL = "https://snapshots.example.com"


class Receiver:
    """A webhook of a team, the peer behind it, and its secret."""

    def __init__(self, peer: Peer, webhook: Webhook, secret: str) -> None:
        self.peer, self.webhook, self.secret = peer, webhook, secret

    @property
    def heard(self) -> list[tuple[dict[str, str], bytes]]:
        """The headers (their names in lower case) and the body of each request."""
        return [_parsed(request) for request in self.peer.heard]

    @property
    def told(self) -> list[str]:
        """The type of each message."""
        return [json.loads(body)["type"] for _headers, body in self.heard]

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _body in self.heard]


def _parsed(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    return {name.lower(): value for name, value in lines}, body


def verifies(headers: dict[str, str], body: bytes, secret: str) -> bool:
    """As a receiver does it, by the words of the specification."""
    key = base64.b64decode(secret.split("_")[1])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in headers["webhook-signature"].split(" ")


Receive = Callable[..., Receiver]


@pytest.fixture
def receiving(settings: Any, team: Team, alice: User) -> Iterator[Receive]:
    """Listen, and make it a webhook of the team, or `owner`'s own.

    Plays are as the peer's: the last one for ever.
    """
    peers: list[Peer] = []

    def listen(
        *plays: bytes | Play, topics: Any = EVERYTHING, owner: User | None = None, **more: Any
    ) -> Receiver:
        peer = Peer(*(plays or (OK,)))
        peers.append(peer)
        settings.WEBHOOK_ALLOWED_HOSTS = [
            *settings.WEBHOOK_ALLOWED_HOSTS,
            f"127.0.0.1:{peer.port}",
        ]
        given = {"team": team, "name": "Chat", "address": f"{peer.origin}/hook", "actor": alice}
        if owner:
            made, secret = webhooks.add_own(**(given | {"actor": owner} | more))
        else:
            made, secret = webhooks.add(**(given | more), topics=topics)
        return Receiver(peer, made, secret)

    yield listen
    for peer in peers:
        peer.close()
