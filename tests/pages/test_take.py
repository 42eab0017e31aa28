"""The page that takes a snapshot."""

import pytest

from snapshots import operations
from snapshots.models import Event, Operation
from tests.conftest import take
from tests.pages.factories import a_server, a_snapshot, an_operation, form_on, text


def address(server):
    return f"/servers/{server.pk}/snapshots/new/"


def test_without_scripts_the_form_that_the_page_offers_takes_a_snapshot(web, oscar, client_of):
    client = client_of(oscar)
    sent = form_on(client.get(address(web)), address(web))
    answer = client.post(address(web), sent | {"note": "Before the update"})
    assert (answer.status_code, answer.url) == (303, f"/servers/{web.pk}/")
    operation = Operation.objects.get()
    assert operation.name.startswith("web-1-20")
    assert operation.note == "Before the update"
    page = text(client.get(answer.url))
    assert operation.name in page
    assert "Queued" in page


def test_the_page_says_what_a_person_should_know_first(web, oscar, client_of):
    page = text(client_of(oscar).get(address(web)))
    assert "web-1 is running The copy may be like a disk after a power cut" in page
    assert "It takes slot 1 of 5." in page
    assert "Duration: usually 3–10 min (provider’s documentation)." in page
    assert "Before an update it is your way back." in page
    assert "It is not an off-site backup" in page


def test_the_last_slot_says_that_the_next_one_needs_room(web, oscar, client_of):
    assert "For the next one" not in text(client_of(oscar).get(address(web)))
    for n in range(4):
        a_snapshot(web, f"nightly-{n}")
    page = text(client_of(oscar).get(address(web)))
    assert "It takes slot 5 of 5. For the next one you will have to delete one first." in page


def test_a_running_server_can_be_stopped_first(stage, server, rosa, client_of):
    client = client_of(rosa)
    form = client.get(address(server))
    assert "web-1 cannot be reached from then until it runs again." in text(form)
    sent = form_on(form, address(server))
    assert "stop_first" not in sent  # downtime is a choice
    answer = client.post(address(server), sent | {"stop_first": "on"})
    assert answer.status_code == 303
    kinds = [operation.kind for operation in Operation.objects.order_by("pk")]
    assert kinds == ["stop", "create", "start"]
    page = text(client.get(answer.url))
    assert "Stop of web-1" in page
    assert f"{sent['name']} Waiting" in page
    assert "Waits for: Stop of web-1" in page
    assert f"Waits for: Snapshot {sent['name']} of web-1" in page


def test_without_the_right_to_stop_servers_the_choice_says_why_not(web, oscar, client_of):
    client = client_of(oscar)
    form = client.get(address(web))
    assert "You may not start and stop servers in Northwind. Alice can give you that right." in (
        text(form)
    )
    sent = form_on(form, address(web)) | {"stop_first": "on"}
    assert client.post(address(web), sent).status_code == 403
    assert not Operation.objects.exists()


def test_a_server_that_stopped_meanwhile_keeps_what_was_typed(web, rosa, client_of):
    client = client_of(rosa)
    sent = form_on(client.get(address(web)), address(web)) | {"stop_first": "on", "note": "typed"}
    web.status = "stopped"
    web.save()
    answer = client.post(address(web), sent)
    assert answer.status_code == 422
    assert "typed" in text(answer)
    assert "web-1 is running" not in text(answer)
    assert not Operation.objects.exists()


def test_a_stopped_server_gets_no_warning_about_running(web, oscar, client_of):
    web.status = "stopped"
    web.save()
    page = text(client_of(oscar).get(address(web)))
    assert "power cut" not in page
    assert "start it again" not in page


def test_a_name_the_provider_refuses_is_explained_and_everything_typed_stays(web, oscar, client_of):
    answer = client_of(oscar).post(address(web), {"name": "före update", "note": "why not"})
    assert answer.status_code == 422
    assert "Not allowed: space ö" in text(answer)
    assert 'value="före update"' in answer.content.decode()
    assert "why not" in text(answer)
    assert not Operation.objects.exists()


def test_an_empty_form_is_answered_in_our_words(web, oscar, client_of):
    answer = client_of(oscar).post(address(web), {})
    assert answer.status_code == 422
    assert "A snapshot needs a name." in text(answer)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("before-update_2", "The provider accepts this name."),
        ("before update", "Not allowed: space"),
        ("x" * 65, "The name has 65 characters; 64 fit."),
    ],
)
def test_while_a_name_is_typed_the_server_says_whether_it_will_do(
    web, oscar, client_of, name, words
):
    headers = {"HX-Request": "true", "HX-Target": "name-check"}
    answer = client_of(oscar).get(address(web), {"name": name}, headers=headers)
    assert words in text(answer)
    assert "<html" not in answer.content.decode()


def test_sending_the_same_form_twice_makes_one_operation(web, oscar, client_of):
    client = client_of(oscar)
    sent = form_on(client.get(address(web)), address(web))
    assert [client.post(address(web), sent).status_code for _ in range(2)] == [303, 303]
    assert Operation.objects.count() == 1


def test_a_second_form_is_told_who_is_doing_what(web, oscar, rosa, client_of):
    client_of(rosa).post(address(web), {"name": "first"})
    answer = client_of(oscar).post(address(web), {"name": "second"})
    assert answer.status_code == 422
    assert "web-1 is busy: Rosa asked for the snapshot first" in text(answer)


@pytest.fixture
def five(web):
    return [a_snapshot(web, f"nightly-{n}", days=n + 1) for n in range(5)]


def test_at_five_of_five_the_page_says_which_could_go_and_why(web, five, rosa, client_of):
    operations.lock(five[0], actor=rosa, words="the audit needs it")
    operations.mark_good(five[1], actor=rosa, words="all tests pass")
    page = client_of(rosa).get(address(web))
    assert "All 5 slots are taken" in text(page)
    assert "Locked nightly-0" in text(page)
    body = page.content.decode()
    offered = [f'name="going" id="going-{one.pk}"' in body for one in five]
    assert offered == [False, False, True, True, True]
    assert "checked" not in body[body.index('class="choices"') : body.index("typed_going")]
    assert "5.1 GB. Nobody said what it is for." in text(page)
    assert "there is one snapshot fewer to go back to. Duration: " in text(page)
    assert body.index(f"going-{five[4].pk}") < body.index(f"going-{five[2].pk}")  # the oldest first


def test_without_scripts_one_is_deleted_and_then_the_snapshot_taken(web, five, rosa, client_of):
    client = client_of(rosa)
    sent = form_on(client.get(address(web)), address(web))
    answer = client.post(address(web), sent)
    assert answer.status_code == 422
    assert "All 5 slots of web-1 are taken" in text(answer)
    chosen = {"going": str(five[4].pk), "typed_going": "nightly-3"}
    answer = client.post(address(web), sent | chosen)
    assert answer.status_code == 422
    assert "which is nightly-4. You typed nightly-3, which is another snapshot" in text(answer)
    assert f'value="{five[4].pk}" checked' in answer.content.decode()
    assert not Operation.objects.exists()
    chosen["typed_going"] = "nightly-4"
    assert client.post(address(web), sent | chosen).status_code == 303
    create = Operation.objects.get(parent=None)
    deletion = create.children.get()
    assert (deletion.kind, deletion.snapshot) == ("delete", five[4])
    page = text(client.get(f"/operations/{create.pk}/"))
    assert "First nightly-4 is deleted" in page
    assert "This makes room for a snapshot." in text(client.get(f"/operations/{deletion.pk}/"))


def test_where_none_can_go_the_page_says_so(web, five, rosa, client_of):
    for one in five:
        operations.lock(one, actor=rosa, words="the audit needs it")
    page = client_of(rosa).get(address(web))
    assert "None of them can be deleted from here now" in text(page)
    assert 'name="typed_going"' not in page.content.decode()


def test_another_servers_snapshot_cannot_be_chosen(web, five, rosa, client_of):
    other = a_snapshot(a_server(web.account, "db-1"), "theirs")
    answer = client_of(rosa).post(
        address(web), {"name": "x", "going": other.pk, "typed_going": "theirs"}
    )
    assert answer.status_code == 422
    assert "Select a valid choice" in text(answer)
    assert not Operation.objects.exists()


def test_a_form_that_comes_too_late_for_the_last_slot_keeps_what_was_typed(web, rosa, client_of):
    for n in range(5):
        a_snapshot(web, f"nightly-{n}")
    answer = client_of(rosa).post(address(web), {"name": "sixth", "note": "typed with care"})
    assert answer.status_code == 422
    assert "All 5 slots of web-1 are taken" in text(answer)
    assert "typed with care" in text(answer)
    assert 'value="sixth"' in answer.content.decode()


def test_an_operator_who_may_not_delete_is_told_so_at_five_of_five(web, oscar, client_of):
    five = [a_snapshot(web, f"nightly-{n}") for n in range(5)]
    answer = client_of(oscar).get(address(web))
    assert "You may not delete snapshots in Northwind. Alice can give you that right." in text(
        answer
    )
    assert f"/snapshots/{five[0].pk}/delete/" not in answer.content.decode()


def test_while_the_server_is_busy_the_page_says_with_what(web, oscar, rosa, client_of):
    an_operation("create", web, "running", rosa, name="first")
    page = text(client_of(oscar).get(address(web)))
    assert "web-1 is busy: Rosa asked for the snapshot first" in page


def test_a_viewer_is_refused_in_words_and_the_attempt_is_written_down(web, vera, client_of):
    client = client_of(vera)
    answer = client.get(address(web))
    assert answer.status_code == 403
    assert "You may not take snapshots in Northwind. Alice can give you that right." in text(answer)
    assert client.post(address(web), {}).status_code == 403
    assert Event.objects.filter(verb="refused", actor=vera).count() == 1


def test_by_htmx_the_browser_is_sent_on_by_a_header(web, oscar, client_of):
    answer = client_of(oscar).post(
        address(web), {"name": "by-htmx"}, headers={"HX-Request": "true"}
    )
    assert answer.headers["HX-Redirect"] == f"/servers/{web.pk}/"


def test_a_snapshot_of_a_stopped_server_says_so(stage, server, rosa, client_of):
    operation = take(server, rosa, stop_first=True)
    stage.watch(stage.send(operation.needs), minutes=2)
    stage.watch(stage.send(operation), minutes=6)
    assert "Server stopped first" in text(client_of(rosa).get(f"/servers/{server.pk}/"))
