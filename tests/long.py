"""Some tests have a long form, which `make proof` runs: LONG_TESTS=1 asks for it."""

import os

LONG = bool(os.environ.get("LONG_TESTS"))


def so_many(short: int, long: int) -> int:
    """How many rounds: a few in `make test`, many in `make proof`."""
    return long if LONG else short
