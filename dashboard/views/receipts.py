"""The receipt of a restore: what was known, who decided, what was sent, and what was seen."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.headlines import title
from dashboard.steps import call, showings
from dashboard.views.operations import find
from snapshots import events
from snapshots.models import Kind, Operation, RestorePlan, User
from snapshots.permissions import visible_events


@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """One page to print."""
    context = about(restore_of(request, pk), request.user)
    return render(request, "operations/receipt.html", context)


@require_safe
def as_json(request: HttpRequest, pk: int) -> HttpResponse:
    """The same as one file. Times are ISO 8601 in UTC, our words in the reader's language."""
    receipt = about(restore_of(request, pk), request.user)
    answer = JsonResponse(plain(receipt), json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = f'attachment; filename="restore-{pk}.json"'
    return answer


def restore_of(request: HttpRequest, pk: int) -> Operation:
    operation = find(request, pk)
    if operation.kind != Kind.RESTORE:
        raise Http404
    return operation


def about(operation: Operation, user: User) -> dict[str, Any]:
    """Everything that is kept of a restore, oldest first."""
    family = Q(pk=operation.pk) | Q(parent=operation) | Q(parent__parent=operation)
    own = Operation.objects.filter(family)
    sightings = operation.sightings.order_by("-begun_at")
    return {
        "operation": operation,
        "title": title(operation),
        "plan": RestorePlan.objects.filter(operation=operation).first(),
        "approval": getattr(operation, "approval", None),
        "room": own.filter(kind=Kind.DELETE).first(),
        "safety": operation.children.select_related("snapshot").order_by("-pk").first(),
        "call": call(operation),
        "attempts": list(operation.attempts.all()),
        "showings": showings(sightings)[::-1],
        "events": list(visible_events(user).filter(operation__in=own).order_by("pk")),
        "made_at": timezone.now(),
    }


def plain(receipt: dict[str, Any]) -> dict[str, Any]:
    """Fit for JSON."""
    operation, plan, safety = receipt["operation"], receipt["plan"], receipt["safety"]
    room, approval = receipt["room"], receipt["approval"]
    return {
        "what": receipt["title"],
        "operation": operation.pk,
        "state": operation.state,
        "reason": operation.reason,
        "why": operation.why,
        "asked_by": operation.asked_by_name,
        "asked_at": operation.created_at,
        "sent_at": operation.sent_at,
        "accepted_at": operation.accepted_at,
        "ended_at": operation.ended_at,
        "plan": {
            "facts": plan.facts,
            "digest": plan.digest,
            "shown_at": plan.shown_at,
            "confirmed_at": plan.confirmed_at,
            "why_without_safety_snapshot": plan.why_without,
        }
        if plan
        else None,
        "second_person": {
            "what": approval.what,
            "who": approval.by_name,
            "at": approval.at,
            "words": approval.words,
            "digest": approval.digest,
        }
        if approval
        else None,
        "safety_snapshot": {
            "operation": safety.pk,
            "name": safety.name,
            "state": safety.state,
            "id": safety.remote_id,
            "ended_at": safety.ended_at,
            "listed": bool(safety.snapshot and safety.snapshot.is_listed),
        }
        if safety
        else None,
        "deleted_before": {"operation": room.pk, "name": room.name, "state": room.state}
        if room
        else None,
        "call": receipt["call"],
        "attempts": [
            {
                "number": one.number,
                "claimed_at": one.claimed_at,
                "answered_at": one.answered_at,
                "outcome": one.outcome,
                "status": one.status,
                "words": one.excerpt,
                "too_late": one.late,
            }
            for one in receipt["attempts"]
        ],
        "seen": [
            {
                "from": first.begun_at,
                "to": last.begun_at,
                "looks": looks,
                "status": last.status,
                "complete": last.complete,
            }
            for first, last, looks in receipt["showings"]
        ],
        "history": [
            {"at": one.at, "who": one.actor_name, "what": events.line(one)}
            for one in receipt["events"]
        ],
        "made_at": receipt["made_at"],
    }
