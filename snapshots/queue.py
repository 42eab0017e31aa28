"""The only place that knows the broker. A nudge is for speed; the tick does the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from celery import current_app
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def nudge(task: str, pk: int) -> bool:
    """Tell a worker about row `pk`. Gives up within a second and never raises for a dead broker."""
    try:
        current_app.send_task(f"snapshots.{task}", [pk], ignore_result=True, retry=False)
    except (OperationalError, OSError) as error:
        log.warning("no nudge for %s %s: %s", task, pk, type(error).__name__)
        return False
    return True


def announce(task: str, pks: Iterable[int]) -> None:
    """Nudge for each row; the first that finds no broker ends it, and the next tick tries again."""
    for pk in pks:
        if not nudge(task, pk):
            return
