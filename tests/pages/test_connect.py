"""Connecting an account and replacing its token: seen first, saved then, and never shown."""

import pytest

from snapshots.models import Account, Role
from snapshots.teams import create_team
from tests.conftest import fresh, member
from tests.pages.factories import form_on, text

CONNECT = "/accounts/new/"


@pytest.fixture
def token(stage):
    token = stage.provider.account("Northwind")
    stage.provider.server(token, "web-1")
    return token


def checked(client, token, address=CONNECT, **words):
    """The page after the first step."""
    sent = form_on(client.get(address), address) | {"token": token} | words
    return client.post(address, sent)


def save(client, page, address=CONNECT, **words):
    return client.post(address, form_on(page, address) | {"save": "1"} | words)


def test_what_a_token_opens_is_shown_before_anything_is_saved(token, team, alice, client_of):
    page = checked(client_of(alice), token, label="Live")
    assert page.status_code == 200
    for words in (
        "Connect this account?",
        "1 server",
        "web-1",
        "Read and change everything in the account *:*",
        "This token may do more than is needed.",
        "not tried: it would change something",
        "Connect to Northwind",
    ):
        assert words in text(page)
    assert not Account.objects.exists()


def test_the_token_itself_is_on_no_page_and_in_no_session(token, team, alice, client_of):
    client = client_of(alice)
    page = checked(client, token)
    assert token not in page.content.decode()
    assert token not in str(dict(client.session))
    wrong = client.post(CONNECT, {"token": "vps_wrong", "label": "Live", "team": team.pk})
    assert "vps_wrong" not in wrong.content.decode()


def test_the_second_step_connects_and_is_looked_at_at_once(token, team, alice, client_of):
    client = client_of(alice)
    done = save(client, checked(client, token, label="Live"))
    account = Account.objects.get()
    assert done.status_code == 303
    assert done.url == f"/accounts/{account.pk}/"
    assert (account.label, account.connected_by_name) == ("Live", "Alice")
    page = text(client.get(done.url))
    assert "Looking…" in page
    assert "Last complete look" not in page


def test_a_refused_token_leaves_the_name_and_not_the_token(stage, team, alice, client_of):
    client = client_of(alice)
    page = checked(client, "vps_wrong", label="Live")
    assert page.status_code == 422
    assert "The provider does not accept this token" in text(page)
    sent = form_on(page, CONNECT)
    assert (sent["label"], sent["token"]) == ("Live", "")


def test_a_token_that_may_only_read_says_what_is_missing(stage, token, team, alice, client_of):
    reader = stage.provider.token("Northwind", "reader", ["servers:read"])
    page = text(checked(client_of(alice), reader))
    assert "A permission is missing." in page
    assert "servers:write" in page
    assert "more than is needed" not in page


def test_saving_without_a_look_is_refused(token, team, alice, client_of):
    client = client_of(alice)
    url = form_on(client.get(CONNECT), CONNECT)
    page = client.post(CONNECT, url | {"token": token, "save": "1"})
    assert page.status_code == 422
    assert "Paste the token once more" in text(page)
    assert not Account.objects.exists()


def test_what_was_looked_at_for_one_team_is_not_saved_to_another(token, team, alice, client_of):
    other = create_team("Second", owner=alice)
    client = client_of(alice)
    page = checked(client, token, team=str(team.pk))
    assert save(client, page, team=str(other.pk)).status_code == 422
    assert not Account.objects.exists()


def test_what_one_person_looked_at_another_cannot_save(token, team, alice, client_of):
    ada = member("Ada", Role.ADMIN, team)
    page = checked(client_of(alice), token)
    assert save(client_of(ada), page).status_code == 422
    assert not Account.objects.exists()


def test_an_old_look_must_be_repeated(stage, token, team, alice, client_of):
    client = client_of(alice)
    page = checked(client, token)
    stage.later(minutes=11)
    done = save(client, page)
    assert done.status_code == 422
    assert "more than ten minutes ago" in text(done)


def test_six_tries_within_a_minute_are_too_many(token, team, alice, client_of):
    client = client_of(alice)
    pages = [text(checked(client, "vps_wrong")) for _ in range(6)]
    assert ["Wait a minute" in page for page in pages] == [False] * 5 + [True]


@pytest.mark.parametrize("who", ["rosa", "oscar", "vera"])
def test_who_may_not_connect_reads_why(who, request, team, client_of):
    client = client_of(request.getfixturevalue(who))
    for answer in (client.get(CONNECT), client.post(CONNECT, {"token": "vps_x"})):
        assert answer.status_code == 403
        assert "You may not manage provider accounts in Northwind. Alice can" in text(answer)


def test_a_team_that_is_not_ones_own_cannot_be_named(token, team, mallory, client_of):
    page = checked(client_of(mallory), token, team=str(team.pk))
    assert page.status_code == 422
    assert "Northwind" not in text(page)


def test_a_removed_account_is_announced_and_comes_back(stage, account, alice, client_of):
    client = client_of(alice)
    remove = f"/accounts/{account.pk}/remove/"
    gone = client.post(remove, form_on(client.get(remove), remove) | {"typed": "Production"})
    assert gone.status_code == 303
    page = checked(client, stage.provider.token("Northwind", "new"))
    assert "This is Production, which was removed on" in text(page)
    save(client, page)
    assert fresh(account).removed_at is None
    assert fresh(account).label == "Production"


# -- another token ---------------------------------------------------------------------------------


def test_another_token_of_the_same_account_is_seen_and_then_put_in(
    stage, account, alice, client_of
):
    client, address = client_of(alice), f"/accounts/{account.pk}/token/"
    new = stage.provider.token("Northwind", "second")
    before = fresh(account).token_version
    page = checked(client, new, address)
    assert "Use this token?" in text(page)
    assert new not in page.content.decode()
    assert fresh(account).token_version == before
    assert save(client, page, address).status_code == 303
    assert fresh(account).has_token(new)


def test_a_token_of_another_account_is_refused(stage, account, alice, client_of):
    client, address = client_of(alice), f"/accounts/{account.pk}/token/"
    page = checked(client, stage.provider.account("Contoso"), address)
    assert page.status_code == 422
    assert "This token belongs to" in text(page)
    assert fresh(account).token_version == account.token_version


def test_a_look_for_one_account_replaces_no_token_of_another(
    stage, token, account, team, alice, client_of
):
    client = client_of(alice)
    page = checked(client, stage.provider.account("Contoso"))
    held = form_on(page, CONNECT)["held"]
    address = f"/accounts/{account.pk}/token/"
    assert client.post(address, {"held": held, "save": "1"}).status_code == 422
    assert fresh(account).token_version == account.token_version


# -- the rest of an account's page -----------------------------------------------------------------


def test_looking_is_asked_for_and_shown_until_it_has_happened(stage, account, vera, client_of):
    stage.later(minutes=5)
    client, address = client_of(vera), f"/accounts/{account.pk}/"
    assert client.post(f"{address}look/").status_code == 303
    page = client.get(address)
    assert "Looking… (asked for just now) Last complete look 5 min ago" in text(page)
    assert "every 2" in page.content.decode() or "every 19" in page.content.decode()
    stage.look(account)
    assert "Last complete look just now" in text(client.get(address))
    assert "Looking…" not in text(client.get(address))


def test_a_look_that_was_just_now_is_told_on_the_page(account, vera, client_of):
    client, address = client_of(vera), f"/accounts/{account.pk}/"
    assert client.post(f"{address}look/").status_code == 303
    assert "It was looked at a few seconds ago." in text(client.get(address))


def test_name_and_limit_can_be_changed(account, alice, client_of):
    client, address = client_of(alice), f"/accounts/{account.pk}/change/"
    sent = form_on(client.get(address), address)
    assert client.post(address, sent | {"label": "Live", "slots": "7"}).status_code == 303
    assert (fresh(account).label, fresh(account).slots) == ("Live", 7)
    wrong = client.post(address, sent | {"label": "", "slots": "0"})
    assert wrong.status_code == 422
    assert "An account needs a name." in text(wrong)


def test_removing_is_not_offered_while_something_is_under_way(
    account, server, alice, oscar, client_of
):
    from tests.conftest import take

    client, address = client_of(alice), f"/accounts/{account.pk}/remove/"
    take(server, oscar)
    page = client.get(address)
    assert "1 operation of Production has not ended." in text(page)
    assert 'name="typed"' not in page.content.decode()
    refused = client.post(address, {"typed": "Production"})
    assert refused.status_code == 422
    assert fresh(account).removed_at is None
