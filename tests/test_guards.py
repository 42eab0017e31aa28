"""How a guard level is set, and what takes two people."""

import pytest

from snapshots import guards, levels, operations, tags, teams
from snapshots.errors import NotAllowed, Refused
from snapshots.events import line
from snapshots.models import Event, Guard, Lowering, Membership, Role, State, Tag
from tests.broken import broken
from tests.conftest import fresh, member, restore
from tests.operations.test_guarantees import at_once
from tests.operations.test_guards import say, tag
from tests.pages.factories import a_server

WHY = "The migration needs it"


@pytest.fixture
def adam(team):
    return member("Adam", Role.ADMIN, team)


@pytest.fixture
def prod(server, alice):
    tag(server, alice, prod="")
    return Tag.objects.get(word="prod")


def lower(thing, actor, guard="careful", why=WHY):
    say(thing, "guarded")
    wish = guards.set_level(thing, guard, actor=actor, why=why)
    assert wish is not None
    return wish


def told(verb):
    return line(Event.objects.filter(verb=verb).latest("pk"))


# -- by one ---------------------------------------------------------------------------------------


def test_one_person_makes_it_stricter_at_once(server, prod, team, alice, adam):
    for thing, name in ((team, "Northwind"), (prod, "#prod"), (server, "web-1")):
        assert guards.set_level(thing, "sealed", actor=alice) is None
        assert levels.level(server).what == name
        assert (fresh(thing).guard, fresh(thing).guard_by_name) == ("sealed", "Alice")
    assert told("guard.set") == (
        "Alice set the guard level of web-1 from nothing of its own to Sealed"
    )
    assert Event.objects.filter(verb="guard.set", server=server).count() == 1


def test_and_from_sealed_to_guarded_or_from_careful_to_open(server, alice, adam):
    for before, after in (("sealed", "guarded"), ("", "open"), ("open", "")):
        say(server, before)
        assert guards.set_level(server, after, actor=alice) is None
        assert fresh(server).guard == after


def test_a_restore_that_waits_to_be_sent_is_caught_by_it(
    stage, server, snapshot, rosa, alice, adam
):
    operation = restore(snapshot, rosa)
    guards.set_level(server.account.team, "sealed", actor=alice)
    operation = stage.send(operation)
    assert (operation.state, operation.why) == (
        State.FAILED,
        "Alice sealed Northwind; nothing was sent",
    )


def test_whoever_may_not_set_the_rules_is_told_who_may(server, rosa):
    with pytest.raises(NotAllowed, match=r"You may not set the rules .* Alice can give you"):
        guards.set_level(server, "open", actor=rosa)


@pytest.mark.parametrize("guard", ["lax", ""])
def test_a_team_has_a_level_and_there_are_no_others(guard, team, alice):
    with pytest.raises(Refused, match="Please choose one of the levels"):
        guards.set_level(team, guard, actor=alice)


def test_who_stands_alone_does_not_shut_themselves_out(server, team, alice):
    with pytest.raises(
        Refused, match=r"somebody else approves each restore\. In Northwind only Ali"
    ):
        guards.set_level(server, "guarded", actor=alice)
    member("Rosa", Role.RESTORER, team)
    guards.set_level(server, "guarded", actor=alice)
    with pytest.raises(
        Refused, match=r"takes two people who may set the rules\. .* only Alice may"
    ):
        guards.set_level(server, "sealed", actor=alice)


# -- by two ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["server", "prod", "team"])
def test_below_guarded_takes_two(which, server, prod, team, alice, adam):
    thing = {"server": server, "prod": prod, "team": team}[which]
    wish = lower(thing, alice)
    assert fresh(thing).guard == "guarded"
    assert list(guards.wishes(team)) == [wish]
    assert list(guards.wishes_about(thing)) == list(guards.wishes_about(server)) == [wish]
    other = a_server(server.account, "web-2")
    assert list(guards.wishes_about(other)) == ([wish] if thing == team else [])
    assert told("guard.lower_asked").startswith("Alice asks a second person to let the guard level")
    guards.approve(wish, actor=adam)
    assert (fresh(thing).guard, fresh(thing).guard_by_name) == ("careful", "Alice")
    assert told("guard.lowered").startswith("Adam approved what Alice asked for: the guard level")
    assert not guards.wishes(team)


def test_what_counts_may_fall_in_other_ways_too(server, prod, team, alice, adam):
    """Whatever is said less strictly: by the server, by a tag, or by falling back to the team."""
    say(prod, "sealed")
    assert guards.set_level(server, "open", actor=alice, why=WHY)
    assert guards.set_level(prod, "", actor=alice, why=WHY)
    say(prod, "")
    say(team, "guarded")
    Lowering.objects.all().delete()
    assert guards.set_level(prod, "careful", actor=alice, why=WHY)
    say(server, "guarded")
    assert guards.set_level(server, "", actor=alice) is None
    assert levels.level(server).guard == Guard.GUARDED


def test_with_a_looser_tag_beside_it_a_tag_is_not_taken_back_alone(server, team, alice, adam):
    say(team, "guarded")
    tag(server, alice, prod="guarded", web="")
    say(Tag.objects.get(word="web"), "open")
    assert guards.set_level(Tag.objects.get(word="prod"), "", actor=alice, why=WHY)


def test_the_reason_is_needed_and_kept(server, alice, adam):
    for why in (" ", "x" * 501):
        with pytest.raises(Refused) as refused:
            lower(server, alice, why=why)
        assert refused.value.field == "why"
    assert lower(server, alice, why=" It \n is over ").why == "It is over"


def test_nobody_approves_what_they_asked_for(server, team, alice, adam):
    wish = lower(server, alice)
    with pytest.raises(
        Refused, match=r"You asked for this yourself\. Somebody else can approve it: Adam\."
    ):
        guards.approve(wish, actor=alice)
    assert fresh(server).guard == "guarded"


def test_it_is_not_asked_for_where_nobody_could_approve(server, alice, rosa):
    with pytest.raises(Refused, match=r"takes a second person: .* There is nobody now\."):
        lower(server, alice)
    assert not Lowering.objects.exists()


def test_nor_by_somebody_whom_the_asker_has_just_made_one(stage, server, team, alice, rosa):
    teams.change_role(Membership.objects.get(user=rosa), Role.ADMIN, actor=alice)
    with pytest.raises(Refused, match="gave them their role within 24 hours"):
        lower(server, alice)
    member("Adam", Role.ADMIN, team)
    wish = lower(server, alice)
    with pytest.raises(Refused, match=r"Alice, who .* no second person to it\. Who can .*: Adam\."):
        guards.approve(wish, actor=rosa)
    stage.later(hours=24)
    again = lower(server, alice)
    guards.approve(again, actor=rosa)


def test_nor_by_whoever_has_just_made_the_asker_one(stage, server, team, alice, rosa):
    teams.change_role(Membership.objects.get(user=rosa), Role.ADMIN, actor=alice)
    rosa = fresh(rosa)
    with pytest.raises(Refused, match=r"There is nobody now\."):
        lower(server, rosa)
    member("Adam", Role.ADMIN, team)
    wish = lower(server, rosa)
    with pytest.raises(Refused, match=r"You let Rosa, .* no second person to it\. .*: Adam\."):
        guards.approve(wish, actor=alice)
    stage.later(hours=24)
    guards.approve(lower(server, rosa), actor=alice)
    assert fresh(server).guard == "careful"


def test_one_wish_for_a_thing_at_a_time(server, alice, adam):
    lower(server, alice)
    with pytest.raises(Refused, match="Alice asked for another level of web-1 already"):
        lower(server, adam, "open")


def test_a_rejection_has_a_reason_and_leaves_all_as_it_is(server, alice, adam):
    wish = lower(server, alice)
    with pytest.raises(Refused, match="Please say why"):
        guards.reject(wish, actor=adam, words="")
    guards.reject(wish, actor=adam, words="Not before Friday")
    assert (fresh(wish).state, fresh(server).guard) == ("rejected", "guarded")
    assert told("guard.lower_rejected").endswith("as Alice asked: Not before Friday")
    with pytest.raises(Refused, match="Too late"):
        guards.approve(wish, actor=adam)


def test_after_four_hours_it_is_too_late(stage, server, alice, adam):
    wish = lower(server, alice)
    stage.later(hours=4)
    with pytest.raises(Refused, match="Too late"):
        guards.approve(wish, actor=adam)
    guards.expire()
    guards.expire()
    assert fresh(wish).state == "expired"
    assert Event.objects.filter(verb="guard.lower_expired").count() == 1
    assert lower(server, alice)


def test_one_that_cannot_expire_keeps_no_other_from_it(stage, server, team, alice, adam):
    wishes = [lower(thing, alice) for thing in (server, team)]
    broken("snapshots_lowering", f"OLD.id = {wishes[0].pk}")
    stage.later(hours=4)
    guards.expire()
    assert [fresh(wish).state for wish in wishes] == ["open", "expired"]


def test_a_stricter_level_ends_what_was_asked_for(server, alice, adam):
    wish = lower(server, alice)
    guards.set_level(server, "sealed", actor=adam)
    with pytest.raises(Refused, match="Too late"):
        guards.approve(wish, actor=adam)
    assert fresh(server).guard == "sealed"


def test_who_lost_the_right_meanwhile_neither_approves_nor_has_asked(server, team, alice, adam):
    wish = lower(server, adam)
    eve = member("Eve", Role.ADMIN, team)
    eve.standing  # noqa: B018  as a request has read it
    teams.change_role(Membership.objects.get(user=eve), Role.RESTORER, actor=alice)
    with pytest.raises(NotAllowed):
        guards.approve(wish, actor=eve)
    teams.change_role(Membership.objects.get(user=adam), Role.RESTORER, actor=alice)
    with pytest.raises(Refused, match="Adam, who asked for this, may not set the rules any more"):
        guards.approve(wish, actor=alice)


# -- by the way -----------------------------------------------------------------------------------


def test_tags_do_not_loosen_what_takes_two(server, prod, team, alice):
    say(prod, "guarded")
    with pytest.raises(Refused, match="web-1 would be “Careful” instead of “Guarded”") as refused:
        tags.set_tags(server, "", actor=alice)
    assert refused.value.field == "tags"
    assert tags.of(server) == ["prod"]
    say(server, "sealed")
    tags.set_tags(server, "", actor=alice)
    assert fresh(prod).guard == "guarded"  # what is said of a tag outlasts its servers


def test_nor_does_a_tag_that_is_added(server, team, alice):
    say(team, "sealed")
    tag(server.account.servers.get(name="db-1"), alice, lab="")
    say(Tag.objects.get(word="lab"), "open")
    with pytest.raises(Refused, match="web-1 would be “Open” instead of “Sealed”"):
        tags.set_tags(server, "lab", actor=alice)


# -- at once --------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_two_approvals_at_once_one_holds(server, team, alice, adam):
    eve = member("Eve", Role.ADMIN, team)
    wish = lower(server, alice)
    answers = at_once(*[lambda who=who: guards.approve(wish, actor=who) for who in (adam, eve)])
    assert sum(one is None for one in answers) == 1
    assert Event.objects.filter(verb="guard.lowered").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_an_approval_and_the_end_of_its_time_one_holds(stage, server, team, alice, adam):
    wish = lower(server, alice)
    Lowering.objects.update(expires_at=wish.created_at)
    approval, _ = at_once(lambda: guards.approve(wish, actor=adam), guards.expire)
    assert (fresh(wish).state, fresh(server).guard) == ("expired", "guarded")
    assert "Too late" in str(approval)


@pytest.mark.django_db(transaction=True)
def test_of_an_approval_and_the_loss_of_the_right_one_is_first(server, team, alice, adam):
    wish, his = lower(server, alice), Membership.objects.get(user=adam)
    approval, _ = at_once(
        lambda: guards.approve(wish, actor=adam),
        lambda: teams.change_role(his, Role.VIEWER, actor=alice),
    )
    lines = list(Event.objects.order_by("pk").values_list("verb", flat=True))
    was_first = approval is None
    assert (fresh(server).guard == "careful") == was_first
    assert was_first == ("guard.lowered" in lines)
    if was_first:
        assert lines.index("guard.lowered") < lines.index("member.role_changed")


@pytest.mark.django_db(transaction=True)
def test_of_a_restore_that_goes_out_and_the_seal_one_is_first(
    stage, snapshot, team, rosa, alice, adam
):
    """The claim reads the level after it has locked the account, which a new level locks first."""
    operation = restore(snapshot, rosa)
    at_once(
        lambda: operations.send(operation.pk),
        lambda: guards.set_level(team, "sealed", actor=alice),
    )
    lines = list(Event.objects.order_by("pk").values_list("verb", flat=True))
    was_sent = fresh(operation).state == State.RUNNING
    assert bool(stage.provider.calls("POST", "/restore/")) == was_sent
    if was_sent:
        assert lines.index("restore.sending") < lines.index("guard.set")
    else:
        assert fresh(operation).reason == "sealed"
