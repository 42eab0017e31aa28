"""What is installed is pinned, hashed, and comes from wherever the installer is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FILES = ["bootstrap", "run", "dev"]


def pins(name: str) -> dict[str, str]:
    """The requirement lines, continuation lines joined: what is pinned -> its hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return {line.split("--hash", 1)[0].strip(): line for line in lines}


@pytest.mark.parametrize("name", FILES)
def test_every_line_is_pinned_and_hashed(name: str) -> None:
    for pin, line in pins(name).items():
        assert re.match(r"^[a-z0-9._\[\]-]+==\S+( ;.*)?$", pin, re.IGNORECASE), pin
        assert re.search(r"--hash=sha256:[0-9a-f]{64}\b", line), pin


@pytest.mark.parametrize("name", FILES)
def test_no_line_names_a_host(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)


def test_development_runs_what_production_runs() -> None:
    assert set(pins("run")) <= set(pins("dev"))
