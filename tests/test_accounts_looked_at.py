"""Looking at a token before it is kept, and at an account because a person asks for it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from snapshots import accounts, inventory, tokens
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Account, Event
from tests.conftest import fresh

# -- a token ---------------------------------------------------------------------------------------


def test_a_look_at_a_token_keeps_nothing(stage, team, alice):
    token = stage.provider.account("Northwind")
    stage.provider.server(token, "web-1")
    checked = accounts.preview(team, api_url=stage.provider.url, token=token, actor=alice)
    assert [server.name for server in checked.servers] == ["web-1"]
    assert checked.identity.permissions == ("*:*",)
    assert not Account.objects.exists()


def test_a_look_tells_what_connecting_would_refuse(stage, team, alice, rosa, account):
    where = {"api_url": stage.provider.url, "token": stage.tokens[account.pk]}
    with pytest.raises(Refused, match="already"):
        accounts.preview(team, actor=alice, **where)
    with pytest.raises(NotAllowed):
        accounts.preview(team, actor=rosa, **where)
    with pytest.raises(Refused, match="This token belongs to"):
        accounts.preview_token(account, stage.provider.account("Contoso"), actor=alice)


def test_a_person_tries_five_tokens_a_minute_and_no_more(stage, team, alice, rosa):
    def attempt(actor):
        with pytest.raises(Refused) as refusal:
            tokens.check(stage.provider.url, "vps_wrong", actor=actor)
        return str(refusal.value)

    for _ in range(5):
        assert "does not accept" in attempt(alice)
    calls = len(stage.provider.calls())
    assert "Wait a minute" in attempt(alice)
    assert len(stage.provider.calls()) == calls
    assert "does not accept" in attempt(rosa)
    stage.later(seconds=61)
    assert "does not accept" in attempt(alice)


def test_a_held_token_opens_for_the_same_person_and_purpose_only(stage, alice, rosa):
    sealed = tokens.hold("vps_secret", actor=alice, purpose="connect:1:x")
    assert "vps_secret" not in sealed
    assert tokens.held(sealed, actor=alice, purpose="connect:1:x") == "vps_secret"
    for actor, purpose in ((rosa, "connect:1:x"), (alice, "connect:2:x"), (alice, "replace:1")):
        with pytest.raises(Refused, match="Paste the token once more"):
            tokens.held(sealed, actor=actor, purpose=purpose)
    for wrong in ("", "x", sealed[:-4], "é" + sealed):
        with pytest.raises(Refused, match="Paste the token once more"):
            tokens.held(wrong, actor=alice, purpose="connect:1:x")


def test_a_held_token_is_forgotten_after_ten_minutes(stage, alice):
    sealed = tokens.hold("vps_secret", actor=alice, purpose="x")
    stage.later(minutes=10)
    assert tokens.held(sealed, actor=alice, purpose="x")
    stage.later(seconds=1)
    with pytest.raises(Refused, match="more than ten minutes ago"):
        tokens.held(sealed, actor=alice, purpose="x")


@pytest.mark.parametrize(
    ("permissions", "read", "write", "more"),
    [
        (["*:*"], True, True, True),
        (["*:read"], True, False, True),
        (["servers:*"], True, True, False),
        (["servers:read"], True, False, False),
        (["servers:read", "servers:write"], True, True, False),
        (["snapshots:*"], True, True, False),
        (["account:*", "odd", ""], False, False, False),
        ([], False, False, False),
    ],
)
def test_what_a_token_may(permissions, read, write, more):
    assert tokens.may(permissions, "read") == read
    assert tokens.may(permissions, "write") == write
    assert tokens.may_more_than_needed(permissions) == more


# -- an account ------------------------------------------------------------------------------------


def test_a_look_is_asked_for_and_has_not_happened_before_a_pass_ends(stage, account, vera):
    stage.later(minutes=2)
    before = fresh(account).complete_pass_at
    accounts.look_now(account, actor=vera)
    asked = fresh(account)
    assert asked.look_asked_at == timezone.now()
    assert asked.complete_pass_at == before
    assert inventory.due() == [account.pk]
    stage.look(account)
    done = fresh(account)
    assert done.look_asked_at is None
    assert done.complete_pass_at > before
    assert done.revision > asked.revision  # or no page would tell


def test_a_look_that_fails_ends_the_looking_and_says_why(stage, account, vera):
    stage.later(minutes=2)
    accounts.look_now(account, actor=vera)
    before = fresh(account).complete_pass_at
    stage.provider.faults.add("answer", method="GET", status=503, times=9)
    stage.look(account)
    done = fresh(account)
    assert done.look_asked_at is None
    assert done.complete_pass_at == before
    assert "503" in done.trouble


def test_a_look_asked_for_while_one_is_under_way_is_still_to_come(stage, account, vera):
    stage.later(minutes=2)
    seen = fresh(account)
    accounts.look_now(account, actor=vera)
    inventory._rest(seen, timezone.now() - timedelta(seconds=3), complete=True)
    assert fresh(account).look_asked_at
    assert inventory.due() == [account.pk]


def test_asking_twice_asks_once(stage, account, vera, oscar):
    stage.later(minutes=2)
    accounts.look_now(account, actor=vera)
    stage.later(seconds=1)
    accounts.look_now(account, actor=oscar)
    assert fresh(account).look_asked_at == timezone.now() - timedelta(seconds=1)


def test_asking_again_begins_no_look_beside_the_one_that_is_under_way(stage, account, vera):
    stage.later(minutes=2)
    accounts.look_now(account, actor=vera)
    until = timezone.now() + timedelta(seconds=40)
    Account.objects.update(next_pass_at=until)  # what a worker that looks holds
    before = fresh(account)
    accounts.look_now(account, actor=vera)
    assert (fresh(account).next_pass_at, fresh(account).revision) == (until, before.revision)
    assert inventory.due() == []


def test_what_was_looked_at_just_now_is_not_looked_at_again(stage, account, vera):
    with pytest.raises(Refused, match="a few seconds ago"):
        accounts.look_now(account, actor=vera)
    assert fresh(account).look_asked_at is None


def test_a_provider_that_asked_for_quiet_gets_it(stage, account, vera):
    stage.later(minutes=2)
    Account.objects.update(slowed_until=timezone.now() + timedelta(minutes=1))
    with pytest.raises(Refused, match="asked us to read less often"):
        accounts.look_now(account, actor=vera)


def test_a_refused_token_is_not_tried_again(stage, account, vera):
    accounts.token_refused(account)
    stage.later(minutes=2)
    with pytest.raises(Refused, match="must be replaced first"):
        accounts.look_now(account, actor=vera)


def test_a_new_account_is_being_looked_at_until_its_first_look_ends(stage, team, alice):
    token = stage.provider.account("Empty")
    account = accounts.connect(team, label="", api_url=stage.provider.url, token=token, actor=alice)
    assert account.look_asked_at
    seen = account.revision
    stage.look(account)
    assert fresh(account).look_asked_at is None
    assert fresh(account).revision > seen  # though it has no server


# -- its name and its limit ------------------------------------------------------------------------


def test_name_and_limit_are_changed_and_told(account, alice):
    accounts.change(account, label=" Live ", slots=7, actor=alice)
    assert (fresh(account).label, fresh(account).slots) == ("Live", 7)
    told = Event.objects.order_by("-pk").values_list("verb", flat=True)[:2]
    assert list(told) == ["account.slots_set", "account.renamed"]
    accounts.change(account, label="Live", slots=7, actor=alice)
    assert Event.objects.filter(verb="account.renamed").count() == 1


@pytest.mark.parametrize(
    ("label", "slots", "field"), [(" ", 5, "label"), ("x", 0, "slots"), ("x", 101, "slots")]
)
def test_an_impossible_name_or_limit_is_refused(account, alice, label, slots, field):
    with pytest.raises(Refused) as refusal:
        accounts.change(account, label=label, slots=slots, actor=alice)
    assert refusal.value.field == field
    assert fresh(account).label == "Production"
