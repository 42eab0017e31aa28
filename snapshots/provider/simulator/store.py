"""The provider's state on disk: one JSON file, replaced whole after each change."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

VERSION = 1


class UnreadableError(Exception):
    """The state file is there and is not one of ours."""


class Store:
    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None if there is none yet."""
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise UnreadableError(f"cannot read the state file {self._path}: {error}") from error
        try:
            data = json.loads(text)
        except ValueError as error:
            raise UnreadableError(f"the state file {self._path} is not JSON: {error}") from error
        if not isinstance(data, dict) or data.get("version") != VERSION:
            raise UnreadableError(f"the state file {self._path} was not written by this simulator")
        return data

    def save(self, data: dict[str, Any]) -> None:
        """Replace the file at once: a `kill -9` leaves the old state or the new, never a half."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_name(f".{self._path.name}.new")
        text = json.dumps({"version": VERSION, **data}, separators=(",", ":"))
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        new.replace(self._path)
