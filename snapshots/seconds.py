"""Who is a second person: somebody else with the right, whom whoever asks did not just bring in."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from snapshots import events
from snapshots.models import Event, Invitation, Server, Team, User
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
    return [person for person in able(right, team, server) if person.pk not in own]


def brought_in(team: int, asker: int) -> set[int | None]:
    """Whom `asker` let into the team, or made something else there, a short time ago."""
    since = timezone.now() - KNOWN_FOR
    invited = Invitation.objects.filter(team=team, invited_by=asker, accepted_at__gt=since)
    told = Event.objects.filter(team=team, actor=asker, at__gt=since, verb__in=BROUGHT_IN)
    changed = {data.get("member_id") for data in told.values_list("data", flat=True)}
    return {*invited.values_list("accepted_by", flat=True), *changed}
