"""A supervisor with small programs: `python -m tests.house.crew DIRECTORY PROGRAM ...`."""

import sys
from pathlib import Path

from dashboard.supervisor import CannotStart, Program, Stopped, Supervisor

SHELL = {
    # Says that it lives, and forks a child that would outlive it.
    "plain": "sleep 1000 & echo plain is up; wait",
    "stubborn": "trap '' TERM; echo stubborn is up; while :; do sleep 0.1; done",
    "polite": "trap 'echo polite goes; exit 0' TERM; while :; do sleep 0.1; done",
    "broken": "echo first line; echo the disk is full; exit 3",
}


def main(directory: str, *names: str) -> int:
    supervisor = Supervisor(Path(directory), lambda words: print(words, flush=True))
    try:
        for name in names:
            is_up = (lambda: False) if name == "broken" else (lambda: True)
            command = ["sh", "-c", SHELL[name]]
            supervisor.start(Program(name, command, is_up, stop=((15, 0.5),)))
        print("all up", flush=True)
        supervisor.watch()
    except CannotStart as reason:
        print(reason, flush=True)
        return 1
    except Stopped:
        pass
    finally:
        supervisor.stop()
        print("all down", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
