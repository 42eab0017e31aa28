"""What may be asked, and what is said if not: each sentence whole, and at which field it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from snapshots.errors import Refused
from snapshots.models import Account, Kind, Server, Team, User
from snapshots.operations import rules
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation


@pytest.fixture
def web(team: Team) -> Server:
    """Rows alone: no rule asks the provider."""
    return a_server(an_account(team))


def said(check: Callable[..., object], *asked: Any, **more: Any) -> tuple[str, str | None]:
    with pytest.raises(Refused) as refusal:
        check(*asked, **more)
    return refusal.value.sentence, refusal.value.field


ALPHABET = "The provider allows letters without accents, digits, - and _. Not allowed: "


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "A snapshot needs a name."),
        ("before update", f"{ALPHABET}space"),
        ("a b/c", f"{ALPHABET}space /"),
        ("x.y", f"{ALPHABET}."),
        ("(a+b)*c/d=e", f"{ALPHABET}( ) * + /"),
        ("x" * 65, "The name has 65 characters; 64 fit."),
    ],
)
def test_of_a_name_that_does_not_do_the_signs_at_fault_are_named(name, sentence):
    assert said(rules.check_name, name) == (sentence, "name")


@pytest.mark.parametrize("name", ["x", "A-z_09", "x" * 64])
def test_a_name_that_does_is_let_pass(name):
    rules.check_name(name)


def test_a_note_may_have_nine_hundred_characters():
    rules.check_note("x" * 900)
    assert said(rules.check_note, "x" * 901) == ("The note has 901 characters; 900 fit.", "note")


def test_of_a_server_that_is_gone_nothing_is_asked(web):
    rules.check_server(web)
    web.gone_at = timezone.now()
    assert said(rules.check_server, web) == ("The provider no longer lists web-1.", None)


def test_of_an_account_whose_token_is_refused_nothing_is_asked(web):
    web.account.paused = Account.Paused.TOKEN
    sentence = "The provider refuses the token of Production. It must be replaced first."
    assert said(rules.check_server, web) == (sentence, None)


def test_of_an_account_whose_token_cannot_be_read_nothing_is_asked(web):
    web.account.paused = Account.Paused.KEY
    assert said(rules.check_server, web) == ("Production needs its token again.", None)


def test_why_somebody_goes_without_a_safety_snapshot_is_said_in_five_hundred_characters():
    assert rules.check_why("  it is \n broken ") == "it is broken"
    assert rules.check_why("x" * 500) == "x" * 500
    sentence = "The reason has 501 characters; 500 fit."
    assert said(rules.check_why, "x" * 501) == (sentence, "why_without")
    assert said(rules.check_why, " ")[1] == "why_without"


def test_of_an_account_that_was_removed_nothing_is_asked(web):
    web.account.removed_at = timezone.now()
    sentence = (
        "Production was removed from Northwind, so nothing can be asked of its servers."
        " What happened stays here to be read."
    )
    assert rules.removed(web.account) == sentence
    assert said(rules.check_server, web) == (sentence, None)
    web.account.removed_at = None
    assert rules.removed(web.account) == ""


@pytest.mark.parametrize(
    ("wanted", "status", "sentence"),
    [
        (
            "active",
            "stopped",
            "web-1 is not running, so there is nothing to stop: it is “stopped”.",
        ),
        ("active", "", "web-1 is not running, so there is nothing to stop: it is “unknown”."),
        (
            "stopped",
            "active",
            "web-1 is not stopped, so there is nothing to start: it is “active”.",
        ),
    ],
)
def test_what_is_not_running_is_not_stopped_and_the_other_way_round(web, wanted, status, sentence):
    web.status = status
    assert said(rules.check_is, web, wanted, field="stop_first") == (sentence, "stop_first")
    web.status = wanted
    rules.check_is(web, wanted)


def test_only_a_completed_snapshot_is_restored_and_a_failed_one_may_be_deleted(web):
    nightly = a_snapshot(web)
    rules.check_snapshot(nightly)
    for status, may_be_deleted in (("failed", True), ("in_progress", False)):
        nightly.status = status
        sentence = f"nightly is “{status}” at the provider, not completed."
        assert said(rules.check_snapshot, nightly) == (sentence, None)
        if may_be_deleted:
            rules.check_snapshot(nightly, deleting=True)
        else:
            assert said(rules.check_snapshot, nightly, deleting=True) == (sentence, None)
    nightly.gone_at = timezone.now()
    assert said(rules.check_snapshot, nightly) == ("The provider no longer lists nightly.", None)


def test_slots_are_taken_by_what_is_listed_and_by_what_is_on_its_way(web, rosa):
    a_snapshot(web, "a", days=3)
    a_snapshot(web, "failed", status="failed")
    a_snapshot(web, "gone", gone_at=timezone.now())
    listed = a_snapshot(web, "b", days=2)
    an_operation("create", web, "running", rosa, name="b", remote_id=listed.remote_id)
    assert rules.slots_taken(web) == ["a", "b"]
    web.account.slots = 3
    rules.check_slot(web)
    a_snapshot(web, "c", days=1)
    sentence = "All 3 slots of web-1 are taken: a, b, c. Delete one first."
    assert said(rules.check_slot, web, field="name") == (sentence, "name")


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("create", "Rosa asked for the snapshot nightly at 14:01 UTC."),
        ("restore", "Rosa asked to restore it to nightly at 14:01 UTC."),
        ("delete", "Rosa asked to delete nightly at 14:01 UTC."),
        ("stop", "Rosa asked to stop it at 14:01 UTC."),
        ("start", "Rosa asked to start it at 14:01 UTC."),
    ],
)
def test_who_keeps_a_server_busy_is_told(stage, web, rosa, kind, what):
    snapshot = a_snapshot(web) if kind in {"restore", "delete"} else None
    an_operation(kind, web, "running" if kind != "delete" else "queued", rosa, snapshot=snapshot)
    assert rules.busy(web) == f"web-1 is busy: {what}"


@pytest.mark.parametrize("of_the_same_team", [True, False])
def test_of_the_same_machine_as_another_row_only_that_it_is_busy_is_told(
    web, rosa, mallory, of_the_same_team
):
    team = web.account.team if of_the_same_team else mallory.teams.get()
    theirs = an_account(team, "Theirs", api_url=web.account.api_url)
    same = a_server(theirs, "web-1", remote_id=web.remote_id)
    an_operation("create", web, "running", rosa)
    assert rules.busy(same) == "web-1 is busy. Please try again in a few minutes."


def test_of_a_server_that_was_busy_a_moment_ago_nobody_is_named(web, rosa):
    an_operation("create", web, "succeeded", rosa)
    assert rules.busy(web) == "web-1 is busy. Please try again in a few minutes."


RESTORING = "That is not the name of the server you are restoring, which is web-1."
DELETING = "That is not the name of the snapshot you are deleting, which is nightly."


@pytest.mark.parametrize(
    ("kind", "wanted", "typed", "sentence"),
    [
        (Kind.RESTORE, "web-1", " ", "Please type web-1 to confirm."),
        (Kind.RESTORE, "web-1", "web-2", RESTORING),
        (
            Kind.RESTORE,
            "web-1",
            " DB-1 ",
            f"{RESTORING} You typed DB-1, which is another of your servers.",
        ),
        (Kind.RESTORE, "web-1", "gone-1", RESTORING),
        (Kind.RESTORE, "web-1", "weekly", RESTORING),
        (Kind.DELETE, "nightly", "web-1", DELETING),
        (
            Kind.DELETE,
            "nightly",
            "weekly",
            f"{DELETING} You typed weekly, which is another snapshot of this server.",
        ),
        (Kind.DELETE, "nightly", "gone", DELETING),
    ],
)
def test_a_wrong_name_is_told_from_that_of_another_thing(web, rosa, kind, wanted, typed, sentence):
    a_server(web.account, "db-1")
    a_server(web.account, "gone-1", gone_at=timezone.now())
    for name, gone_at in (("nightly", None), ("weekly", None), ("gone", timezone.now())):
        a_snapshot(web, name, gone_at=gone_at)
    assert said(rules.check_typed, typed, wanted, kind, web, rosa) == (sentence, "typed")
    rules.check_typed(f" {wanted.upper()} ", wanted, kind, web, rosa)


def test_of_what_was_typed_no_more_is_repeated_than_a_line_takes(web, rosa):
    a_server(web.account, "x" * 100)
    sentence, _field = said(rules.check_typed, "x" * 100, "web-1", Kind.RESTORE, web, rosa)
    assert f"You typed {'x' * 80}, which" in sentence


def test_the_right_to_decide_about_a_safety_snapshot_is_that_of_its_restore(web, rosa: User):
    snapshot = a_snapshot(web)
    restore = an_operation("restore", web, "queued", rosa, snapshot=snapshot)
    child = an_operation("create", web, "queued", rosa, parent=restore)
    assert (rules.right_for(child), rules.right_for(restore)) == ("restore", "restore")
    alone = an_operation("create", a_server(web.account, "db-1"), "queued", rosa)
    assert rules.right_for(alone) == "create"
