"""Reads settings from the environment and refuses a bad one in one line.

`NAME_FILE` names a file with the value of `NAME`, as container secrets come. An empty value is the
same as none. What `make run` decided at its first start stands in `DATA_DIR/house.env` and holds
for every command that works on that directory. What its programs run with since the last start
stands in `running.env`, for commands that are not told otherwise.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from urllib.parse import urlsplit

COMPLAINT = "Holdfast cannot start: "
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
BASE_DIR = Path(__file__).resolve().parent.parent


def bad(name: str, why: str) -> SystemExit:
    """One line on standard error, exit code 1: in manage.py, gunicorn and celery alike."""
    return SystemExit(f"{COMPLAINT}{name}: {why}")


def remembered(home: Path, name: str = "house.env") -> dict[str, str]:
    """What this file of the directory says; nothing if there is none."""
    try:
        lines = (home / name).read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


DATA_DIR = Path(os.environ.get("DATA_DIR") or BASE_DIR / ".data")
_house = remembered(DATA_DIR)
_running = remembered(DATA_DIR, "running.env")


def text(name: str, default: str = "") -> str:
    if name in _house:
        return _house[name]
    if file := os.environ.get(f"{name}_FILE"):
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise bad(f"{name}_FILE", f"{file} cannot be read ({error.strerror}).") from None
    return os.environ.get(name, "").strip() or _running.get(name, "") or default


def several(name: str, default: str = "") -> list[str]:
    """Values with commas between them."""
    return [item.strip() for item in text(name, default).split(",") if item.strip()]


def number(name: str, default: float, *, least: float, most: float) -> float:
    said = text(name, str(default))
    try:
        value = float(said)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise bad(name, f"{said!r} is not a number from {least:g} to {most:g}.")
    return value


def whole_number(name: str, default: int, *, least: int, most: int) -> int:
    value = number(name, default, least=least, most=most)
    if value != int(value):
        raise bad(name, f"{value:g} is not a whole number.")
    return int(value)


def truth(name: str, *, default: bool = False) -> bool:
    said = text(name, "1" if default else "0").lower()
    if said in {"1", "true", "yes", "on"}:
        return True
    if said in {"0", "false", "no", "off"}:
        return False
    raise bad(name, f"{said!r} is neither 1 nor 0.")


def web_address(name: str, said: str) -> str:
    """`said` without a slash at its end, if it is an address that keeps secrets secret."""
    parts = urlsplit(said)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise bad(name, f"{said!r} is not an http(s) address.")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK and not truth("ALLOW_HTTP"):
        raise bad(
            name, f"{said!r} sends secrets in the clear; ALLOW_HTTP=1 allows it all the same."
        )
    return said.rstrip("/")
