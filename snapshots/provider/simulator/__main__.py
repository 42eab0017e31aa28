"""`python -m snapshots.provider.simulator`: the provider as a process of its own."""

from __future__ import annotations

import argparse
import ipaddress
import math
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from .fleet import SEEDS
from .simulator import Simulator
from .store import UnreadableError


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Returns 1, with one sentence, if that cannot begin."""
    options = _options(arguments)
    stopped = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopped.set()

    # Before the ready line: whoever reads it may send the signal at once.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        simulator = Simulator(
            options.seed,
            pace=options.pace,
            frozen=False,
            state=options.state,
            log=options.log,
            host=options.host,
            port=options.port,
            control=_is_loopback(options.host) if options.control is None else options.control,
        )
    except UnreadableError as error:
        return _refuse(str(error))
    except (OSError, OverflowError) as error:
        return _refuse(f"cannot serve on {options.host} port {options.port}: {_reason(error)}")
    simulator.start()
    _say(sys.stdout, f"The simulated provider is ready at {simulator.url} (pace {options.pace:g})")
    stopped.wait()
    simulator.stop()
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m snapshots.provider.simulator",
        description="The vendor's side of the wire, simulated.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=8901, help="port; 0 takes a free one")
    parser.add_argument("--state", type=Path, help="JSON file in which the state survives")
    parser.add_argument("--log", type=Path, help="file to which every call is appended")
    parser.add_argument(
        "--pace", type=_pace, default=1.0, help="how many times faster creates and restores are"
    )
    parser.add_argument(
        "--seed", choices=list(SEEDS), default="demo", help="what to begin with without a state"
    )
    parser.add_argument(
        "--control",
        action=argparse.BooleanOptionalAction,
        help="serve /_sim/ to this machine; by default if the host is a loopback address",
    )
    return parser.parse_args(arguments)


def _pace(word: str) -> float:
    pace = float(word)
    if not (math.isfinite(pace) and 0 < pace <= 1_000_000):
        raise argparse.ArgumentTypeError("pace is a number above 0, at most 1000000")
    return pace


def _port(word: str) -> int:
    port = int(word)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return port


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _refuse(sentence: str) -> int:
    _say(sys.stderr, sentence)
    return 1


def _say(stream: object, sentence: str) -> None:
    print(sentence, file=stream, flush=True)  # type: ignore[call-overload]


if __name__ == "__main__":
    sys.exit(main())
