"""Why an operation is where it is: a code in the row, a sentence for the reader."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from snapshots.wire_words import in_our_words


class Reason(models.TextChoices):
    """Value and sentence. Placeholders come from the operation's `details`.

    `words` are the provider's own, cleaned and never translated, or the client's.
    """

    # nothing was sent
    NOT_SENT = "not_sent", _("nothing was sent: {words}; we try again")
    BUSY = "busy", _("the provider asked us to wait; nothing was changed; we try again")
    PACED = "paced", _("we read from this account only so often; we try again in a moment")
    NO_READ = (
        "no_read",
        _("the provider did not answer our look before sending: {words}; we try again"),
    )
    CHANGED = "changed", _("it changed since you confirmed ({what}); nothing was sent")
    SNAPSHOT_MISSING = "snapshot_missing", _("the snapshot is no longer listed; nothing was sent")
    NOT_COMPLETED = "not_completed", _("the snapshot is “{words}”, not completed; nothing was sent")
    SERVER_MISSING = "server_missing", _("the server is no longer listed; nothing was sent")
    SLOTS_FULL = "slots_full", _("all {limit} slots are taken ({names}); nothing was sent")
    RIGHT_WITHDRAWN = (
        "right_withdrawn",
        _("{person} no longer has the right to do this; nothing was sent"),
    )
    LOCKED = "locked", _("{person} locked it: {words}; nothing was sent")
    KNOWN_GOOD = "known_good", _("{person} marked it as known good: {words}; nothing was sent")
    SEALED = "sealed", _("{person} sealed {what}; nothing was sent")
    GUARD_RAISED = (
        "guard_raised",
        _(
            "it was confirmed with a button alone, while {what} was open; it is not any more,"
            " so nothing was sent"
        ),
    )
    REJECTED = "rejected", _("{person} rejected it: {words}; nothing was sent")
    NOBODY_DECIDED = "nobody_decided", _("no second person decided in time; nothing was sent")
    NOT_APPROVED = (
        "not_approved",
        _(
            "the server needs a second person’s approval now, and this has none;"
            " nothing was sent; please ask again"
        ),
    )
    APPROVER_LEFT = (
        "approver_left",
        _("{person}, who approved it, no longer has the right to; nothing was sent"),
    )
    CHILD_FAILED = (
        "child_failed",
        _("the safety snapshot did not complete; the restore was not sent"),
    )
    ROOM_FAILED = (
        "room_failed",
        _("the snapshot that was to make room was not deleted; nothing more was sent"),
    )
    SLOT_FREE = "slot_free", _("a slot became free meanwhile; nothing was deleted")
    STOPPED = "stopped", _("what needed it was cancelled")
    STOPPED_BY = "stopped_by", _("{person} stopped it; it was not sent")
    TOO_LATE = "too_late", _("it was not sent in time")
    NEEDED_FAILED = (
        "needed_failed",
        _("the server was not stopped, which had to come first; nothing was sent"),
    )
    ALREADY = "already", _("the server is “{words}” already; nothing was sent")
    KEY_LOST = "key_lost", _("this account needs its token again; nothing was sent")
    PUT_BACK = (
        "put_back",
        _(
            "our database was put back to an earlier time; it may have been sent before,"
            " and is not sent again"
        ),
    )
    # the provider said no
    PROVIDER_SAID = "provider_said", _("the provider refused: {words}")
    BUSY_CONFIRM = (
        "busy_confirm",
        _("the provider is busy and refused; nothing was changed; confirm again"),
    )
    TOKEN_REFUSED = "token_refused", _("the provider refuses the account's token")
    PERMISSION_MISSING = (
        "permission_missing",
        _("the account's token lacks the permission: {words}"),
    )
    GONE = "gone", _("the provider no longer has it: {words}")
    # sent, or maybe sent
    NO_ANSWER = "no_answer", _("it may have been sent, and no clear answer came back: {words}")
    CLAIM_LOST = "claim_lost", _("the worker was lost while sending; the request may have gone out")
    OUR_FAULT = (
        "our_fault",
        _("an error of ours came up while sending; the request may have gone out"),
    )
    DELETE_404 = (
        "delete_404",
        _("the provider answered “not found”, which may mean that it is gone"),
    )
    ACCEPTED = "accepted", _("the provider accepted")
    # what was seen
    SEEN_POWER = "seen_power", _("the provider shows the server as “{words}”")
    STILL = "still", _("the provider still shows the server as “{words}”")
    SEEN_DONE = "seen_done", _("the provider lists it as done")
    SEEN_FAILED = "seen_failed", _("the provider lists it as failed")
    SEEN_MARKED = "seen_marked", _("the provider lists it with our marker")
    SEEN_RESTORING = "seen_restoring", _("the provider shows the server as restoring")
    ADOPTED = "adopted", _("one new snapshot matches by server, name and time; we take it for ours")
    NOT_LISTED = "not_listed", _("two complete looks at the provider did not show it")
    STILL_LISTED = "still_listed", _("two complete looks still showed it, unchanged")
    TWO_MARKED = "two_marked", _("two snapshots carry our marker, which cannot be: please look")
    SEVERAL_MATCH = "several_match", _("several new snapshots match; we cannot tell which is ours")
    UNMARKED = (
        "unmarked",
        _("a new snapshot matches, but without our marker; we cannot tell whether it is ours"),
    )
    VANISHED = "vanished", _("the provider accepted it and no longer lists it")
    SERVER_VANISHED = "server_vanished", _("the provider no longer lists the server")
    CHANGED_MEANWHILE = (
        "changed_meanwhile",
        _("the snapshot is listed, but it is not the same any more"),
    )
    NEVER_RESTORING = (
        "never_restoring",
        _("the provider accepted it, but never showed the server as restoring"),
    )
    UNSEEN = (
        "unseen",
        _("the provider accepted it, but could not be asked since; nobody saw whether it ran"),
    )
    UNDECIDED = (
        "undecided",
        _("nothing we saw decides whether it happened, and a restore is never sent twice"),
    )
    TOO_LONG = "too_long", _("it has been running for 24 hours")
    VERDICT = "verdict", _("{person} decided: {words}")

    def sentence(self, details: dict[str, Any]) -> str:
        words = str(details.get("words", ""))
        return str(self.label).format_map(Blank(details, words=in_our_words(words) or words))


class Blank(dict[str, Any]):
    """Fills a sentence; a missing placeholder is left empty rather than failing a page."""

    def __missing__(self, key: str) -> str:
        return ""
