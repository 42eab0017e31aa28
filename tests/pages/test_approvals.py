"""The second person's pages: what is read and decided there, and what is refused."""

from __future__ import annotations

import json
import re

import pytest

from snapshots.models import Approval, Operation, State, Team
from snapshots.operations import approvals
from tests.conftest import fresh, restore
from tests.pages.factories import form_on, text
from tests.pages.test_live import poll, token_of


@pytest.fixture(autouse=True)
def guarded(server):
    Team.objects.update(guard="guarded", guard_by_name="Alice")


@pytest.fixture
def asked(snapshot, rosa, bob):
    return restore(snapshot, rosa, safety_snapshot=True)


def test_only_who_can_decide_reads_until_when(asked, rosa, bob, client_of):
    words = "What this page shows can be confirmed until"
    assert words in text(client_of(bob).get(page_of(asked)))
    assert words not in text(client_of(rosa).get(page_of(asked)))


def page_of(operation):
    return f"/operations/{operation.pk}/"


def send(client, operation, what, **typed):
    address = f"{page_of(operation)}{what}/"
    return client.post(address, form_on(client.get(page_of(operation)), address) | typed)


# -- asking ---------------------------------------------------------------------------------------


def test_the_restore_page_says_before_who_it_can_be(snapshot, rosa, bob, client_of):
    client, address = client_of(rosa), f"/snapshots/{snapshot.pk}/restore/"
    page = client.get(address)
    told = text(page)
    assert "This needs a second person: web-1 is guarded. These can: Alice, Bob." in told
    assert "Ask for approval" in told
    answer = client.post(address, form_on(page, address) | {"typed": "web-1"})
    restore = Operation.objects.get(kind="restore")
    assert (answer.status_code, answer.url) == (303, page_of(restore))
    told = text(client.get(answer.url))
    for words in (
        "Waiting for a second person: the restore of web-1 to pre-upgrade",
        "You asked for it, so somebody else has to approve it. These can: Alice, Bob.",
        "Cancel this restore",
        "What will happen web-1 goes back",
        "It is taken first, as soon as this is approved.",
    ):
        assert words in told
    assert "Approve: restore" not in told
    assert "Emergency" not in told


def test_without_a_second_person_the_page_says_nothing_of_one(snapshot, rosa, client_of):
    Team.objects.update(guard="careful")
    page = text(client_of(rosa).get(f"/snapshots/{snapshot.pk}/restore/"))
    assert "second person" not in page
    assert "Restore web-1 to pre-upgrade" in page


# -- deciding -------------------------------------------------------------------------------------


def test_the_second_person_reads_the_same_plan_and_approves_without_scripts(
    asked, bob, rosa, client_of
):
    client = client_of(bob)
    page = text(client.get(page_of(asked)))
    for words in (
        "You can be the second person",
        "What will happen web-1 goes back 2 days.",
        "There is 1 newer snapshot: nightly",
        "Type web-1 to confirm",
        "Approve: restore web-1 to pre-upgrade",
        "Reject: nothing is sent",
    ):
        assert words in page
    assert "Cancel this restore" not in page
    assert "Emergency" not in page
    answer = send(client, asked, "approve", typed="web-1")
    assert (answer.status_code, answer.url) == (303, page_of(asked))
    assert fresh(asked).state == State.QUEUED
    page = text(client_of(rosa).get(page_of(asked)))
    assert "Approved by Bob" in page
    assert "The safety snapshot comes first." in page


def test_what_was_typed_wrongly_stays_and_is_refused_in_words(asked, bob, client_of):
    answer = send(client_of(bob), asked, "approve", typed="db-1")
    assert answer.status_code == 422
    page = text(answer)
    assert "You typed db-1, which is another of your servers." in page
    assert 'value="db-1"' in answer.content.decode()
    assert fresh(asked).state == State.AWAITING_APPROVAL


def test_a_step_that_is_left_out_replayed_or_altered_is_refused(asked, bob, rosa, alice, client_of):
    address = f"{page_of(asked)}approve/"
    form = form_on(client_of(bob).get(page_of(asked)), address) | {"typed": "web-1"}
    for person, change, status in (
        (bob, {"seen": ""}, 422),
        (bob, {"seen": form["seen"] + "x"}, 422),
        (alice, {}, 422),  # Bob's page
        (rosa, {}, 422),  # who asked
    ):
        assert client_of(person).post(address, form | change).status_code == status
        assert fresh(asked).state == State.AWAITING_APPROVAL
    assert client_of(bob).post(address, form).status_code == 303
    again = client_of(bob).post(address, form)
    assert again.status_code == 409
    assert "It does not wait for a second person any more." in text(again)
    assert Approval.objects.count() == 1


def test_what_has_changed_is_named_and_nothing_can_be_approved(
    stage, server, asked, bob, rosa, client_of
):
    address = f"{page_of(asked)}approve/"
    form = form_on(client_of(bob).get(page_of(asked)), address) | {"typed": "web-1"}
    stage.provider.outside.power(server.remote_id, "stop")
    stage.look(server.account)
    words = "Something has changed since Rosa asked: state of the server: active → stopped."
    page = client_of(bob).get(page_of(asked))
    assert words in text(page)
    assert 'id="approve"' not in page.content.decode()
    assert 'id="reject"' in page.content.decode()
    answer = client_of(bob).post(address, form)
    assert answer.status_code == 422
    assert words in text(answer)
    assert 'id="approval-again"' in client_of(rosa).get(page_of(asked)).content.decode()


def test_a_second_person_says_no_and_why(asked, bob, rosa, client_of):
    answer = send(client_of(bob), asked, "reject", words="")
    assert answer.status_code == 422
    assert "Please say why." in text(answer)
    answer = send(client_of(bob), asked, "reject", words="The wrong snapshot")
    assert answer.status_code == 303
    page = text(client_of(rosa).get(page_of(asked)))
    assert "Bob rejected it: The wrong snapshot; nothing was sent." in page
    assert "Rejected by Bob" in page


def test_an_owner_who_asked_breaks_the_glass(snapshot, alice, rosa, client_of):
    asked = restore(snapshot, alice)
    client = client_of(alice)
    assert "Emergency: go on without a second person" in text(client.get(page_of(asked)))
    answer = send(client, asked, "emergency", typed="web-1", words="")
    assert (answer.status_code, "Please say why." in text(answer)) == (422, True)
    answer = send(client, asked, "emergency", typed="web-1", words="The shop is down")
    assert answer.status_code == 303
    page = text(client_of(rosa).get(page_of(asked)))
    assert "Let go on by Alice alone, as an emergency" in page
    assert "“The shop is down”" in page
    seen = text(client_of(rosa).get("/"))
    assert "Alice let it go on without a second person: “The shop is down”" in seen


def test_who_may_not_approve_is_told_who_can_give_the_right(asked, oscar, alice, client_of):
    page = client_of(oscar).get(page_of(asked))
    assert "Alice can give you that right." in text(page)
    assert 'id="approve"' not in page.content.decode()
    assert client_of(oscar).post(f"{page_of(asked)}approve/").status_code == 403


def test_the_plan_says_what_is_deleted_and_what_is_left_out(snapshot, server, rosa, bob, client_of):
    bare = restore(snapshot, rosa, why_without="Rebuilt daily")
    page = text(client_of(bob).get(page_of(bare)))
    assert "None is taken. Rosa: “Rebuilt daily”" in page


def test_the_proof_says_what_is_approved(snapshot, asked, bob, alice, client_of):
    answer = send(client_of(bob, proves=False), asked, "approve", typed="web-1")
    assert answer.status_code == 401
    assert "Approve it: overwrite web-1 with pre-upgrade, for ever." in text(answer)
    own = restore(snapshot, alice)
    answer = send(client_of(alice, proves=False), own, "emergency", typed="web-1", words="Now")
    assert answer.status_code == 401
    assert "as an emergency of which everybody is told: overwrite web-1 with" in text(answer)
    assert {fresh(asked).state, fresh(own).state} == {State.AWAITING_APPROVAL}


# -- seen elsewhere -------------------------------------------------------------------------------


def test_it_needs_attention_and_stands_in_the_tray(asked, vera, client_of):
    page = text(client_of(vera).get("/"))
    assert "Rosa asks for a second person. It expires on" in page
    assert "Nothing needs attention." not in page
    assert "Operations: 0 running, 1 waiting for a person" in client_of(vera).get(
        "/"
    ).content.decode().replace("\n", " ")
    server = text(client_of(vera).get(f"/servers/{asked.server_id}/"))
    assert "Needs approval" in server


def test_a_poll_shows_the_decision(asked, rosa, bob, client_of):
    since = token_of(rosa)
    seen = approvals.sealed(asked, bob)
    approvals.approve(asked, actor=bob, typed="web-1", seen=seen)
    answer = poll(client_of(rosa), f"operation:{asked.pk}", since)
    body = answer.content.decode()
    assert f'id="operation-approval-{asked.pk}"' in body
    assert "Approved by Bob" in text_of_templates(body)


def text_of_templates(body):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_the_receipt_tells_who_said_what(stage, asked, rosa, bob, client_of):
    client = client_of(rosa)
    assert "asked for, and not begun" in text(client.get(f"{page_of(asked)}receipt/"))
    approvals.reject(asked, actor=bob, words="Not today")
    page = text(client.get(f"{page_of(asked)}receipt/"))
    assert "Second person Rejected by Bob" in page
    told = json.loads(client.get(f"{page_of(asked)}receipt.json").content)
    second = told["second_person"]
    assert (second["what"], second["who"], second["words"]) == ("rejected", "Bob", "Not today")
    assert second["digest"] == told["plan"]["digest"] == fresh(asked).plan.digest
    assert any("rejected the restore" in line["what"] for line in told["history"])
