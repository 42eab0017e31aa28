"""What a page has seen: the revisions of the accounts behind it, and what is newer than that."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connection
from django.db.models import Model
from django.http import HttpRequest
from django.utils.http import base36_to_int, int_to_base36

from snapshots.models import Operation, Standing

MOST_ROWS = 50  # more changed rows than this: the list as a whole
TOKEN = re.compile(r"[0-9a-z]{1,12}\.[0-9a-z]{1,12}!?")  # what a database's numbers hold


class Seen(NamedTuple):
    """What pages show of an account, told by one number and one mark."""

    revision: int
    is_troubled: bool


class Known(NamedTuple):
    """What every row of an account shows of it."""

    team_id: int
    label: str
    slots: int
    looked_at: datetime | str | None  # the newest complete look, as the database's driver gives it


Revisions = dict[int, Seen]
# Written out: nothing is asked as often, and to build it would take longer than to answer it.
KNOWN = """
    SELECT t.id, t.name, m.role, m.scope_id, t.second_factor,
        (SELECT COUNT(*) FROM snapshots_epoch WHERE stopped_at IS NOT NULL),
        a.id, a.removed_at, a.revision, a.trouble, a.paused, a.label, a.slots,
        a.complete_pass_at
    FROM snapshots_membership m JOIN snapshots_team t ON t.id = m.team_id
        LEFT JOIN snapshots_account a ON a.team_id = t.id AND (m.scope_id IS NULL
            OR a.id IN (SELECT account_id FROM snapshots_scope_accounts
                WHERE scope_id = m.scope_id)
            OR a.id IN (SELECT s.account_id FROM snapshots_scope_tags p
                JOIN snapshots_tag_servers g ON g.tag_id = p.tag_id
                JOIN snapshots_server s ON s.id = g.server_id
                WHERE p.scope_id = m.scope_id))
    WHERE m.user_id = %s AND m.suspended_at IS NULL
"""


def revisions(request: HttpRequest) -> Revisions:
    """The accounts this person can see, and the roles that say so: one query, once a request."""
    if not hasattr(request, "_revisions"):
        standing: dict[int, Standing] = {}
        request._revisions, request._accounts, request._teams = {}, {}, {}
        request._is_stopped = False
        with connection.cursor() as cursor:
            cursor.execute(KNOWN, [request.user.pk])
            rows = cursor.fetchall()
        for team, name, role, scope, asks_more, stopped, pk, removed_at, *told in rows:
            revision, trouble, paused, *known = told
            standing[team], request._teams[team] = Standing(role, scope, asks_more), name
            request._is_stopped = bool(stopped)
            if pk and not removed_at:
                request._revisions[pk] = Seen(revision, bool(trouble or paused))
                request._accounts[pk] = Known(team, *known)
        request.user.standing = standing
    return request._revisions


def accounts(request: HttpRequest) -> dict[int, Known]:
    """The same accounts, in words."""
    revisions(request)
    return request._accounts


def teams(request: HttpRequest) -> dict[int, str]:
    """The names of the person's teams, told with the same query."""
    revisions(request)
    return request._teams


def is_stopped(request: HttpRequest) -> bool:
    """Whether nothing is sent at all, told with the same query."""
    revisions(request)
    return request._is_stopped


def write_token(seen: Revisions, is_waiting: bool) -> str:
    parts = [
        f"{int_to_base36(pk)}.{int_to_base36(account.revision)}{'!' * account.is_troubled}"
        for pk, account in sorted(seen.items())
    ]
    return "-".join(["w" if is_waiting else "0", *parts])


def read_token(token: str) -> tuple[Revisions, bool] | None:
    """The token's accounts; None for anything that we did not write."""
    first, *parts = token.split("-")
    if first not in {"w", "0"} or not all(TOKEN.fullmatch(part) for part in parts):
        return None
    seen = {}
    for part in parts:
        pk, revision = part.rstrip("!").split(".")
        seen[base36_to_int(pk)] = Seen(base36_to_int(revision), part.endswith("!"))
    return seen, first == "w"


@dataclass
class Since:
    """What the page has seen already (`before`; None if unknown), and what there is now."""

    before: Revisions | None
    now: Revisions
    list: str = ""  # the mark of the list that the page shows
    has_moved: bool = True  # whether an operation may have changed: `rows` finds out

    @property
    def is_full(self) -> bool:
        return self.before is None

    def changed(self, account_id: int) -> int:
        """Rows of this account with a greater revision have changed."""
        if self.before is None or account_id not in self.before:
            return -1
        return self.before[account_id].revision

    def has_changed(self, account_id: int) -> bool:
        return self.before is None or self.before.get(account_id) != self.now.get(account_id)

    def rows(self, *tables: tuple[type[Model], str]) -> set[int] | None:
        """The ids of changed rows, or None when the list should come as a whole: one question.

        `(Server, "id"), (Operation, "server_id")` are the servers that changed themselves, and
        those of changed operations.
        """
        if self.before is None or self.before.keys() != self.now.keys():
            return None
        newer = [(pk, self.before[pk].revision) for pk in self.now if self.has_changed(pk)]
        parts = [_newer_rows(*table) for _account in newer for table in tables]
        if not parts:
            return set()
        values = [value for account in newer for _table in tables for value in account]
        with connection.cursor() as cursor:
            cursor.execute(f"{' UNION '.join(parts)} LIMIT {MOST_ROWS + 1}", values)
            rows = cursor.fetchall()
        if len(rows) > MOST_ROWS:
            return None
        if any(model is Operation for model, _column in tables):
            self.has_moved = any(is_operation for _pk, is_operation in rows)
        return {pk for pk, _is_operation in rows if pk is not None}


def _newer_rows(model: type[Model], column: str) -> str:
    is_operation = int(model is Operation)
    return (
        f"SELECT {column}, {is_operation} FROM {model._meta.db_table}"  # noqa: S608
        " WHERE account_id = %s AND revision > %s"
    )
