"""Teams and who is in them: create, rename, change a role, remove, leave.

Who may make whom what stands in `ranks`. A team always has an owner who is not suspended. Each
change first locks the team's row, so that two people who demote each other, or two who open the
same link, come one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.utils import timezone

from snapshots import events
from snapshots.errors import Refused
from snapshots.models import (
    LIMITABLE,
    Account,
    Membership,
    Operation,
    Role,
    Scope,
    State,
    Tag,
    Team,
    User,
)
from snapshots.models.operation import NOT_SENT
from snapshots.models.people import LONGEST_GRACE, LONGEST_HOLD
from snapshots.models.scope import words_of
from snapshots.permissions import MANAGE_PEOPLE, SET_RULES, managers, require
from snapshots.ranks import check_rank
from snapshots.said import gettext as _

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
    _set_wait(team, "hold", seconds, events.Verb.TEAM_HOLD_SET, actor)


def set_grace(team: Team, minutes: int, *, actor: User) -> None:
    """How long a deletion can be taken back before it is sent, in minutes."""
    require(actor, SET_RULES, team)
    if not 0 <= minutes <= LONGEST_GRACE:
        words = _("The grace lasts from 0 to %(most)d minutes.") % {"most": LONGEST_GRACE}
        raise Refused(words, field="minutes")
    _set_wait(team, "grace", minutes, events.Verb.TEAM_GRACE_SET, actor)


def _set_wait(team: Team, name: str, number: int, verb: events.Verb, actor: User) -> None:
    with transaction.atomic():
        team = locked(team)
        before = getattr(team, name)
        if before != number:
            setattr(team, name, number)
            team.save(update_fields=[name])
            events.record(verb, team=team, actor=actor, before=before, number=number)


def set_rules(team: Team, *, seconds: int, minutes: int, second_factor: bool, actor: User) -> None:
    """The hold, the grace and the second factor: all of it, or nothing. Raises `Refused`."""
    with events.audited(actor=actor, team=team), transaction.atomic():
        _set_second_factor(team, second_factor, actor=actor)
        set_hold(team, seconds, actor=actor)
        set_grace(team, minutes, actor=actor)


def _set_second_factor(team: Team, wanted: bool, *, actor: User) -> None:
    """Whether everybody needs a second factor to act in the team. For owners who have one."""
    require(actor, SET_RULES, team)
    with transaction.atomic():
        team = locked(team)
        if team.second_factor == wanted:
            return
        if not Membership.objects.filter(team=team, user=actor, role=Role.OWNER).exists():
            words = _("Only an owner says whether everybody needs a second factor.")
            raise Refused(words, field="second_factor")
        if wanted and not actor.has_second_factor:
            words = _("Set up your own second factor first: without it you could not act here.")
            raise Refused(words, field="second_factor")
        team.second_factor = wanted
        team.save(update_fields=["second_factor"])
        verb = events.Verb.TEAM_SECOND_FACTOR_ON if wanted else events.Verb.TEAM_SECOND_FACTOR_OFF
        events.record(verb, team=team, actor=actor)


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


class Only(NamedTuple):
    """What somebody is to be limited to; None in its place stands for everything."""

    accounts: Sequence[Account] = ()
    tags: Sequence[Tag] = ()

    @property
    def words(self) -> str:
        return words_of(self.accounts, self.tags)


def add_member(
    team: Team, user: User, role: Role, *, actor: User | None = None, only: Only | None = None
) -> Membership:
    """Make `user` a member. Raises `Refused` if they are one already."""
    with transaction.atomic():
        membership = join(team, user, role, made(only, team, role))
        events.record(
            events.Verb.MEMBER_ADDED,
            team=team,
            actor=actor,
            member=str(user),
            member_id=user.pk,
            role=str(role),
        )
        tell_reach(membership, actor)
    return membership


def join(team: Team, user: User, role: str, scope: Scope | None = None) -> Membership:
    """The row alone, without its audit line. Raises `Refused` if they are one already."""
    try:
        with transaction.atomic():
            return Membership.objects.create(team=team, user=user, role=role, scope=scope)
    except IntegrityError:
        raise Refused(
            _("%(person)s is in %(team)s already.") % {"person": user, "team": team.name}
        ) from None


def made(only: Only | None, team: Team, role: str) -> Scope | None:
    """The scope that limits somebody of this role to `only`. Raises `Refused`."""
    if only is None:
        return None
    if role not in LIMITABLE:
        sentence = _("Who is %(role)s reaches everything in %(team)s and cannot be limited.")
        raise Refused(sentence % {"role": Role(role).label, "team": team.name}, field="reach")
    if not only.accounts and not only.tags:
        raise Refused(_("Choose the accounts or tags that they are limited to."), field="reach")
    if {one.team_id for one in only.accounts} | {one.team_id for one in only.tags} != {team.pk}:
        raise Refused(_("This choice is not offered."), field="reach")
    return Scope.of(only.accounts, only.tags)


def tell_reach(membership: Membership, actor: User | None) -> None:
    """One line of the history, if they are limited."""
    if membership.scope:
        events.record(
            events.Verb.MEMBER_LIMITED,
            team=membership.team,
            actor=actor,
            member=str(membership.user),
            reach=membership.scope.words,
        )


def change_role(
    membership: Membership, role: Role, *, actor: User, only: Only | None = None
) -> None:
    """Make a member something else, limited to `only`, from their next request on.

    Raises `Refused`.
    """
    team = membership.team
    require(actor, MANAGE_PEOPLE, team)
    with events.audited(actor=actor, team=membership.team), transaction.atomic():
        if only or membership.scope_id:  # open pages show what is reached now
            for pk in team.accounts.order_by("pk").values_list("pk", flat=True):
                Account.next_revision(pk)
        membership = _locked_member(membership, actor)
        check_rank(actor, team, role, is_self=membership.user_id == actor.pk)
        was = membership.role, _within(membership.scope)
        scope = made(only, team, role)
        membership.role, membership.scope = role, scope
        reach = _within(scope)
        if was == (role, reach):
            return
        membership.save(update_fields=["role", "scope"])
        _check_owner_stays(team)
        if was[0] != role:
            events.record(
                events.Verb.MEMBER_ROLE_CHANGED,
                team=team,
                actor=actor,
                member=str(membership.user),
                member_id=membership.user_id,
                old_role=was[0],
                role=str(role),
            )
        if was[1] != reach:
            verb = events.Verb.MEMBER_LIMITED if scope else events.Verb.MEMBER_UNLIMITED
            events.record(
                verb,
                team=team,
                actor=actor,
                member=str(membership.user),
                member_id=membership.user_id,
                reach=scope.words if scope else "",
            )


def _within(scope: Scope | None) -> tuple[set[int], set[int]] | None:
    """What it names, by ids: two accounts may have one name."""
    if scope is None:
        return None
    accounts, tags = (rows.values_list("pk", flat=True) for rows in (scope.accounts, scope.tags))
    return set(accounts), set(tags)


def suspend(membership: Membership, *, actor: User) -> None:
    """Let a member in no more, until somebody lets them. All their sessions end at once.

    What they asked for is not sent meanwhile. Raises `Refused`.
    """
    require(actor, MANAGE_PEOPLE, membership.team)
    with events.audited(actor=actor, team=membership.team), transaction.atomic():
        membership = _locked_member(membership, actor)
        if membership.user_id == actor.pk:
            raise Refused(_("Nobody suspends themselves. You can leave the team."))
        if membership.suspended_at:
            return
        membership.suspended_at = timezone.now()
        membership.suspended_by_name = str(actor)[:100]
        membership.save(update_fields=["suspended_at", "suspended_by_name"])
        _check_owner_stays(membership.team)
        membership.user.end_sessions()
        _tell(events.Verb.MEMBER_SUSPENDED, membership, actor)


def resume(membership: Membership, *, actor: User) -> None:
    """Let a suspended member in again, as what they were. Raises `Refused`."""
    require(actor, MANAGE_PEOPLE, membership.team)
    with events.audited(actor=actor, team=membership.team), transaction.atomic():
        membership = _locked_member(membership, actor)
        if membership.suspended_at:
            membership.suspended_at, membership.suspended_by_name = None, ""
            membership.save(update_fields=["suspended_at", "suspended_by_name"])
            _tell(events.Verb.MEMBER_RESUMED, membership, actor)


def remove_member(membership: Membership, *, actor: User) -> None:
    """Take a member out of the team, at once. Raises `Refused`."""
    require(actor, MANAGE_PEOPLE, membership.team)
    with events.audited(actor=actor, team=membership.team), transaction.atomic():
        membership = _locked_member(membership, actor)
        membership.delete()
        _check_owner_stays(membership.team)
        _tell(events.Verb.MEMBER_REMOVED, membership, actor)


def leave(team: Team, *, actor: User) -> None:
    """Go out of the team. Raises `Refused` for its last owner.

    Whoever is suspended cannot: they could come back by a link that is open still.
    """
    with events.audited(actor=actor, team=team), transaction.atomic():
        locked(team)
        mine = Membership.objects.filter(team=team, user=actor, suspended_at=None)
        membership = mine.select_related("team", "user").first()
        if membership is None:
            return
        membership.delete()
        _check_owner_stays(team)
        _tell(events.Verb.MEMBER_LEFT, membership, actor)


def _tell(verb: events.Verb, membership: Membership, actor: User) -> None:
    events.record(
        verb,
        team=membership.team,
        actor=actor,
        member=str(membership.user),
        member_id=membership.user_id,
        role=membership.role,
    )


class Closed(NamedTuple):
    """A team that somebody is suspended in, and who can let them in again."""

    team: str
    since: datetime
    people: str


def closed_to(user: User) -> list[Closed]:
    """The teams that `user` is suspended in."""
    rows = user.memberships.filter(suspended_at__isnull=False).select_related("team")
    return [
        Closed(one.team.name, one.suspended_at, managers(one.team))
        for one in rows.order_by("team__name", "pk")
        if one.suspended_at
    ]


def unsent(membership: Membership) -> int:
    """How many requests of theirs have not been sent: without the right, they never will be."""
    return Operation.objects.filter(
        team_id=membership.team_id,
        asked_by_id=membership.user_id,
        state__in=(State.AWAITING_APPROVAL, State.WAITING, *NOT_SENT),
    ).count()


def _locked_member(membership: Membership, actor: User) -> Membership:
    """The row as it is now, with its team locked. Raises `Refused` if `actor` may not touch it."""
    locked(membership.team)
    row = (
        Membership.objects.filter(pk=membership.pk).select_related("team", "user", "scope").first()
    )
    if row is None:
        raise Refused(
            _("%(person)s is not in %(team)s any more.")
            % {"person": membership.user, "team": membership.team.name}
        )
    check_rank(actor, row.team, Role(row.role), is_self=row.user_id == actor.pk)
    return row


def _check_owner_stays(team: Team) -> None:
    """To be asked after the change, in its transaction."""
    owners = Membership.objects.filter(
        team=team, role=Role.OWNER, suspended_at=None, user__is_active=True
    )
    if not owners.exists():
        raise Refused(
            _("%(team)s would be left without an owner. Make somebody else an owner first.")
            % {"team": team.name}
        )
