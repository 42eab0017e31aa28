"""Invitations: a link that makes its bearer a member of a team, once.

The secret in the link is 256 random bits, of which only a hash is kept. The link is void when it
was used, withdrawn or is three days old, and when who made it may no longer give that role. What
the bearer becomes, and how far they reach then, stands in the row and not in the link.
"""

from __future__ import annotations

import hashlib
import secrets

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from snapshots import events, teams
from snapshots.errors import Refused
from snapshots.models import Invitation, Membership, Role, Team, User
from snapshots.models.people import SECOND_FACTORS
from snapshots.newcomers import check_email, newcomer
from snapshots.permissions import MANAGE_PEOPLE, TABLE, require
from snapshots.ranks import check_rank, may_give
from snapshots.said import gettext as _
from snapshots.teams import Only, locked, made


def invite(
    team: Team, role: Role, *, actor: User, email: str = "", only: Only | None = None
) -> tuple[Invitation, str]:
    """An invitation and its secret, which is told here once and kept nowhere. Raises `Refused`."""
    require(actor, MANAGE_PEOPLE, team)
    email = email.strip().lower()
    if email:
        check_email(email)
        if Membership.objects.filter(team=team, user__email=email).exists():
            raise Refused(
                _("%(person)s is in %(team)s already.") % {"person": email, "team": team.name},
                field="email",
            )
    secret = secrets.token_urlsafe(32)
    with transaction.atomic():
        locked(team)
        check_rank(actor, team, role)
        invitation = Invitation.objects.create(
            team=team,
            role=role,
            scope=made(only, team, role),
            email=email,
            secret_hash=fingerprint(secret),
            invited_by=actor,
            invited_by_name=str(actor)[:100],
        )
        verb = events.Verb.MEMBER_INVITED if email else events.Verb.MEMBER_LINK_MADE
        events.record(verb, team=team, actor=actor, member=email, role=str(role))
        if invitation.scope:
            verb, reach = events.Verb.MEMBER_INVITATION_LIMITED, invitation.scope.words
            events.record(verb, team=team, actor=actor, role=str(role), reach=reach)
    return invitation, secret


def withdraw(invitation: Invitation, *, actor: User) -> None:
    """Make the link worthless. Raises `Refused` if it was used already."""
    require(actor, MANAGE_PEOPLE, invitation.team)
    with transaction.atomic():
        locked(invitation.team)
        check_rank(actor, invitation.team, Role(invitation.role))
        open_still = Invitation.objects.filter(
            pk=invitation.pk, accepted_at=None, revoked_at=None
        ).update(revoked_at=timezone.now())
        if not open_still:
            raise Refused(_("This invitation was used or withdrawn already."))
        events.record(
            events.Verb.MEMBER_INVITATION_WITHDRAWN,
            team=invitation.team,
            actor=actor,
            inviter=invitation.invited_by_name,
            role=invitation.role,
        )


def fingerprint(secret: str) -> str:
    """What is kept of a secret of 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def pending(team: Team) -> list[Invitation]:
    """What may still be used, newest first; each with its `objection`, if it is void already."""
    unused = team.invitations.filter(
        accepted_at=None, revoked_at=None, expires_at__gt=timezone.now()
    )
    roles = dict(_present(team.pk).values_list("user_id", "role"))
    found = list(unused.select_related("scope").order_by("-pk"))
    for one in found:
        one.objection = objection(one, roles.get(one.invited_by_id, ""))  # type: ignore[attr-defined, arg-type]
    return found


def objection(invitation: Invitation, inviters_role: str | None = None) -> str:
    """Why nobody can join by it any more; empty if somebody can."""
    if invitation.accepted_at:
        return _("This invitation has been used. It works once.")
    if invitation.revoked_at:
        return _("This invitation has been withdrawn.")
    if invitation.expires_at <= timezone.now():
        return _("This invitation is too old. It worked for three days.")
    role = _inviters_role(invitation) if inviters_role is None else inviters_role
    if MANAGE_PEOPLE not in TABLE.get(role, ()) or not may_give(role, invitation.role):
        return _("%(person)s, who made this invitation, may no longer do so.") % {
            "person": invitation.invited_by_name
        }
    return ""


def _inviters_role(invitation: Invitation) -> str:
    """As it is now; empty for somebody who has left, is suspended or switched off, or may only
    look for want of a second factor.
    """
    mine = _present(invitation.team_id).filter(user=invitation.invited_by)
    return mine.values_list("role", flat=True).first() or ""


def _present(team: int) -> QuerySet[Membership]:
    members = Membership.objects.filter(team=team, suspended_at=None, user__is_active=True)
    has_factor = Q(user__authenticator__type__in=SECOND_FACTORS)
    return members.filter(Q(team__second_factor=False) | has_factor)


def accept(invitation: Invitation, *, user: User) -> Membership:
    """Make `user` a member, if this link is theirs and still works: once. Raises `Refused`."""
    team = invitation.team
    with events.audited(actor=user, team=team), transaction.atomic():
        locked(team)
        if invitation.email and invitation.email != user.email.lower():
            raise Refused(
                _("This invitation is for %(meant)s, and you are signed in as %(email)s.")
                % {"meant": invitation.email, "email": user.email}
            )
        invitation.refresh_from_db()
        if words := objection(invitation):
            raise Refused(words)
        membership = teams.join(team, user, invitation.role, invitation.scope)
        now = timezone.now()
        unused = Invitation.objects.filter(
            pk=invitation.pk, accepted_at=None, revoked_at=None, expires_at__gt=now
        )
        if not unused.update(accepted_at=now, accepted_by=user):
            raise Refused(_("This invitation has been used. It works once."))
        events.record(
            events.Verb.MEMBER_JOINED,
            team=team,
            actor=user,
            member=str(user),
            role=invitation.role,
            inviter=invitation.invited_by_name,
        )
        teams.tell_reach(membership, actor=None)
    return membership


def join(invitation: Invitation, *, name: str, password: str, email: str = "") -> User:
    """A new person, who comes in by this invitation. Raises `Refused`, and then there is nobody."""
    user = newcomer(name=name, email=invitation.email or email, password=password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
            accept(invitation, user=user)
    except IntegrityError:
        raise Refused(
            _("There is somebody with this address already. Sign in, then open the link again."),
            field="email",
        ) from None
    return user


def join_signed_on(invitation: Invitation, *, name: str, email: str) -> User:
    """A new person without a password, for whose address somebody else vouches: by single sign-on.

    Raises `Refused`, and then there is nobody.
    """
    if invitation.email not in ("", email):
        raise Refused(
            _("This invitation is for %(meant)s, and you are signed in as %(email)s.")
            % {"meant": invitation.email, "email": email}
        )
    user = User(email=email, name=" ".join(name.split())[:100] or email)
    user.set_unusable_password()
    with transaction.atomic():
        user.save(force_insert=True)
        accept(invitation, user=user)
    return user
