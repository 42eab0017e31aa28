"""Provider accounts: connected with a checked token, stopped by a dead one, never mixed up."""

import pytest

from snapshots import accounts, operations, secrets
from snapshots.errors import NotAllowed, Refused
from snapshots.models import Account, Event, Server, State
from tests.conftest import fresh, take


def test_a_connected_account_knows_whose_it_is_and_shows_only_the_tokens_end(account):
    assert account.identity
    assert account.token_hint == "0001"
    assert "vps_" not in account.sealed_token


def test_a_token_that_opens_nothing_is_refused_with_the_providers_words(
    stage, team, alice, account
):
    with pytest.raises(Refused, match="does not accept this token") as refusal:
        accounts.connect(
            team, label="x", api_url=stage.provider.url, token="vps_wrong", actor=alice
        )
    assert refusal.value.field == "token"
    assert "vps_wrong" not in str(refusal.value)


@pytest.mark.parametrize("token", ["vps_a b", "vps_ü", "vps_a\nb"])
def test_a_mispasted_token_is_refused_before_it_is_sent(stage, team, alice, token):
    calls = len(stage.provider.calls())
    with pytest.raises(Refused, match="This is not a token"):
        accounts.connect(team, label="x", api_url=stage.provider.url, token=token, actor=alice)
    assert len(stage.provider.calls()) == calls


def test_an_address_that_is_not_offered_is_refused_before_any_token_is_sent(stage, team, alice):
    with pytest.raises(Refused, match="not an API address"):
        accounts.connect(
            team, label="x", api_url="https://evil.invalid", token="vps_x", actor=alice
        )


def test_the_same_account_is_connected_once_a_team(stage, team, alice, account):
    with pytest.raises(Refused, match=r"connected the account of .* already"):
        accounts.connect(
            team,
            label="again",
            api_url=stage.provider.url,
            token=stage.tokens[account.pk],
            actor=alice,
        )


def test_only_who_manages_accounts_may_connect_one(stage, team, rosa):
    with pytest.raises(NotAllowed, match="manage provider accounts"):
        accounts.connect(team, label="x", api_url=stage.provider.url, token="vps_x", actor=rosa)


def test_a_ciphertext_moved_to_another_account_does_not_open(account, team):
    other = Account.objects.create(team=team, label="other", api_url=account.api_url)
    other.sealed_token = account.sealed_token
    with pytest.raises(secrets.CannotOpen):
        other.client()


def test_a_lost_key_stops_the_account_and_says_what_to_do(settings, stage, account, server, oscar):
    operation = take(server, oscar)
    settings.TOKEN_KEYS = [b"another key" + b"." * 21]
    operation = stage.send(operation)
    assert (operation.state, operation.reason) == (State.QUEUED, "key_lost")
    assert fresh(account).paused == "key"
    stage.look(account)
    assert fresh(account).trouble
    assert fresh(account).paused == "key"
    assert Event.objects.filter(verb="account.key_lost").count() == 1
    with pytest.raises(Refused, match="Production needs its token again"):
        take(Server.objects.get(name="db-1"), oscar)


def test_pages_of_an_account_whose_key_is_lost_say_what_to_do(
    settings, stage, account, alice, client_of
):
    settings.TOKEN_KEYS = [b"another key" + b"." * 21]
    stage.look(account)
    client = client_of(alice)
    for page in ("/", "/accounts/", f"/accounts/{account.pk}/", "/servers/", "/activity/"):
        assert client.get(page).status_code == 200
    assert "This account needs its token again" in client.get(f"/accounts/{account.pk}/").text
    assert "Production needs its token again" in client.get("/").text


def test_a_key_that_is_put_back_is_enough(settings, stage, account):
    known = settings.TOKEN_KEYS
    settings.TOKEN_KEYS = [b"another key" + b"." * 21]
    stage.look(account)
    settings.TOKEN_KEYS = [*settings.TOKEN_KEYS, *known]
    stage.later(minutes=10)
    stage.look(account)
    assert (fresh(account).paused, fresh(account).trouble) == ("", "")
    assert Event.objects.filter(verb="account.key_found").count() == 1


def test_a_new_token_ends_the_pause_for_a_lost_key(settings, stage, account, alice):
    settings.TOKEN_KEYS = [b"another key" + b"." * 21]
    stage.look(account)
    accounts.replace_token(account, stage.tokens[account.pk], actor=alice)
    stage.look(account)
    assert (fresh(account).paused, fresh(account).trouble) == ("", "")


def revoke(stage, account):
    stage.provider.outside.revoke_token(stage.tokens[account.pk])


def test_a_dead_token_pauses_the_account_and_is_told_once(stage, account, server, oscar):
    operation = take(server, oscar)
    revoke(stage, account)
    stage.look(account)
    assert stage.send(operation).state == State.QUEUED
    assert fresh(account).paused == Account.Paused.TOKEN
    assert Event.objects.filter(verb="account.token_refused").count() == 1
    calls = len(stage.provider.calls())
    account = fresh(account)
    stage.look(account)
    assert len(stage.provider.calls()) == calls
    with pytest.raises(Refused, match="must be replaced first"):
        take(account.servers.get(name="db-1"), oscar)


def test_replacing_the_token_lets_waiting_work_go_on(stage, account, server, oscar, alice):
    operation = take(server, oscar)
    revoke(stage, account)
    stage.look(account)
    token = stage.provider.token("Northwind", "second")
    accounts.replace_token(fresh(account), token, actor=alice)
    assert fresh(account).paused == Account.Paused.NO
    assert stage.send(operation).state == State.RUNNING


def test_a_persons_pause_outlives_a_token(stage, account, server, oscar, alice):
    accounts.pause(account, actor=alice)
    operation = take(server, oscar)
    revoke(stage, account)
    stage.look(account)
    assert fresh(account).paused == Account.Paused.TOKEN
    token = stage.provider.token("Northwind", "second")
    accounts.replace_token(fresh(account), token, actor=alice)
    assert fresh(account).paused == Account.Paused.PERSON
    assert stage.send(operation).state == State.QUEUED


def test_a_token_of_another_account_does_not_replace_this_one(stage, account, alice):
    token = stage.provider.account("Contoso")
    with pytest.raises(Refused, match="This token belongs to"):
        accounts.replace_token(account, token, actor=alice)


def test_a_refusal_of_a_token_that_was_replaced_since_changes_nothing(stage, account, alice):
    stale = fresh(account)
    accounts.replace_token(account, stage.provider.token("Northwind", "new"), actor=alice)
    accounts.token_refused(stale)
    assert fresh(account).paused == Account.Paused.NO


def test_a_token_without_the_permission_fails_the_operation_and_not_the_account(
    stage, account, server, oscar
):
    stage.provider.outside.set_permissions(stage.tokens[account.pk], ["servers:read"])
    operation = stage.send(take(server, oscar))
    assert (operation.state, operation.reason) == (State.FAILED, "permission_missing")
    assert fresh(account).paused == Account.Paused.NO


def test_paused_by_a_person_nothing_is_sent_and_looking_goes_on(
    stage, account, server, oscar, alice
):
    running = stage.send(take(server, oscar))
    accounts.pause(account, actor=alice)
    assert stage.watch(running, minutes=5).state == State.SUCCEEDED
    waiting = take(server, oscar, name="later")
    assert operations.due() == []
    assert stage.send(waiting).state == State.QUEUED
    accounts.resume(fresh(account), actor=alice)
    assert operations.due() == [waiting.pk]
    assert stage.send(waiting).state == State.RUNNING
