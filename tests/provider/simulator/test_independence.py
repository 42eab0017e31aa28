"""The simulator shares nothing with our client but the wire."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_it_needs_the_standard_library_only() -> None:
    look = (
        "import sys; import snapshots.provider.simulator.__main__;"
        "print('\\n'.join(m for m in sys.modules if m.partition('.')[0] not in"
        " sys.stdlib_module_names))"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", look], cwd=ROOT, capture_output=True, text=True, check=True
    )
    others = {name for name in run.stdout.split() if not name.startswith("__")}
    assert others
    for name in others:
        assert name in ("snapshots", "snapshots.provider") or name.startswith(
            "snapshots.provider.simulator"
        ), name
