"""Locks, known-good marks and what a snapshot is for, as people meet them."""

import csv
import io
import json
from datetime import date, timedelta

import pytest
from django.utils import timezone

from snapshots import operations
from snapshots.models import Operation
from tests.conftest import fresh
from tests.pages.factories import a_snapshot, form_on, queries, text
from tests.pages.test_hints import QUESTION, made_here, page_of


@pytest.fixture
def old(web):
    a_snapshot(web, "nightly", days=1)
    return a_snapshot(web, "pre-upgrade", days=11)


def lock(snapshot, actor, words="the audit needs it", **more):
    operations.lock(snapshot, actor=actor, words=words, **more)


def send(client, address, **typed):
    return client.post(address, form_on(client.get(address), address) | typed)


# -- locks ----------------------------------------------------------------------------------------


def test_without_scripts_a_snapshot_is_locked_and_says_so_everywhere(old, rosa, vera, client_of):
    answer = send(client_of(rosa), f"/snapshots/{old.pk}/lock/", words="the audit needs it")
    assert (answer.status_code, answer.url) == (303, f"/snapshots/{old.pk}/")
    client = client_of(vera)
    page = text(client.get(f"/snapshots/{old.pk}/"))
    assert "Rosa locked it: “the audit needs it”" in page
    assert "until somebody unlocks it." in page
    assert "in its own panel the snapshot can still be deleted" in page
    assert "Locked" in text(client.get(f"/servers/{old.server_id}/"))
    assert "Completed Locked" in text(client.get("/snapshots/"))
    assert "Rosa locked pre-upgrade of web-1: the audit needs it" in page


def test_a_day_is_locked_to_its_end_where_the_reader_is(old, rosa, client_of):
    rosa.time_zone = "Europe/Berlin"
    rosa.save()
    day = timezone.localdate() + timedelta(days=9)
    send(client_of(rosa), f"/snapshots/{old.pk}/lock/", words="x", until=day.isoformat())
    until = fresh(old).locked_until
    assert until.astimezone().tzinfo
    assert until.isoformat().startswith(f"{day.isoformat()}T2")  # midnight there, in UTC


@pytest.mark.parametrize(
    ("typed", "refusal"),
    [
        ({"words": ""}, "Please say why it is locked"),
        ({"words": "x", "until": "2001-01-01"}, "This day is over already."),
        ({"words": "x", "until": "soon"}, "Enter a valid date."),
    ],
)
def test_bad_input_is_refused_in_words_and_stays(old, rosa, client_of, typed, refusal):
    answer = send(client_of(rosa), f"/snapshots/{old.pk}/lock/", **typed)
    assert answer.status_code == 422
    assert refusal in text(answer)
    assert form_on(answer, f"/snapshots/{old.pk}/lock/")["words"] == typed["words"]
    assert not fresh(old).is_locked


def test_a_locked_one_offers_no_deletion_and_its_page_has_no_form(old, rosa, client_of):
    lock(old, rosa)
    client = client_of(rosa)
    for address in (f"/snapshots/{old.pk}/", f"/servers/{old.server_id}/"):
        assert f"/snapshots/{old.pk}/delete/" not in client.get(address).content.decode()
    answer = client.get(f"/snapshots/{old.pk}/delete/")
    assert "Rosa locked it" in text(answer)
    assert 'name="typed"' not in answer.content.decode()
    answer = client.post(f"/snapshots/{old.pk}/delete/", {"typed": "pre-upgrade"})
    assert answer.status_code == 422
    assert "pre-upgrade is locked. Rosa: “the audit needs it”" in text(answer)
    assert not Operation.objects.exists()


def test_in_a_list_it_cannot_be_selected_and_of_several_it_is_left_out(old, web, rosa, client_of):
    lock(old, rosa)
    client = client_of(rosa)
    assert f'name="snapshot" value="{old.pk}"' not in client.get("/snapshots/").content.decode()
    other = web.snapshots.get(name="nightly")
    page = text(client.get(f"/snapshots/delete/?snapshot={old.pk}&snapshot={other.pk}"))
    assert "Delete 1 snapshot" in page
    assert "Left out pre-upgrade pre-upgrade is locked. Rosa" in page


def test_who_may_unlocks_it_with_a_reason(old, rosa, alice, client_of):
    lock(old, rosa)
    client = client_of(alice)
    assert "Rosa locked it" in text(client.get(f"/snapshots/{old.pk}/unlock/"))
    send(client, f"/snapshots/{old.pk}/unlock/", words="the audit is over")
    page = text(client.get(f"/snapshots/{old.pk}/"))
    assert "Alice unlocked pre-upgrade of web-1: the audit is over" in page
    assert f"/snapshots/{old.pk}/delete/" in client.get(f"/snapshots/{old.pk}/").content.decode()


def test_an_operator_sees_the_lock_and_no_button(old, rosa, oscar, client_of):
    lock(old, rosa)
    body = client_of(oscar).get(f"/snapshots/{old.pk}/").content.decode()
    assert "mark-unlock" not in body
    assert "mark-good" not in body
    assert "mark-about" in body


def test_a_locked_snapshot_that_is_gone_is_shown_first_thing(old, rosa, client_of):
    lock(old, rosa)
    old.gone_at = timezone.now()
    old.save(update_fields=["gone_at"])
    client = client_of(rosa)
    assert "It was locked here by Rosa" in text(client.get(f"/snapshots/{old.pk}/"))
    overview = text(client.get("/"))
    assert "1 locked snapshot is no longer listed by the provider" in overview
    assert "pre-upgrade web-1, Rosa: “the audit needs it”" in overview
    listed = client.get("/snapshots/?state=not-listed&mark=locked").context["listing"].rows
    assert listed == [old]


# -- known good -----------------------------------------------------------------------------------


def test_known_good_is_marked_shown_and_taken_back(old, rosa, client_of):
    client = client_of(rosa)
    send(client, f"/snapshots/{old.pk}/good/", words="all tests pass")
    page = text(client.get(f"/snapshots/{old.pk}/"))
    assert "Known good “all tests pass”, Rosa" in page
    page = text(client.get(f"/snapshots/{old.pk}/delete/"))
    assert "Rosa marked it as known good: “all tests pass”" in page
    send(client, f"/snapshots/{old.pk}/not-good/", words="the disk was full")
    page = text(client.get(f"/snapshots/{old.pk}/"))
    assert "Rosa took back that pre-upgrade of web-1 is known good: the disk was full" in page


# -- what it is for -------------------------------------------------------------------------------


@pytest.fixture
def described(old, oscar):
    operations.describe(
        old,
        actor=oscar,
        purpose="Before the move",
        ticket="https://tickets.example.com/OPS-7",
        owner="Vera",
        keep_until=timezone.localdate() + timedelta(days=30),
    )
    return fresh(old)


def test_an_operator_says_what_it_is_for(old, oscar, client_of):
    client, address = client_of(oscar), f"/snapshots/{old.pk}/about/"
    assert 'value="Oscar"' in client.get(address).content.decode()  # to choose as owner
    day = timezone.localdate() + timedelta(days=30)
    send(client, address, purpose="Before the move", keep_until=day.isoformat())
    assert fresh(old).keep_until == day
    assert form_on(client.get(address), address)["keep_until"] == day.isoformat()
    page = text(client.get(f"/snapshots/{old.pk}/"))
    assert "Purpose Before the move" in page
    assert "Oscar changed the purpose of pre-upgrade of web-1 from “” to “Before the move”" in page


def test_a_ticket_that_is_an_address_is_a_link(described, vera, client_of):
    body = client_of(vera).get(f"/snapshots/{described.pk}/").content.decode()
    assert '<a href="https://tickets.example.com/OPS-7" rel="nofollow">' in body


def test_it_can_be_said_when_the_snapshot_is_asked_for(web, oscar, client_of):
    client, address = client_of(oscar), f"/servers/{web.pk}/snapshots/new/"
    assert '<details class="more" id="about">' in client.get(address).content.decode()
    typed = {"purpose": "Before the move", "owner": "Vera", "keep_until": "2001-01-01"}
    answer = send(client, address, **typed)
    assert answer.status_code == 422
    assert "This day is over already." in text(answer)
    assert '<details class="more" id="about" open>' in answer.content.decode()
    assert send(client, address, **typed | {"keep_until": ""}).status_code == 303
    assert Operation.objects.get().about == {"purpose": "Before the move", "owner": "Vera"}


@pytest.mark.parametrize("words", ["the move", "OPS-7", "vera"])
def test_the_list_is_searched_by_it(described, rosa, client_of, words):
    rows = client_of(rosa).get("/snapshots/", {"q": words}).context["listing"].rows
    assert rows == [described]


def test_the_list_is_narrowed_by_marks(described, web, rosa, client_of):
    nightly = web.snapshots.get(name="nightly")
    operations.mark_good(nightly, actor=rosa, words="all tests pass")
    lock(described, rosa)
    client = client_of(rosa)

    def marked(word):
        return client.get("/snapshots/", {"mark": word}).context["listing"].rows

    assert (marked("locked"), marked("good")) == ([described], [nightly])
    assert (marked("kept"), marked("may-go")) == ([described], [])
    described.keep_until = timezone.localdate() - timedelta(days=1)
    described.save(update_fields=["keep_until"])
    assert (marked("kept"), marked("may-go")) == ([], [])  # a lock says otherwise
    operations.unlock(described, actor=rosa, words="the audit is over")
    assert (marked("kept"), marked("may-go")) == ([], [described])


def test_all_of_it_is_in_the_files(described, rosa, client_of):
    operations.mark_good(described, actor=rosa, words="all tests pass")
    lock(described, rosa)
    client = client_of(rosa)
    lines = b"".join(client.get("/snapshots/?format=csv&q=move").streaming_content).decode()
    [row] = csv.DictReader(io.StringIO(lines))
    assert (row["purpose"], row["owner"]) == ("Before the move", "Vera")
    assert row["keep_until"] == described.keep_until.isoformat()
    assert (row["locked_by"], row["lock_reason"]) == ("Rosa", "the audit needs it")
    [same] = json.loads(b"".join(client.get("/snapshots/?format=json&q=move").streaming_content))
    assert same["known_good_why"] == "all tests pass"
    assert same["locked_until"] is None


def test_marks_cost_the_list_no_query(web, rosa, client_of):
    client = client_of(rosa)
    for n in range(20):
        snapshot = a_snapshot(web, f"s{n}", purpose=f"p{n}", keep_until=date(2020, 1, 1))
        lock(snapshot, rosa)
    assert queries(client, "/snapshots/") <= 6


def test_when_the_day_has_passed_pages_say_that_it_may_go_and_delete_nothing(
    described, web, rosa, client_of
):
    described.keep_until = timezone.localdate() - timedelta(days=1)
    described.save(update_fields=["keep_until"])
    client = client_of(rosa)
    overview = text(client.get("/"))
    assert "1 snapshot was to be kept until a day that has passed" in overview
    assert "Completed May go" in text(client.get("/snapshots/"))
    server = text(client.get(f"/servers/{web.pk}/"))
    assert "Still needed? It was to be kept until" in server
    assert "Its owner: Vera." in server
    lock(described, rosa)
    assert "Still needed?" not in text(client.get(f"/servers/{web.pk}/"))
    assert "that has passed" not in text(client.get("/"))
    assert not Operation.objects.exists()


def test_what_is_to_be_kept_or_known_good_is_not_asked_about(web, old, rosa, client_of):
    made_here(web, rosa, "before-update", days=5, note="")
    settled = web.snapshots.get(name="before-update")
    assert QUESTION in page_of(web, rosa, client_of)
    operations.mark_good(settled, actor=rosa, words="all tests pass")
    assert QUESTION not in page_of(web, rosa, client_of)
