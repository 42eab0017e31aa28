"""Our own rules for the source, kept in rules.json in semgrep's form.

`make audit` runs them by semgrep, which is large. They are regular expressions on purpose, so that
they are read here in every run, without it and without a network.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
RULES = json.loads(Path(__file__).with_name("rules.json").read_text())["rules"]
KINDS = {".py", ".html", ".txt", ".js"}

# For each rule, a line that it must find: a rule that finds nothing at all would be green too.
BREACHES = {
    "text-is-escaped": "<p>{{ server.name|safe }}</p>",
    "forms-are-ours": "@csrf_exempt",
    "nothing-is-evaluated": "answer = eval(words)",
    "no-shell": "subprocess.run(line, shell=True)",
    "one-way-out-for-each-purpose": "import requests",
    "certificates-are-checked": "session.get(url, verify=False)",
    "htmx-posts-and-runs-nothing": '<a hx-delete="/x/">',
    "the-page-is-not-written-as-text": "row.innerHTML = name",
    "sql-is-written-once": 'cursor.execute(f"SELECT {name}")',
    "forms-name-their-fields": '        fields = "__all__"',
    "ways-on-are-named": 'return redirect(request.GET["next"])',
    "weak-hashes": "hashlib.md5(token)",
    "open-views-are-known": "@login_not_required",
}


def heeds(rule: dict, path: str) -> bool:
    """Whether the rule is for this file, whose path begins with a slash."""
    paths = rule["paths"]
    return any(fnmatch(path, one) for one in paths["include"]) and not any(
        fnmatch(path, one) for one in paths.get("exclude", ())
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["id"])
def test_the_source_keeps_the_rule(rule):
    breaks = re.compile(rule["pattern-regex"], re.MULTILINE)
    found, read = [], 0
    for top in ("dashboard", "snapshots", "templates", "static/js"):
        for path in (ROOT / top).rglob("*"):
            name = "/" + path.relative_to(ROOT).as_posix()
            if path.suffix in KINDS and heeds(rule, name):
                read += 1
                text = path.read_text()
                found += [f"{name}: {hit[0].strip()}" for hit in breaks.finditer(text)]
    assert found == [], rule["message"]
    assert read > 3


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["id"])
def test_the_rule_finds_what_it_is_for(rule):
    assert re.search(rule["pattern-regex"], BREACHES[rule["id"]], re.MULTILINE)


def test_what_a_rule_leaves_out_is_there():
    left_out = [path for rule in RULES for path in rule["paths"].get("exclude", ())]
    assert [path for path in left_out if not any(ROOT.glob(path.lstrip("/")))] == []
