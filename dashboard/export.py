"""Lists as files: CSV and JSON of what the page would show, written while it is read."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

PORTION = 500  # rows read, completed and written at a time
TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
# Behind spaces too, and in the wide letters of East Asia: spreadsheets differ in what they skip.
_SIGN = r"[-=+@\uff1d\uff0b\uff0d\uff20]"
FORMULA = re.compile(rf"\s*{_SIGN}|[\t\r\n]")
# Where the comma is a decimal point, a semicolon or a tab begins another cell within the text.
INNER = re.compile(rf"(?<=[;\t\r\n])([^\S\t\r\n]*)(?={_SIGN})")

Record = Iterable[Any]  # values in the order of the fields


def asked(request: HttpRequest) -> str:
    """Which kind of file is asked for; empty for the page."""
    form = request.GET.get("format", "")
    return form if form in TYPES else ""


def portions(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    """All `rows`, some at a time, however many there are."""
    left = rows.iterator(chunk_size=PORTION)
    while portion := list(islice(left, PORTION)):
        yield portion


def stream(
    form: str, name: str, fields: Sequence[str], records: Iterable[Record]
) -> StreamingHttpResponse:
    """The file, named after its list and the reader's time."""
    lines = as_csv(fields, records) if form == "csv" else as_json(fields, records)
    answer = StreamingHttpResponse(lines, content_type=TYPES[form])
    file = f"{name}-{timezone.localtime():%Y%m%d-%H%M}.{form}"
    answer["Content-Disposition"] = f'attachment; filename="{file}"'
    return answer


class Echo:
    """A file for the csv writer: what is written comes back."""

    def write(self, line: str) -> str:
        return line


def as_csv(fields: Sequence[str], records: Iterable[Record]) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(fields)
    for record in records:
        yield writer.writerow([harmless(plain(value)) for value in record])


def as_json(fields: Sequence[str], records: Iterable[Record]) -> Iterator[str]:
    between = "[\n"
    for record in records:
        values = dict(zip(fields, map(plain, record), strict=True))
        yield between + json.dumps(values, ensure_ascii=False)
        between = ",\n"
    yield "[]\n" if between == "[\n" else "\n]\n"


def plain(value: Any) -> Any:
    """Times as ISO 8601 in UTC, days as ISO 8601; everything else as it is."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    return value


def harmless(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, as text."""
    if not isinstance(value, str):
        return value
    return ("'" if FORMULA.match(value) else "") + INNER.sub(r"\1'", value)
