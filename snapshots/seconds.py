"""Who is a second person: somebody else with the right, whom whoever asks did not just bring in."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from snapshots import events
from snapshots.models import Event, Invitation, Membership, Server, Team, User
from snapshots.permissions import able

KNOWN_FOR = timedelta(hours=24)  # whom the asker brought in since is not a second person
BROUGHT_IN = (
    events.Verb.MEMBER_ADDED,
    events.Verb.MEMBER_ROLE_CHANGED,
    events.Verb.MEMBER_LIMITED,
    events.Verb.MEMBER_UNLIMITED,
    events.Verb.MEMBER_RESUMED,
)


def second_persons(right: str, team: Team, asker: int, server: Server | None = None) -> list[User]:
    """Who could be one to what `asker` asks for, by name; with a `server`, there."""
    own = {asker, *brought_in(team.pk, asker)}
    if server is not None:
        own |= tagged_in(server, asker)
    return [person for person in able(right, team, server) if person.pk not in own]


def brought_in(team: int, asker: int) -> set[int | None]:
    """Whom `asker` let into the team, or made something else there, a short time ago."""
    return {whom for who, whom in _lately(team) if who == asker}


def tagged_in(server: Server, asker: int) -> set[int | None]:
    """Who is limited, and reaches `server` by no more than tags that `asker` gave it lately."""
    lately = Event.objects.filter(server=server, actor=asker, at__gt=timezone.now() - KNOWN_FOR)
    told = lately.filter(verb=events.Verb.SERVER_TAGGED).values_list("data", flat=True)
    new = {word for data in told for word in _words(data["tags"]) - _words(data["before"])}
    if not new:
        return set()
    before = server.tags.exclude(word__in=new)
    limited = Membership.objects.filter(team=server.account.team_id).exclude(scope=None)
    reached = limited.filter(Q(scope__accounts=server.account_id) | Q(scope__tags__in=before))
    return set(limited.exclude(pk__in=reached.values("pk")).values_list("user_id", flat=True))


def _words(told: str) -> set[str]:
    """Tags as a line of the history has them."""
    return {word for word in told.split(", ") if word}


def brought_in_by(team: int, asker: int) -> set[int | None]:
    """Who did so with `asker`."""
    return {who for who, whom in _lately(team) if whom == asker}


def _lately(team: int) -> list[tuple[int | None, int | None]]:
    """Who let whom into the team, or made them something else there."""
    since = timezone.now() - KNOWN_FOR
    invited = Invitation.objects.filter(team=team, accepted_at__gt=since)
    told = Event.objects.filter(team=team, at__gt=since, verb__in=BROUGHT_IN)
    changed = told.values_list("actor", "data")
    return [
        *invited.values_list("invited_by", "accepted_by"),
        *((who, data.get("member_id")) for who, data in changed),
    ]
