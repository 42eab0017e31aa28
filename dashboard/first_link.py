"""Where the first owner is made, told by each start of an installation that has nobody yet."""

from __future__ import annotations

import os
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError, connections
from django.urls import reverse

from snapshots import first_run

TOLD_ELSEWHERE = "FIRST_LINK_TOLD"  # in the environment of what `manage.py up` starts


def words() -> str:
    """A new link, in a sentence; empty if there is somebody already."""
    if not (secret := first_run.new_secret()):
        return ""
    link = settings.SITE_URL + reverse("open_first_run", args=[secret])
    return f"Nobody is here yet. Make the first owner at {link} (works once, until the next start)"


def tell(say: Callable[[str], object]) -> None:
    """At the start of the web server, before it has children, which open their own connections."""
    if os.environ.get(TOLD_ELSEWHERE):
        return
    try:
        if told := words():
            say(told)
    except DatabaseError as error:
        say(
            f"Whether there is somebody yet is not known ({type(error).__name__})."
            " Once the database answers, manage.py first_run prints the link for the first owner."
        )
    finally:
        connections.close_all()
