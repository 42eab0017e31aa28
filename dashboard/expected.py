"""Estimates on pages: read once a request, and said in words that tell what they rest on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from math import ceil

from django.conf import settings
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext_lazy

from snapshots import estimates
from snapshots.estimates import Basis, Estimate
from snapshots.models import Kind, Operation
from snapshots.text import shown

OF_SERVER = {
    Kind.CREATE: ngettext_lazy(
        "usually %(span)s here (last %(count)d snapshot of this server)",
        "usually %(span)s here (last %(count)d snapshots of this server)",
        "count",
    ),
    Kind.RESTORE: ngettext_lazy(
        "usually %(span)s here (last %(count)d restore of this server)",
        "usually %(span)s here (last %(count)d restores of this server)",
        "count",
    ),
    Kind.DELETE: ngettext_lazy(
        "usually %(span)s here (last %(count)d deletion on this server)",
        "usually %(span)s here (last %(count)d deletions on this server)",
        "count",
    ),
    Kind.STOP: ngettext_lazy(
        "usually %(span)s here (stopped %(count)d time before)",
        "usually %(span)s here (stopped %(count)d times before)",
        "count",
    ),
    Kind.START: ngettext_lazy(
        "usually %(span)s here (started %(count)d time before)",
        "usually %(span)s here (started %(count)d times before)",
        "count",
    ),
}
OF_PLAN = {
    Kind.CREATE: ngettext_lazy(
        "usually %(span)s (last %(count)d snapshot of servers of the plan %(plan)s)",
        "usually %(span)s (last %(count)d snapshots of servers of the plan %(plan)s)",
        "count",
    ),
    Kind.RESTORE: ngettext_lazy(
        "usually %(span)s (last %(count)d restore of servers of the plan %(plan)s)",
        "usually %(span)s (last %(count)d restores of servers of the plan %(plan)s)",
        "count",
    ),
    Kind.DELETE: ngettext_lazy(
        "usually %(span)s (last %(count)d deletion on servers of the plan %(plan)s)",
        "usually %(span)s (last %(count)d deletions on servers of the plan %(plan)s)",
        "count",
    ),
    Kind.STOP: ngettext_lazy(
        "usually %(span)s (last %(count)d stop of servers of the plan %(plan)s)",
        "usually %(span)s (last %(count)d stops of servers of the plan %(plan)s)",
        "count",
    ),
    Kind.START: ngettext_lazy(
        "usually %(span)s (last %(count)d start of servers of the plan %(plan)s)",
        "usually %(span)s (last %(count)d starts of servers of the plan %(plan)s)",
        "count",
    ),
}


def of(request: HttpRequest | None, operations: Iterable[Operation]) -> dict[int, Estimate | None]:
    """Estimates by the operations' ids. Asked once a request for each, two questions at a time."""
    known: dict[int, Estimate | None] = {}
    if request is not None:
        known = request.__dict__.setdefault("_estimates", known)
    if missing := [one for one in operations if one.pk not in known]:
        known.update(estimates.of(missing))
    return known


def usually(estimate: Estimate | None, kind: str, plan: str = "") -> str:
    """How long it takes and who says so; empty where nobody does."""
    if estimate is None:
        return ""
    span = words(estimate.low, estimate.high)
    if estimate.basis == Basis.DOCUMENTED:
        return _documented(span)
    sentences = OF_SERVER if estimate.basis == Basis.SERVER else OF_PLAN
    values = {"span": span, "count": estimate.count, "plan": shown(plan)}
    return str(sentences[Kind(kind)] % values)


def _documented(span: str) -> str:
    pace = settings.PROVIDER_PACE
    if pace == 1:
        return gettext("usually %(span)s (provider’s documentation)") % {"span": span}
    return gettext(
        "usually %(range)s here: the simulated provider runs %(pace)s times faster than documented"
    ) % {"range": span, "pace": number_format(pace, decimal_pos=0 if pace == int(pace) else 1)}


def words(low: timedelta, high: timedelta) -> str:
    """A range in minutes; in seconds only where a simulated provider has a pace of its own."""
    if settings.PROVIDER_PACE != 1 and high < timedelta(minutes=2):
        first, last = round(low.total_seconds()), ceil(high.total_seconds())
        if first < last:
            return gettext("%(low)d–%(high)d s") % {"low": first, "high": last}
        return gettext("about %d s") % last
    if high < timedelta(minutes=1):
        return gettext("less than a minute")
    first, last = max(1, low // timedelta(minutes=1)), ceil(high / timedelta(minutes=1))
    if first < last:
        return gettext("%(low)d–%(high)d min") % {"low": first, "high": last}
    return gettext("about %d min") % last
