"""The page that deletes a snapshot for ever."""

from snapshots.models import Operation, State
from tests.pages.factories import a_snapshot, an_operation, form_on, text


def address(snapshot):
    return f"/snapshots/{snapshot.pk}/delete/"


def test_the_page_says_what_goes_and_what_stays(old, web, rosa, client_of):
    a_snapshot(web, "nightly", days=1)
    a_snapshot(web, "weekly", days=5)
    page = text(client_of(rosa).get(address(old)))
    assert "The provider deletes it for ever." in page
    assert "2 completed snapshots of web-1 stay; the newest is nightly, 24 h ago." in page
    assert "web-1 itself is not touched." in page
    assert "Delete snapshot pre-upgrade" in page


def test_the_last_snapshot_says_that_it_is_the_last(old, rosa, client_of):
    page = text(client_of(rosa).get(address(old)))
    assert "It is the last completed snapshot of web-1." in page


def test_a_namesake_is_pointed_out(old, web, rosa, client_of):
    a_snapshot(web, "pre-upgrade", days=3)
    page = text(client_of(rosa).get(address(old)))
    assert "Another snapshot has the same name, pre-upgrade." in page


def test_without_scripts_typing_the_name_asks_for_the_deletion(old, rosa, client_of):
    client = client_of(rosa)
    sent = form_on(client.get(address(old)), address(old))
    answer = client.post(address(old), sent | {"typed": "pre-upgrade"})
    operation = Operation.objects.get()
    assert (answer.status_code, answer.url) == (303, f"/operations/{operation.pk}/")
    assert operation.state == State.QUEUED


def test_a_wrong_name_keeps_what_was_typed(old, web, rosa, client_of):
    a_snapshot(web, "nightly")
    client = client_of(rosa)
    sent = form_on(client.get(address(old)), address(old))
    answer = client.post(address(old), sent | {"typed": "nightly"})
    assert answer.status_code == 422
    assert "That is not the name of the snapshot you are deleting, which is pre-upgrade." in text(
        answer
    )
    assert "which is another snapshot of this server" in text(answer)
    assert form_on(answer, address(old))["typed"] == "nightly"
    assert not Operation.objects.exists()


def test_sending_it_twice_makes_one_operation(old, rosa, client_of):
    client = client_of(rosa)
    sent = form_on(client.get(address(old)), address(old)) | {"typed": "pre-upgrade"}
    assert client.post(address(old), sent).url == client.post(address(old), sent).url
    assert Operation.objects.count() == 1


def test_a_snapshot_that_is_gone_leaves_nothing_to_delete(old, rosa, client_of):
    old.gone_at = old.created_at
    old.save()
    answer = client_of(rosa).get(address(old))
    assert "there is nothing to delete" in text(answer)
    assert 'name="typed"' not in answer.content.decode()


def test_a_safety_snapshot_says_what_it_is(old, web, rosa, client_of):
    restore = an_operation("restore", web, "succeeded", rosa, snapshot=old)
    safety = a_snapshot(web, "before-restore", days=1)
    an_operation("create", web, "succeeded", rosa, snapshot=safety, parent=restore)
    page = text(client_of(rosa).get(address(safety)))
    assert "It is a safety snapshot: the state of the server before a restore." in page
    assert "this is the state that it overwrote." in page


def test_a_freed_slot_is_told_only_where_one_is_freed(old, web, rosa, client_of):
    broken = a_snapshot(web, "broken", status="failed")
    client = client_of(rosa)
    assert "One slot becomes free." in text(client.get(address(old)))
    assert "One slot becomes free." not in text(client.get(address(broken)))


def test_an_operator_may_not_delete(old, oscar, client_of):
    client = client_of(oscar)
    for answer in (client.get(address(old)), client.post(address(old), {"typed": "pre-upgrade"})):
        assert answer.status_code == 403
        assert "You may not delete snapshots in Northwind." in text(answer)


def test_a_team_with_a_grace_is_told_and_shown_until_when_it_can_be_taken_back(
    old, team, rosa, client_of
):
    client = client_of(rosa)
    assert "take it back" not in text(client.get(address(old)))
    team.grace = 5
    team.save()
    page = client.get(address(old))
    assert "It is sent 5 minutes after you have confirmed." in text(page)
    several = text(client.get(f"/snapshots/delete/?snapshot={old.pk}"))
    assert "They are sent 5 minutes after you have confirmed, at the earliest." in several
    answer = client.post(address(old), form_on(page, address(old)) | {"typed": "pre-upgrade"})
    told = text(client.get(answer.url))
    assert "Start now" in told
    assert "Cancel" in told
    for place in (answer.url, f"/servers/{old.server_id}/"):
        assert "It is sent on" in text(client.get(place))
