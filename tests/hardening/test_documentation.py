"""docs/security.md and docs/asvs.md name tests that exist, and leave no requirement out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

from tests.house.test_settings import run

ROOT = Path(__file__).parent.parent.parent
# Of OWASP's ASVS 5.0, those of level 1.
LEVEL_1 = """
    1.2.1 1.2.2 1.2.3 1.2.4 1.2.5 1.3.1 1.3.2 1.5.1 2.1.1 2.2.1 2.2.2 2.3.1 3.2.1 3.2.2 3.3.1 3.4.1
    3.4.2 3.5.1 3.5.2 3.5.3 4.1.1 4.4.1 5.2.1 5.2.2 5.3.1 5.3.2 6.1.1 6.2.1 6.2.2 6.2.3 6.2.4 6.2.5
    6.2.6 6.2.7 6.2.8 6.3.1 6.3.2 6.4.1 6.4.2 7.2.1 7.2.2 7.2.3 7.2.4 7.4.1 7.4.2 8.1.1 8.2.1 8.2.2
    8.3.1 9.1.1 9.1.2 9.1.3 9.2.1 10.4.1 10.4.2 10.4.3 10.4.4 10.4.5 11.3.1 11.3.2 11.4.1 12.1.1
    12.2.1 12.2.2 13.4.1 14.2.1 14.3.1 15.1.1 15.2.1 15.3.1
"""


def test_every_requirement_of_level_1_has_its_line():
    lines = [one.split("|") for one in (ROOT / "docs/asvs.md").read_text().splitlines()]
    told = {
        cells[1].strip(): [cell.strip() for cell in cells[2:5]]
        for cells in lines
        if re.match(r"\s*\d+\.\d+\.\d+", [*cells, "", ""][1])
    }
    assert sorted(told) == sorted(LEVEL_1.split())
    assert len(told) == 70
    for number, (about, holds, shown_by) in told.items():
        assert about and shown_by, number
        assert holds in ("Yes", "Partly", "Operator", "n/a"), number


@pytest.mark.parametrize("page", ["security.md", "asvs.md"])
def test_every_test_that_is_named_exists(page):
    named = re.findall(
        r"`(tests/[\w/]+\.(?:py|txt|json))(?:::(\w+))?`", (ROOT / "docs" / page).read_text()
    )
    assert len(named) > 20
    for file, test in named:
        assert (ROOT / file).is_file(), file
        assert not test or f"def {test}(" in (ROOT / file).read_text(), f"{file}::{test}"


def test_cookies_of_a_public_site():
    """With https, each of ours is Secure and for this host alone."""
    names = ("SESSION", "CSRF", "LANGUAGE")
    asked = [f"s.{name}_COOKIE_{what}" for what in ("NAME", "SECURE") for name in names]
    load = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'dashboard.settings'"
    ours = "django.setup(); import dashboard.settings as s; from dashboard import devices"
    said = run(
        "-c", f"{load}; {ours}; print(s.THEME_COOKIE_NAME, devices.COOKIE, {', '.join(asked)})"
    ).stdout.split()
    assert [name.startswith("__Host-") for name in said[:5]] == [True] * 5
    assert said[5:] == ["True"] * 3


def test_passwords_are_judged_by_length_and_by_being_known():
    """No rule of composition is among the validators."""
    names = {one["NAME"].rpartition(".")[2] for one in settings.AUTH_PASSWORD_VALIDATORS}
    composing = {
        name for name in names if re.search("Upper|Lower|Digit|Symbol|Character|Numeric", name)
    }
    assert "MinimumLengthValidator" in names
    assert composing == set()
