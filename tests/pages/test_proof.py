"""Whoever asks for what is for ever proves who they are, at most five minutes before."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.urls import URLPattern, URLResolver, get_resolver

from dashboard import proof
from snapshots import invitations
from snapshots.models import (
    Account,
    Lowering,
    Membership,
    Operation,
    Role,
    Server,
    Snapshot,
    Tag,
    Team,
    Webhook,
)
from snapshots.models import Invitation as Invited
from tests.pages.factories import a_server, a_snapshot, an_account, an_operation, form_on, text
from tests.pages.test_second_factor import code_of

PASSWORD = "correct horse battery"

# Every address that takes a POST is one or the other; a new one has to be put here or be `proven`.
HARMLESS = {
    # looks, choices of one's own, words
    "settings", "theme", "language", "messages", "choose_team", "rename_team", "change_account",
    "look_at_account", "snapshot_about", "snapshot_good", "snapshot_not-good", "snapshot_lock",
    "snapshot_unlock",
    # can be taken back, or end something that can be begun again
    "take_snapshots", "start_server", "cancel_operation", "hold_operation",
    "reject_restore", "pause_account",
    "resume_account", "create_team", "test_webhook",
    "resend_message", "switch_webhook_on", "switch_webhook_off", "remove_webhook",
    # before and while somebody signs in
    "first_run", "setup", "test_mail", "join", "account_login", "account_logout",
    "account_signup", "account_reset_password",
    "account_reset_password_from_key", "account_confirm_email", "account_confirm_login_code",
    "mfa_authenticate", "mfa_login_webauthn", "openid_connect_login", "openid_connect_callback",
    # asks for the password, or is the proof
    "account_change_password", "account_reauthenticate", "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    # the link was asked for with a proof
    "confirm_address",
    # only ends sessions
    "usersessions_list",
}  # fmt: skip
ONLY_READ = {
    "approve", "live", "overview", "help", "figures", "accounts", "account", "servers", "server",
    "server_figures", "snapshots", "snapshot", "batch", "operation", "activity", "team_index",
    "team", "open_invitation", "open_first_run", "setup_done",
    "webhooks", "healthz", "readyz", "mfa_index", "mfa_list_webauthn",
    "account_inactive", "account_email_verification_sent",
    "account_reset_password_done",
    "account_reset_password_from_key_done", "socialaccount_login_cancelled",
    "socialaccount_login_error", "receipt", "receipt_json",
}  # fmt: skip
DANGEROUS = {
    "restore_snapshot", "delete_snapshot", "delete_snapshots", "give_verdict", "connect_account",
    "take_snapshot", "approve_restore", "break_glass", "release_operation",
    "replace_token", "remove_account", "team_rules", "invite", "change_role", "remove_member",
    "suspend_member", "resume_member", "server_tags", "withdraw_invitation", "leave_team",
    "account_email", "server_guard", "tag_guard", "team_guard", "lowering",
    "remove_sign_on",
    "add_webhook",
    "add_own_webhook", "webhook", "new_webhook_secret", "end_old_secret",
} | proof.OF_ALLAUTH  # fmt: skip


def patterns(resolver: URLResolver):
    for one in resolver.url_patterns:
        if isinstance(one, URLPattern):
            yield one
        else:
            yield from patterns(one)


def test_every_address_says_whether_it_needs_a_proof():
    all_of_them = list(patterns(get_resolver()))
    marked = {one.name for one in all_of_them if getattr(one.callback, "needs_proof", False)}
    assert marked == DANGEROUS - proof.OF_ALLAUTH
    assert {one.name for one in all_of_them} == DANGEROUS | HARMLESS | ONLY_READ
    assert not DANGEROUS & (HARMLESS | ONLY_READ)


# -- the everyday restore -------------------------------------------------------------------------


@pytest.fixture
def rosa(rosa):
    rosa.set_password(PASSWORD)
    rosa.save()
    return rosa


@pytest.fixture
def alice(alice):
    alice.set_password(PASSWORD)
    alice.save()
    return alice


@pytest.fixture
def old(team) -> Snapshot:
    return a_snapshot(a_server(an_account(team)), "pre-upgrade", days=11)


def asked(client, address, **typed):
    """The page as it was filled in and sent, without a proof."""
    return client.post(address, form_on(client.get(address), address) | typed)


def test_two_pages_restore_and_the_second_says_what_is_approved(old, rosa, client_of):
    client, address = client_of(rosa, proves=False), f"/snapshots/{old.pk}/restore/"
    page = asked(client, address, typed="web-1")
    assert page.status_code == 401
    assert "Overwrite web-1 with pre-upgrade, for ever." in text(page)
    assert not Operation.objects.exists()
    sent = form_on(page, address)
    assert sent["typed"] == "web-1"
    answer = client.post(address, sent | {"proof_password": PASSWORD})
    restore = Operation.objects.get(kind="restore")
    assert (answer.status_code, answer.url) == (303, f"/operations/{restore.pk}/")
    assert restore.children.exists()  # the safety snapshot, which was ticked on the page before


def test_a_wrong_password_does_nothing_and_keeps_what_was_typed(old, rosa, client_of):
    client, address = client_of(rosa, proves=False), f"/snapshots/{old.pk}/restore/"
    page = asked(client, address, typed="web-1")
    again = client.post(address, form_on(page, address) | {"proof_password": "something else"})
    assert again.status_code == 401
    assert "That is not your password." in text(again)
    assert form_on(again, address)["typed"] == "web-1"
    assert not Operation.objects.exists()
    assert "Prove that it is you in one of these ways." in text(
        client.post(address, form_on(page, address))
    )


def test_a_proof_holds_for_five_minutes(old, rosa, client_of, time_machine):
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)
    client, address = client_of(rosa, proves=False), f"/snapshots/{old.pk}/restore/"
    page = asked(client, address, typed="web-2")
    sent = form_on(page, address)
    wrong = client.post(address, sent | {"proof_password": PASSWORD})
    assert "You typed “web-2”" in text(wrong) or wrong.status_code == 422
    time_machine.shift(299)
    assert asked(client, address, typed="web-2").status_code == 422
    time_machine.shift(2)
    assert asked(client, address, typed="web-2").status_code == 401


def test_a_sign_in_with_a_password_is_a_proof(old, rosa, client):
    client.post("/auth/login/", {"login": rosa.email, "password": PASSWORD})
    assert asked(client, f"/snapshots/{old.pk}/restore/", typed="web-1").status_code == 303


def test_somebody_elses_proof_is_none(old, rosa, alice, client_of):
    client = client_of(rosa, proves=False)
    session = client.session
    session["proved"] = [alice.pk, time.time()]
    session.save()
    assert asked(client, f"/snapshots/{old.pk}/restore/", typed="web-1").status_code == 401


def test_who_may_not_is_refused_before_any_proof(old, vera, mallory, client_of):
    address = f"/snapshots/{old.pk}/restore/"
    assert client_of(vera, proves=False).post(address, {"typed": "web-1"}).status_code == 403
    assert client_of(mallory, proves=False).post(address, {"typed": "web-1"}).status_code == 404


def test_a_fragment_sends_its_page_to_the_proof(old, rosa, client_of):
    answer = client_of(rosa, proves=False).post(
        f"/snapshots/{old.pk}/restore/",
        {"typed": "web-1"},
        headers={
            "HX-Request": "true",
            "HX-Current-URL": f"http://testserver/snapshots/{old.pk}/",
        },
    )
    assert answer.status_code == 401
    assert answer["HX-Redirect"] == f"/auth/reauthenticate/?next=%2Fsnapshots%2F{old.pk}%2F"


# -- the other ways to prove it -------------------------------------------------------------------


def test_a_code_from_the_app_proves_it_once(old, rosa, client_of, time_machine):
    time_machine.move_to("2026-11-23T14:02:00Z", tick=False)  # a code lasts half a minute
    secret = generate_totp_secret()
    TOTP.activate(rosa, secret)
    client, address = client_of(rosa, proves=False), f"/snapshots/{old.pk}/restore/"
    sent = form_on(asked(client, address, typed="web-1"), address)
    code = code_of(secret)
    assert client.post(address, sent | {"proof_code": code}).status_code == 303
    other = client_of(rosa, proves=False)
    assert other.post(address, sent | {"proof_code": code}).status_code == 401


def test_a_recovery_code_proves_it_once(old, rosa, client_of):
    TOTP.activate(rosa, generate_totp_secret())
    code = RecoveryCodes.activate(rosa).get_unused_codes()[0]
    address = f"/snapshots/{old.pk}/restore/"
    client = client_of(rosa, proves=False)
    sent = form_on(asked(client, address, typed="web-1"), address)
    assert client.post(address, sent | {"proof_code": code}).status_code == 303
    other = client_of(rosa, proves=False)
    assert other.post(address, sent | {"proof_code": code}).status_code == 401


def test_guesses_are_limited(old, rosa, client_of):
    client, address = client_of(rosa, proves=False), f"/snapshots/{old.pk}/restore/"
    for _ in range(10):
        client.post(address, {"proof_password": "a guess that is wrong"})
    told = client.post(address, {"proof_password": PASSWORD})
    assert told.status_code == 401
    assert "Too many tries." in text(told)


# -- everything else that needs one ---------------------------------------------------------------


def dangerous(alice, team, old, oscar) -> dict[str, tuple[str, dict[str, str], str]]:
    """Each with its address, what is sent, and the sentence that is approved."""
    batch = an_operation("create", old.server, "needs_person", alice)
    db = a_server(old.account, "db-1")
    held = an_operation("restore", db, "held", oscar, name="nightly")
    member = Membership.objects.get(user=oscar)
    invited, _secret = invitations.invite(team, Role.VIEWER, actor=alice)
    hook = Webhook.objects.create(team=team, name="Chat", address="https://chat.example.com/")
    tag = Tag.objects.create(team=team, word="prod")
    wish = Lowering.objects.create(team=team, why="w", asked_by=oscar, asked_by_name="Oscar")
    linked = SocialAccount.objects.create(user=alice, provider="sso", uid="17")
    return {
        "delete_snapshot": (
            f"/snapshots/{old.pk}/delete/",
            {"typed": "pre-upgrade"},
            "Delete the snapshot pre-upgrade of web-1, for ever.",
        ),
        "delete_snapshots": (
            "/snapshots/delete/",
            {"snapshot": str(old.pk)},
            "Delete 1 snapshot, for ever.",
        ),
        "give_verdict": (
            f"/operations/{batch.pk}/verdict/",
            {"happened": "no", "words": "I looked"},
            "Say for good that this did not happen:",
        ),
        "release_operation": (
            f"/operations/{held.pk}/release/",
            {},
            "Overwrite db-1 with nightly, for ever.",
        ),
        "connect_account": (
            "/accounts/new/",
            {"team": str(team.pk), "save": "1"},
            "Connect a provider account to Northwind.",
        ),
        "replace_token": (
            f"/accounts/{old.account_id}/token/",
            {"save": "1"},
            "Give Production another token.",
        ),
        "remove_account": (
            f"/accounts/{old.account_id}/remove/",
            {"typed": "Production"},
            "Remove Production and erase its token.",
        ),
        "invite": (
            f"/team/{team.pk}/invite/",
            {"role": "viewer", "reach": "everything", "email": "new@example.com"},
            "Invite new@example.com to Northwind as Viewer. They reach everything.",
        ),
        "change_role": (
            f"/members/{member.pk}/role/",
            {"role": "admin", "reach": "everything"},
            "Make Oscar Admin in Northwind. They reach everything.",
        ),
        "server_tags": (
            f"/servers/{old.server_id}/tags/",
            {"tags": "shop"},
            "Change the tags of web-1.",
        ),
        "take_snapshot": (  # only where another goes first
            f"/servers/{old.server_id}/snapshots/new/",
            {"name": "next", "going": str(old.pk), "typed_going": old.name},
            "Delete a snapshot of web-1, for ever, and take another.",
        ),
        "team_rules": (
            f"/team/{team.pk}/rules/",
            {"seconds": "0"},
            "Change the rules of Northwind.",
        ),
        "server_guard": (
            f"/servers/{old.server_id}/guard/",
            {"guard": "open"},
            "Change the guard level of web-1.",
        ),
        "tag_guard": (
            f"/tags/{tag.pk}/guard/",
            {"guard": "open"},
            "Change the guard level of #prod.",
        ),
        "team_guard": (
            f"/team/{team.pk}/guard/",
            {"guard": "open"},
            "Change the guard level of Northwind.",
        ),
        "lowering": (
            f"/lowerings/{wish.pk}/",
            {"decision": "reject", "words": "No"},
            "Decide about the guard level of Northwind.",
        ),
        "suspend_member": (
            f"/members/{member.pk}/suspend/",
            {},
            "Suspend Oscar in Northwind, and end their sessions.",
        ),
        "resume_member": (
            f"/members/{member.pk}/resume/",
            {},
            "Let Oscar into Northwind again.",
        ),
        "withdraw_invitation": (
            f"/invitations/{invited.pk}/withdraw/",
            {},
            "Withdraw the invitation to join Northwind as Viewer.",
        ),
        "leave_team": (f"/team/{team.pk}/leave/", {}, "Leave Northwind."),
        "account_email": (
            "/auth/email/",
            {"email": "alice@new.example"},
            "Sign in with alice@new.example from now on, no longer with alice@example.com.",
        ),
        "remove_sign_on": (
            f"/auth/oidc/{linked.pk}/remove/",
            {},
            "Sign in by single sign-on no more.",
        ),
        "remove_member": (f"/members/{member.pk}/remove/", {}, "Take Oscar out of Northwind."),
        "add_webhook": (
            "/webhooks/new/",
            {"team": str(team.pk), "name": "Pager", "address": "https://example.com/"},
            "Add a webhook, which is told what happens: Pager",
        ),
        "add_own_webhook": (
            "/settings/messages/webhooks/new/",
            {"team": str(team.pk), "name": "Mine", "address": "https://example.com/"},
            "Add a webhook, which is told what happens: Mine",
        ),
        "webhook": (
            f"/webhooks/{hook.pk}/",
            {"name": "Chat"},
            "Change where or of what Chat is told.",
        ),
        "new_webhook_secret": (
            f"/webhooks/{hook.pk}/secret/",
            {},
            "Make another secret for Chat.",
        ),
        "end_old_secret": (
            f"/webhooks/{hook.pk}/secret/old/",
            {},
            "End the old secret of Chat.",
        ),
    }


def everything() -> list[list[dict]]:
    """What all of that could change."""
    kinds = (Operation, Server, Snapshot, Account, Membership, Webhook, Invited, Team, Tag)
    kinds = (*kinds, Lowering, SocialAccount)
    return [list(kind.objects.order_by("pk").values()) for kind in kinds]


def test_a_session_alone_changes_nothing_that_matters(alice, team, old, oscar, client_of):
    table = dangerous(alice, team, old, oscar)
    elsewhere = {"restore_snapshot", "approve_restore", "break_glass"}  # test_approvals.py
    assert set(table) == DANGEROUS - proof.OF_ALLAUTH - elsewhere
    client, before = client_of(alice, proves=False), everything()
    for name, (address, sent, sentence) in table.items():
        page = client.post(address, sent)
        assert (name, page.status_code) == (name, 401)
        assert sentence in text(page), name
        carried = form_on(page, address)
        assert carried | sent == carried, name
    assert everything() == before


def test_how_far_somebody_is_to_reach_is_approved_too(alice, team, old, oscar, client_of):
    tag = Tag.objects.create(team=team, word="shop")
    client, member = client_of(alice, proves=False), Membership.objects.get(user=oscar)
    limit = {"role": "restorer", "reach": "only", "accounts": old.account_id, "tags": tag.pk}
    page = client.post(f"/members/{member.pk}/role/", limit)
    words = "They reach only: Production, #shop."
    assert f"Make Oscar Restorer in Northwind. {words}" in text(page)
    page = client.post(f"/team/{team.pk}/invite/", limit)
    assert f"Make a link with which somebody joins Northwind as Restorer. {words}" in text(page)
    assert form_on(page, f"/team/{team.pk}/invite/")["tags"] == str(tag.pk)


def test_the_pages_that_show_or_change_second_factors_ask_first(alice, client_of):
    client = client_of(alice, proves=False)
    for address in (
        "totp/activate/",
        "webauthn/add/",
        "recovery-codes/",
        "recovery-codes/generate/",
    ):
        answer = client.get(f"/auth/2fa/{address}")
        assert answer.status_code == 302
        assert answer.url.startswith("/auth/reauthenticate/?next=%2Fauth%2F2fa%2F")
    there = client.post(answer.url, {"proof_password": PASSWORD})
    assert there.url == "/auth/2fa/recovery-codes/generate/"
    assert client.get("/auth/2fa/totp/activate/").status_code == 200


def test_the_proof_leads_to_no_other_site(alice, client_of):
    client = client_of(alice, proves=False)
    for evil in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        answer = client.post("/auth/reauthenticate/", {"proof_password": PASSWORD, "next": evil})
        assert answer.url == "/auth/2fa/"


@pytest.mark.parametrize("kept", ["", "%00", "made-up", "x" * 300, "%F0%9F%94%91"])
def test_what_waits_is_found_by_its_own_key_alone(alice, client_of, kept):
    answer = client_of(alice).get(f"/auth/reauthenticate/approve/?kept={kept}", follow=True)
    assert "Nothing was done." in text(answer)


def test_secrets_are_not_carried_along(alice, old, client_of):
    page = client_of(alice, proves=False).post(
        f"/accounts/{old.account_id}/token/", {"token": "vps_secret_of_hers", "save": "1"}
    )
    assert page.status_code == 401
    assert "vps_secret_of_hers" not in page.content.decode()
    assert "secrets do not" in text(page)
