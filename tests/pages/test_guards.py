"""Guard levels on the pages: a shield, what is blocked and who can lift it, how one is set."""

import pytest

from snapshots.models import Account, Guard, Operation
from tests.operations.test_guards import say
from tests.pages.factories import (
    a_server,
    a_snapshot,
    an_account,
    an_operation,
    form_on,
    text,
)

SEALED = "web-1 is sealed (set on this server by Alice): it is not restored"


@pytest.fixture
def web(team):
    return a_server(an_account(team))


@pytest.fixture
def old(web):
    return a_snapshot(web, "pre-upgrade", days=11)


def addresses(snapshot):
    here = f"/snapshots/{snapshot.pk}/"
    return f"{here}restore/", f"{here}delete/"


# -- what is blocked ------------------------------------------------------------------------------


def test_a_server_wears_its_level_as_a_shield_with_a_word(web, vera, client_of):
    client = client_of(vera)
    for guard in Guard:
        say(web, guard)
        page = client.get(f"/servers/{web.pk}/").content.decode()
        [badge] = [one for one in page.split("<span") if "glyph-shield" in one]
        assert str(guard.label) in badge


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
