"""What the chosen faults do to the work, to the world a listing shows, and to an answer's words."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from typing import Any

from .api import Reply, Twist
from .faults import Fault
from .world import World


def twist(faults: Sequence[Fault]) -> Twist:
    """What they do to the work."""
    by = {f.kind: f.options for f in faults}
    return Twist(
        create_fails="create_fails" in by,
        forgotten_after=float(by["forgets"]["seconds"]) if "forgets" in by else None,
        drops_description="drops_description" in by,
        shows_restoring="never_restoring" not in by,
        restore_ends=str(by["restore_ends"]["status"]) if "restore_ends" in by else None,
        drops_newer="drops_newer" in by,
    )


def shown_world(world: World, faults: Sequence[Fault]) -> World:
    """The world a listing is read from."""
    for fault in faults:
        if fault.picture is not None:
            world = fault.picture
        elif fault.kind == "hidden":
            world = world.still()
            for id in map(str, fault.options["ids"]):
                world.snapshots.pop(id, None)
                if world.servers.pop(id, None):
                    for snapshot in world.snapshots_of(id):
                        del world.snapshots[snapshot.id]
    return world


def distort(reply: Reply, faults: Sequence[Fault]) -> None:
    """What they do to the words of an answer, in place."""
    body = reply.body
    if not isinstance(body, dict):
        return
    for fault in faults:
        if isinstance(body.get("results"), list):
            _distort_listing(body, fault)
        rows = body["results"] if isinstance(body.get("results"), list) else [body]
        for row in rows:
            _distort_row(row, fault)
        if fault.kind == "extra_fields" and body not in rows:
            body |= fault.options["fields"]


def _distort_listing(body: dict[str, Any], fault: Fault) -> None:
    rows, options = body["results"], fault.options
    if fault.kind == "partial":
        kept = _without(rows, options, _page_number(body))
        if options["count_too"]:
            body["count"] -= len(rows) - len(kept)
        body["results"] = kept
    elif fault.kind == "empty":
        body |= {"count": 0, "results": []}
        body |= {link: None for link in ("next", "previous") if link in body}
    elif fault.kind == "duplicates":
        again = rows[: int(options["rows"])]
        if options["count_too"]:
            body["count"] += len(again)
        body["results"] = [*again, *rows]
    elif fault.kind == "foreign_next":
        body["next"] = options["url"]


def _without(rows: list[Any], options: dict[str, Any], page: int) -> list[Any]:
    if options["ids"]:
        ids = {str(id) for id in options["ids"]}
        return [row for row in rows if str(row.get("id", row.get("uuid"))) not in ids]
    if options["page"] is not None:
        return [] if page == int(options["page"]) else rows
    return rows[: max(0, len(rows) - int(options["drop"]))]


def _page_number(body: dict[str, Any]) -> int:
    """Which page this is, from the links it carries."""
    for link, step in (("next", -1), ("previous", 1)):
        found = re.search(r"[?&]page=(\d+)", body.get(link) or "")
        if found:
            return int(found.group(1)) + step
    return 2 if body.get("previous") else 1


def _distort_row(row: dict[str, Any], fault: Fault) -> None:
    options = fault.options
    parts = [row, *(row[k] for k in ("snapshot", "server") if isinstance(row.get(k), dict))]
    if fault.kind == "extra_fields":
        for part in parts:
            part |= options["fields"]
    elif fault.kind == "unknown_status":
        for part in parts:
            # The "success" of a restore's answer is no state of anything.
            if "status" in part and part["status"] != "success":
                part["status"] = options["status"]
    elif fault.kind == "other_ids":
        itself = row.get("snapshot") if isinstance(row.get("snapshot"), dict) else row
        if options["what"] in ("snapshot", "both"):
            _rename(itself)
        if options["what"] in ("server", "both"):
            _rename(row.get("server"))


def _rename(part: Any) -> None:
    for key in ("id", "uuid"):
        if isinstance(part, dict) and key in part:
            old = part[key]
            is_number = isinstance(old, int)
            part[key] = old + 100_000 if is_number else str(uuid.uuid5(uuid.NAMESPACE_OID, old))
