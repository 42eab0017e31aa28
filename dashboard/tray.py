"""What stands on every page: operations under way and the last that ended, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from dashboard import cells
from dashboard.seen import MOST_ROWS, Since, is_stopped, revisions
from snapshots.models import Account, Operation, Server, State, User
from snapshots.models.operation import OPEN
from snapshots.permissions import visible_accounts, visible_operations

LISTED = 10  # operations that the tray lists, those under way first; the rest is counted
FOR_PEOPLE = State.AWAITING_APPROVAL, State.NEEDS_PERSON  # they wait for somebody to decide
SILENCE = timedelta(seconds=15)  # a heartbeat or a due operation older than this is trouble


def _states(states: Iterable[str]) -> str:
    return ", ".join(f"'{state}'" for state in states)


# Whose operations one may see: of all one's teams, and for who is limited somewhere of what they
# reach there.
MINE = """
    team_id IN (SELECT team_id FROM snapshots_membership
        WHERE user_id = %s AND suspended_at IS NULL AND scope_id IS NULL)
"""
REACHED = """
    server_id IN (
        SELECT s.id FROM snapshots_membership m
            JOIN snapshots_scope_accounts p ON p.scope_id = m.scope_id
            JOIN snapshots_server s ON s.account_id = p.account_id
        WHERE m.user_id = %s AND m.suspended_at IS NULL
        UNION ALL
        SELECT g.server_id FROM snapshots_membership m
            JOIN snapshots_scope_tags p ON p.scope_id = m.scope_id
            JOIN snapshots_tag_servers g ON g.tag_id = p.tag_id
        WHERE m.user_id = %s AND m.suspended_at IS NULL
    )
"""
# Both parts by an index of their own, which an OR would not use, in one question. It stands on
# every page and is written out because to build it would take longer than to answer it.
LATELY = f"""
    SELECT o.id, o.kind, o.state, o.name, o.team_id, o.account_id, o.server_id, o.snapshot_id,
        o.parent_id, o.batch_id, o.asked_by_id, o.revision, o.created_at, o.sent_at,
        o.accepted_at, o.ended_at, s.name AS server_name, s.plan AS server_plan,
        t.in_all, t.holding, t.needing
    FROM (
        SELECT * FROM (
            SELECT id, COUNT(*) OVER () AS in_all,
                COUNT(CASE WHEN parent_id IS NULL AND state <> '{State.WAITING}' THEN 1 END)
                    OVER () AS holding,
                COUNT(CASE WHEN parent_id IS NULL AND state IN ({_states(FOR_PEOPLE)}) THEN 1 END)
                    OVER () AS needing
            FROM snapshots_operation WHERE state IN ({_states(OPEN)})
            AND ({{mine}})
            ORDER BY CASE WHEN state IN ({_states(FOR_PEOPLE)}) THEN 0 ELSE 1 END, id DESC
            LIMIT {MOST_ROWS}
        ) under_way UNION ALL SELECT * FROM (
            SELECT id, 0, 0, 0 FROM snapshots_operation WHERE ended_at IS NOT NULL
            AND ({{mine}})
            ORDER BY ended_at DESC, id DESC LIMIT 10
        ) ended
    ) t JOIN snapshots_operation o ON o.id = t.id JOIN snapshots_server s ON s.id = o.server_id
    ORDER BY o.id DESC
"""  # noqa: S608 nothing in it but our own words
OF_TEAMS = LATELY.format(mine=MINE)
AND_REACHED = LATELY.format(mine=f"{MINE} OR {REACHED}")


class Tray:
    """The operations of all pages: what is under way, and what ended last."""

    def __init__(self, user: User) -> None:
        rows = lately(user)
        self.under_way = [one for one in rows if not one.is_ended]
        self.ended = sorted(
            (one for one in rows if one.is_ended), key=lambda one: one.ended_at, reverse=True
        )
        self.in_all = self.needing = self.running = 0
        for one in self.under_way[:1]:  # each row tells of all, of which some were not read
            self.in_all, self.needing = one.in_all, one.needing
            self.running = one.holding - one.needing

    def rows_under_way(self) -> list[SafeString]:
        return self._rows(self.under_way[:LISTED])

    def rows_ended(self) -> list[SafeString]:
        return self._rows(self.ended[: max(3, LISTED - len(self.under_way))])

    @property
    def more(self) -> int:
        """How many are under way that are not listed."""
        return max(0, self.in_all - LISTED)

    @staticmethod
    def _rows(operations: list[Operation]) -> list[SafeString]:
        now = timezone.now()
        return [cells.tray_row(one, now) for one in operations]


def lately(user: User) -> list[Operation]:
    """What a tray holds, newest first, with the columns it shows: one query."""
    asked = AND_REACHED if user.scopes else OF_TEAMS
    found = list(Operation.objects.raw(asked, [user.pk] * asked.count("%s")))
    for one in found:
        one.server = Server(pk=one.server_id, name=one.server_name, plan=one.server_plan)
    return found


def tray(request: HttpRequest) -> Tray:
    """Read once a request."""
    if not hasattr(request, "_tray"):
        request._tray = Tray(request.user)
    return request._tray


def moved(request: HttpRequest, since: Since) -> list[Operation]:
    """What of the tray the page has not seen as it is now."""
    if not since.has_moved:
        return []
    shown = [*tray(request).under_way, *tray(request).ended]
    return [one for one in shown if one.revision > since.changed(one.account_id)]


def troubled(request: HttpRequest) -> list[Account]:
    """Accounts whose data are old or that send nothing. No query while all is well."""
    bad = [pk for pk, seen in revisions(request).items() if seen.is_troubled]
    return list(visible_accounts(request.user).filter(pk__in=bad).order_by("label")) if bad else []


def is_waiting(request: HttpRequest) -> bool:
    """Whether something ought to be done and no worker shows a sign of life."""
    if not settings.HEARTBEAT_FILE or heartbeat_age() < SILENCE:
        return False
    due = timezone.now() - SILENCE
    overdue = visible_accounts(request.user).exclude(paused__in=Account.NEEDS_TOKEN)
    return (
        visible_operations(request.user).filter(state=State.QUEUED, due_at__lt=due).exists()
        or overdue.filter(next_pass_at__lt=due).exists()
    )


def is_held_up(request: HttpRequest) -> bool:
    """Whether what is asked for does not get done, for whichever reason."""
    return is_stopped(request) or is_waiting(request)


def heartbeat_age() -> timedelta:
    try:
        beat = Path(settings.HEARTBEAT_FILE).stat().st_mtime
    except OSError:
        return timedelta.max
    return timedelta(seconds=max(0.0, timezone.now().timestamp() - beat))
