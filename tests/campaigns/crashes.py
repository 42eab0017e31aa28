"""The workers' Celery app and the web's application, with named places at which they die.

Nothing is faked: around some functions of the product stands a question, whether this process is to
die here. It is, by its own kill -9, if somebody has put a file for this place and this server into
`CRASHES`; the file goes first, so that it happens once. None of this is in what is installed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from dashboard.celery import app
from dashboard.wsgi import application
from snapshots import inventory, queue
from snapshots.models import Operation, Server
from snapshots.operations import ask, epoch, states
from snapshots.provider import connection

__all__ = ["app", "application"]

# Modules, whose package has given their names to its verbs.
send = import_module("snapshots.operations.send")
settle = import_module("snapshots.operations.settle")

Whose = Callable[..., str | None]  # the arguments of a function -> the name of the server
sending: list[Operation] = []  # what this process sends at the moment


class Place(NamedTuple):
    owner: Any
    function: str
    when: str  # "before" or "after"
    whose: Whose


def of_first(operation: Operation, *_: Any, **__: Any) -> str:
    return operation.server.name


def of_sending(*_: Any, **__: Any) -> str | None:
    return sending[-1].server.name if sending else None


def of_child(child: Operation, *_: Any) -> str | None:
    return child.server.name if child.parent_id else None


def of_machine(_account: int, lock_key: str) -> str | None:
    server = Operation.objects.filter(lock_key=lock_key).select_related("server").first()
    return server.server.name if server else None


def of_watched(_account: Any, _seen_in: Any, watched: list[Operation], *_: Any) -> str | None:
    armed = {file.name for file in Path(os.environ["CRASHES"]).iterdir()}
    names = (one.server.name for one in watched)
    return next((name for name in names if f"in a look--{name}" in armed), None)


def of_row(_task: str, pk: int) -> str | None:
    return Server.objects.get(operations=pk).name if _task == "send" else None


# A place's name, and where it is. `send.move` and `settle.move` are `states.move`, as called there.
PLACES = {
    "before a click is committed": Place(ask, "tell", "after", of_first),
    "between rows and nudge": Place(queue, "nudge", "before", of_row),
    "between nudge and answer": Place(queue, "nudge", "after", of_row),
    "before the claim": Place(send, "_claim", "before", of_first),
    "in the claim": Place(send, "move", "after", of_first),
    "after the claim": Place(send, "_claim", "after", of_first),
    "frozen after the claim": Place(send, "_claim", "after", of_first),
    "after the witness": Place(epoch, "note", "after", of_sending),
    "after connecting": Place(connection._Connection, "connect", "after", of_sending),
    "after sending": Place(connection._Connection, "getresponse", "before", of_sending),
    "after the answer began": Place(connection._Connection, "getresponse", "after", of_sending),
    "after the answer": Place(send, "_call", "after", of_first),
    "in the record": Place(states.events, "record", "after", of_sending),
    "after the record": Place(send, "_record", "after", of_first),
    "in a look": Place(inventory, "note_sightings", "before", of_watched),
    "before settling": Place(settle, "move", "before", of_first),
    "after settling": Place(settle, "move", "after", of_first),
    "in a line's turn": Place(states, "_let_next", "after", of_machine),
    "in a parent's release": Place(states, "_release_parent", "after", of_child),
}


def meet(place: str, server: str | None) -> None:
    """Die here, if somebody wants it."""
    if server is None:
        return
    armed = Path(os.environ["CRASHES"]) / f"{place}--{server}"
    try:
        armed.rename(armed.with_suffix(f".{os.getpid()}"))
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGSTOP if place.startswith("frozen") else signal.SIGKILL)


def install(name: str, place: Place) -> None:
    function = getattr(place.owner, place.function)

    @wraps(function)
    def asked(*args: Any, **more: Any) -> Any:
        if place.when == "before":
            meet(name, place.whose(*args, **more))
        result = function(*args, **more)
        if place.when == "after":
            meet(name, place.whose(*args, **more))
        return result

    setattr(place.owner, place.function, asked)


def remember_what_is_sent(call: Callable[..., Any]) -> Callable[..., Any]:
    """From the begin of the call to the end of the record."""

    @wraps(call)
    def remembered(operation: Operation, *args: Any) -> Any:
        sending[:] = [operation]
        return call(operation, *args)

    return remembered


def forget_what_is_sent(record: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(record)
    def forgotten(*args: Any) -> Any:
        try:
            return record(*args)
        finally:
            sending.clear()

    return forgotten


send._call = remember_what_is_sent(send._call)
send._record = forget_what_is_sent(send._record)
for each, where in PLACES.items():
    install(each, where)
