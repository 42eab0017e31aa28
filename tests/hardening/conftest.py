"""The two teams of scene.py, with the provider's simulator behind them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.conftest import Stage
from tests.hardening.scene import Scene, build


@pytest.fixture
def scene(db: None, stage: Stage) -> Iterator[Scene]:
    """Whoever changes it undoes that: it is built once for many questions, without log lines."""
    logging.disable(logging.CRITICAL)
    yield build(stage)
    logging.disable(logging.NOTSET)
