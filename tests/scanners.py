"""`make audit`: bandit, our rules by semgrep, and what is known against the packages.

Fails for what nobody has reviewed, and if the packages could not be looked up: then nothing is
known of them, which is not the same as nothing being known against them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / ".venv" / "audit" / "bin"
CODE = ("dashboard", "snapshots")
# B404 is any import of subprocess, B105 to B107 any empty text called a secret or a token: ruff's
# S rules judge those better. B703 is what `text-is-escaped` in rules.json watches.
SKIPPED = "B404,B105,B106,B107,B703"


def main() -> int:
    found = {"bandit": bandit(), "semgrep": semgrep(), "pip-audit": packages()}
    print()
    for tool, (_is_fine, words) in found.items():
        print(f"{tool}: {words}")
    return 0 if all(is_fine for is_fine, _words in found.values()) else 1


def bandit() -> tuple[bool, str]:
    """A finding is reviewed if its line says why ruff, which has the same rules, may ignore it."""
    asked = [*("--quiet", "--recursive", "--format", "json"), "--skip", SKIPPED, *CODE]
    results = json.loads(run("bandit", *asked).stdout)["results"]
    open_ones = [one for one in results if not is_reviewed(one)]
    for one in open_ones:
        print(f"{one['filename']}:{one['line_number']}: {one['test_id']} {one['issue_text']}")
    return not open_ones, f"{len(results)} findings, {len(open_ones)} of them not reviewed"


def is_reviewed(finding: dict) -> bool:
    lines = (ROOT / finding["filename"]).read_text().splitlines()
    around = range(min(finding["line_range"]) - 1, max(finding["line_range"]) + 1)
    return any("noqa: S" in lines[number] for number in around if number < len(lines))


def semgrep() -> tuple[bool, str]:
    asked = ("--quiet", "--error", "--metrics=off", "--disable-version-check")
    ran = run("semgrep", "scan", *asked, "--config", "tests/hardening/rules.json", ".")
    print(ran.stdout + ran.stderr, end="")
    return ran.returncode == 0, "nothing found" if ran.returncode == 0 else "see above"


def packages() -> tuple[bool, str]:
    ran = run("pip-audit", "--strict", "--disable-pip", "--requirement", "requirements/run.txt")
    if ran.returncode == 0:
        return True, "nothing is known against the packages of requirements/run.txt"
    print(ran.stdout + ran.stderr, end="")
    if "Found" in ran.stdout + ran.stderr:
        return False, "something is known against a package: see above"
    return False, "NOT RUN, the packages could not be looked up: nothing is known of them"


def run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TOOLS / tool, *arguments], cwd=ROOT, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
