"""Messages and webhooks in the browser: choosing, adding, seeing what became of each."""

from __future__ import annotations

import re

import pytest

from snapshots import events
from snapshots.events import Verb
from snapshots.models import Batch, Delivery, Event, Operation, Role, Topic, Webhook, Wish
from snapshots.notices import webhooks
from tests.conftest import fresh, member, take
from tests.notices.conftest import EVERYTHING, a_tick, verifies
from tests.pages.factories import form_on, queries, text
from tests.provider.client.peer import answer

NEW = {"name": "On-call chat", "address": "https://chat.example.com/in?key=1", "topics": ["failed"]}


@pytest.fixture
def webhook(team, alice):
    made, _secret = webhooks.add(team, actor=alice, **NEW)
    return made


# -- what a person is told ------------------------------------------------------------------------


def test_without_mail_the_page_says_so_plainly(client_of, vera):
    assert "This installation sends no e-mail." in text(client_of(vera).get("/settings/messages/"))


@pytest.mark.usefixtures("mailing")
def test_with_mail_it_does_not(client_of, vera):
    assert "no e-mail" not in text(client_of(vera).get("/settings/messages/"))


def test_a_choice_is_kept_and_shown_again(client_of, team, vera):
    client = client_of(vera)
    page = client.get("/settings/messages/")
    assert 'name="failed" value="mine" checked' in page.content.decode()
    saved = client.post(
        "/settings/messages/", {"team": team.pk, "failed": "everything", "slow": "nothing"}
    )
    assert saved.status_code == 302
    assert dict(Wish.objects.values_list("topic", "scope")) == {
        "failed": "everything",
        "slow": "nothing",
    }
    page = client.get("/settings/messages/")
    assert "What you are told of Northwind is saved." in text(page)
    assert 'name="failed" value="everything" checked' in page.content.decode()


def test_an_owner_is_not_offered_what_cannot_be_muted(client_of, team, alice):
    body = client_of(alice).get("/settings/messages/").content.decode()
    offered = set(re.findall(r'type="radio" name="(\w+)"', body))
    assert offered == {Topic.FINISHED, Topic.SLOW, Topic.APPROVAL}
    assert body.count("Everything, always: you are an owner.") == 4
    assert body.count("Everything, always: as everybody is.") == 1


def test_a_forged_choice_of_an_owner_is_refused_in_words(client_of, team, alice):
    answer = client_of(alice).post("/settings/messages/", {"team": team.pk, "failed": "nothing"})
    assert answer.status_code == 409
    assert "Owners are always told" in text(answer)
    assert not Wish.objects.exists()


@pytest.mark.parametrize("team_of", ["theirs", "none", "junk"])
def test_nobody_chooses_for_a_team_that_is_not_theirs(client_of, team, mallory, team_of):
    pk = {"theirs": team.pk, "none": "", "junk": "x"}[team_of]
    answer = client_of(mallory).post("/settings/messages/", {"team": pk, "failed": "nothing"})
    assert answer.status_code == 404
    assert not Wish.objects.exists()


@pytest.mark.usefixtures("mailing")
def test_what_was_sent_to_me_is_listed_with_its_outcome_and_nobody_elses(
    client_of, server, oscar, team, alice, rosa
):
    operation = take(server, oscar)
    events.record(Verb.CREATE_FAILED, team=team, server=server, operation=operation, why="no")
    a_tick()
    page = client_of(oscar).get("/settings/messages/")
    assert "Could not take the snapshot before-update of web-1" in text(page)
    assert "Handed to the mail server" in text(page)
    assert f'href="/operations/{operation.pk}/"' in page.content.decode()
    assert "Could not take" not in text(client_of(rosa).get("/settings/messages/"))


@pytest.mark.usefixtures("mailing")
def test_who_left_a_team_no_longer_reads_what_it_told_them(client_of, server, oscar, team):
    operation = take(server, oscar)
    events.record(Verb.CREATE_FAILED, team=team, server=server, operation=operation, why="no")
    a_tick()
    oscar.memberships.all().delete()
    assert "web-1" not in text(client_of(oscar).get("/settings/messages/"))


@pytest.mark.usefixtures("mailing")
def test_the_operations_page_tells_who_was_told_of_it(
    client_of, server, oscar, rosa, team, alice, receiving
):
    there = receiving(answer(500), owner=oscar)
    operation, other = (
        take(server, oscar),
        take(fresh(server.account).servers.get(name="db-1"), rosa),
    )
    client, address = client_of(rosa), f"/operations/{operation.pk}/"
    assert "Who was told" not in text(client.get(address))
    for one in (operation, other):
        events.record(
            Verb.CREATE_FAILED, team=team, server=one.server, operation=one, why=f"no {one.pk}"
        )
    a_tick()
    page = text(client.get(address)).split("Who was told")[1]
    what = f"Could not take the snapshot before-update of web-1: no {operation.pk},"
    assert f"Alice Handed to the mail server {what}" in page
    assert "Oscar, by a webhook of their own" in page
    assert "1 attempt: it answered with an error (500)" in page
    assert f"no {other.pk}" not in page
    assert there.webhook.name not in page


@pytest.mark.usefixtures("mailing")
def test_the_mail_about_a_batch_stands_on_its_page_and_on_those_of_its_parts(
    client_of, server, oscar, team
):
    operation = take(server, oscar)
    batch = Batch.objects.create(team=team, kind="create", asked_by=oscar, asked_by_name="Oscar")
    Operation.objects.filter(pk=operation.pk).update(
        batch=batch, state="succeeded", ended_at=operation.created_at
    )
    events.record(Verb.CREATE_SUCCEEDED, team=team, server=server, operation=fresh(operation))
    a_tick()
    for address in (f"/operations/{operation.pk}/", f"/batches/{batch.pk}/"):
        page = text(client_of(oscar).get(address)).split("Who was told Look again")[1]
        assert "Oscar Handed to the mail server What was asked for together has ended," in page


# -- webhooks -------------------------------------------------------------------------------------


def test_a_webhook_is_added_and_its_secret_shown_once(client_of, team, alice):
    client = client_of(alice)
    page = client.get("/webhooks/new/")
    form = form_on(page, "/webhooks/new/")
    shown = client.post("/webhooks/new/", {**form, **NEW})
    assert shown.status_code == 200
    assert shown["Cache-Control"] == "no-store"
    [secret] = re.findall(r'value="(whsec_[^"]+)"', shown.content.decode())
    made = Webhook.objects.get()
    assert [one.reveal() for one in made.signing_secrets()] == [secret]
    assert secret not in repr([*Webhook.objects.values(), *Event.objects.values()])
    for address in ("/webhooks/", f"/webhooks/{made.pk}/", "/activity/"):
        assert "whsec_" not in client.get(address).content.decode()
    assert "Alice added the webhook On-call chat, which posts to chat.example.com" in text(
        client.get("/activity/")
    )


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"address": "https://10.0.0.1/"}, "does not lead to the public internet"),
        ({"address": "http://chat.example.com/"}, "must begin with https://"),
        ({"address": "https://chat.example.com:22/"}, "port must be 443 or 8443"),
        ({"address": "https://me:secret@chat.example.com/"}, "must not contain a user name"),
        ({"address": "https://0x7f.1/"}, "not one that we read without doubt"),
        ({"address": "chat"}, "must begin with https://"),
        ({"address": ""}, "not an address such as"),
        ({"name": " "}, "Give it a name"),
        ({"topics": []}, "Choose what it is to be told of"),
        ({"topics": ["weather"]}, "weather"),
    ],
)
def test_what_does_not_fit_is_said_and_what_was_typed_stays(client_of, team, alice, typed, words):
    client = client_of(alice)
    form = form_on(client.get("/webhooks/new/"), "/webhooks/new/")
    answer = client.post("/webhooks/new/", {**form, **NEW, **typed})
    assert answer.status_code == 422
    assert words in text(answer)
    assert "On-call chat" in answer.content.decode() or "name" in typed
    assert not Webhook.objects.exists()


def test_the_same_address_is_added_once(client_of, webhook, alice):
    client = client_of(alice)
    form = form_on(client.get("/webhooks/new/"), "/webhooks/new/")
    answer = client.post("/webhooks/new/", {**form, **NEW})
    assert "Northwind has a webhook with this address already." in text(answer)
    assert Webhook.objects.count() == 1


def test_a_team_has_ten_at_most(client_of, team, alice):
    for n in range(10):
        webhooks.add(
            team, name="x", address=f"https://chat.example.com/{n}", topics=["slow"], actor=alice
        )
    client = client_of(alice)
    form = form_on(client.get("/webhooks/new/"), "/webhooks/new/")
    assert "at most 10 webhooks" in text(client.post("/webhooks/new/", {**form, **NEW}))


def test_a_member_sees_that_there_is_one_and_not_its_address(client_of, webhook, vera):
    page = client_of(vera).get("/webhooks/")
    assert "On-call chat" in text(page)
    assert "chat.example.com" in text(page)
    assert "key=1" not in page.content.decode()
    assert f"/webhooks/{webhook.pk}/" not in page.content.decode()
    assert "Alice can give you that right" in text(page)


def test_who_may_add_none_is_told_who_could(client_of, team, rosa):
    answer = client_of(rosa).get("/webhooks/new/")
    assert answer.status_code == 403
    assert "You may not manage webhooks in Northwind. Alice can give you that right." in text(
        answer
    )


def test_a_change_is_saved(client_of, webhook, alice):
    client = client_of(alice)
    changed = NEW | {"name": "Pager", "topics": ["slow", "failed"]}
    assert client.post(f"/webhooks/{webhook.pk}/", changed).status_code == 303
    webhook = fresh(webhook)
    assert (webhook.name, webhook.topics) == ("Pager", ["failed", "slow"])
    refused = client.post(f"/webhooks/{webhook.pk}/", changed | {"address": "https://[::1]/"})
    assert refused.status_code == 422
    assert fresh(webhook).address == NEW["address"]


def test_a_test_is_sent_and_its_outcome_listed(client_of, receiving, alice):
    there = receiving(answer(500, b"canary"))
    client = client_of(alice)
    address = f"/webhooks/{there.webhook.pk}/"
    assert client.post(f"{address}test/").status_code == 303
    a_tick()
    page = client.get(address)
    assert "A test" in text(page)
    assert "1 attempt: it answered with an error (500)" in text(page)
    assert "canary" not in page.content.decode()
    [(headers, body)] = there.heard
    assert verifies(headers, body, there.secret)
    assert there.told == ["webhook.test"]


def test_tests_are_few(client_of, receiving, alice, stage):
    there = receiving()
    client = client_of(alice)
    for _ in range(5):
        client.post(f"/webhooks/{there.webhook.pk}/test/")
    refused = client.post(f"/webhooks/{there.webhook.pk}/test/")
    assert refused.status_code == 409
    assert "Please wait a minute" in text(refused)
    assert Delivery.objects.count() == 5
    stage.later(seconds=61)
    assert client.post(f"/webhooks/{there.webhook.pk}/test/").status_code == 303


def test_it_is_switched_off_and_on(client_of, webhook, alice):
    client = client_of(alice)
    client.post(f"/webhooks/{webhook.pk}/off/")
    assert "Switched off" in text(client.get(f"/webhooks/{webhook.pk}/"))
    assert client.post(f"/webhooks/{webhook.pk}/test/").status_code == 409
    client.post(f"/webhooks/{webhook.pk}/on/")
    assert fresh(webhook).off == ""
    verbs = Event.objects.filter(verb__startswith="webhook.").values_list("verb", flat=True)
    assert list(verbs.order_by("pk")) == ["webhook.added", "webhook.off", "webhook.on"]


def test_an_address_that_is_gone_is_told_on_the_page_and_in_the_history(
    client_of, receiving, alice
):
    there = receiving(answer(410))
    client = client_of(alice)
    client.post(f"/webhooks/{there.webhook.pk}/test/")
    a_tick()
    assert "that it is gone (410), and was switched off" in text(
        client.get(f"/webhooks/{there.webhook.pk}/")
    )
    assert "Off: it is gone" in text(client.get("/webhooks/"))
    assert "The webhook Chat answered that it is gone" in text(client.get("/activity/"))


def test_a_new_secret_is_shown_once_and_a_second_waits_for_the_old_to_end(
    client_of, webhook, alice
):
    client = client_of(alice)
    [old] = [one.reveal() for one in webhook.signing_secrets()]
    shown = client.post(f"/webhooks/{webhook.pk}/secret/")
    [new] = re.findall(r'value="(whsec_[^"]+)"', shown.content.decode())
    assert [one.reveal() for one in fresh(webhook).signing_secrets()] == [new, old]
    again = client.post(f"/webhooks/{webhook.pk}/secret/")
    assert again.status_code == 409
    assert "The old secret still signs." in text(again)
    client.post(f"/webhooks/{webhook.pk}/secret/old/")
    assert [one.reveal() for one in fresh(webhook).signing_secrets()] == [new]
    assert client.post(f"/webhooks/{webhook.pk}/secret/").status_code == 200


def test_a_secret_moved_to_another_row_does_not_open(webhook, team, alice):
    from snapshots.secrets import CannotOpen

    other, _secret = webhooks.add(
        team, name="b", address="https://b.example.com/", topics=["slow"], actor=alice
    )
    Webhook.objects.filter(pk=other.pk).update(sealed_secret=webhook.sealed_secret)
    with pytest.raises(CannotOpen):
        fresh(other).signing_secrets()


def test_a_message_is_sent_again(client_of, receiving, alice, stage):
    there = receiving()
    client = client_of(alice)
    client.post(f"/webhooks/{there.webhook.pk}/test/")
    a_tick()
    message = Delivery.objects.get().message_id
    posted = client.post(f"/webhooks/{there.webhook.pk}/resend/", {"message": message})
    assert posted.status_code == 303
    assert (
        client.post(f"/webhooks/{there.webhook.pk}/resend/", {"message": message}).status_code
        == 409
    )  # it waits already
    a_tick()
    assert there.ids == [message, message]


def test_one_webhooks_message_is_not_another_ones(client_of, receiving, alice, webhook, stage):
    there = receiving()
    client = client_of(alice)
    client.post(f"/webhooks/{there.webhook.pk}/test/")
    a_tick()
    message = Delivery.objects.get().message_id
    posted = client.post(f"/webhooks/{webhook.pk}/resend/", {"message": message})
    assert posted.status_code == 404
    for nonsense in ("", "\0", "msg_\u202e"):
        posted = client.post(f"/webhooks/{webhook.pk}/resend/", {"message": nonsense})
        assert posted.status_code == 404


def test_it_is_removed_with_its_messages_and_the_history_stays(client_of, receiving, alice):
    there = receiving()
    client = client_of(alice)
    client.post(f"/webhooks/{there.webhook.pk}/test/")
    assert client.post(f"/webhooks/{there.webhook.pk}/remove/").status_code == 303
    a_tick()
    assert not Webhook.objects.exists()
    assert there.heard == []
    assert "Alice removed the webhook Chat" in text(client.get("/activity/"))


def test_who_manages_webhooks_finds_it_among_what_needs_attention(
    client_of, account, webhook, alice, rosa
):
    Webhook.objects.update(off="gone")
    assert "On-call chat The webhook answered that it is gone." in text(client_of(alice).get("/"))
    assert "On-call chat" not in text(client_of(rosa).get("/"))


HOSTILE = '"><img src=x onerror=alert(1)>\u202e'


def test_names_are_shown_and_never_obeyed(client_of, team, alice):
    made, _secret = webhooks.add(team, actor=alice, **(NEW | {"name": HOSTILE}))
    client = client_of(alice)
    for address in ("/webhooks/", f"/webhooks/{made.pk}/", "/activity/"):
        body = client.get(address).content.decode()
        assert "<img src=x" not in body
        assert "\u202e" not in text(client.get(address))


@pytest.mark.usefixtures("mailing")
def test_fifty_messages_cost_no_more_questions_than_one(client_of, server, team, oscar, receiving):
    there = receiving()
    operation = take(server, oscar)

    def fails() -> None:
        events.record(Verb.CREATE_FAILED, team=team, server=server, operation=operation, why="no")

    fails()
    a_tick()
    admin = member("Ada", Role.ADMIN, team)
    pages = ("/settings/messages/", f"/webhooks/{there.webhook.pk}/", "/webhooks/")
    clients = {"/settings/messages/": client_of(oscar)}
    one = [queries(clients.get(page, client_of(admin)), page) for page in pages]
    for _ in range(40):
        fails()
    a_tick()
    assert [queries(clients.get(page, client_of(admin)), page) for page in pages] == one


def test_five_webhooks_cost_no_more_questions_than_one(client_of, server, team, oscar, receiving):
    operation = take(server, oscar)

    def told() -> int:
        events.record(Verb.CREATE_FAILED, team=team, server=server, operation=operation, why="no")
        a_tick()
        return queries(client_of(oscar), "/webhooks/")

    receiving()
    one = told()
    for _ in range(4):
        receiving()
    assert told() == one


def test_every_topic_can_be_chosen(team, alice):
    made, _secret = webhooks.add(team, actor=alice, **(NEW | {"topics": EVERYTHING}))
    assert made.topics == list(Topic.values)
