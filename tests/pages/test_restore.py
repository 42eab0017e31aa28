"""The page that restores a server: it says what that means, and believes nothing it is sent."""

from datetime import timedelta

from snapshots import operations
from snapshots.models import Operation, Snapshot, State
from tests.conftest import prove
from tests.pages.factories import a_server, a_snapshot, an_operation, form_on, text


def address(snapshot):
    return f"/snapshots/{snapshot.pk}/restore/"


def test_the_page_names_the_server_the_snapshot_and_what_will_be_lost(old, web, rosa, client_of):
    a_snapshot(web, "nightly", days=1)
    page = text(client_of(rosa).get(address(old)))
    for words in (
        "Restore web-1 to pre-upgrade",
        "203.0.113.10",
        "Production, us-west",
        "web-1 goes back 11 days. Everything written to its disk since then is lost.",
        "The provider cannot undo it: the only way back is a snapshot of the current state.",
        "web-1 is running. The provider stops it by itself",
        "Whether web-1 was running or stopped when pre-upgrade was taken is not known here.",
        "There is 1 newer snapshot: nightly",
        "plan as if they do not",
        "Passwords, keys and certificates",
        "It is compared with the provider once more just before sending",
        "Keep web-1 as it is",
    ):
        assert words in page


def test_without_scripts_typing_the_name_asks_for_the_restore(old, rosa, client_of):
    client = client_of(rosa)
    sent = form_on(client.get(address(old)), address(old))
    assert sent["safety_snapshot"] == "on"
    answer = client.post(address(old), sent | {"typed": " WEB-1 "})
    restore = Operation.objects.get(kind="restore")
    assert (answer.status_code, answer.url) == (303, f"/operations/{restore.pk}/")
    assert restore.children.get().name.startswith("before-restore-")
    page = text(client.get(answer.url))
    assert "Waiting to restore web-1 to pre-upgrade" in page
    assert "The safety snapshot comes first." in page


def test_the_safety_snapshot_can_be_left_out_for_a_reason(old, rosa, client_of):
    client = client_of(rosa)
    sent = form_on(client.get(address(old)), address(old)) | {"typed": "web-1"}
    del sent["safety_snapshot"]
    answer = client.post(address(old), sent)
    assert answer.status_code == 422
    assert "Please say why you go without a safety snapshot" in text(answer)
    assert form_on(answer, address(old))["typed"] == "web-1"
    client.post(address(old), sent | {"why_without": " Rebuilt  daily "})
    operation = Operation.objects.get()
    assert not operation.children.exists()
    assert operation.plan.why_without == "Rebuilt daily"
    line = "Rosa restores web-1 without a safety snapshot: Rebuilt daily"
    assert line in text(client.get(f"/operations/{operation.pk}/"))


def test_a_wrong_name_is_told_and_nothing_is_lost(old, web, rosa, client_of):
    a_server(web.account, "web-2")
    client = client_of(rosa)
    sent = form_on(client.get(address(old)), address(old))
    answer = client.post(address(old), sent | {"typed": "web-2"})
    assert answer.status_code == 422
    page = text(answer)
    assert "That is not the name of the server you are restoring, which is web-1." in page
    assert "You typed web-2, which is another of your servers." in page
    again = form_on(answer, address(old))
    assert again["typed"] == "web-2"
    assert again["request_key"] == sent["request_key"]
    assert again["safety_snapshot"] == "on"
    assert not Operation.objects.exists()


def test_an_empty_name_and_an_empty_form_are_refused(old, rosa, client_of):
    client = client_of(rosa)
    sent = form_on(client.get(address(old)), address(old))
    assert "Please type web-1 to confirm." in text(client.post(address(old), sent))
    assert client.post(address(old), {}).status_code == 422
    assert not Operation.objects.exists()


def test_facts_that_changed_are_shown_anew_and_must_be_confirmed_anew(old, web, rosa, client_of):
    client = client_of(rosa)
    sent = form_on(client.get(address(old)), address(old)) | {"typed": "web-1"}
    a_snapshot(web, "taken-meanwhile", days=0)
    answer = client.post(address(old), sent)
    assert answer.status_code == 422
    page = text(answer)
    assert "has changed meanwhile: a new snapshot, taken-meanwhile. Please read it" in page
    assert "taken-meanwhile" in page
    again = form_on(answer, address(old))
    assert again["typed"] == ""
    assert again["seen"] != sent["seen"]
    assert not Operation.objects.exists()
    assert client.post(address(old), again | {"typed": "web-1"}).status_code == 303


def test_a_digest_that_was_made_up_is_not_believed(old, rosa, client_of):
    answer = client_of(rosa).post(
        address(old), {"typed": "web-1", "seen": "0" * 64, "safety_snapshot": "on"}
    )
    assert answer.status_code == 422
    assert not Operation.objects.exists()


def test_sending_it_twice_makes_one_operation(old, rosa, client_of):
    client = client_of(rosa)
    sent = form_on(client.get(address(old)), address(old)) | {"typed": "web-1"}
    first, second = client.post(address(old), sent), client.post(address(old), sent)
    assert first.url == second.url
    assert Operation.objects.filter(parent=None).count() == 1


def test_at_five_of_five_there_is_no_safety_snapshot_and_the_page_says_why(
    old, web, rosa, client_of
):
    others = [a_snapshot(web, f"nightly-{n}", days=n + 1) for n in range(4)]
    client = client_of(rosa)
    answer = client.get(address(old))
    page, sent = text(answer), form_on(answer, address(old))
    assert "No slot is free (5 of 5), so no safety snapshot can be taken before another" in page
    assert "Take a snapshot of the current state first" not in page  # the choice below is that
    assert "safety_snapshot" not in sent
    for other in others:
        assert f'id="going-{other.pk}"' in answer.content.decode()
    assert f'id="going-{old.pk}"' not in answer.content.decode()
    asked = client.post(address(old), sent | {"typed": "web-1", "safety_snapshot": "on"})
    assert asked.status_code == 422
    assert "All 5 slots of web-1 are taken" in text(asked)
    assert not Operation.objects.exists()  # what was asked for is not dropped in silence
    unsaid = client.post(address(old), sent | {"typed": "web-1"})
    assert unsaid.status_code == 422
    assert "Please say why you go without a safety snapshot" in text(unsaid)
    assert not Operation.objects.exists()
    client.post(address(old), sent | {"typed": "web-1", "why_without": "No slot is free"})
    assert not Operation.objects.get().children.exists()


def test_at_five_of_five_one_confirmation_deletes_one_takes_the_net_and_restores(
    old, web, rosa, client_of
):
    others = [a_snapshot(web, f"nightly-{n}", days=n + 1) for n in range(4)]
    client = client_of(rosa)
    sent = form_on(client.get(address(old)), address(old)) | {"typed": "web-1"}
    chosen = {"going": str(others[3].pk), "typed_going": "nightly-2"}
    both = client.post(address(old), sent | chosen | {"why_without": "in a hurry"})
    assert "Either one is deleted first, or you go without: please choose." in text(both)
    wrong = client.post(address(old), sent | chosen)
    assert wrong.status_code == 422
    assert "which is nightly-3. You typed nightly-2" in text(wrong)
    assert not Operation.objects.exists()
    answer = client.post(address(old), sent | chosen | {"typed_going": "nightly-3"})
    restoring = Operation.objects.get(parent=None)
    assert (answer.status_code, answer.url) == (303, f"/operations/{restoring.pk}/")
    safety = restoring.children.get()
    deletion = safety.children.get()
    assert (safety.kind, deletion.kind, deletion.snapshot) == ("create", "delete", others[3])
    page = text(client.get(answer.url))
    assert "First nightly-3 is deleted, to make room: now" in page
    assert f"Safety snapshot {safety.name} first: to come" in page


def test_who_may_not_restore_is_told_so_even_with_a_box_unticked(old, web, vera, client_of):
    for n in range(4):
        a_snapshot(web, f"nightly-{n}", days=n + 1)
    answer = client_of(vera).post(address(old), {"typed": "web-1"})
    assert answer.status_code == 403


def test_a_snapshot_that_is_not_completed_cannot_be_restored(old, rosa, client_of):
    old.status = "in_progress"
    old.save()
    answer = client_of(rosa).get(address(old))
    assert "is “in_progress” at the provider, not completed" in text(answer)
    assert 'name="typed"' not in answer.content.decode()


def test_a_snapshot_that_is_gone_cannot_be_restored(old, rosa, client_of):
    old.gone_at = old.created_at + timedelta(days=1)
    old.save()
    client = client_of(rosa)
    assert "so web-1 cannot be restored to it" in text(client.get(address(old)))
    seen = operations.plan(old).sealed(rosa)
    answer = client.post(address(old), {"typed": "web-1", "seen": seen, "safety_snapshot": "on"})
    assert answer.status_code == 422


def test_while_the_server_is_busy_the_form_waits(old, web, rosa, alice, client_of):
    an_operation("create", web, State.RUNNING, alice, name="first")
    answer = client_of(rosa).get(address(old))
    assert "web-1 is busy: Alice asked for the snapshot first" in text(answer)
    assert 'name="typed"' not in answer.content.decode()


def test_an_operator_may_not_restore_and_is_told_who_can_change_that(old, oscar, client_of):
    client = client_of(oscar)
    words = "You may not restore servers in Northwind. Alice can give you that right."
    for answer in (client.get(address(old)), client.post(address(old), {"typed": "web-1"})):
        assert answer.status_code == 403
        assert words in text(answer)


def test_the_form_carries_its_token_against_forgery(old, rosa):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(rosa)
    prove(client)
    sent = form_on(client.get(address(old)), address(old))
    assert client.post(address(old), sent | {"typed": "web-1"}).status_code == 303
    sent.pop("csrfmiddlewaretoken")
    assert client.post(address(old), sent | {"typed": "web-1"}).status_code == 403


def test_of_snapshots_without_a_date_nobody_says_that_none_is_newer(old, web, rosa, client_of):
    a_snapshot(web, "undated")
    Snapshot.objects.filter(name="undated").update(created_at=None)
    page = text(client_of(rosa).get(address(old)))
    assert "not known whether these are newer; plan as if they do not survive: undated" in page
    assert "is the newest snapshot" not in page
