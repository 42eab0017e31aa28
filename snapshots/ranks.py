"""Who may make whom what: roles below one's own, to and from people who have such a one.

Owners are the highest, so they give and take their own role too. Everybody who manages people may
also give up what they are themselves.
"""

from __future__ import annotations

from django.utils.translation import gettext as _

from snapshots.errors import NotAllowed
from snapshots.models import Membership, Role, Team, User
from snapshots.permissions import MANAGE_PEOPLE, named, require

RANK = {role: rank for rank, role in enumerate(Role)}  # the roles stand lowest first


def grantable(actor: User, team: Team, *, to: User | None = None) -> list[Role]:
    """The roles that `actor` may give, to themselves where `to` is they."""
    mine = actor.roles.get(team.pk)
    return [role for role in Role if mine and may_give(mine, role, is_self=actor == to)]


def may_give(mine: str, role: str, *, is_self: bool = False) -> bool:
    """Whether who is `mine` gives and takes `role`: see above."""
    rank, theirs = RANK[Role(mine)], RANK[Role(role)]
    return theirs < rank or (theirs == rank and (is_self or mine == Role.OWNER))


def require_reach(actor: User, membership: Membership) -> None:
    """Raise `NotAllowed` unless `actor` may change this member."""
    require(actor, MANAGE_PEOPLE, membership.team)
    check_rank(actor, membership.team, Role(membership.role), is_self=actor == membership.user)


def check_rank(actor: User, team: Team, role: Role, *, is_self: bool = False) -> None:
    """Whether `actor`, as things are now, may give or take `role`. Raises `NotAllowed`."""
    require(User.objects.get(pk=actor.pk), MANAGE_PEOPLE, team)
    mine = Role(Membership.objects.get(team=team, user=actor).role)
    if may_give(mine, role, is_self=is_self):
        return
    higher = [other for other in Role if may_give(other, role)]
    raise NotAllowed(
        _(
            "Your role is %(mine)s, and you give and take only those below it."
            " %(people)s can do that for %(role)s."
        )
        % {
            "mine": mine.label,
            "role": role.label,
            "people": named(team, higher),
        },
        team=team,
    )
