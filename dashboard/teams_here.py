"""The team whose things a person is looking at, where they are in several.

It narrows lists and decides nothing: what one may see and do is `snapshots.permissions`.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from django.db.models import Model, QuerySet
from django.http import HttpRequest

from dashboard import seen
from snapshots.models import Team

Row = TypeVar("Row", bound=Model)


def chosen(request: HttpRequest) -> int | None:
    """The id of the team that was chosen; None for all teams of the person."""
    pk = request.session.get("team")
    return pk if pk in request.user.roles else None


def choose(request: HttpRequest, pk: int | None) -> None:
    """Show this team's things from now on; None for those of all teams."""
    if pk in request.user.roles:
        request.session["team"] = pk
    else:
        request.session.pop("team", None)


def mine(request: HttpRequest) -> QuerySet[Team]:
    """Those of the person, by name."""
    return Team.objects.filter(pk__in=request.user.roles).order_by("name", "pk")


def here(request: HttpRequest, rows: QuerySet[Row], path: str = "team") -> QuerySet[Row]:
    """Those of `rows` that are the chosen team's; `path` leads from a row to its team."""
    pk = chosen(request)
    return rows if pk is None else rows.filter(**{path: pk})


class Named(NamedTuple):
    pk: int
    name: str


def switch(request: HttpRequest) -> dict[str, Any]:
    """The teams to choose from and the chosen one; empty for who is in one. No query of its own."""
    if len(request.user.roles) < 2:
        return {}
    teams = [
        Named(*team) for team in sorted(seen.teams(request).items(), key=lambda team: team[::-1])
    ]
    pk = chosen(request)
    return {"teams": teams, "chosen": next((team for team in teams if team.pk == pk), None)}
