"""What a server's guard level allows.

open: a restore and a deletion are confirmed with a button. careful: the name is typed. guarded: a
restore needs a second person, too. sealed: no restore, and no deletion, from here. Snapshots can
always be taken.
"""

from __future__ import annotations

from snapshots.errors import Refused
from snapshots.guards import Level, level, people
from snapshots.models import Guard, Server
from snapshots.said import gettext as _

__all__ = ["Level", "check_delete", "check_restore", "level"]


def check_restore(server: Server) -> Level:
    """What counts for `server`, if it may be restored at all. Raises `Refused`."""
    now = level(server)
    if now.guard == Guard.SEALED:
        raise Refused(_sealed(server, now))
    return now


def check_delete(server: Server) -> Level:
    """What counts for `server`, if snapshots of it may be deleted. Raises `Refused`."""
    return check_restore(server)


def _sealed(server: Server, now: Level) -> str:
    return _(
        "%(server)s is sealed (%(where)s): it is not restored, and none of its snapshots is"
        " deleted, from here. %(people)s can set another guard level."
    ) % {"server": server.name, "where": now.where, "people": people(server.account.team)}
