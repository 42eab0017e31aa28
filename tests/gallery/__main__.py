"""`python -m tests.gallery`: the pictures of docs/gallery.md and of the README.

`python -m tests.gallery --all DIRECTORY [--only WORD ...]` takes every page and state, in light and
dark, wide and narrow, and from right to left, to look at them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import tests.environment  # noqa: F401 before Django reads its settings

if __name__ == "__main__":
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    import django

    django.setup()

    from tests.gallery import pictures

    parser = argparse.ArgumentParser(prog="python -m tests.gallery", description=__doc__)
    parser.add_argument("--all", type=Path, metavar="DIRECTORY")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--modes", nargs="*", default=[])
    chosen = parser.parse_args()
    pictures.take(chosen.all, chosen.only, chosen.modes)
