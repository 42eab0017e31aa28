"""How a guard level is set, on a server, a tag or a whole team; what one means stands in `levels`.

One person who may set the rules makes it stricter. What would leave a server below guarded that
was not, is only asked for: a second person approves it within four hours, or it does not happen.
Each change first locks the team's accounts and then the team, as everything does that decides who
may what, so that of two at once the database lets one go first.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from snapshots import events, levels
from snapshots.errors import Refused
from snapshots.levels import people
from snapshots.models import Account, Guard, Lowering, Server, Tag, Team, User
from snapshots.models.guard import NEEDS_TWO
from snapshots.permissions import APPROVE, SET_RULES, able, may_now, named, require, roles_with
from snapshots.reasons import reason
from snapshots.said import gettext as _
from snapshots.seconds import brought_in, brought_in_by, second_persons
from snapshots.teams import locked
from snapshots.turns import turn

log = logging.getLogger(__name__)

Thing = Server | Tag | Team


def team_of(thing: Thing) -> Team:
    if isinstance(thing, Team):
        return thing
    return thing.team if isinstance(thing, Tag) else thing.account.team


def set_level(thing: Thing, guard: str, *, actor: User, why: str = "") -> Lowering | None:
    """Say how well `thing` is guarded; empty, it is to say nothing. Raises `Refused`.

    None if that is done. What needs a second person is written down for them, with `why`.
    """
    team = team_of(thing)
    require(actor, SET_RULES, team)
    with events.audited(actor=actor, team=team, **_about(thing)), transaction.atomic():
        _lock(team)
        now = type(thing).objects.get(pk=thing.pk)
        if guard not in Guard.values and (guard or isinstance(thing, Team)):
            raise Refused(_("Please choose one of the levels."), field="guard")
        if guard == now.guard:
            return None
        try:
            with transaction.atomic():
                _check_enough(team, guard)
                _write(thing, now.guard, guard, by=str(actor))
                _end_wish(thing, actor)
                events.record(
                    events.Verb.GUARD_SET,
                    team=team,
                    actor=actor,
                    **_told(thing, now.guard, guard),
                )
        except _NeedsTwo:
            return _ask(thing, now.guard, guard, actor, why)
    return None


class _NeedsTwo(Exception):
    """What was written would leave a server below guarded."""


def _lock(team: Team) -> None:
    """Restores that are about to be sent come before or after us; open pages show what counts."""
    for pk in team.accounts.order_by("pk").values_list("pk", flat=True):
        Account.next_revision(pk)
    locked(team)


def _write(thing: Thing, before: str, guard: str, *, by: str, is_approved: bool = False) -> None:
    """Raises `_NeedsTwo` if it would loosen what takes two, unless it is approved."""
    team = team_of(thing)
    counted = levels.of_team(team)
    said = {"guard": guard, "guard_by_name": by[:100] if guard else ""}
    type(thing).objects.filter(pk=thing.pk).update(**said)
    if is_approved:
        return
    after = levels.of_team(team)
    says = guard or Team.objects.get(pk=team.pk).guard
    if (before in NEEDS_TWO and says not in NEEDS_TWO) or any(
        levels.falls(counted[pk], after[pk]) for pk in counted
    ):
        raise _NeedsTwo


def _check_enough(team: Team, guard: str) -> None:
    """Whoever stands alone would shut themselves out. Raises `Refused`."""
    if guard == Guard.GUARDED and len(able(APPROVE, team)) < 2:
        raise Refused(
            _(
                "On a guarded server somebody else approves each restore. In %(team)s only"
                " %(people)s could: give somebody else that right first."
            )
            % {"team": team.name, "people": named(team, roles_with(APPROVE))},
            field="guard",
        )
    if guard == Guard.SEALED and len(able(SET_RULES, team)) < 2:
        raise Refused(
            _(
                "To go below guarded takes two people who may set the rules. In %(team)s only"
                " %(people)s may: make somebody else an admin or an owner first."
            )
            % {"team": team.name, "people": people(team)},
            field="guard",
        )


# -- lowered by two -------------------------------------------------------------------------------


def _ask(thing: Thing, before: str, guard: str, actor: User, why: str) -> Lowering:
    team = team_of(thing)
    why = reason(why, _("Please say why: the second person reads it."), field="why")
    if not _deciders(team, actor.pk):
        raise Refused(
            _(
                "To go below guarded takes a second person: somebody else who may set the rules in"
                " %(team)s, where neither of you let the other in or gave them their role within"
                " 24 hours. There is nobody now."
            )
            % {"team": team.name},
            field="guard",
        )
    if waits := wishes(team).filter(**which(thing)).first():
        raise Refused(
            _("%(person)s asked for another level of %(what)s already. It waits to be decided.")
            % {"person": waits.asked_by_name, "what": thing.called},
            field="guard",
        )
    wish = Lowering.objects.create(
        **which(thing),
        guard=guard,
        why=why,
        asked_by=actor,
        asked_by_name=str(actor)[:100],
    )
    events.record(
        events.Verb.GUARD_LOWER_ASKED,
        team=team,
        actor=actor,
        words=why,
        **_told_of(wish, before),
    )
    return wish


def wishes(*teams: Team | int) -> QuerySet[Lowering]:
    """What waits for a second person, the oldest first."""
    rows = Lowering.objects.filter(team__in=teams, state=Lowering.State.OPEN)
    return rows.filter(expires_at__gt=timezone.now()).order_by("pk")


def wishes_about(thing: Thing) -> QuerySet[Lowering]:
    """Those for `thing`; of a server, those for its tags and its team too."""
    rows = wishes(team_of(thing)).select_related("server", "tag", "team")
    if not isinstance(thing, Server):
        return rows.filter(**which(thing))
    return rows.filter(Q(tag__servers=thing) | Q(tag=None), Q(server=thing) | Q(server=None))


def approve(wish: Lowering, *, actor: User) -> None:
    """Let it happen. Raises `Refused`, also for who asked, and if it is too late."""
    team, thing = wish.team, wish.thing
    with events.audited(actor=actor, team=team, **_about(thing)), transaction.atomic():
        _lock(team)
        _check_right(actor, team)
        if not may_now(wish.asked_by_id, SET_RULES, team.pk):
            raise Refused(
                _("%(person)s, who asked for this, may not set the rules any more.")
                % {"person": wish.asked_by_name}
            )
        _check_second(wish, actor)
        _decide(wish, Lowering.State.APPROVED, actor)
        before = type(thing).objects.get(pk=thing.pk).guard
        _write(thing, before, wish.guard, by=wish.asked_by_name, is_approved=True)
        events.record(
            events.Verb.GUARD_LOWERED,
            team=team,
            actor=actor,
            **_told_of(wish, before),
        )


def reject(wish: Lowering, *, actor: User, words: str) -> None:
    """Say no, and why; who asked takes it back so. Raises `Refused`."""
    team, thing = wish.team, wish.thing
    with events.audited(actor=actor, team=team, **_about(thing)), transaction.atomic():
        _lock(team)
        _check_right(actor, team)
        asked = _("Please say why: whoever asked for it reads it.")
        words = reason(words, asked)
        _decide(wish, Lowering.State.REJECTED, actor, words)
        events.record(
            events.Verb.GUARD_LOWER_REJECTED,
            team=team,
            actor=actor,
            words=words,
            **_told_of(wish, thing.guard),
        )


def expire() -> None:
    """What nobody decided in time. Safe twice, and at once with a decision."""
    rows = Lowering.objects.filter(state=Lowering.State.OPEN, expires_at__lte=timezone.now())
    about = rows.select_related("team", "tag__team", "server__account__team")
    for wish in turn(about.order_by("expires_at")):
        try:
            _expire(wish)
        except Exception:
            log.exception("wish %s: not expired; the next tick tries again", wish.pk)


def _expire(wish: Lowering) -> None:
    still = Lowering.objects.filter(pk=wish.pk, state=Lowering.State.OPEN)
    with transaction.atomic():
        if still.update(state=Lowering.State.EXPIRED):
            about = _told_of(wish, wish.thing.guard)
            events.record(events.Verb.GUARD_LOWER_EXPIRED, team=wish.team, **about)


def concerned(thing: Thing) -> list[Server]:
    """The servers whose level `thing` says or could say: those that say nothing themselves."""
    if isinstance(thing, Server):
        return [thing]
    rows = Server.objects.filter(guard="", gone_at=None, account__removed_at=None)
    if isinstance(thing, Tag):
        rows = rows.filter(tags=thing)
    else:
        rows = rows.filter(account__team=thing).exclude(tags__in=thing.tags.exclude(guard=""))
    return list(rows.order_by("name", "pk"))


def _check_second(wish: Lowering, actor: User) -> None:
    """Raises `Refused` unless `actor` is a second person to `wish`."""
    asker = wish.asked_by_id or 0
    names = ", ".join(str(one) for one in _deciders(wish.team, asker)[:3])
    words = {"person": wish.asked_by_name, "people": names or _("nobody at present")}
    if asker == actor.pk:
        raise Refused(
            _("You asked for this yourself. Somebody else can approve it: %(people)s.") % words
        )
    if actor.pk in brought_in(wish.team_id, asker):
        raise Refused(
            _(
                "%(person)s, who asked for this, let you in or changed your role less than 24 hours"
                " ago, so you are no second person to it. Who can approve it: %(people)s."
            )
            % words
        )
    if actor.pk in brought_in_by(wish.team_id, asker):
        raise Refused(
            _(
                "You let %(person)s, who asked for this, in or changed their role less than 24"
                " hours ago, so you are no second person to it. Who can approve it: %(people)s."
            )
            % words
        )


def _deciders(team: Team, asker: int) -> list[User]:
    """Who could be a second person to what `asker` wishes: neither brought the other in."""
    bringers = brought_in_by(team.pk, asker)
    found = second_persons(SET_RULES, team, asker)
    return [person for person in found if person.pk not in bringers]


def _check_right(actor: User, team: Team) -> None:
    """As it is now that the team is locked: it may have been taken since the page was opened."""
    require(User.objects.get(pk=actor.pk), SET_RULES, team)


def _decide(wish: Lowering, state: Lowering.State, actor: User, words: str = "") -> None:
    """Raises `Refused` if it is too late."""
    if not _is_first(wish, state, actor, words):
        raise Refused(_("Too late: it was decided already, or its four hours are over."))


def _is_first(wish: Lowering, state: Lowering.State, actor: User, words: str = "") -> bool:
    """Decide it, unless somebody has or it has expired: the database says who was first."""
    now = timezone.now()
    rows = Lowering.objects.filter(pk=wish.pk, state=Lowering.State.OPEN, expires_at__gt=now)
    changed = rows.update(
        state=state,
        decided_by=actor,
        decided_by_name=str(actor)[:100],
        decided_at=now,
        words=words,
    )
    return changed == 1


def _end_wish(thing: Thing, actor: User) -> None:
    """Another level was set: what was asked for before is not what anybody would approve now."""
    for wish in wishes(team_of(thing)).filter(**which(thing)):
        if _is_first(wish, Lowering.State.REJECTED, actor):
            events.record(
                events.Verb.GUARD_LOWER_OVERTAKEN,
                team=wish.team,
                actor=actor,
                **_told_of(wish, thing.guard),
            )


def which(thing: Thing) -> dict[str, Any]:
    return {
        "team": team_of(thing),
        "server": thing if isinstance(thing, Server) else None,
        "tag": thing if isinstance(thing, Tag) else None,
    }


def _about(thing: Thing) -> dict[str, Any]:
    """What a line of the history is tied to."""
    return {"server": thing, "account": thing.account} if isinstance(thing, Server) else {}


def _told_of(wish: Lowering, before: str) -> dict[str, Any]:
    """What a line tells of a wish: for people, and for whoever has to find it again."""
    ids = {"lowering_id": wish.pk, "asker_id": wish.asked_by_id}
    return {"asker": wish.asked_by_name, **ids, **_told(wish.thing, before, wish.guard)}


def _told(thing: Thing, before: str, guard: str) -> dict[str, Any]:
    return {"what": thing.called, "old_guard": before, "guard": guard, **_about(thing)}
