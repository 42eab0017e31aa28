"""Tags: short words that a team gives its servers, to find them by and to limit people to them.

The provider knows nothing of them, and no look at it changes them. Who may set them decides what
limited people reach, so it is a right of its own.
"""

from __future__ import annotations

import re
import unicodedata

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from snapshots import events, levels
from snapshots.errors import Refused
from snapshots.levels import Level
from snapshots.models import Account, Membership, Server, Tag, Team, User
from snapshots.permissions import TAG, require
from snapshots.teams import locked

MOST = 10  # tags a server
LONGEST = 30
WORD = re.compile(r"\w[\w-]*")
BETWEEN = re.compile(r"[\s,،;#]+")


def read(text: str) -> list[str]:
    """The words in what somebody typed, in order and once each. Raises `Refused`."""
    typed = unicodedata.normalize("NFC", text).lower()
    words = sorted({word for word in BETWEEN.split(typed) if word})
    for word in words:
        if not WORD.fullmatch(word):
            raise Refused(
                _("“%(word)s” cannot be a tag: letters, digits, - and _ can.")
                % {"word": word[:40]},
                field="tags",
            )
        if len(word) > LONGEST:
            sentence = _("The tag “%(word)s…” has %(count)d characters; 30 fit.")
            raise Refused(sentence % {"word": word[:10], "count": len(word)}, field="tags")
    if len(words) > MOST:
        sentence = _("These are %(count)d tags; a server can have %(most)d.")
        raise Refused(sentence % {"count": len(words), "most": MOST}, field="tags")
    return words


def set_tags(server: Server, tags: str = "", *, actor: User) -> None:
    """Give `server` just these tags, as somebody typed them. Raises `Refused`."""
    team = server.account.team
    require(actor, TAG, team, server)
    words = read(tags)
    with transaction.atomic():
        revision = Account.next_revision(server.account_id)
        locked(team)
        before = of(server)
        if before == words:
            return
        guarded = levels.level(server)
        server.tags.set([Tag.objects.get_or_create(team=team, word=word)[0] for word in words])
        _check_guard(server, guarded)
        Server.objects.filter(pk=server.pk).update(revision=revision)
        _forget_unused(team)
        events.record(
            events.Verb.SERVER_TAGGED if words else events.Verb.SERVER_UNTAGGED,
            team=team,
            actor=actor,
            account=server.account,
            server=server,
            tags=", ".join(words),
            before=", ".join(before),
        )


def _check_guard(server: Server, before: Level) -> None:
    """What takes two is not done by the way. Raises `Refused`."""
    now = levels.level(server)
    if levels.falls(before, now):
        sentence = _(
            "With these tags %(server)s would be “%(now)s” instead of “%(before)s”, which takes two"
            " people. Set the guard level of the server itself first: then its tags do not decide"
            " it."
        )
        words = {"server": server.name, "now": now.guard.label, "before": before.guard.label}
        raise Refused(sentence % words, field="tags")


def _forget_unused(team: Team) -> None:
    """Those that no server has, that say no guard level, and that limit nobody and no invitation
    that is open still.
    """
    limits = Q(scopes__memberships__isnull=False) | Q(
        scopes__invitations__isnull=False,
        scopes__invitations__accepted_at=None,
        scopes__invitations__revoked_at=None,
    )
    needed = team.tags.filter(limits).values_list("pk", flat=True)
    team.tags.filter(servers=None, guard="").exclude(pk__in=list(needed)).delete()


def of(server: Server) -> list[str]:
    return sorted(server.tags.values_list("word", flat=True))


def limited_by_tags(server: Server) -> list[Membership]:
    """Who of the team is limited to tags: what they reach changes with these."""
    limited = Membership.objects.filter(team=server.account.team_id, scope__tags__isnull=False)
    return list(limited.select_related("user", "scope").distinct().order_by("user__name", "pk"))
