"""Teams and who is in them."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from snapshots import events
from snapshots.errors import Refused
from snapshots.models import Membership, Role, Team, User


def create_team(name: str, *, owner: User) -> Team:
    """A new team with its first owner."""
    with transaction.atomic():
        team = Team.objects.create(name=name)
        Membership.objects.create(team=team, user=owner, role=Role.OWNER)
        events.record(events.Verb.TEAM_CREATED, team=team, actor=owner)
    return team


def add_member(team: Team, user: User, role: Role, *, actor: User | None = None) -> Membership:
    """Make `user` a member. Raises `Refused` if they are one already."""
    try:
        with transaction.atomic():
            membership = Membership.objects.create(team=team, user=user, role=role)
            events.record(
                events.Verb.MEMBER_ADDED,
                team=team,
                actor=actor,
                member=str(user),
                role=str(role.label),
            )
    except IntegrityError:
        raise Refused(
            _("%(person)s is in %(team)s already.") % {"person": user, "team": team.name}
        ) from None
    return membership
