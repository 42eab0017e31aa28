"""The history: who did what to what, and what was refused."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from dashboard.views.activity import outcome
from snapshots import events
from tests.pages.factories import a_server, an_account, queries, text


def note(verb, server, actor=None, at=None, **data):
    with time_machine.travel(at or timezone.now(), tick=False):
        return events.record(
            events.Verb(verb),
            team=server.account.team,
            actor=actor,
            account=server.account,
            server=server,
            **data,
        )


def shown(response):
    return response.context["listing"].rows


def test_lines_are_sentences_grouped_by_day_newest_first(web, alice, oscar, client_of):
    today = timezone.now()
    note("create.asked", web, oscar, at=today - timedelta(days=2))
    note("create.succeeded", web, at=today)
    answer = client_of(alice).get("/activity/", {"server": web.pk})
    page = text(answer)
    assert page.index("is complete") < page.index("Oscar asked for the snapshot")
    assert answer.content.decode().count("<section") == 2


def test_refused_attempts_are_shown_too(web, alice, vera, client_of):
    client_of(vera).post(f"/servers/{web.pk}/snapshots/new/", {"name": "x"})
    page = text(client_of(alice).get("/activity/"))
    assert "Vera was refused: You may not take snapshots in Northwind." in page


def test_the_history_is_filtered_by_server_person_kind_and_time(web, alice, oscar, rosa, client_of):
    db = a_server(web.account, "db-1")
    now = timezone.now()
    note("create.asked", web, oscar, at=now - timedelta(days=5))
    note("restore.asked", db, rosa, at=now)
    client = client_of(alice)

    def verbs(**words):
        return [event.verb for event in shown(client.get("/activity/", words))]

    assert verbs(server=db.pk) == ["restore.asked"]
    assert verbs(person=oscar.pk) == ["create.asked"]
    assert verbs(kind="restore") == ["restore.asked"]
    assert set(verbs(kind="people")) == {"team.created", "member.added"}
    yesterday = (now - timedelta(days=1)).date().isoformat()
    assert "create.asked" in verbs(until=yesterday)
    assert "restore.asked" not in verbs(until=yesterday)
    assert verbs(since=yesterday, server=web.pk) == []


def test_days_begin_where_the_reader_is(web, alice, client_of):
    alice.time_zone = "Pacific/Auckland"
    alice.save()
    note("create.asked", web, alice, at=datetime(2026, 11, 20, 12, 30, tzinfo=UTC))
    client = client_of(alice)
    found = client.get("/activity/", {"since": "2026-11-21", "until": "2026-11-21"})
    assert len(shown(found)) == 1
    page = text(found)
    assert "Saturday, 21 November 2026" in page
    assert "Times in Pacific/Auckland." in page


def test_another_teams_names_in_the_address_are_ignored(web, alice, mallory, client_of):
    theirs = a_server(an_account(mallory.teams.get()), "their-server")
    note("create.asked", theirs, mallory)
    note("create.asked", web, alice)
    answer = client_of(alice).get("/activity/", {"server": theirs.pk, "person": mallory.pk})
    assert all(event.team == web.account.team for event in shown(answer))
    assert "their-server" not in text(answer)
    assert "Mallory" not in text(answer)


def test_what_concerns_accounts_and_people_is_for_those_who_may_read_it(
    web, alice, vera, client_of
):
    events.record(
        events.Verb.ACCOUNT_PAUSED, team=web.account.team, actor=alice, account=web.account
    )
    assert "paused Production" in text(client_of(alice).get("/activity/"))
    assert "paused Production" not in text(client_of(vera).get("/activity/"))


def test_long_histories_are_paged_and_cost_the_same(web, alice, client_of):
    client = client_of(alice)
    note("create.asked", web, alice)
    few = queries(client, "/activity/")
    for _ in range(120):
        note("create.asked", web, alice)
    assert queries(client, "/activity/") == few <= 6
    answer = client.get("/activity/")
    assert len(shown(answer)) == 100
    assert "Page 1 of 2" in text(answer)


def test_an_empty_history_says_what_will_stand_there(web, vera, client_of):
    client = client_of(vera)
    assert "Nothing has happened yet" in text(client.get("/activity/"))
    assert "No entry matches" in text(client.get("/activity/", {"kind": "restore"}))


def test_nonsense_in_the_address_is_ignored(web, alice, client_of):
    words = {"server": "x", "person": "-1", "kind": "nope", "since": "31.02.", "page": "zero"}
    assert client_of(alice).get("/activity/", words).status_code == 200


@pytest.mark.parametrize("query", ["until=9999-12-31", "since=0001-01-01", "since=9999-12-31"])
def test_days_beyond_all_time_find_what_there_is(alice, client_of, query):
    alice.time_zone = "Asia/Kathmandu"
    alice.save()
    assert client_of(alice).get(f"/activity/?{query}").status_code == 200


@pytest.mark.parametrize("verb", ["restore.held", "restore.released", "delete.start_now"])
def test_what_is_held_or_let_go_on_is_not_done(verb):
    assert outcome(verb) == "moving"
