"""The chain's end, told outside the database: in the log, and in a file on another volume."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from snapshots.audit.chain import Head, head

log = logging.getLogger(__name__)
TOLD = "audit-head"
BETWEEN = 60  # seconds


def publish() -> None:
    """By the sealer: tell where the chain ends, once a minute while it grows."""
    end, now = head(), timezone.now().timestamp()
    told, at = cache.get(TOLD, (0, 0.0))
    if end.seq in (0, told) or 0 <= now - at < BETWEEN:
        return
    cache.set(TOLD, (end.seq, now), None)
    log.info("the history ends with line %d, sealed %s", end.seq, end.mac)
    if settings.AUDIT_HEAD_FILE:
        try:
            _append(Path(settings.AUDIT_HEAD_FILE), end)
        except OSError:
            log.exception("the file %s cannot be written", settings.AUDIT_HEAD_FILE)


def read(file: Path) -> list[Head]:
    """What was told. Raises OSError, and ValueError for a file that is none of ours."""
    heads = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        try:
            said = json.loads(line)
            heads.append(Head(int(said["line"]), str(said["sealed"])))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"line {number} of {file} is no head of a history") from None
    return heads


def _append(file: Path, end: Head) -> None:
    """On return it outlives a loss of power. Two workers write one after the other."""
    said = {"at": timezone.now().isoformat(timespec="seconds"), "line": end.seq, "sealed": end.mac}
    with file.open("a") as output:
        fcntl.flock(output, fcntl.LOCK_EX)
        output.write(json.dumps(said) + "\n")
        output.flush()
        os.fsync(output.fileno())
