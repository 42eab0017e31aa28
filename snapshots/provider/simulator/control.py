"""The control surface under `/_sim/`: faults, clock, log and changes from outside, as JSON.

GET    /_sim/                     what there is: kinds of faults, what can be done outside
GET    /_sim/clock                POST {"advance": s} | {"set": iso or epoch} | {"mode": ...}
GET    /_sim/faults               POST {"kind": ..., matcher, options}; DELETE disarms all
DELETE /_sim/faults/ID            POST /_sim/faults/release or /_sim/faults/ID/release
GET    /_sim/log?after=N&limit=N  the lines of the log after number N
GET    /_sim/world                everything there is (no token)
POST   /_sim/outside              {"do": "delete_snapshot", "snapshot": 801}
POST   /_sim/reset                {"seed": "demo"}
"""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from .api import Reply
from .faults import KINDS
from .fleet import SEEDS
from .outside import Outside
from .world import Refusal

if TYPE_CHECKING:
    from .simulator import Simulator

OUTSIDE = {
    name: method
    for name, method in inspect.getmembers(Outside, inspect.isfunction)
    if not name.startswith("_")
}


def answer_control(simulator: Simulator, method: str, path: str, query: str, body: bytes) -> Reply:
    """Do what a control call asks for. What cannot be done is told as `{"error": ...}`."""
    parts = [part for part in path.split("/") if part][1:]
    try:
        data = json.loads(body) if body else {}
        if not isinstance(data, dict):
            return Reply(400, {"error": "the body must be a JSON object"})
        return _route(simulator, method, parts, query, data)
    except Refusal as refusal:
        error = {"error": "the provider's rules refuse this", "refusal": refusal.body}
        return Reply(409, error)
    except KeyError as error:
        return Reply(404, {"error": f"there is no {error}"})
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        return Reply(400, {"error": str(error)[:500]})


def _route(
    simulator: Simulator, method: str, parts: list[str], query: str, data: dict[str, Any]
) -> Reply:
    match method, parts:
        case "GET", []:
            return Reply(200, _overview(simulator))
        case "GET", ["clock"]:
            return Reply(200, simulator.clock.export())
        case "POST", ["clock"]:
            return _clock(simulator, data)
        case "GET", ["faults"]:
            return Reply(200, {"faults": [fault.export() for fault in simulator.faults.armed]})
        case "POST", ["faults"]:
            return Reply(201, simulator.faults.add(**data).export())
        case "DELETE", ["faults"]:
            simulator.faults.clear()
            return Reply(204)
        case "POST", ["faults", "release"]:
            return Reply(200, {"released": simulator.faults.release()})
        case "POST", ["faults", id, "release"]:
            return Reply(200, {"released": simulator.faults.release(id)})
        case "DELETE", ["faults", id]:
            return Reply(204) if simulator.faults.remove(id) else Reply(404, {"error": id})
        case "GET", ["log"]:
            return _log(simulator, query)
        case "GET", ["world"]:
            return _world(simulator)
        case "POST", ["outside"]:
            return _outside(simulator, data)
        case "POST", ["reset"]:
            simulator.reset(**data)
            return Reply(204)
    return Reply(404, {"error": f"no {method} of this; GET /_sim/ tells what there is"})


def _overview(simulator: Simulator) -> dict[str, Any]:
    return {
        "url": simulator.url,
        "pace": simulator.pace,
        "clock": simulator.clock.export(),
        "seeds": list(SEEDS),
        "faults": {
            name: {"stage": kind.stage, "does": kind.sentence, "options": kind.options}
            for name, kind in KINDS.items()
        },
        "outside": {name: str(inspect.signature(method)) for name, method in OUTSIDE.items()},
    }


def _clock(simulator: Simulator, data: dict[str, Any]) -> Reply:
    for name in data.keys() - {"advance", "set", "mode"}:
        raise ValueError(f"the clock has no {name!r}; it has advance, set, mode")
    if data.get("mode") not in (None, "real", "frozen"):
        raise ValueError("mode is real or frozen")
    if "set" in data:
        simulator.clock.set(data["set"])
    if "advance" in data:
        simulator.clock.advance(float(data["advance"]))
    if data.get("mode") == "frozen":
        simulator.clock.freeze()
    elif data.get("mode") == "real":
        simulator.clock.run()
    simulator.clock_changed()
    return Reply(200, simulator.clock.export())


def _log(simulator: Simulator, query: str) -> Reply:
    asked = parse_qs(query)
    after, limit = int(asked.get("after", ["0"])[0]), int(asked.get("limit", ["1000"])[0])
    simulator.history.catch_up()
    simulator.settle()
    return Reply(200, {"entries": simulator.history.after(after, limit)})


def _world(simulator: Simulator) -> Reply:
    world = simulator.world.export()
    for token in world["tokens"]:
        del token["secret"]
    # What is still to come includes calls put off, with their headers.
    world["coming"] = [c for c in world["coming"] if c["kind"] != "call"]
    return Reply(200, world)


def _outside(simulator: Simulator, data: dict[str, Any]) -> Reply:
    what = str(data.pop("do", ""))
    if what not in OUTSIDE:
        raise ValueError(f"cannot do {what!r} outside; there are {', '.join(OUTSIDE)}")
    return Reply(200, {"result": OUTSIDE[what](simulator.outside, **data)})
