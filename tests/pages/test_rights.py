"""Who may open what. What may not be seen is not there; what may not be done says so."""

import pytest
from django.urls import get_resolver
from django.utils import timezone

from snapshots import invitations
from snapshots.models import (
    Batch,
    Event,
    Invitation,
    Lowering,
    Membership,
    Operation,
    Role,
    Snapshot,
    Tag,
    Webhook,
)
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation, text

PAGES = (
    "/accounts/{account}/",
    "/servers/{server}/",
    "/servers/{server}/figures/",
    "/snapshots/{snapshot}/",
    "/operations/{operation}/",
    "/batches/{batch}/",
    "/team/{team}/",
)
FORMS = {
    "/servers/{server}/snapshots/new/": "oscar",
    "/snapshots/{snapshot}/restore/": "rosa",
    "/snapshots/{snapshot}/delete/": "rosa",
    "/snapshots/{snapshot}/lock/": "rosa",
    "/snapshots/{snapshot}/unlock/": "rosa",
    "/snapshots/{snapshot}/good/": "rosa",
    "/snapshots/{snapshot}/not-good/": "rosa",
    "/snapshots/{snapshot}/about/": "oscar",
    "/accounts/{account}/token/": "alice",
    "/accounts/{account}/change/": "alice",
    "/accounts/{account}/remove/": "alice",
    "/webhooks/{webhook}/": "alice",
    "/team/{team}/name/": "alice",
    "/team/{team}/rules/": "alice",
    "/team/{team}/invite/": "alice",
    "/team/{team}/leave/": "vera",
    "/members/{member}/role/": "alice",
    "/members/{member}/remove/": "alice",
    "/members/{member}/suspend/": "alice",
    "/servers/{server}/tags/": "alice",
    "/servers/{server}/guard/": "alice",
    "/tags/{tag}/guard/": "alice",
    "/team/{team}/guard/": "alice",
    "/lowerings/{lowering}/": "alice",
}
ACTIONS = {
    "/accounts/{account}/pause/": "alice",
    "/accounts/{account}/resume/": "alice",
    "/accounts/{account}/look/": "vera",
    "/members/{member}/resume/": "alice",
    "/invitations/{invitation}/withdraw/": "alice",
    **{
        f"/webhooks/{{webhook}}/{verb}/": "alice"
        for verb in ("secret", "secret/old", "test", "on", "off", "resend", "remove")
    },
    "/servers/{server}/start/": "rosa",
    "/operations/{operation}/cancel/": "oscar",
    "/operations/{operation}/hold/": "oscar",
    "/operations/{operation}/release/": "oscar",
    "/operations/{operation}/approve/": "oscar",
    "/operations/{operation}/reject/": "oscar",
    "/operations/{operation}/emergency/": "oscar",
    "/operations/{operation}/verdict/": "oscar",
}
RECEIPTS = ("/operations/{operation}/receipt/", "/operations/{operation}/receipt.json")
OWN = tuple(
    f"/webhooks/{{own}}/{verb}"
    for verb in ("", "secret/", "secret/old/", "test/", "on/", "off/", "resend/", "remove/")
)
LISTS = ("/", "/accounts/", "/servers/", "/snapshots/", "/activity/", "/webhooks/")
HTMX = {"HX-Request": "true", "HX-Target": "results"}


@pytest.fixture
def things(team, alice, oscar, vera):
    """One of everything, each with a name that must not leak."""
    server = a_server(an_account(team, "canary-account"), "canary-server", address="canary-address")
    snapshot = a_snapshot(server, "canary-snapshot", description="canary-note")
    operation = an_operation("create", a_server(server.account, "canary-two"), "queued", oscar)
    webhook = Webhook.objects.create(
        team=team, name="canary-webhook", address="https://canary.example.com/"
    )
    own = Webhook.objects.create(
        team=team,
        member=Membership.objects.get(user=vera),
        name="canary-phone",
        address="https://canary.example.com/",
    )
    email = "canary@example.com"
    invitation, _secret = invitations.invite(team, Role.VIEWER, actor=alice, email=email)
    batch = Batch.objects.create(team=team, kind="create", asked_by_name="canary-person")
    return {
        "batch": batch.pk,
        "webhook": webhook.pk,
        "own": own.pk,
        "account": server.account_id,
        "server": server.pk,
        "snapshot": snapshot.pk,
        "operation": operation.pk,
        "team": team.pk,
        "member": Membership.objects.get(user=oscar).pk,
        "invitation": invitation.pk,
        "tag": Tag.objects.create(team=team, word="canary-tag").pk,
        "lowering": Lowering.objects.create(team=team, why="canary-why", asked_by=alice).pk,
    }


@pytest.fixture
def cast(alice, rosa, oscar, vera, mallory):
    return {person.name.lower(): person for person in (alice, rosa, oscar, vera, mallory)}


@pytest.mark.parametrize("address", PAGES)
@pytest.mark.parametrize("name", ["alice", "rosa", "oscar", "vera"])
def test_every_member_may_look(things, cast, client_of, address, name):
    assert client_of(cast[name]).get(address.format(**things)).status_code == 200


@pytest.mark.parametrize("address", [*PAGES, *FORMS, *ACTIONS, *RECEIPTS])
def test_to_a_stranger_it_is_not_there(things, cast, client_of, address):
    client = client_of(cast["mallory"])
    before = Event.objects.count()
    for headers in ({}, HTMX):
        got = client.get(address.format(**things), headers=headers)
        posted = client.post(address.format(**things), headers=headers)
        # A button's address leads to its page, whether there is one or not.
        assert got.status_code == (302 if address in ACTIONS else 404)
        assert posted.status_code in (404, 405)
        assert "canary" not in text(got) + text(posted)
    assert Operation.objects.count() == 1
    assert Event.objects.count() == before


@pytest.mark.parametrize("address", LISTS)
def test_lists_show_a_stranger_nothing(things, cast, client_of, address):
    client = client_of(cast["mallory"])
    for headers in ({}, HTMX):
        answer = client.get(address, {"server": things["server"]}, headers=headers)
        assert answer.status_code == 200
        assert "canary" not in text(answer)


@pytest.mark.parametrize("address", [*PAGES, *FORMS, *LISTS])
def test_without_a_sign_in_there_is_only_the_sign_in(things, client, address):
    answer = client.get(address.format(**things))
    assert answer.status_code == 302
    assert answer.url.startswith("/auth/login/")


@pytest.mark.parametrize("address", OWN)
@pytest.mark.parametrize("name", ["alice", "rosa", "oscar", "mallory"])
def test_a_webhook_of_ones_own_is_there_for_nobody_else(things, cast, client_of, address, name):
    posted = client_of(cast[name]).post(address.format(**things))
    assert posted.status_code == 404
    assert "canary-phone" not in text(posted)


@pytest.mark.parametrize("name", ["alice", "rosa", "oscar", "vera"])
def test_every_member_may_have_a_webhook_of_their_own(things, cast, client_of, name):
    assert client_of(cast[name]).get("/settings/messages/webhooks/new/").status_code == 200


@pytest.mark.parametrize(("address", "least"), [*FORMS.items(), *ACTIONS.items()])
def test_below_the_right_everything_is_refused_in_words(things, cast, client_of, address, least):
    ranks = ["vera", "oscar", "rosa", "alice"]
    for name in ranks[: ranks.index(least)]:
        client = client_of(cast[name])
        posted = client.post(address.format(**things), {})
        assert posted.status_code == 403
        assert "in Northwind. Alice can give you that right." in text(posted)
        if address in FORMS:
            assert client.get(address.format(**things)).status_code == 403
    assert Operation.objects.count() == 1


@pytest.mark.parametrize(("address", "least"), FORMS.items())
def test_with_the_right_the_form_opens(things, cast, client_of, address, least):
    assert client_of(cast[least]).get(address.format(**things)).status_code == 200


@pytest.mark.parametrize("address", [*PAGES, *FORMS, *LISTS])
def test_looking_changes_nothing(things, cast, client_of, address):
    client = client_of(cast["alice"])
    client.get("/")

    def everything():
        nouns = (Operation, Snapshot, Event, Membership, Invitation)
        return repr([list(noun.objects.values()) for noun in nouns])

    before = everything()
    client.get(address.format(**things))
    assert everything() == before


@pytest.mark.parametrize("pk", [0, 2**31, 2**63, 10**30])
@pytest.mark.parametrize("noun", ["accounts", "servers", "snapshots", "operations", "team"])
def test_an_id_that_cannot_be_is_not_there(alice, client_of, noun, pk):
    assert client_of(alice).get(f"/{noun}/{pk}/").status_code == 404


HOSTILE = '"><img src=x onerror=alert(1)><b hx-get=/x hx-trigger=load>\u202etxt'


def test_what_the_provider_says_is_shown_and_never_obeyed(team, rosa, client_of):
    account = an_account(team, HOSTILE, trouble=HOSTILE, company=HOSTILE, permissions=[HOSTILE])
    fields = ("hostname", "address", "location", "plan", "os", "status")
    server = a_server(account, HOSTILE, **dict.fromkeys(fields, HOSTILE[:60]))
    snapshot = a_snapshot(server, HOSTILE, description=HOSTILE, status=HOSTILE[:60])
    gone = a_snapshot(server, HOSTILE, gone_at=timezone.now())
    details = {"words": HOSTILE}
    operation = an_operation(
        "delete", server, "needs_person", rosa, snapshot=snapshot, reason="gone", details=details
    )
    refused = [{"server": server.pk, "snapshot": snapshot.pk, "name": HOSTILE, "why": HOSTILE}]
    batch = Batch.objects.create(
        team=team, kind="delete", asked_by_name=HOSTILE[:100], refused=refused
    )
    client = client_of(rosa)
    for address in (
        *LISTS,
        f"/accounts/{account.pk}/",
        f"/servers/{server.pk}/",
        f"/servers/{server.pk}/snapshots/new/",
        f"/servers/snapshots/new/?server={server.pk}",
        f"/snapshots/delete/?snapshot={snapshot.pk}",
        f"/batches/{batch.pk}/",
        f"/snapshots/{snapshot.pk}/",
        f"/snapshots/{snapshot.pk}/restore/",
        f"/snapshots/{snapshot.pk}/delete/",
        f"/snapshots/{gone.pk}/",
        f"/operations/{operation.pk}/",
        "/snapshots/?state=not-listed",
    ):
        body = client.get(address).content.decode()
        assert "<img" not in body.replace('<img src="/static/', ""), address
        assert "<b hx-get" not in body, address
        assert "\u202e" not in text(client.get(address)), address


def test_these_tables_know_every_address_with_an_id():
    known = {address.split("{")[0] for address in [*PAGES, *FORMS, *ACTIONS]}
    routes = [str(pattern.pattern) for pattern in get_resolver().url_patterns]
    with_id = [route for route in routes if "<int:pk>" in route and not route.startswith("auth")]
    tabled = {address.strip("/") for address in [*PAGES, *FORMS, *ACTIONS, *RECEIPTS]}
    for route in with_id:
        noun = route.split("/")[0]
        assert f"/{noun}/" in known
        words = route.replace(
            "<int:pk>", "{" + noun.replace("batches", "batch").removesuffix("s") + "}"
        ).strip("/")
        assert words in tabled, f"{route} is in none of the tables above"
