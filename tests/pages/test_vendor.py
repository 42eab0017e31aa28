"""Vendored files are the ones we looked at, and nothing of ours calls another host."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders

STATIC = Path(settings.BASE_DIR, "static")
VENDOR = STATIC / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text())


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["name"])
def test_each_file_is_what_the_manifest_says(entry):
    path = VENDOR / entry["file"] if "file" in entry else Path(finders.find(entry["static"]))
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
    assert {"name", "version", "licence", "package"} <= set(entry)


def test_no_file_is_left_out():
    listed = {entry["file"] for entry in MANIFEST if "file" in entry}
    there = {str(path.relative_to(VENDOR)) for path in VENDOR.rglob("*") if path.is_file()}
    assert there == listed | {"manifest.json"}


@pytest.mark.parametrize("sheet", sorted(STATIC.rglob("*.css")), ids=lambda path: path.name)
def test_stylesheets_fetch_nothing_from_elsewhere(sheet):
    text = sheet.read_text()
    for target in re.findall(r"url\(\s*['\"]?([^'\")]{1,60})", text):
        assert target.startswith(("data:", "../vendor/")), target
    assert "sourceMappingURL" not in text


def test_our_script_evaluates_nothing():
    for script in (STATIC / "js").rglob("*.js"):
        text = script.read_text()
        assert not re.search(
            r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacent|document\.write", text
        )
        assert "http://" not in text and "https://" not in text


def test_htmx_is_version_two():
    script = Path(finders.find("django_htmx/htmx-2.min.js")).read_text()
    assert 'version:"2.0.' in script
