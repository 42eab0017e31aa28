"""docs/faults-*.md: what was struck, what was promised, and what was found."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.campaigns.recovery import TARGETS, percentile

Parts = dict[str, list[dict[str, Any]]]  # part -> what each run of it found; some may be missing
NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


def write(path: Path, database: str, parts: Parts) -> None:
    sections = [
        *_head(database, parts),
        *_verdict(parts),
        *_campaign(parts["campaign"][0]),
        *_crashes(parts.get("crashes", [])),
        *_recovery([*parts.get("decisions", []), *parts.get("resumption", [])]),
    ]
    path.write_text("\n".join(sections).rstrip() + "\n")


def _head(database: str, parts: Parts) -> Iterator[str]:
    order = parts["campaign"][0]["order"]
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    yield f"# What was struck, and what held: {NAMES[database]}\n"
    yield f"Written by `make faults DB={database}`; [reliability.md](reliability.md) says what the"
    yield "words mean.\n"
    yield (
        f"{datetime.now(UTC):%-d %B %Y}, {os.cpu_count()} cores of {model}, Python"
        f" {platform.python_version()}, {platform.system()} {platform.release()}. Seed"
        f" {order['seed']}. In the campaign the provider, and what follows its speed, is"
        f" {order['pace']} times faster than life, at the crash points 60 times; claims, fences and"
        " `send_before` are as they are, and so is everything where times are measured.\n"
    )


def _verdict(parts: Parts) -> Iterator[str]:
    found = [words for runs in parts.values() for run in runs for words in run["complaints"]]
    if found:
        yield f"**{len(found)} complaints:**\n"
        yield from (f"- {words}" for words in found)
        yield ""
    else:
        yield (
            "**No complaint**: nothing lost, nothing sent twice, no false “succeeded”, no false"
            " “did not happen”, nothing sent without an earlier committed claim, no page answered"
            " 500.\n"
        )


def _campaign(run: dict[str, Any]) -> Iterator[str]:
    strikes, calls = run["strikes"], run["calls"]
    frozen = sum(number for what, number in strikes.items() if what.startswith("freeze"))
    yield "## The campaign\n"
    yield (
        f"{run['order']['seconds']:g} seconds of {run['order']['people']} people at"
        f" {run['order']['accounts'] * run['order']['servers']} servers in"
        f" {run['order']['accounts']} accounts; {run['kills']} kill -9 of workers and their"
        f" processes, {frozen} freezes longer than the lease. After it had ended, everything was"
        f" decided within {run['settled_after']:.0f} s. {run['attempts']} attempts;"
        f" {calls.get('arrived', 0)} changes reached the provider, which did"
        f" {calls.get('applied', 0)} of them; {run['told']} messages were sent."
        f" Workers replaced because they were silent: {run['replaced']}.\n"
    )
    yield from _table("struck", strikes)
    yield from _table("faults of the provider that met a call", run["met"])
    yield from _table("clicks", run["clicks"])
    yield from _table("answers of the web", run["statuses"] | {"none": run["unanswered"]})
    yield from _table("operations, in the end", run["ends"])


def _crashes(runs: list[dict[str, Any]]) -> Iterator[str]:
    if not runs:
        return
    yield "## Crash points\n"
    yield (
        "A real process dies by its own kill -9 at each place, for each kind:"
        f" {sum(run['cases'] for run in runs)} deaths, {len(runs)} of each sort. What waits in"
        " line is counted too.\n"
    )
    yield "| place | what became of it |"
    yield "|---|---|"
    for place in runs[0]["ends"]:
        ends: dict[str, int] = {}
        for run in runs:
            for what, number in run["ends"][place].items():
                ends[what] = ends.get(what, 0) + number
        told = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in ends.items())
        yield f"| {place} | {told} |"
    yield ""


def _recovery(runs: list[dict[str, Any]]) -> Iterator[str]:
    yield "## How long it takes, unscaled\n"
    yield "| | number | median | p95 | longest | target | |"
    yield "|---|---|---|---|---|---|---|"
    for run in runs:
        for what, found in run["times"].items():
            target = TARGETS[what]
            held = percentile(found, target.percentile) <= target.seconds
            which = "all" if target.percentile == 100 else f"p{target.percentile}"
            figures = " | ".join(f"{percentile(found, n):.1f} s" for n in (50, 95, 100))
            judged = "met" if held else "**missed**"
            yield (
                f"| {what} | {len(found)} | {figures} | {which} within {target.seconds:g} s"
                f" | {judged} |"
            )
    yield ""


def _table(what: str, counted: dict[str, int]) -> Iterator[str]:
    yield f"| {what} | |"
    yield "|---|---|"
    for name, number in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        yield f"| {name.replace('_', ' ')} | {number} |"
    yield ""
