"""A zero byte, which PostgreSQL takes nowhere, is an error of whoever sends it, never of ours."""

import re
from pathlib import Path

import pytest

from tests.hardening.asks import address_of
from tests.hardening.conftest import scene
from tests.hardening.table import ROWS
from tests.hardening.visits import ready, undone

__all__ = ["scene"]  # a fixture

CODE = Path(__file__).parent.parent / "dashboard"
ASKED = re.compile(r'GET(?:\.get\(|\.getlist\(|\[)"([a-z_]+)"')
FIELD = re.compile(r"^    ([a-z_]+) = (?:forms\.\w+|Needed|Chosen)\(", re.MULTILINE)
FILTERS = ("q", "state", "kind", "account", "server", "person", "tag", "guard", "from", "to")


def names() -> set[str]:
    """What our pages read of an address, and the fields of our forms."""
    read = "\n".join(path.read_text() for path in sorted(CODE.rglob("*.py")))
    return {*ASKED.findall(read), *FIELD.findall(read), *FILTERS, "login", "password"}


@pytest.mark.parametrize("who", ["alice", "nobody"])
def test_no_page_breaks_over_one(scene, who):
    assert {"kept", "scope", "typed", "words", "request_key"} <= names()
    zeros = dict.fromkeys(sorted(names()), "\0")
    broken = {}
    for row in ROWS:
        for method in ("GET", "POST"):
            with undone():
                client = ready(scene, row, who)
                client.raise_request_exception = False
                address = address_of(row, scene.ours)
                if method == "GET":
                    answer = client.get(address, zeros)
                else:
                    answer = client.post(address, zeros)
                if answer.status_code >= 500 and row != "readyz":
                    broken[row, method] = answer.status_code
    assert not broken
