"""Checks of a request's fields, with the words of Django REST Framework."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from .world import Refusal

_NAME = re.compile(r"[-a-zA-Z0-9_]+\Z")
_INTEGER = re.compile(r"\s*[-+]?\d{1,1000}(\.0*)?\s*\Z", re.ASCII)
_MISSING: Any = object()

NAME_TEXT = 'Enter a valid "slug" consisting of letters, numbers, underscores or hyphens.'


def parsed_body(content_type: str, body: bytes) -> dict[str, Any]:
    """The JSON object of a request. An empty body is an empty object, as the framework has it."""
    if not body:
        return {}
    media = content_type.partition(";")[0].strip().lower()
    if media != "application/json":
        raise Refusal(415, {"detail": f'Unsupported media type "{media[:100]}" in request.'})
    try:
        data = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except ValueError as error:
        raise Refusal(400, {"detail": f"JSON parse error - {str(error)[:200]}"}) from None
    except RecursionError:
        raise Refusal(400, {"detail": "JSON parse error - nested too deeply"}) from None
    if not isinstance(data, dict):
        kind = type(data).__name__
        text = f"Invalid data. Expected a dictionary, but got {kind}."
        raise Refusal(400, {"non_field_errors": [text]})
    return data


class Fields:
    """Reads named fields out of a body and collects what is wrong with them."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._errors: dict[str, list[str]] = {}

    def integer(self, name: str) -> str:
        value = self._value(name)
        if value is None:
            return ""
        if isinstance(value, str) and len(value) > 1000:
            return self._wrong(name, "String value too large.")
        if isinstance(value, bool) or not _INTEGER.match(str(value)):
            return self._wrong(name, "A valid integer is required.")
        return str(int(str(value).strip().partition(".")[0]))

    def uuid(self, name: str) -> str:
        value = self._value(name)
        if value is None:
            return ""
        try:
            if not isinstance(value, str):
                raise ValueError
            return str(uuid.UUID(value))
        except ValueError:
            return self._wrong(name, "Must be a valid UUID.")

    def text(self, name: str, longest: int, *, required: bool = True, is_name: bool = False) -> str:
        value = self._value(name, required=required)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return self._wrong(name, "Not a valid string.")
        value = str(value).strip()
        if not value:
            # Optional text may be blank; a name may not.
            return self._wrong(name, "This field may not be blank.") if required else ""
        if "\x00" in value:
            return self._wrong(name, "Null characters are not allowed.")
        surrogate = next((c for c in value if "\ud800" <= c <= "\udfff"), None)
        if surrogate:
            text = f"Surrogate characters are not allowed: U+{ord(surrogate):X}."
            return self._wrong(name, text)
        if len(value) > longest:
            text = f"Ensure this field has no more than {longest} characters."
            return self._wrong(name, text)
        if is_name and not _NAME.match(value):
            return self._wrong(name, NAME_TEXT)
        return value

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self._value(name)
        if value is None:
            return ""
        if value not in choices:
            return self._wrong(name, f'"{str(value)[:100]}" is not a valid choice.')
        return str(value)

    def done(self) -> None:
        """Refuse with everything that was wrong, if anything was."""
        if self._errors:
            raise Refusal(400, dict(self._errors))

    def _value(self, name: str, *, required: bool = True) -> Any:
        value = self._data.get(name, _MISSING)
        if value is _MISSING:
            if required:
                self._wrong(name, "This field is required.")
            return None
        if value is None:
            self._wrong(name, "This field may not be null.")
        return value

    def _wrong(self, name: str, text: str) -> str:
        self._errors.setdefault(name, []).append(text)
        return ""


def _no_constant(word: str) -> Any:
    raise ValueError(f"Out of range float values are not JSON compliant: {word!r}")
