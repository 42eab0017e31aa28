"""Where to read on, for those who are told outside the product."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from snapshots.models import Batch, Event


def address_of(thing: Event | Batch, *, site: str | None = None) -> str:
    """The page of what it is about; empty if it has none."""
    if isinstance(thing, Batch):
        path = reverse("batch", args=[thing.pk])
    elif thing.operation_id:
        path = reverse("operation", args=[thing.operation_id])
    elif wish := thing.data.get("lowering_id"):
        path = reverse("lowering", args=[wish])
    elif thing.snapshot_id:
        path = reverse("snapshot", args=[thing.snapshot_id])
    elif thing.account_id:
        path = reverse("account", args=[thing.account_id])
    else:
        return ""
    return (settings.SITE_URL if site is None else site) + path
