"""How well a server is guarded: which level counts, and what it allows."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from snapshots import levels, operations, tags
from snapshots.errors import Refused
from snapshots.models import Event, Guard, Role, Server, Snapshot, State, Tag, Team
from snapshots.operations import guards
from snapshots.said import again
from tests.conftest import NOW, delete, restore, take
from tests.operations.test_batches import delete_all
from tests.pages.factories import a_server, a_snapshot


def say(row, guard, by="Alice"):
    """What somebody set some time ago."""
    type(row).objects.filter(pk=row.pk).update(guard=guard, guard_by_name=by if guard else "")


def tag(server, alice, **said):
    tags.set_tags(server, " ".join(said), actor=alice)
    for word, guard in said.items():
        say(Tag.objects.get(word=word), guard)


# -- which level counts ---------------------------------------------------------------------------


def test_a_server_is_careful_unless_somebody_says_otherwise(server):
    now = guards.level(server)
    assert (now.guard, now.on) == (Guard.CAREFUL, "team")
    assert now.where == "as everything of Northwind, unless somebody says otherwise"


def test_what_the_team_says_counts_for_all(server, team):
    say(team, "sealed")
    now = guards.level(server)
    assert (now.guard, now.where) == (Guard.SEALED, "set on all of Northwind by Alice")


def test_what_a_tag_says_comes_before_it_and_of_several_the_strictest(server, team, alice):
    say(team, "sealed")
    tag(server, alice, web="open", prod="guarded", quiet="")
    now = guards.level(server)
    assert (now.guard, now.where) == (Guard.GUARDED, "set on its tag #prod by Alice")


def test_a_tag_that_says_nothing_changes_nothing(server, team, alice):
    say(team, "open")
    tag(server, alice, quiet="")
    assert guards.level(server).on == "team"


def test_what_the_server_says_itself_comes_before_all(server, team, alice):
    say(team, "sealed")
    tag(server, alice, prod="guarded", web="careful")
    say(server, "open", by="Rosa")
    now = guards.level(server)
    assert (now.guard, now.where) == (Guard.OPEN, "set on this server by Rosa")


def test_a_list_is_narrowed_by_the_level_that_counts(server, team, alice):
    prod, web = (Tag.objects.create(team=team, word=word) for word in ("prod", "web"))
    for number, own in enumerate(["", "open", "sealed"]):
        for tagged in ([], [web], [prod, web]):
            one = a_server(server.account, f"node-{number}{len(tagged)}")
            one.tags.set(tagged)
            say(one, own)
    for said in (("careful", "", ""), ("sealed", "open", ""), ("open", "guarded", "careful")):
        for row, guard in zip((team, prod, web), said, strict=True):
            say(row, guard)
        now = levels.of_team(team)
        for guard in Guard:
            found = set(Server.objects.filter(levels.counts(guard)).values_list("pk", flat=True))
            assert found == {pk for pk in now if now[pk].guard == guard}


def test_it_is_one_question_and_as_things_are_now(server, team, django_assert_num_queries):
    guards.level(server)
    say(team, "sealed")
    with django_assert_num_queries(1):
        assert guards.level(server).guard == Guard.SEALED


@pytest.mark.parametrize("model", [Team, Tag, Server])
def test_the_database_knows_no_other_level(model, server, team, alice):
    tag(server, alice, prod="")
    with pytest.raises(IntegrityError), transaction.atomic():
        model.objects.update(guard="lax")


# -- what it allows -------------------------------------------------------------------------------


def test_a_sealed_server_says_so_and_who_can_change_it(server):
    say(server, "sealed")
    with pytest.raises(
        Refused, match=r"web-1 is sealed \(set on this server by Alice\)"
    ) as refused:
        guards.check_unsealed(server)
    assert "Alice can set another guard level." in str(refused.value)


@pytest.mark.parametrize("guard", ["open", "careful", "guarded"])
def test_any_other_server_is_told_how_it_is_guarded(guard, server):
    say(server, guard)
    assert guards.check_unsealed(server).guard == guard


# -- when it is asked -----------------------------------------------------------------------------


def test_nothing_is_restored_or_deleted_on_a_sealed_server(stage, server, snapshot, rosa):
    say(server, "sealed")
    for ask in (restore, delete):
        with pytest.raises(Refused, match="web-1 is sealed"):
            ask(snapshot, rosa)
    assert Event.objects.filter(verb="refused", server=server).count() == 2
    assert stage.send(take(server, rosa)).state == State.RUNNING


def test_nothing_is_deleted_there_to_make_room(stage, account, server, snapshot, rosa):
    for name in ("one", "two", "three"):
        stage.provider.snapshot(server.remote_id, name, created_at=NOW)
    stage.look(account)
    say(server, "sealed")
    with pytest.raises(Refused, match="web-1 is sealed"):
        take(server, rosa, going=snapshot, typed_going=snapshot.name)


def test_a_batch_leaves_a_sealed_server_out_and_says_why(server, account, team, rosa):
    say(server, "sealed")
    other = a_snapshot(Server.objects.get(name="db-1"), "old")
    rows = Snapshot.objects.filter(pk__in=[other.pk, server.snapshots.first().pk])
    copies = list(rows.select_related("server__account__team", "account__team"))
    against = operations.against_deletes(copies, actor=rosa)
    batch = delete_all(copies, rosa)
    assert [one.server.name for one in batch.operations.all()] == ["db-1"]
    [words] = [again(one["why"]) for one in batch.refused]
    assert words.startswith("web-1 is sealed (set on this server by Alice)")
    assert [words] == list(against.values())


def test_on_an_open_server_no_name_is_typed_and_a_wrong_one_is_still_refused(
    server, snapshot, rosa
):
    for ask in (restore, delete):
        with pytest.raises(Refused, match="Please type"):
            ask(snapshot, rosa, typed="")
    say(server, "open")
    for ask in (restore, delete):
        with pytest.raises(Refused, match="That is not the name"):
            ask(snapshot, rosa, typed="web-2")
    assert delete(snapshot, rosa, typed=" ").state == State.QUEUED


# -- just before it is sent -----------------------------------------------------------------------


@pytest.mark.parametrize("ask", [restore, delete])
def test_what_was_asked_before_the_server_was_sealed_is_not_sent(
    ask, stage, server, snapshot, rosa, alice
):
    operation = ask(snapshot, rosa)
    tag(server, alice, prod="sealed")
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.FAILED, "sealed")
    assert operation.why == "Alice sealed #prod; nothing was sent"
    assert not stage.provider.calls("DELETE") + stage.provider.calls("POST", "/restore/")


def test_no_safety_snapshot_is_taken_for_a_restore_that_the_seal_forbids(
    stage, server, snapshot, rosa
):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    say(server, "sealed")
    child = stage.send(operation.children.get())
    assert (child.state, child.reason) == (State.FAILED, "sealed")
    operation = stage.send(operation)
    assert operation.why == child.why == "Alice sealed web-1; nothing was sent"
    assert not stage.provider.calls("POST")


def test_nor_for_one_whose_asker_may_restore_no_more(stage, snapshot, rosa, team):
    operation = restore(snapshot, rosa, safety_snapshot=True)
    rosa.memberships.update(role=Role.OPERATOR)
    child = stage.send(operation.children.get())
    assert (child.state, child.reason) == (State.FAILED, "right_withdrawn")
    assert stage.send(operation).reason == "child_failed"
    assert not stage.provider.calls("POST")


@pytest.mark.parametrize("ask", [restore, delete])
def test_a_name_that_was_not_typed_is_needed_where_the_server_is_open_no_more(
    ask, stage, server, snapshot, rosa
):
    say(server, "open")
    typed = ask(snapshot, rosa)
    operations.cancel(typed, actor=rosa)
    untyped = ask(snapshot, rosa, typed="")
    say(server, "careful")
    untyped = stage.send(untyped)
    assert (untyped.state, untyped.reason) == (State.FAILED, "guard_raised")
    assert "while web-1 was open" in untyped.why
    say(server, "open")
    typed = ask(snapshot, rosa)
    say(server, "careful")
    assert stage.send(typed).state in (State.RUNNING, State.SUCCEEDED)


@pytest.mark.parametrize(("ask", "questions"), [(restore, 1), (delete, 1), (None, 0)])
def test_that_is_one_question_and_none_for_a_snapshot(
    ask, questions, stage, server, snapshot, rosa
):
    operation = ask(snapshot, rosa) if ask else take(server, rosa)
    with CaptureQueriesContext(connection) as asked:
        stage.send(operation)
    assert sum('"snapshots_tag"."guard_by_name"' in one["sql"] for one in asked) == questions
