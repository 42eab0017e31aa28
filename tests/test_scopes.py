"""Who is limited to some accounts or tags: what they reach, what they are told, what is sent."""

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from snapshots import invitations, operations, permissions, tags, teams
from snapshots.errors import NotAllowed, Refused
from snapshots.events import sentence
from snapshots.models import (
    Account,
    Delivery,
    Event,
    Membership,
    Role,
    Scope,
    Server,
    Snapshot,
    State,
    Tag,
    User,
)
from snapshots.notices import wishes
from snapshots.notices.outbox import write_messages
from snapshots.teams import Only
from tests.conftest import fresh, member, restore, take
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation

LIMITABLE = (Role.VIEWER, Role.OPERATOR, Role.RESTORER)


def limit(person, actor, *, accounts=(), words=(), role=None):
    """Limit `person` to these accounts and tags, and read them anew as a request does."""
    theirs = person.memberships.get()
    team = theirs.team
    chosen = Only(list(accounts), list(Tag.objects.filter(team=team, word__in=words)))
    teams.change_role(theirs, Role(role or theirs.role), actor=actor, only=chosen)
    return User.objects.get(pk=person.pk)


@pytest.fixture
def other(server):
    """The other server of the same account, which nobody has tagged."""
    return Server.objects.select_related("account__team").get(account=server.account, name="db-1")


@pytest.fixture
def staging(team):
    return an_account(team, "Staging")


@pytest.fixture
def limited(server, other, staging, rosa, alice):
    """Rosa, who reaches web-1 by its tag and nothing else."""
    tags.set_tags(server, "web", actor=alice)
    return limit(rosa, alice, words=["web"])


QUERYSETS = [
    permissions.visible_servers,
    permissions.known_servers,
    permissions.visible_snapshots,
    permissions.known_snapshots,
    permissions.visible_operations,
]


def test_who_is_limited_to_a_tag_reaches_what_has_it(limited, server, other, staging, alice, oscar):
    a_snapshot(other)
    an_operation("create", other, "running", oscar)
    take(server, oscar)
    for rows in QUERYSETS:
        assert {str(getattr(row, "server", row)) for row in rows(limited)} == {"web-1"}, rows
        assert {str(getattr(row, "server", row)) for row in rows(alice)} == {"web-1", "db-1"}, rows
    assert list(permissions.visible_accounts(limited)) == [server.account]
    assert set(permissions.visible_accounts(alice)) == {server.account, staging}
    assert {event.server_id for event in permissions.visible_events(limited)} == {server.pk}


def test_who_is_limited_to_an_account_reaches_all_of_it_and_what_comes_later(
    server, other, staging, rosa, alice
):
    there = a_server(staging, "stage-1")
    rosa = limit(rosa, alice, accounts=[staging])
    assert list(permissions.visible_servers(rosa)) == [there]
    assert list(permissions.visible_accounts(rosa)) == [staging]
    later = a_server(staging, "stage-2")
    assert set(permissions.visible_servers(rosa)) == {there, later}


def test_accounts_and_tags_add_up(server, other, staging, rosa, alice):
    there = a_server(staging, "stage-1")
    tags.set_tags(server, "web", actor=alice)
    rosa = limit(rosa, alice, accounts=[staging], words=["web"])
    assert set(permissions.visible_servers(rosa)) == {server, there}


def test_a_scope_of_nothing_reaches_nothing(limited, server):
    Scope.objects.get().tags.clear()
    assert not permissions.visible_servers(limited).exists()
    assert not permissions.visible_accounts(limited).exists()
    assert not permissions.reaches(limited, server)


def test_what_is_asked_beyond_it_is_refused_and_says_who_can_change_that(limited, other):
    with pytest.raises(NotAllowed, match=r"Northwind does not reach so far. Alice can change that"):
        take(other, limited)


def test_what_is_within_it_can_be_asked(limited, server, snapshot):
    assert restore(snapshot, limited).state == State.QUEUED


def test_a_worker_that_claims_looks_again(stage, limited, server, alice, oscar):
    asked = take(server, limited)
    tags.set_tags(server, "", actor=alice)
    done = stage.send(asked)
    assert (done.state, done.reason) == (State.FAILED, "right_withdrawn")
    assert not [call for call in stage.provider.log if call["method"] == "POST"]


def test_a_worker_that_claims_sends_what_is_within_it(stage, limited, server):
    assert stage.send(take(server, limited)).state == State.RUNNING


def test_the_claim_asks_about_it_in_one_question(limited, server, other):
    for where, is_within in ((server, True), (other, False)):
        with CaptureQueriesContext(connection) as asked:
            answer = permissions.may_now(
                limited.pk, permissions.RESTORE, where.account.team_id, where.pk
            )
        assert (answer, len(asked)) == (is_within, 1)


def test_of_a_machine_that_is_busy_as_another_row_only_that_is_told(
    limited, server, staging, oscar
):
    there = a_server(staging, "web-1", remote_id=server.remote_id)
    an_operation("create", there, "running", oscar, name="secret", lock_key=server.lock_key)
    assert operations.busy(server) == "web-1 is busy. Please try again in a few minutes."


def test_a_wrongly_typed_name_is_called_another_server_only_if_they_reach_it(
    limited, snapshot, other, alice
):
    with pytest.raises(Refused) as refusal:
        restore(snapshot, limited, typed="db-1")
    assert "another of your servers" not in str(refusal.value)
    with pytest.raises(Refused, match="another of your servers"):
        restore(snapshot, alice, typed="db-1")


def test_what_somebody_else_typed_tells_them_of_no_other_server(limited, snapshot, other, alice):
    with pytest.raises(Refused, match="another of your servers"):
        restore(snapshot, alice, typed="db-1")
    (told,) = permissions.visible_events(limited).filter(verb="refused")
    assert "not the name of the server you are restoring" in sentence(told)
    assert "db-1" not in sentence(told)


# -- batches --------------------------------------------------------------------------------------


def test_a_batch_is_theirs_as_far_as_they_reach(limited, server, other, alice):
    from uuid import uuid4

    batch = operations.request_creates([server, other], actor=alice, request_key=uuid4())
    assert list(permissions.visible_batches(limited)) == [batch]
    elsewhere = operations.request_creates([other], actor=alice, request_key=uuid4())
    assert elsewhere not in permissions.visible_batches(limited)


def test_a_batch_asked_beyond_it_is_refused_line_by_line(limited, server, other):
    from uuid import uuid4

    batch = operations.request_creates([server, other], actor=limited, request_key=uuid4())
    assert [one.server for one in batch.operations.all()] == [server]
    assert [one["server"] for one in batch.refused] == [other.pk]


# -- being told -----------------------------------------------------------------------------------


@pytest.fixture
def listening(limited, settings):
    settings.EMAIL_IS_SENT = True
    wishes.choose(limited, limited.memberships.get().team, {"in_doubt": "everything"})
    return limited


def in_doubt(where, by):
    operation = an_operation("create", where, "in_doubt", by)
    from snapshots import events

    events.record(
        events.Verb.CREATE_IN_DOUBT,
        team=where.account.team,
        account=where.account,
        server=where,
        operation=operation,
        why="",
    )


def test_they_are_told_of_what_they_reach(listening, server, other, oscar, alice):
    in_doubt(server, oscar)
    in_doubt(other, oscar)
    write_messages()
    told = Delivery.objects.filter(user=listening)
    assert [row.event.server for row in told] == [server]
    assert Delivery.objects.filter(user=alice).count() == 2


def test_what_waits_is_not_sent_to_who_reaches_it_no_more(
    listening, server, oscar, alice, mailoutbox
):
    from snapshots.notices.delivery import deliver

    in_doubt(server, oscar)
    write_messages()
    tags.set_tags(server, "", actor=alice)
    deliver()
    row = Delivery.objects.get(user=listening)
    assert (row.state, row.trouble) == ("dropped", "not_a_member")
    assert [listening.email] not in [mail.to for mail in mailoutbox]


# -- who may limit whom ---------------------------------------------------------------------------


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OWNER])
def test_who_manages_people_reaches_everything(team, staging, rosa, alice, role):
    with pytest.raises(Refused, match="reaches everything in Northwind and cannot be limited"):
        limit(rosa, alice, accounts=[staging], role=role)
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.filter(user=rosa).update(role=role, scope=Scope.objects.create())


def test_a_limit_names_something_of_the_same_team(team, rosa, alice, mallory):
    with pytest.raises(Refused, match="Choose the accounts or tags"):
        limit(rosa, alice)
    theirs = an_account(mallory.teams.get(), "Elsewhere")
    with pytest.raises(Refused, match="not offered"):
        limit(rosa, alice, accounts=[theirs])
    assert rosa.memberships.get().scope is None


def test_a_limit_is_what_it_names_and_not_how_that_is_called(limited, team, alice):
    """Two accounts may have one name, and an account the name of a tag."""
    namesake = an_account(team, "#web")
    there = a_server(namesake, "mail-1")
    again = limit(limited, alice, accounts=[namesake])
    assert [one.name for one in permissions.visible_servers(again)] == [there.name]


def test_a_limit_is_told_in_the_history(limited, alice):
    teams.change_role(limited.memberships.get(), Role.RESTORER, actor=alice)
    told = [sentence(one) for one in Event.objects.order_by("-pk")[:2]]
    assert told == ["let Rosa reach everything", "limited Rosa to #web"]
    assert User.objects.get(pk=limited.pk).scopes == []


def test_a_scope_in_use_cannot_be_deleted_so_that_a_limit_never_falls_away(limited):
    with pytest.raises(Exception, match="protected"):
        Scope.objects.get().delete()


@pytest.mark.parametrize("role", LIMITABLE)
def test_who_is_limited_in_one_team_reaches_all_of_another(limited, server, other, role, mallory):
    elsewhere = a_server(an_account(mallory.teams.get()), "else-1")
    teams.add_member(mallory.teams.get(), limited, role)
    again = User.objects.get(pk=limited.pk)
    assert set(permissions.visible_servers(again)) == {server, elsewhere}
    assert set(permissions.visible_accounts(again)) == {server.account, elsewhere.account}


# -- tags -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("web prod", ["prod", "web"]),
        (" #Web,prod;  web ", ["prod", "web"]),
        ("eŭropo ويب", ["eŭropo", "ويب"]),
        ("", []),
    ],
)
def test_tags_are_read_as_people_type_them(typed, words):
    assert tags.read(typed) == words


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("we*b", "“we\\*b” cannot be a tag"),
        ("a" * 31, "has 31 characters; 30 fit"),
        (" ".join(f"t{n}" for n in range(11)), "These are 11 tags"),
        ("\u202ebew", "cannot be a tag"),
    ],
)
def test_a_tag_that_will_not_do_says_why(typed, why):
    with pytest.raises(Refused, match=why):
        tags.read(typed)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.RESTORER])
def test_only_who_may_tags_servers(team, server, role):
    with pytest.raises(NotAllowed, match=r"tag servers in Northwind. Alice can give"):
        tags.set_tags(server, "web", actor=member("Tom", role, team))


def test_tags_are_told_and_move_the_page(server, alice):
    before = fresh(server).revision
    tags.set_tags(server, "web prod", actor=alice)
    assert fresh(server).revision == Account.objects.get().revision > before
    tags.set_tags(server, "prod web", actor=alice)  # nothing changes
    tags.set_tags(server, "", actor=alice)
    told = [sentence(one) for one in Event.objects.order_by("-pk")[:2]]
    assert told == ["took the tags of web-1 away: prod, web", "tagged web-1: prod, web"]
    assert not Tag.objects.exists()


def test_a_tag_that_limits_somebody_stays_when_no_server_has_it(limited, server, alice):
    tags.set_tags(server, "", actor=alice)
    assert [tag.word for tag in Tag.objects.all()] == ["web"]
    assert not permissions.visible_servers(limited).exists()
    assert tags.limited_by_tags(server) == [limited.memberships.get()]


def test_a_tag_goes_with_the_last_that_needs_it(server, limited, team, alice):
    only = Only(tags=list(Tag.objects.all()))
    invitation, _secret = invitations.invite(team, Role.VIEWER, actor=alice, only=only)
    teams.change_role(limited.memberships.get(), Role.RESTORER, actor=alice)
    tags.set_tags(server, "", actor=alice)
    assert [tag.word for tag in Tag.objects.all()] == ["web"]  # the invitation is open
    invitations.withdraw(invitation, actor=alice)
    tags.set_tags(server, "db", actor=alice)
    assert [tag.word for tag in Tag.objects.all()] == ["db"]


def test_a_look_at_the_provider_leaves_tags_alone(stage, server, alice):
    tags.set_tags(server, "web", actor=alice)
    stage.look(server.account)
    assert tags.of(server) == ["web"]


def test_a_snapshot_that_they_do_not_reach_is_not_known_to_them(limited, other):
    hidden = a_snapshot(other)
    assert hidden not in permissions.known_snapshots(limited)
    assert Snapshot.objects.filter(pk=hidden.pk).exists()
