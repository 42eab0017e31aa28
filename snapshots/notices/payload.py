"""What a webhook is told, and how it is sent there."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.utils import timezone, translation

from snapshots.events import sentence
from snapshots.models import Delivery, Event, Webhook
from snapshots.notices import guard, signing
from snapshots.notices.links import address_of
from snapshots.notices.post import Outcome, post
from snapshots.secrets import CannotOpen


def body(row: Delivery) -> bytes:
    """The message. It rests on the line alone, so every attempt sends the same."""
    event = row.event
    told: dict[str, Any] = {
        "type": event.verb if event else "webhook.test",
        "timestamp": (event.at if event else row.created_at).isoformat(timespec="milliseconds"),
        "data": _data(event) if event else {},
    }
    team = event.data.get("team") if event else row.team.name
    told["data"] = {"topic": row.topic, "team": {"id": row.team_id, "name": team}} | told["data"]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _data(event: Event) -> dict[str, Any]:
    """Names are those of the time; ids are ours, `remote_id` is the provider's."""
    operation, names = event.operation, event.data
    with translation.override("en"):
        told: dict[str, Any] = {"sentence": sentence(event)}
    if event.account:
        told["account"] = {"id": event.account_id, "name": names.get("account", "")}
    if event.server:
        told["server"] = {
            "id": event.server_id,
            "name": names.get("server", ""),
            "remote_id": event.server.remote_id,
        }
    if names.get("snapshot"):
        told["snapshot"] = {"id": event.snapshot_id, "name": names["snapshot"]}
    if operation:
        told["operation"] = {
            "id": operation.pk,
            "kind": operation.kind,
            "asked_by": operation.asked_by_name,
            "asked_at": operation.created_at.isoformat(timespec="milliseconds"),
            "batch": operation.batch_id,
            "part_of": operation.parent_id,
            "url": address_of(event),
        }
    if wish := names.get("lowering_id"):
        told["lowering"] = {"id": wish, "asked_by": names["asker"], "url": address_of(event)}
    return told


def post_to(webhook: Webhook, row: Delivery) -> Outcome:
    """Sign it with what is valid now, and send it to where the webhook points now."""
    try:
        target = guard.read(webhook.address, settings.WEBHOOK_ALLOWED_HOSTS)
    except guard.Forbidden:  # the operator's list has changed since
        return Outcome(Delivery.Trouble.UNREACHED)
    try:
        secrets = [secret.reveal() for secret in webhook.signing_secrets()]
    except CannotOpen:
        return Outcome(Delivery.Trouble.KEY_LOST)
    content = body(row)
    now = int(timezone.now().timestamp())
    return post(target, content, signing.headers(row.message_id, now, content, secrets))
