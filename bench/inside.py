"""One part of the bench on one database, in a process of its own: prints lines, writes JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django
from django.core.management import call_command


def main(order: dict[str, object], answer: Path) -> None:
    django.setup()
    from bench import calls, claims, pages, passes

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    match order["part"]:
        case "pages":
            call_command("collectstatic", interactive=False, verbosity=0)
            found = pages.measure(order["sizes"], order["only"], order["repeats"], order["show"])
        case "passes":
            found = passes.measure()
        case "calls":
            found = calls.measure()
        case "claims":
            found = claims.measure()
    answer.write_text(json.dumps(found))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
