"""Teams and who is in them: create, rename, change a role, remove, leave.

Whoever manages people gives and takes roles up to their own, and never touches a higher one. A
team always has an owner. Each change first locks the team's row, so that two people who demote
each other, or two who open the same link, come one after the other.
"""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from snapshots import events
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Membership, Operation, Role, State, Team, User
from snapshots.models.operation import NOT_SENT
from snapshots.models.people import LONGEST_HOLD
from snapshots.permissions import MANAGE_PEOPLE, SET_RULES, may_now, require

RANK = {role: rank for rank, role in enumerate(Role)}  # the roles stand lowest first


# -- teams ----------------------------------------------------------------------------------------


def create_team(name: str, *, owner: User) -> Team:
    """A new team with its first owner: anybody may begin one. Raises `Refused` for a bad name."""
    with transaction.atomic():
        team = Team.objects.create(name=_name(name))
        Membership.objects.create(team=team, user=owner, role=Role.OWNER)
        events.record(events.Verb.TEAM_CREATED, team=team, actor=owner)
    return team


def rename_team(team: Team, name: str, *, actor: User) -> None:
    require(actor, MANAGE_PEOPLE, team)
    with transaction.atomic():
        team = locked(team)
        before, team.name = team.name, _name(name)
        if before != team.name:
            team.save(update_fields=["name"])
            events.record(events.Verb.TEAM_RENAMED, team=team, actor=actor, before=before)


def set_hold(team: Team, seconds: int, *, actor: User) -> None:
    """How long a confirmed restore can be thought over before it is sent, in seconds."""
    require(actor, SET_RULES, team)
    if not 0 <= seconds <= LONGEST_HOLD:
        words = _("The hold lasts from 0 to %(most)d seconds.") % {"most": LONGEST_HOLD}
        raise Refused(words, field="seconds")
    with transaction.atomic():
        team = locked(team)
        before, team.hold = team.hold, seconds
        if before != team.hold:
            team.save(update_fields=["hold"])
            verb = events.Verb.TEAM_HOLD_SET
            events.record(verb, team=team, actor=actor, before=before, number=seconds)


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name:
        raise Refused(_("A team needs a name."), field="name")
    if len(name) > 100:
        raise Refused(
            _("The name has %(count)d characters; 100 fit.") % {"count": len(name)}, field="name"
        )
    return name


def locked(team: Team) -> Team:
    """The team's row, so that nobody else changes who is in it until this transaction ends.

    Rows that only refer to the team, such as lines of the history, are written meanwhile: if they
    had to wait, who holds a webhook and who removes its owner would wait for each other.
    """
    return Team.objects.select_for_update(no_key=True).get(pk=team.pk)


# -- members --------------------------------------------------------------------------------------


def add_member(team: Team, user: User, role: Role, *, actor: User | None = None) -> Membership:
    """Make `user` a member. Raises `Refused` if they are one already."""
    with transaction.atomic():
        membership = join(team, user, role)
        events.record(
            events.Verb.MEMBER_ADDED, team=team, actor=actor, member=str(user), role=str(role)
        )
    return membership


def join(team: Team, user: User, role: str) -> Membership:
    """The row alone, without its audit line. Raises `Refused` if they are one already."""
    try:
        with transaction.atomic():
            return Membership.objects.create(team=team, user=user, role=role)
    except IntegrityError:
        raise Refused(
            _("%(person)s is in %(team)s already.") % {"person": user, "team": team.name}
        ) from None


def grantable(actor: User, team: Team) -> list[Role]:
    """The roles that `actor` may give: up to their own."""
    mine = actor.roles.get(team.pk)
    return [role for role in Role if mine and RANK[role] <= RANK[Role(mine)]]


def require_reach(actor: User, membership: Membership) -> None:
    """Raise `NotAllowed` unless `actor` may change this member."""
    require(actor, MANAGE_PEOPLE, membership.team)
    check_rank(actor, membership.team, Role(membership.role))


def change_role(membership: Membership, role: Role, *, actor: User) -> None:
    """Make a member something else, from their next request on. Raises `Refused`."""
    team = membership.team
    require(actor, MANAGE_PEOPLE, team)
    with transaction.atomic():
        membership = _locked_member(membership, actor)
        check_rank(actor, team, role)
        if membership.role == role:
            return
        before, membership.role = membership.role, role
        membership.save(update_fields=["role"])
        _check_owner_stays(team)
        events.record(
            events.Verb.MEMBER_ROLE_CHANGED,
            team=team,
            actor=actor,
            member=str(membership.user),
            old_role=before,
            role=str(role),
        )


def remove_member(membership: Membership, *, actor: User) -> None:
    """Take a member out of the team, at once. Raises `Refused`."""
    require(actor, MANAGE_PEOPLE, membership.team)
    with transaction.atomic():
        membership = _locked_member(membership, actor)
        membership.delete()
        _check_owner_stays(membership.team)
        verb = events.Verb.MEMBER_REMOVED
        member, role = str(membership.user), membership.role
        events.record(verb, team=membership.team, actor=actor, member=member, role=role)


def leave(team: Team, *, actor: User) -> None:
    """Go out of the team. Raises `Refused` for its last owner."""
    with transaction.atomic():
        locked(team)
        membership = Membership.objects.filter(team=team, user=actor).first()
        if membership is None:
            return
        membership.delete()
        _check_owner_stays(team)
        verb = events.Verb.MEMBER_LEFT
        events.record(verb, team=team, actor=actor, member=str(actor), role=membership.role)


def unsent(membership: Membership) -> int:
    """How many requests of theirs have not been sent: without the right, they never will be."""
    return Operation.objects.filter(
        team_id=membership.team_id,
        asked_by_id=membership.user_id,
        state__in=(State.WAITING, *NOT_SENT),
    ).count()


def _locked_member(membership: Membership, actor: User) -> Membership:
    """The row as it is now, with its team locked. Raises `Refused` if `actor` may not touch it."""
    locked(membership.team)
    row = Membership.objects.filter(pk=membership.pk).select_related("team", "user").first()
    if row is None:
        raise Refused(
            _("%(person)s is not in %(team)s any more.")
            % {"person": membership.user, "team": membership.team.name}
        )
    check_rank(actor, row.team, Role(row.role))
    return row


def check_rank(actor: User, team: Team, role: Role) -> None:
    """Whether `actor`, as things are now, may give or take `role`. Raises `NotAllowed`."""
    mine = Membership.objects.filter(team=team, user=actor, user__is_active=True).first()
    if mine is None or not may_now(actor.pk, MANAGE_PEOPLE, team.pk):
        raise NotAllowed(_("You may not manage people in %(team)s.") % {"team": team.name})
    if RANK[role] > RANK[Role(mine.role)]:
        raise NotAllowed(
            _("Your role is %(mine)s. Only who is %(role)s themselves gives or takes that role.")
            % {"mine": Role(mine.role).label, "role": role.label}
        )


def _check_owner_stays(team: Team) -> None:
    """To be asked after the change, in its transaction."""
    owners = Membership.objects.filter(team=team, role=Role.OWNER, user__is_active=True)
    if not owners.exists():
        raise Refused(
            _("%(team)s would be left without an owner. Make somebody else an owner first.")
            % {"team": team.name}
        )
