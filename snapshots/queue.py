"""The only place that knows the broker. A nudge is for speed; the tick does the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from celery import current_app
from kombu import Connection
from kombu.exceptions import OperationalError

from snapshots.whence import request_id

log = logging.getLogger(__name__)

# A broker that is gone or frozen must not hold up a click: kombu's own defaults try for seconds,
# and wait for ever for a socket that is open and silent.
IN_A_HURRY = {"max_retries": 0, "socket_connect_timeout": 0.5, "socket_timeout": 0.5}


def nudge(task: str, pk: int) -> None:
    """Tell a worker about row `pk`. Gives up within a second and never raises for a dead broker."""
    announce(task, [pk])


def announce(task: str, pks: Iterable[int]) -> None:
    """Nudge for each row. What finds no broker is announced again by a later tick."""
    pks = list(pks)
    if not pks:
        return
    options = current_app.conf.broker_transport_options | IN_A_HURRY
    headers = {"request_id": request_id.get()} if request_id.get() else None
    try:
        with Connection(current_app.conf.broker_write_url, transport_options=options) as broker:
            for pk in pks:
                current_app.send_task(
                    f"snapshots.{task}",
                    [pk],
                    connection=broker,
                    retry=False,
                    ignore_result=True,
                    headers=headers,
                )
    except (OperationalError, OSError) as error:
        log.warning("no nudge for %s %s: %s", task, pks[:5], type(error).__name__)
