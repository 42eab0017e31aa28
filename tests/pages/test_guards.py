"""Guard levels on the pages: a shield, what is blocked and who can lift it, how one is set."""

import pytest

from snapshots.models import Account, Guard, Lowering, Operation, Role, Tag
from tests.conftest import fresh, member
from tests.operations.test_guards import say
from tests.pages.factories import (
    a_snapshot,
    an_operation,
    form_on,
    text,
)

SEALED = "web-1 is sealed (set on this server by Alice): it is not restored"


def addresses(snapshot):
    here = f"/snapshots/{snapshot.pk}/"
    return f"{here}restore/", f"{here}delete/"


# -- what is blocked ------------------------------------------------------------------------------


def test_a_server_wears_its_level_as_a_shield_with_a_word(web, vera, client_of):
    client = client_of(vera)
    for guard in Guard:
        say(web, guard)
        page = client.get(f"/servers/{web.pk}/").content.decode()
        badges = [one for one in page.split("<span") if "glyph-shield" in one]
        assert badges
        assert all(str(guard.label) in one for one in badges)


def test_of_a_sealed_server_every_page_says_why_and_nothing_leads_to_a_restore(
    web, old, rosa, client_of
):
    say(web, "sealed")
    client = client_of(rosa)
    ways = [f'href="{one}"' for one in addresses(old)]
    for address in (f"/servers/{web.pk}/", f"/snapshots/{old.pk}/"):
        answer = client.get(address)
        assert text(answer).count(SEALED) == 1
        assert not any(way in answer.content.decode() for way in ways)
    for address in addresses(old):
        answer = client.get(address)
        assert SEALED in text(answer)
        assert f'action="{address}"' not in answer.content.decode()
        assert SEALED in text(client.post(address, {"typed": old.name}))
    assert not Operation.objects.exists()


def test_nor_to_an_undo_or_to_making_room(web, old, rosa, client_of):
    for number in range(4):
        a_snapshot(web, f"more-{number}")
    at = old.created_at
    done = an_operation("restore", web, "succeeded", rosa, snapshot=old, ended_at=at)
    safety = {"snapshot": web.snapshots.last(), "parent": done, "ended_at": at}
    an_operation("create", web, "succeeded", rosa, **safety)
    Account.objects.update(complete_pass_at=web.snapshots.last().created_at)
    client, pages = (
        client_of(rosa),
        (f"/operations/{done.pk}/", f"/servers/{web.pk}/snapshots/new/"),
    )
    before = [client.get(one).content.decode() for one in pages]
    say(web, "sealed")
    after = [client.get(one) for one in pages]
    for way, was, now in zip(('id="undo"', 'name="going"'), before, after, strict=True):
        assert way in was
        assert way not in now.content.decode()
        assert SEALED in text(now)


def test_on_an_open_server_no_name_is_asked_for(web, old, rosa, client_of):
    say(web, "open")
    client = client_of(rosa)
    restoring, deleting = addresses(old)
    page = client.get(restoring)
    assert "No name has to be typed: this server is open." in text(page)
    assert "Everything written to its disk since then is lost." in text(page)
    sent = form_on(page, restoring)
    assert "typed" not in sent
    assert client.post(restoring, sent).status_code == 303
    Operation.objects.filter(parent=None).update(state="cancelled")
    sent = form_on(client.get(deleting), deleting)
    say(web, "careful")
    answer = client.post(deleting, sent)
    assert "Please type pre-upgrade to confirm." in text(answer)
    assert "typed" in form_on(answer, deleting)


# -- how one is set -------------------------------------------------------------------------------


@pytest.fixture
def adam(team):
    return member("Adam", Role.ADMIN, team)


def test_whoever_sets_the_rules_seals_a_server_from_its_page(web, alice, adam, client_of):
    client, address = client_of(alice), f"/servers/{web.pk}/guard/"
    assert address in client.get(f"/servers/{web.pk}/").content.decode()
    page = client.get(address)
    assert "As everything of Northwind, unless somebody says otherwise" in text(page)
    assert "A restore: not from here." in text(page)
    answer = client.post(address, {"guard": "sealed"})
    assert (answer.status_code, answer.url) == (303, f"/servers/{web.pk}/")
    assert "Set on this server by Alice" in text(client.get(answer.url))


def test_who_may_not_sees_the_level_and_no_way_to_change_it(web, rosa, client_of):
    client = client_of(rosa)
    assert f"/servers/{web.pk}/guard/" not in client.get(f"/servers/{web.pk}/").content.decode()
    assert "You may not set the rules" in text(client.get(f"/servers/{web.pk}/guard/"))


def test_the_rules_tell_of_the_team_its_tags_and_servers_of_their_own(web, team, alice, client_of):
    prod = Tag.objects.create(team=team, word="prod", guard="guarded", guard_by_name="Alice")
    say(web, "open")
    client, rules = client_of(alice), f"/team/{team.pk}/rules/"
    page = text(client.get(rules))
    for words in ("Everything of Northwind Careful", "prod Guarded Alice", "web-1 Open Alice"):
        assert words in page
    for thing, address in ((team, f"/team/{team.pk}/guard/"), (prod, f"/tags/{prod.pk}/guard/")):
        assert address in client.get(rules).content.decode()
        assert client.get(address).status_code == 200
        assert client.post(address, {"guard": "open", "why": "x"}).status_code in (303, 422)
        assert fresh(thing).guard in ("open", "guarded")


def test_a_refusal_keeps_what_was_chosen_and_typed(web, alice, client_of):
    address = f"/servers/{web.pk}/guard/"
    answer = client_of(alice).post(address, {"guard": "sealed", "why": "The audit"})
    assert answer.status_code == 422
    assert "To go below guarded takes two people" in text(answer)
    sent = form_on(answer, address)
    assert (sent["guard"], sent["why"]) == ("sealed", "The audit")


def test_what_takes_two_waits_on_pages_until_the_second_has_decided(
    web, team, alice, adam, client_of
):
    say(web, "guarded")
    hers, his = client_of(alice), client_of(adam)
    answer = hers.post(f"/servers/{web.pk}/guard/", {"guard": "careful", "why": "The migration"})
    wish = Lowering.objects.get()
    there = f"/lowerings/{wish.pk}/"
    assert (answer.status_code, answer.url) == (303, there)
    said = "The guard level of web-1: from Guarded to Careful Alice asks for it: The migration"
    for address in ("/", f"/team/{team.pk}/rules/"):
        assert said in text(his.get(address))
    for thing in (f"/servers/{web.pk}/guard/", f"/team/{team.pk}/guard/"):
        assert (said in text(his.get(thing))) == ("servers" in thing)
    assert "You can take it back." in text(hers.get(there))
    assert 'id="approve"' not in hers.get(there).content.decode()
    refused = hers.post(there, {"decision": "approve"})
    assert "You asked for this yourself." in text(refused)
    assert "Please approve it or reject it." in text(his.post(there, {}))
    assert "Please say why" in text(his.post(there, {"decision": "reject"}))
    assert "Servers it concerns web-1" in text(his.get(there))
    assert his.post(there, {"decision": "approve"}).url == there
    assert fresh(web).guard == "careful"
    assert "Approved: Adam" in text(hers.get(there))
    assert said not in text(his.get("/"))


def test_of_one_that_was_rejected_or_came_too_late_the_page_says_so(web, alice, adam, client_of):
    say(web, "guarded")
    client = client_of(alice)
    client.post(f"/servers/{web.pk}/guard/", {"guard": "", "why": "The migration"})
    wish = Lowering.objects.get()
    Lowering.objects.update(expires_at=wish.created_at)
    page = client.get(f"/lowerings/{wish.pk}/")
    assert "Nobody approved it in time." in text(page)
    assert '<form method="post" action="/lowerings' not in page.content.decode()
    client.post(f"/servers/{web.pk}/guard/", {"guard": "open", "why": "The migration"})
    again = Lowering.objects.latest("pk")
    client.post(f"/lowerings/{again.pk}/", {"decision": "reject", "words": "Not needed"})
    assert "Rejected: Alice" in text(client.get(f"/lowerings/{again.pk}/"))
    assert "Not needed" in text(client.get(f"/lowerings/{again.pk}/"))
