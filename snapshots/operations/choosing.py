"""Which snapshot a server would best go back to, and why. Pure, so that it can be tested whole."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from snapshots.models import Operation, Snapshot
from snapshots.said import gettext as _
from snapshots.text import shown

# As people say it in our languages, and as the provider's own examples do.
BEFORE = re.compile(r"(?<![^\W_])(before|pre|prior|antaŭ|antau|قبل)(?![^\W_])", re.IGNORECASE)


class Recommended(NamedTuple):
    snapshot: Snapshot
    why: str


def recommend(
    snapshots: Sequence[Snapshot], makers: Mapping[int | None, Operation]
) -> Recommended | None:
    """The one of a server's snapshots to go back to if nothing else is known, and why.

    The last known good one; else the newest that was taken before a change; else the newest.
    A safety snapshot holds what somebody went away from, so it comes last. Of one there is
    nothing to choose.
    """
    whole = [one for one in snapshots if one.is_completed and not one.gone_at and one.created_at]
    if len(whole) < 2:
        return None
    whole.sort(key=lambda one: (one.created_at, one.pk), reverse=True)
    for one in whole:
        if one.is_good:
            words = {"person": shown(one.good_by_name), "why": shown(one.good_why)}
            return Recommended(
                one, _("It is the last known good one. %(person)s: “%(why)s”") % words
            )
    ours = [one for one in whole if not _is_safety(makers.get(one.pk))]
    for one in ours:
        if was_before_a_change(one, makers.get(one.pk)):
            return Recommended(
                one,
                _(
                    "None is marked as known good. It is the newest that was taken before a"
                    " change, as its name, its note or its purpose says."
                ),
            )
    if ours:
        return Recommended(
            ours[0],
            _(
                "None is marked as known good, and none says that it was taken before a change."
                " It is the newest completed one, so the least is lost."
            ),
        )
    return Recommended(
        whole[0],
        _(
            "There are only safety snapshots, each of a state that somebody went away from."
            " It is the newest of them."
        ),
    )


def was_before_a_change(snapshot: Snapshot, maker: Operation | None) -> bool:
    """Whether people's words say so."""
    note = maker.note if maker else snapshot.note
    return bool(BEFORE.search(f"{snapshot.name} {note} {snapshot.purpose}"))


def _is_safety(maker: Operation | None) -> bool:
    return maker is not None and maker.parent_id is not None
