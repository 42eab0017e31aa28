"""An operation: one change at the provider, written down before anything outside is touched."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db import models
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _

from snapshots.models.account import Account
from snapshots.models.inventory import Server, Snapshot
from snapshots.models.people import Team, User
from snapshots.models.reason import Reason


class Kind(models.TextChoices):
    CREATE = "create", _("Take a snapshot")
    RESTORE = "restore", _("Restore")
    DELETE = "delete", _("Delete a snapshot")
    STOP = "stop", _("Stop the server")
    START = "start", _("Start the server")


POWER = (Kind.STOP, Kind.START)


class State(models.TextChoices):
    """`snapshots.operations.states` says which follows which, when, and by whom."""

    AWAITING_APPROVAL = "awaiting_approval", _("Needs approval")
    HELD = "held", _("Held")
    WAITING = "waiting", _("Waiting")
    QUEUED = "queued", _("Queued")
    SENDING = "sending", _("Sending")
    RUNNING = "running", _("Running")
    IN_DOUBT = "in_doubt", _("In doubt")
    NEEDS_PERSON = "needs_person", _("Needs a person")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    NOT_APPLIED = "not_applied", _("Did not happen")
    CANCELLED = "cancelled", _("Cancelled")
    EXPIRED = "expired", _("Expired")


HOLDING = (
    State.HELD,
    State.QUEUED,
    State.SENDING,
    State.RUNNING,
    State.IN_DOUBT,
    State.NEEDS_PERSON,
)
NOT_SENT = (State.HELD, State.QUEUED)  # of those that hold a machine
# `WAITING` holds nothing: it stands in its machine's line, behind whatever does. Neither does
# `AWAITING_APPROVAL`: the machine is taken when a second person has approved.
OPEN = (State.AWAITING_APPROVAL, State.WAITING, *HOLDING)
ENDED = (State.SUCCEEDED, State.FAILED, State.NOT_APPLIED, State.CANCELLED, State.EXPIRED)
WATCHED = (State.RUNNING, State.IN_DOUBT, State.NEEDS_PERSON)


def new_marker() -> str:
    return get_random_string(10, "abcdefghijklmnopqrstuvwxyz0123456789")


class Batch(models.Model):
    """Several operations asked for with one form, and why some of them were refused.

    `refused` is one item for each thing that was selected and not taken:
    `{"server": id, "snapshot": id or None, "name": its name, "why": a `said.memo`}`.
    """

    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="batches")
    kind = models.CharField(max_length=8, choices=Kind)
    request_key = models.UUIDField(default=uuid.uuid4)
    asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    asked_by_name = models.CharField(max_length=100, default="")
    created_at = models.DateTimeField(default=timezone.now)
    refused = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "request_key"], name="one_batch_a_form"),
        ]


class Operation(models.Model):
    """What was asked, by whom, and how far it is.

    `state` is written by `operations.states.move` and nothing else. `due_at` is when to act next:
    to send while queued, to look while watched. `hold_until` is how long it can be thought over
    after it was asked for; nothing is sent before. `confirmed` is the fingerprint of what the
    person saw. `remote_id` is the id of the snapshot a create made, once known, and `about` what is
    to be said of that one (`models.marks`). `needs` must have succeeded before this one's turn
    comes; `slow_at` is when it was told to be slower than usual. `approved_at` is when a second
    person let it go on: its times are counted from then.
    """

    kind = models.CharField(max_length=8, choices=Kind)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, related_name="operations")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="operations")
    server = models.ForeignKey(Server, on_delete=models.PROTECT, related_name="operations")
    snapshot = models.ForeignKey(
        Snapshot, null=True, on_delete=models.PROTECT, related_name="operations"
    )
    parent = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="children")
    needs = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="needed_by")
    batch = models.ForeignKey(Batch, null=True, on_delete=models.PROTECT, related_name="operations")
    lock_key = models.CharField(max_length=300)
    request_key = models.UUIDField(default=uuid.uuid4)
    asked_by = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="operations"
    )
    asked_by_name = models.CharField(max_length=100, default="")

    name = models.CharField(max_length=255, default="")  # the snapshot's, made or acted on
    note = models.CharField(max_length=1000, default="")
    about = models.JSONField(default=dict)
    marker = models.CharField(max_length=10, default=new_marker)
    confirmed = models.JSONField(default=dict)

    state = models.CharField(max_length=20, choices=State, default=State.QUEUED)
    version = models.PositiveIntegerField(default=0)
    revision = models.PositiveBigIntegerField(default=0)
    reason = models.CharField(max_length=20, choices=Reason, default="", blank=True)
    details = models.JSONField(default=dict)
    stop_requested = models.BooleanField(default=False)
    stopped_by_name = models.CharField(max_length=100, default="", blank=True)

    due_at = models.DateTimeField(default=timezone.now)
    nudged_at = models.DateTimeField(null=True)
    hold_until = models.DateTimeField(null=True)
    send_before = models.DateTimeField()
    claim_deadline = models.DateTimeField(null=True)
    attempt_count = models.PositiveIntegerField(default=0)
    remote_id = models.CharField(max_length=64, default="")

    created_at = models.DateTimeField(default=timezone.now)
    approved_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)  # the last claim: bytes may have left from here on
    accepted_at = models.DateTimeField(null=True)
    slow_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lock_key"],
                condition=models.Q(parent__isnull=True, state__in=HOLDING),
                name="one_operation_a_machine",
            ),
            models.UniqueConstraint(
                fields=["parent"],
                condition=models.Q(state__in=HOLDING),
                name="one_child_at_a_time",
            ),
            models.UniqueConstraint(fields=["team", "request_key"], name="one_operation_a_form"),
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="known_state"),
            models.CheckConstraint(condition=models.Q(kind__in=Kind.values), name="known_kind"),
            models.CheckConstraint(
                condition=(
                    models.Q(state=State.SENDING, claim_deadline__isnull=False)
                    | (~models.Q(state=State.SENDING) & models.Q(claim_deadline__isnull=True))
                ),
                name="a_claim_while_sending",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_at"]),
            models.Index(fields=["account", "revision"]),
            models.Index(fields=["server", "-id"]),
            models.Index(fields=["team", "-id"]),
            models.Index(fields=["kind", "-ended_at"]),  # how long it took of late
            models.Index(
                fields=["-ended_at", "-id"],
                condition=models.Q(ended_at__isnull=False),
                name="operations_ended_last",
            ),
            models.Index(
                fields=["account", "lock_key", "id"],
                condition=models.Q(state=State.WAITING),
                name="lines_of_machines",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def is_ended(self) -> bool:
        return self.state in ENDED

    @property
    def holds(self) -> bool:
        return self.state in HOLDING

    @property
    def confirmed_at(self) -> datetime:
        """When all who had to had said yes."""
        return self.approved_at or self.created_at

    @property
    def is_in_hold(self) -> bool:
        """Whether it is asked for, and not to be sent before `hold_until`."""
        is_to_come = self.hold_until is not None and self.hold_until > timezone.now()
        return self.state == State.QUEUED and is_to_come

    @property
    def why(self) -> str:
        """Why it is where it is, in the reader's language; empty if there is nothing to say."""
        return Reason(self.reason).sentence(self.details) if self.reason else ""

    @property
    def description(self) -> str:
        """What we send with a create: our marker, where no shortening reaches it, and the note."""
        return f"[ref:{self.marker}] {self.note}".strip()


class Attempt(models.Model):
    """One call: inserted with the claim, answered once, never deleted.

    `late` marks an answer that came after its claim was lost: kept, and changing nothing.
    """

    class Outcome(models.TextChoices):
        NONE = "", _("No answer recorded")
        ACCEPTED = "accepted", _("Accepted")
        DECLINED = "declined", _("Declined")
        NOT_SENT = "not_sent", _("Not sent")
        UNKNOWN = "unknown", _("Unknown")

    operation = models.ForeignKey(Operation, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    claimed_at = models.DateTimeField()
    deadline = models.DateTimeField()
    pre_image = models.JSONField(default=dict)
    outcome = models.CharField(max_length=8, choices=Outcome, default=Outcome.NONE, blank=True)
    status = models.PositiveSmallIntegerField(null=True)
    excerpt = models.CharField(max_length=300, default="", blank=True)
    answered_at = models.DateTimeField(null=True)
    late = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["operation", "number"], name="attempt_numbered_once"),
        ]
        ordering = ["number"]
