"""Whoever has the database but not the key cannot change the history unnoticed."""

from __future__ import annotations

import json
import random
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from snapshots import audit, tasks
from snapshots.audit import chain
from snapshots.models import Event, Team
from tests.audit.conftest import without_triggers, write
from tests.long import LONG, so_many
from tests.operations.test_guarantees import at_once

TABLE = "snapshots_event"
WORDS = ("actor_name", "address", "request_id", "verb", "data")
NUMBERS = ("team_id", "actor_id", "account_id", "server_id", "snapshot_id", "operation_id")
TIMES = ("at", "sealed_at")


def test_every_column_that_tells_something_is_sealed() -> None:
    columns = {field.attname for field in Event._meta.concrete_fields}
    assert set(chain.FIELDS) == columns - {"to_tell", "seq", "mac"}


def test_a_history_that_nobody_touched_is_what_was_sealed(history: Any, team: Team) -> None:
    report = audit.verify(history)
    assert (report.findings, report.lines, report.head) == ([], 60, history[-1])
    write(team, 3)
    assert audit.verify(history).waiting == 3
    assert audit.seal() == 3
    assert audit.verify(history, after=history[-1]).lines == 3
    other = audit.Head(60, history[0].mac)
    assert "line 60 is not" in audit.verify(after=other).findings[0]


def test_lines_are_sealed_once_and_a_pass_takes_only_so_many(team: Team, monkeypatch: Any) -> None:
    write(team, 9)
    monkeypatch.setattr(chain, "QUOTA", 4)
    assert [audit.seal() for _ in range(4)] == [4, 4, 2, 0]
    assert list(Event.objects.order_by("pk").values_list("seq", flat=True)) == [*range(1, 11)]


@pytest.mark.django_db(transaction=True)
def test_sealers_and_writers_at_once_make_one_chain(team: Team) -> None:
    def seals() -> None:
        for _ in range(20):
            audit.seal()

    def writes() -> None:
        for _ in range(10):
            write(team, 3)

    found = at_once(seals, writes, seals, writes, seals)
    assert found == [None] * 5
    while audit.seal():
        pass
    report = audit.verify()
    assert (report.findings, report.lines, report.waiting) == ([], Event.objects.count(), 0)


# -- ten thousand ways ----------------------------------------------------------------------------


def change(cursor: Any, dice: random.Random) -> None:
    column = dice.choice((*WORDS, *NUMBERS, *TIMES, "mac"))
    value: Any = "".join(dice.choices("0123456789abcdef", k=dice.choice((1, 40))))
    if column == "data":
        value = json.dumps({"before": value})
    if column in NUMBERS:
        cursor.execute(f"UPDATE {TABLE} SET {column} = COALESCE({column}, 0) + 1{one(dice)}")
    elif column in TIMES:
        moved = timezone.now() - timedelta(seconds=dice.randint(60, 10**6))
        Event.objects.filter(seq=dice.randint(1, 60)).update(**{column: moved})
    else:
        cursor.execute(f"UPDATE {TABLE} SET {column} = %s{one(dice)}", [value])


def take_away(cursor: Any, dice: random.Random) -> None:
    """One, some, or all from there on, with the places closed behind them or not."""
    first = dice.randint(1, 60)
    last = dice.choice((first, 60, min(60, first + dice.randint(0, 5))))
    cursor.execute(f"DELETE FROM {TABLE} WHERE seq BETWEEN {first} AND {last}")
    if dice.random() < 0.5:
        for seq in range(last + 1, 61):
            cursor.execute(f"UPDATE {TABLE} SET seq = {seq - (last - first + 1)} WHERE seq = {seq}")


def put_in(cursor: Any, dice: random.Random) -> None:
    """A copy of a line in a new place, the others moved behind it; or at the end."""
    place = dice.randint(1, 61)
    for seq in range(60, place - 1, -1):
        cursor.execute(f"UPDATE {TABLE} SET seq = {seq + 1} WHERE seq = {seq}")
    line = Event.objects.filter(seq__gt=0).order_by("seq")[dice.randint(0, 59)]
    line.pk, line.seq, line.actor_name = None, place, dice.choice(("Alice", line.actor_name))
    line.save(force_insert=True)


def move(cursor: Any, dice: random.Random) -> None:
    """Two lines change places, with their seals or without."""
    here, there = dice.sample(range(1, 61), 2)
    for old, new in ((here, -1), (there, here), (-1, there)):
        cursor.execute(f"UPDATE {TABLE} SET seq = {new} WHERE seq = {old}")


def unseal(cursor: Any, dice: random.Random) -> None:
    """So that they are sealed again, with another content and at another place."""
    cursor.execute(f"UPDATE {TABLE} SET seq = NULL, mac = '' WHERE seq >= {dice.randint(1, 60)}")
    cursor.execute(f"UPDATE {TABLE} SET actor_name = 'Mallory' WHERE seq IS NULL")
    if dice.random() < 0.5:
        audit.seal()


def one(dice: random.Random) -> str:
    return f" WHERE seq = {dice.randint(1, 60)}"


@pytest.mark.parametrize("tamper", [change, take_away, put_in, move, unseal])
def test_every_tampering_is_found(tamper: Any, history: Any) -> None:
    dice = random.Random(tamper.__name__)
    before = list(Event.objects.order_by("pk").values_list("pk", "seq", "mac", *chain.FIELDS))
    for round_ in range(so_many(40, 2_000)):
        with without_triggers() as cursor:
            tamper(cursor, dice)
            now = list(Event.objects.order_by("pk").values_list("pk", "seq", "mac", *chain.FIELDS))
            report = audit.verify(history)
        assert now == before or report.findings, f"round {round_}"
    assert audit.verify(history).findings == []


def test_which_line_it_is_is_said(history: Any) -> None:
    with without_triggers() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET actor_name = 'Mallory' WHERE seq = 17")
        cursor.execute(f"DELETE FROM {TABLE} WHERE seq IN (40, 41)")
        first, second, third = audit.verify(history).findings
    assert first.startswith("line 17 (event ")
    assert second == "lines 40 to 41 are missing"
    assert third.startswith("line 42 (event ")


def test_without_a_head_from_elsewhere_a_missing_end_is_not_noticed(history: Any) -> None:
    with without_triggers() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE seq > 50")
        assert audit.verify().findings == []
        (found,) = audit.verify(history).findings
    assert found == "lines 51 to 60 are missing: they were there once"


def test_a_history_that_was_cut_off_and_has_grown_as_long_again_is_found_out(
    history: Any, team: Team
) -> None:
    """Two heads tell of one place, and the later one is of what came instead."""
    with without_triggers() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE seq > 50")
        write(team, 10)
        audit.seal()
        assert audit.head().seq == history[-1].seq
        (found,) = audit.verify([*history, audit.head()]).findings
    assert found.startswith("line 60 (event ")
    assert found.endswith("is not the one that was kept as head")


def test_a_line_that_was_written_into_the_database_by_hand_is_an_alarm(
    history: Any, team: Team, stage: Any
) -> None:
    Event.objects.create(verb="team.renamed", team=team, at=timezone.now() - timedelta(days=3))
    assert "1 lines were not sealed in time" in audit.verify(history).findings[0]
    audit.seal()  # it is one of ours from now on; that it came late can be told
    report = audit.verify(history)
    assert (report.findings, report.late) == ([], 1)


# -- keys -----------------------------------------------------------------------------------------


def test_keys_may_change_and_the_old_ones_go_on_verifying(team: Team, settings: Any) -> None:
    audit.seal()
    for key in (b"1" * 32, b"2" * 32):
        settings.AUDIT_KEYS = [key, *settings.AUDIT_KEYS]
        write(team, 5)
        audit.seal()
    assert audit.verify().findings == []
    settings.AUDIT_KEYS = [b"2" * 32]
    assert len(audit.verify().findings) == 5


def test_the_key_is_not_in_the_database(history: Any, settings: Any) -> None:
    settings.SECRET_KEY = "another installation's key" * 3
    assert len(audit.verify(history).findings) == chain.MOST_TOLD


# -- elsewhere ------------------------------------------------------------------------------------


def test_the_head_is_kept_outside_once_a_minute_while_it_grows(
    team: Team, stage: Any, settings: Any, tmp_path: Any, caplog: Any
) -> None:
    file = tmp_path / "heads"
    settings.AUDIT_HEAD_FILE = str(file)
    caplog.set_level("INFO")
    kept = []
    for _ in range(3):
        for _ in range(2):
            write(team, 1)
            tasks.seal()
            stage.later(seconds=2)
        kept.append([one.seq for one in audit.read(file)])
        stage.later(seconds=60)
        tasks.seal()
        tasks.seal()
    assert kept == [[2], [2, 3], [2, 3, 5]]
    assert audit.verify(audit.read(file)).findings == []
    assert f"the history ends with line 2, sealed {audit.read(file)[0].mac}" in caplog.text


def test_a_file_that_cannot_be_written_stops_nothing(
    team: Team, settings: Any, tmp_path: Any, caplog: Any
) -> None:
    settings.AUDIT_HEAD_FILE = str(tmp_path / "missing" / "heads")
    tasks.seal()
    assert "cannot be written" in caplog.text
    assert audit.head().seq == 1


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def told(settings: Any, tmp_path: Any, history: Any) -> Any:
    settings.AUDIT_HEAD_FILE = str(tmp_path / "heads")
    tasks.seal()


def test_the_command_says_that_all_is_well(told: Any, capsys: Any) -> None:
    call_command("verify_audit")
    out = capsys.readouterr().out
    assert out.endswith("60 lines read, up to line 60.\nThe history is what was sealed.\n")
    call_command("verify_audit", since_last_head=True)
    assert capsys.readouterr().out.startswith("0 lines read, up to line 60.")


def test_the_command_says_what_is_wrong(told: Any, team: Team, capsys: Any) -> None:
    write(team, 1)
    with without_triggers() as cursor:
        cursor.execute(f"UPDATE {TABLE} SET actor_name = 'Mallory' WHERE seq = 17")
        with pytest.raises(SystemExit):
            call_command("verify_audit", heads="")
    out = capsys.readouterr().out
    assert out.startswith("WRONG  line 17 (event ")
    assert "1 more lines wait to be sealed." in out
    assert "No heads were given" in out


def test_the_command_says_which_file_it_cannot_read(db: None, tmp_path: Any) -> None:
    with pytest.raises(CommandError, match="No such file"):
        call_command("verify_audit", heads=str(tmp_path / "nowhere"))
    (tmp_path / "other").write_text("{}\n")
    with pytest.raises(CommandError, match="is no head of a history"):
        call_command("verify_audit", heads=str(tmp_path / "other"))


# -- how long it takes ----------------------------------------------------------------------------


def test_a_long_history_is_verified_within_a_minute(team: Team, capsys: Any) -> None:
    write(team, 999)
    columns = ", ".join(
        name for name in (*chain.FIELDS, "to_tell") if name not in ("id", "sealed_at")
    )
    with connection.cursor() as cursor:
        for _ in range(so_many(1, 10)):
            cursor.execute(f"INSERT INTO {TABLE} ({columns}) SELECT {columns} FROM {TABLE}")
    number = Event.objects.count()
    assert number >= so_many(2_000, 1_000_000)
    begun = time.monotonic()
    while audit.seal():
        pass
    sealed, used = time.monotonic(), time.process_time()
    report = audit.verify()
    took, used = time.monotonic() - sealed, time.process_time() - used
    assert (report.findings, report.lines) == ([], number)
    if LONG:
        with capsys.disabled():
            print(
                f"\n{number} lines: sealed in {sealed - begun:.0f} s,"
                f" verified in {took:.0f} s, {used:.0f} s of it our own work"
            )
    assert used < 60
