"""For containers: `python -m dashboard.healthcheck web|worker|beat`; exit code 0 means healthy.

A container engine restarts what ends, not what is unhealthy. So a worker that has been silent for
too long, although the broker answers, is killed here: its container ends and is started again.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from dashboard.environment import text
from dashboard.machine import broker_answers, is_healthy, modified

PATIENCE = 60.0
WORKER_PIDFILE = Path("/tmp/worker.pid")  # noqa: S108 - private to the container


def web(port: int = 8000) -> bool:
    """Whether the web process answers as the site it serves."""
    return is_healthy("127.0.0.1", port, urlsplit(text("SITE_URL", "http://localhost")).netloc)


def worker(pidfile: Path = WORKER_PIDFILE) -> bool:
    """Whether the worker finished a task lately. Kills one that is deaf or frozen."""
    if time.time() - max(modified(Path(text("HEARTBEAT_FILE"))), modified(pidfile)) < PATIENCE:
        return True
    if broker_answers(text("REDIS_URL")):
        with suppress(OSError, ValueError):
            os.kill(int(pidfile.read_text()), signal.SIGKILL)
    return False


def beat() -> bool:
    """Whether a tick of its timetable was worked off lately. Beat itself leaves no other trace."""
    return time.time() - modified(Path(f"{text('HEARTBEAT_FILE')}.tick")) < PATIENCE


if __name__ == "__main__":
    sys.exit(0 if {"web": web, "worker": worker, "beat": beat}[sys.argv[1]]() else 1)
