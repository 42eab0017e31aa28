"""Guard levels: how well a server is guarded against restores and deletions.

A team has a level; a tag and a server may say one of their own. What the server says counts; else
the strictest of what its tags say; else what its team says. How one is set stands in `guards`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from snapshots import kept
from snapshots.models import Guard, Server, Tag, Team
from snapshots.models.guard import NEEDS_TWO
from snapshots.permissions import SET_RULES, named, roles_with
from snapshots.said import Said
from snapshots.said import gettext as _

SAYS = ("team", "tag", "server")  # the last that says something counts


@dataclass(frozen=True)
class Level:
    """What counts for a server, and what says so: `on` is one of `SAYS`, `name` its own.

    `by` is who set it; empty for a team whose level nobody ever set.
    """

    on: str
    guard: Guard
    by: str
    name: str

    @property
    def is_open(self) -> bool:
        return self.guard == Guard.OPEN

    @property
    def is_sealed(self) -> bool:
        return self.guard == Guard.SEALED

    @property
    def what(self) -> str:
        """The server, the tag or the team, by name."""
        return f"#{self.name}" if self.on == "tag" else self.name

    @property
    def where(self) -> Said:
        """What says so, in words."""
        words = {"name": self.what, "person": self.by}
        if self.on == "server":
            return _("set on this server by %(person)s") % words
        if self.on == "tag":
            return _("set on its tag %(name)s by %(person)s") % words
        if self.by:
            return _("set on all of %(name)s by %(person)s") % words
        return _("as everything of %(name)s, unless somebody says otherwise") % words


def level(server: Server) -> Level:
    """What counts for `server` now, read afresh: one question."""
    return levels([server.pk])[server.pk]


def levels(servers: Sequence[int]) -> dict[int, Level]:
    """The same of several, by their ids: one question, however many."""
    key = ("guard levels", len(servers))
    return _counted(kept.ask(key, lambda: _rows().filter(pk__in=servers), servers))


def of_team(team: Team) -> dict[int, Level]:
    """The same of every server of `team`."""
    return _counted(_rows().filter(account__team=team))


def counts(guard: Guard) -> Q:
    """Of which servers `guard` is the level that counts: the same rule, for a list."""

    def tagged(guards: Iterable[Guard]) -> Exists:
        tags = Tag.servers.through.objects.filter(server=OuterRef("pk"))
        return Exists(tags.filter(tag__guard__in=guards))

    stricter = [one for one in Guard if one.strictness > guard.strictness]
    by_tag = Q(tagged([guard])) & ~Q(tagged(stricter))
    by_team = Q(account__team__guard=guard) & ~Q(tagged(Guard))
    return Q(guard=guard) | (Q(guard="") & (by_tag | by_team))


def _rows() -> QuerySet[Server, tuple[Any, ...]]:
    team = ("account__team__guard", "account__team__guard_by_name", "account__team__name")
    tag = ("tags__guard", "tags__guard_by_name", "tags__word")
    rows = Server.objects.order_by("tags__word")
    return rows.values_list("pk", *team, *tag, "guard", "guard_by_name", "name")


def _counted(rows: Iterable[tuple[Any, ...]]) -> dict[int, Level]:
    found: dict[int, list[Level]] = {}
    for pk, *told in rows:
        found.setdefault(pk, []).extend(
            Level(on, Guard(told[at]), told[at + 1], told[at + 2])
            for at, on in zip((0, 3, 6), SAYS, strict=True)
            if told[at]
        )
    return {pk: max(said, key=_weight) for pk, said in found.items()}


def _weight(said: Level) -> tuple[int, int]:
    return SAYS.index(said.on), said.guard.strictness


def falls(before: Level, after: Level) -> bool:
    """Whether that takes two."""
    return before.guard in NEEDS_TWO and after.guard not in NEEDS_TWO


def people(team: Team) -> str:
    """Who can change a level, by name."""
    return named(team, roles_with(SET_RULES))
