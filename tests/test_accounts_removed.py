"""Removing an account: the token goes, the history stays, and the same identity comes back."""

import pytest
from django.db import IntegrityError

from snapshots import accounts, inventory, operations
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Account, Event, Operation, State
from snapshots.permissions import (
    known_servers,
    known_snapshots,
    visible_accounts,
    visible_operations,
    visible_servers,
    visible_snapshots,
)
from tests.conftest import fresh, take
from tests.operations.test_guarantees import at_once


def remove(account, actor, typed="Production"):
    accounts.remove(fresh(account), typed=typed, actor=actor)


def connect(stage, team, actor, token, label=""):
    return accounts.connect(team, label=label, api_url=stage.provider.url, token=token, actor=actor)


def test_the_token_is_erased_and_nothing_leads_to_it_any_more(account, alice):
    remove(account, alice)
    account = fresh(account)
    assert (account.sealed_token, account.token_hint, account.permissions) == ("", "", [])
    assert account.paused == Account.Paused.REMOVED
    assert account.removed_at
    assert Event.objects.filter(verb="account.removed", actor=alice).count() == 1


def test_its_servers_leave_the_lists_and_its_history_does_not(account, snapshot, alice, vera):
    operation = operations.request_create(
        snapshot.server, actor=alice, name="x", request_key="00000000-0000-4000-8000-000000000001"
    )
    operations.cancel(operation, actor=alice)
    remove(account, alice)
    assert not visible_accounts(vera)
    assert not visible_servers(vera)
    assert not visible_snapshots(vera)
    assert known_servers(vera).count() == 2
    assert known_snapshots(vera).count() == 2
    assert list(visible_operations(vera)) == [operation]


def test_it_is_neither_looked_at_nor_sent_for(stage, account, server, alice):
    stale = fresh(account)
    remove(account, alice)
    calls = len(stage.provider.calls())
    stage.later(minutes=10)
    assert inventory.due() == []
    stage.look(account)
    assert len(stage.provider.calls()) == calls
    accounts.token_refused(stale)  # an answer that was still on its way
    assert fresh(account).paused == Account.Paused.REMOVED


def test_nothing_can_be_asked_of_its_servers(account, server, snapshot, alice):
    remove(account, alice)
    server = type(server).objects.select_related("account__team").get(pk=server.pk)
    with pytest.raises(Refused, match="Production was removed from Northwind"):
        take(server, alice)
    assert not Operation.objects.exists()


@pytest.mark.parametrize("verb", ["pause", "resume", "look_now", "replace_token", "change"])
def test_nothing_can_be_done_to_it(stage, account, alice, verb):
    token = stage.provider.token("Northwind", "second")
    more = {
        "replace_token": {"token": token},
        "change": {"label": "Other", "slots": 5},
    }
    remove(account, alice)
    with pytest.raises(Refused):
        getattr(accounts, verb)(fresh(account), **more.get(verb, {}), actor=alice)
    assert fresh(account).paused == Account.Paused.REMOVED


def test_refused_while_an_operation_holds_a_machine(stage, account, server, alice, oscar):
    operation = take(server, oscar)
    with pytest.raises(Refused, match="1 operation of Production has not ended"):
        remove(account, alice)
    stage.watch(stage.send(operation), minutes=5)
    remove(account, alice)


def test_refused_while_an_operation_waits_in_a_line(account, server, alice, oscar):
    operation = take(server, oscar)
    Operation.objects.filter(pk=operation.pk).update(state=State.WAITING)
    with pytest.raises(Refused, match="has not ended"):
        remove(account, alice)


@pytest.mark.parametrize("typed", ["", "  ", "Prod", "web-1"])
def test_its_name_must_be_typed(account, alice, typed):
    with pytest.raises(Refused) as refusal:
        remove(account, alice, typed)
    assert refusal.value.field == "typed"
    assert fresh(account).sealed_token


def test_spelling_is_compared_as_people_do(account, alice):
    remove(account, alice, " PRODUCTION ")
    assert fresh(account).removed_at


def test_only_who_manages_accounts_may(account, rosa):
    with pytest.raises(NotAllowed):
        remove(account, rosa)


def test_the_same_identity_comes_back_with_its_servers_and_its_name(stage, account, server, alice):
    remove(account, alice)
    stage.later(days=3)
    back = connect(stage, account.team, alice, stage.provider.token("Northwind", "new"))
    assert (back.pk, back.label, back.paused) == (account.pk, "Production", "")
    stage.look(back)
    assert fresh(server).gone_at is None
    assert [one.pk for one in visible_servers(alice).filter(name="web-1")] == [server.pk]
    assert Event.objects.filter(verb="account.connected_again").count() == 1
    with pytest.raises(Refused, match="already"):
        connect(stage, account.team, alice, stage.provider.token("Northwind", "third"))


def test_what_a_look_begun_before_saw_does_not_count_any_more(stage, account, server, alice):
    stage.provider.outside.delete_server(server.remote_id)
    stale = fresh(account)
    begun = stale.next_pass_at
    with stale.client() as client:
        servers, snapshots = client.servers(), client.snapshots()
    remove(account, alice)
    inventory._looked(stale, begun, servers, snapshots)
    assert fresh(account).paused == Account.Paused.REMOVED
    assert fresh(account).complete_pass_at == stale.complete_pass_at


def test_the_database_itself_ties_removal_to_the_pause(account):
    with pytest.raises(IntegrityError):
        Account.objects.filter(pk=account.pk).update(paused="", removed_at=account.connected_at)


@pytest.mark.django_db(transaction=True)
def test_of_removing_and_asking_at_once_one_is_refused(account, server, alice, oscar):
    def ask():
        return take(server, oscar)

    for _ in range(5):
        asked, removed = at_once(ask, lambda: remove(account, alice))
        assert isinstance(asked, Refused) != isinstance(removed, Refused)
        if not isinstance(asked, Refused):
            operations.cancel(fresh(asked), actor=oscar)
        else:
            break


@pytest.mark.django_db(transaction=True)
def test_two_who_reconnect_at_once_bring_it_back_once(stage, account, alice):
    remove(account, alice)
    token = stage.provider.token("Northwind", "new")
    results = at_once(*[lambda: connect(stage, account.team, alice, token)] * 2)
    assert sorted(type(one).__name__ for one in results) == ["Account", "Refused"]
    assert Account.objects.count() == 1
