"""A webhook of one's own: for what one is told, managed by oneself, gone with the membership."""

from __future__ import annotations

import re

import pytest
from django.core import mail

from snapshots import events, teams
from snapshots.errors import NotAllowed, Refused
from snapshots.events import Verb
from snapshots.models import Batch, Delivery, Membership, Operation, Role, Webhook
from snapshots.notices import webhooks, wishes
from tests.conftest import fresh, member, take
from tests.notices.conftest import a_tick, verifies
from tests.pages.factories import form_on, text
from tests.provider.client.peer import answer

ADD = "/settings/messages/webhooks/new/"
NEW = {"name": "My phone", "address": "https://phone.example.com/in?key=1"}


@pytest.fixture
def own(team, vera):
    made, _secret = webhooks.add_own(team, actor=vera, **NEW)
    return made


def a_line(verb, team, **about):
    return events.record(Verb(verb), team=team, **about)


# -- what it is told ------------------------------------------------------------------------------


def test_it_is_told_what_its_person_is_told_and_no_more_without_any_mail(
    stage, server, team, oscar, rosa, receiving
):
    there = receiving(owner=oscar)
    mine, theirs = take(server, oscar), take(fresh(server.account).servers.get(name="db-1"), rosa)
    for operation in (mine, theirs):
        a_line("create.failed", team, operation=operation, server=operation.server)
    a_line("account.paused", team, account=server.account, actor=rosa)
    a_tick()
    assert there.told == ["create.failed"]
    [(headers, body)] = there.heard
    assert verifies(headers, body, there.secret)
    assert f'"id":{mine.pk},"kind":"create"' in body.decode()
    assert mail.outbox == []


def test_what_its_person_muted_it_is_not_told_and_what_they_did_themselves_neither(
    stage, server, team, alice, receiving
):
    there = receiving(owner=alice)
    wishes.choose(alice, team, {"slow": "nothing"})
    operation = take(server, alice)
    a_line("create.slow", team, operation=operation, server=server)
    a_line("account.paused", team, account=server.account, actor=alice)
    a_line("create.in_doubt", team, operation=operation, server=server)
    a_tick()
    assert there.told == ["create.in_doubt"]


def test_each_line_of_a_batch_is_told_to_it_as_to_every_webhook(
    stage, server, team, oscar, receiving
):
    there = receiving(owner=oscar)
    operation = take(server, oscar)
    batch = Batch.objects.create(team=team, kind="create", asked_by=oscar, asked_by_name="Oscar")
    Operation.objects.filter(pk=operation.pk).update(batch=batch)
    a_line("create.succeeded", team, operation=fresh(operation), server=server)
    a_tick()
    assert there.told == ["create.succeeded"]


def test_who_leaves_the_team_leaves_no_webhook_and_nothing_waiting(
    stage, server, team, oscar, receiving
):
    there = receiving(owner=oscar)
    a_line("create.failed", team, operation=take(server, oscar), server=server)
    teams.leave(team, actor=fresh(oscar))
    a_tick()
    assert there.heard == []
    assert not Webhook.objects.exists()
    assert not Delivery.objects.exists()


def test_who_is_about_to_leave_is_told_that_it_goes(client_of, team, vera, own):
    words = "The webhooks of your own for this team are removed."
    address = f"/team/{team.pk}/leave/"
    assert words in text(client_of(vera).get(address))
    own.delete()
    assert words not in text(client_of(vera).get(address))


def test_who_may_not_sign_in_any_more_is_told_nothing_that_waited(
    stage, server, team, oscar, receiving
):
    there = receiving(answer(500), owner=oscar)
    a_line("create.failed", team, operation=take(server, oscar), server=server)
    a_tick()
    oscar.is_active = False
    oscar.save()
    stage.later(seconds=10)
    a_tick()
    assert len(there.heard) == 1
    assert (Delivery.objects.get().state, Delivery.objects.get().trouble) == (
        "dropped",
        "not_a_member",
    )


# -- whose it is ----------------------------------------------------------------------------------


def test_a_viewer_adds_one_and_its_secret_is_shown_once(client_of, team, vera, alice):
    client = client_of(vera)
    assert f'href="{ADD}"' in client.get("/settings/messages/").content.decode()
    form = form_on(client.get(ADD), ADD)
    assert set(form) == {"csrfmiddlewaretoken", "team", "name", "address"}
    shown = client.post(ADD, {**form, **NEW, "topics": "failed"})
    [secret] = re.findall(r'value="(whsec_[^"]+)"', shown.content.decode())
    made = Webhook.objects.get()
    assert (made.member, made.topics) == (Membership.objects.get(user=vera), [])
    assert [one.reveal() for one in made.signing_secrets()] == [secret]
    assert "phone.example.com" in text(client.get("/settings/messages/"))
    assert "Vera added a webhook of their own, My phone, which posts to phone.example.com" in text(
        client_of(alice).get("/activity/")
    )


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"address": "https://169.254.169.254/"}, "does not lead to the public internet"),
        ({"address": "http://phone.example.com/"}, "must begin with https://"),
        ({"name": ""}, "Give it a name"),
        ({"team": "999"}, "not one of the available choices"),
    ],
)
def test_what_does_not_fit_is_said(client_of, vera, typed, words):
    client = client_of(vera)
    form = form_on(client.get(ADD), ADD)
    answer = client.post(ADD, {**form, **NEW, **typed})
    assert answer.status_code == 422
    assert words in text(answer)
    assert not Webhook.objects.exists()


def test_nobody_adds_one_for_a_team_they_are_not_in(team, mallory):
    with pytest.raises(NotAllowed):
        webhooks.add_own(team, actor=mallory, **NEW)


def test_it_is_listed_for_its_person_alone(client_of, own, vera, alice, oscar):
    assert "My phone" in text(client_of(vera).get("/settings/messages/"))
    assert "My phone" not in text(client_of(vera).get("/webhooks/"))
    for other in (alice, oscar):
        for page in ("/settings/messages/", "/webhooks/"):
            assert "My phone" not in text(client_of(other).get(page))
        assert client_of(other).get(f"/webhooks/{own.pk}/").status_code == 404


def test_not_even_an_owner_manages_somebody_elses(own, alice):
    with pytest.raises(NotAllowed):
        webhooks.switch(own, on=False, actor=alice)
    with pytest.raises(NotAllowed):
        webhooks.remove(own, actor=alice)


def test_its_person_changes_tests_and_removes_it(client_of, receiving, vera):
    there = receiving(owner=vera)
    client, address = client_of(vera), f"/webhooks/{there.webhook.pk}/"
    page = client.get(address)
    assert 'name="topics"' not in page.content.decode()
    changed = client.post(address, {"name": "Tablet", "address": there.webhook.address})
    assert changed.status_code == 303
    client.post(f"{address}test/")
    a_tick()
    assert there.told == ["webhook.test"]
    removed = client.post(f"{address}remove/")
    assert (removed.status_code, removed.url) == (303, "/settings/messages/")
    assert not Webhook.objects.exists()


def test_one_that_is_gone_is_among_what_needs_its_persons_attention(
    account, client_of, own, vera, alice
):
    Webhook.objects.update(off="gone")
    assert "My phone The webhook answered that it is gone." in text(client_of(vera).get("/"))
    assert "attention-webhook" not in client_of(alice).get("/").content.decode()


def test_the_same_address_may_serve_others_and_the_team_but_nobody_twice(team, own, alice, vera):
    webhooks.add(team, topics=["failed"], actor=alice, **NEW)
    webhooks.add_own(team, actor=alice, **NEW)
    with pytest.raises(Refused, match="You have a webhook with this address for Northwind already"):
        webhooks.add_own(team, actor=vera, **NEW)
    assert Webhook.objects.count() == 3


def test_a_person_has_three_at_most_and_takes_none_from_the_team(team, own, alice, vera):
    for n in range(2):
        webhooks.add_own(team, name="x", address=f"https://phone.example.com/{n}", actor=vera)
    with pytest.raises(Refused, match="more than 3 webhooks"):
        webhooks.add_own(team, name="x", address="https://phone.example.com/9", actor=vera)
    for n in range(10):
        address = f"https://chat.example.com/{n}"
        webhooks.add(team, name="x", address=address, topics=["slow"], actor=alice)


def test_one_persons_tests_do_not_use_up_another_ones(team, own, vera):
    ada = member("Ada", Role.ADMIN, team)
    other, _secret = webhooks.add_own(team, actor=ada, **NEW)
    for _ in range(5):
        webhooks.test(own, actor=vera)
    with pytest.raises(Refused):
        webhooks.test(own, actor=vera)
    webhooks.test(other, actor=ada)
