"""How well a server is guarded: which level counts, and what it allows."""

import pytest
from django.db import IntegrityError, transaction

from snapshots import tags
from snapshots.errors import Refused
from snapshots.models import Guard, Server, Tag, Team
from snapshots.operations import guards


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


@pytest.mark.parametrize("check", [guards.check_restore, guards.check_delete])
def test_a_sealed_server_says_so_and_who_can_change_it(check, server):
    say(server, "sealed")
    with pytest.raises(
        Refused, match=r"web-1 is sealed \(set on this server by Alice\)"
    ) as refused:
        check(server)
    assert "Alice can set another guard level." in str(refused.value)


@pytest.mark.parametrize("guard", ["open", "careful", "guarded"])
def test_any_other_server_is_told_how_it_is_guarded(guard, server):
    say(server, guard)
    assert guards.check_restore(server).guard == guards.check_delete(server).guard == guard
