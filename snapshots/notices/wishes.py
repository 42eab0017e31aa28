"""Who wants to be told of what: a person's own choice, or what their role suggests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from django.db import transaction
from django.utils.translation import gettext as _

from snapshots.errors import Refused
from snapshots.models import Event, Membership, Role, Team, Topic, User, Wish
from snapshots.permissions import APPROVE, SET_RULES, TABLE, able

Scope = Wish.Scope
ALWAYS = frozenset({Topic.FAILED, Topic.IN_DOUBT, Topic.NEEDS_PERSON, Topic.ACCOUNT_PAUSED})
LEADING = frozenset({Role.OWNER, Role.ADMIN})


def is_fixed(role: str, topic: str) -> bool:
    """What an owner is always told, and what everybody is, whatever they choose."""
    return topic == Topic.EMERGENCY or (role == Role.OWNER and topic in ALWAYS)


def offered(topic: str) -> list[Scope]:
    """Nothing is one's own of what nobody asks for, or what is asked of others."""
    if topic in (Topic.ACCOUNT_PAUSED, Topic.APPROVAL):
        return [Scope.EVERYTHING, Scope.NOTHING]
    return list(Scope)


def default(role: str, topic: str) -> Scope:
    may_decide = topic == Topic.APPROVAL and APPROVE in TABLE[role]
    if may_decide or is_fixed(role, topic) or (role in LEADING and topic in ALWAYS):
        return Scope.EVERYTHING
    return Scope.MINE if Scope.MINE in offered(topic) else Scope.NOTHING


class Listener(NamedTuple):
    """One active member of a team, and what they chose."""

    user_id: int
    role: str
    wished: Mapping[str, str]
    scope_id: int | None = None

    def scope(self, topic: str) -> str:
        if is_fixed(self.role, topic):
            return Scope.EVERYTHING
        return self.wished.get(topic) or default(self.role, topic)

    def wants(self, topic: str, *, asked_by: int | None) -> bool:
        scope = self.scope(topic)
        return scope == Scope.EVERYTHING or (scope == Scope.MINE and asked_by == self.user_id)


def listeners(team_id: int) -> list[Listener]:
    """The team's active members."""
    wished: dict[int, dict[str, str]] = {}
    for user_id, topic, scope in Wish.objects.filter(team_id=team_id).values_list(
        "user_id", "topic", "scope"
    ):
        wished.setdefault(user_id, {})[topic] = scope
    members = Membership.objects.filter(team_id=team_id, suspended_at=None, user__is_active=True)
    return [
        Listener(user_id, role, wished.get(user_id, {}), scope)
        for user_id, role, scope in members.values_list("user_id", "role", "scope")
    ]


def listener(user: User, team: Team) -> Listener:
    """The same for one member."""
    chosen = Wish.objects.filter(user=user, team=team).values_list("topic", "scope")
    return Listener(user.pk, user.roles[team.pk], dict(chosen))


def concerned(event: Event) -> set[int] | None:
    """Whom alone it concerns, if not everybody who wants it.

    That a guard level is to be lowered: whoever asked, and who could decide it as things are now.
    """
    if event.operation_id or event.team is None or "lowering_id" not in event.data:
        return None
    return {event.data["asker_id"], *(person.pk for person in able(SET_RULES, event.team))}


def choose(user: User, team: Team, chosen: Mapping[str, str]) -> None:
    """Keep what `user` chose: topic -> scope. Raises `Refused`; all of it is kept, or nothing."""
    role = user.roles.get(team.pk, "")
    for topic, scope in chosen.items():
        if not role or topic not in Topic.values or scope not in offered(topic):
            raise Refused(_("This choice is not offered."))
        if is_fixed(role, topic) and scope != Scope.EVERYTHING:
            if topic == Topic.EMERGENCY:
                raise Refused(_("Everybody is told if a restore goes without its second person."))
            raise Refused(_("Owners are always told of what fails, is in doubt or is paused."))
    with transaction.atomic():
        for topic, scope in chosen.items():
            if is_fixed(role, topic):
                continue  # kept, it would hold when the role changes
            Wish.objects.update_or_create(
                user=user, team=team, topic=topic, defaults={"scope": scope}
            )
