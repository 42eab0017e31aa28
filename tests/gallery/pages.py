"""Every page and state, by a short name: who looks at what, and what they do there first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.utils.http import urlencode

from tests.gallery.scene import LONG_NAME, PASSWORD, Scene


class Shot(NamedTuple):
    """A page as `who` sees it; nobody is signed in if that is empty."""

    path: str
    who: str = "alice"
    first: Callable[[Any], None] | None = None


def send(page: Any, **typed: str) -> None:
    """Fill in what is named and send the page's main form."""
    for name, words in typed.items():
        page.fill(f"main [name={name}]", words)
    page.click("main form:has(.form-actions, [type=password]) button[type=submit] >> nth=0")
    page.wait_for_load_state()


def unproven(page: Any, then: Callable[[Any], None]) -> None:
    """As if it were long ago that they proved who they are."""
    cookies = {one["name"]: one["value"] for one in page.context.cookies()}
    session = SessionStore(cookies[settings.SESSION_COOKIE_NAME])
    proof = session.pop("proved")
    session.save()
    then(page)
    session["proved"] = proof
    session.save()


def proof_page(page: Any) -> None:
    page.goto("/auth/reauthenticate/?next=/auth/2fa/")


def press(page: Any, button: str) -> None:
    page.click(button)


def pages(scene: Scene) -> dict[str, Shot]:
    """The name is the file's. Pages that change something come last."""
    servers, operations = scene.servers, scene.operations
    northwind, labs = scene.teams["northwind"].pk, scene.teams["labs"].pk
    oscar = scene.teams["northwind"].memberships.get(user=scene.people["oscar"]).pk
    awaiting = operations["awaiting_approval restore wiki"].pk
    linked = scene.people["zoe"].socialaccount_set.get().pk
    live, stale = scene.accounts["live"].pk, scene.accounts["stale"].pk

    def snapshot(name: str, at: int = 0) -> int:
        return list(servers[name].snapshots.order_by("-created_at"))[at].pk

    def server(name: str, more: str = "") -> str:
        return f"/servers/{servers[name].pk}/{more}"

    several = urlencode({"server": [one.pk for one in servers.values()]}, doseq=True)
    ends = [snapshot("web-2", 1), snapshot("db-1", 2), snapshot("cache-1"), snapshot("wiki")]
    deletions = urlencode({"snapshot": ends}, doseq=True)
    signing = partial(send, login="alice@example.com")
    return {
        # empty
        "empty-overview": Shot("/", "emma"),
        "empty-servers": Shot("/servers/", "emma"),
        "empty-snapshots": Shot("/snapshots/", "emma"),
        "empty-activity": Shot("/activity/", "emma"),
        "empty-accounts": Shot("/accounts/", "emma"),
        "empty-figures": Shot("/figures/", "emma"),
        "empty-team": Shot("/team/", "emma"),
        "empty-webhooks": Shot("/webhooks/", "emma"),
        # lists
        "overview": Shot("/"),
        "overview-viewer": Shot("/", "vera"),
        "overview-paused": Shot("/", "finn"),
        "servers": Shot("/servers/"),
        "servers-filtered": Shot("/servers/?q=web&guard=careful"),
        "servers-none": Shot("/servers/?q=nothing-like-this"),
        "servers-viewer": Shot("/servers/", "vera"),
        "snapshots": Shot("/snapshots/"),
        "snapshots-none": Shot("/snapshots/?q=nothing-like-this"),
        "activity": Shot("/activity/"),
        "activity-none": Shot("/activity/?q=nothing-like-this"),
        "accounts": Shot("/accounts/"),
        "accounts-two-teams": Shot("/accounts/", "lena"),
        "figures": Shot("/figures/"),
        # one thing
        "server-running": Shot(server("web-1")),
        "server-restoring": Shot(server("web-2")),
        "server-full": Shot(server("db-1")),
        "server-restored": Shot(server("shop")),
        "server-doubt": Shot(server("mail-1")),
        "server-person": Shot(server("db-2"), "rosa"),
        "server-gaps": Shot(server("build-7")),
        "server-nothing": Shot(server("sandbox")),
        "server-long-name": Shot(server(LONG_NAME)),
        "server-stale": Shot(server("stage-1"), "finn"),
        "server-paused": Shot(server("lab-1"), "finn"),
        "server-refused-token": Shot(server("customer-204"), "finn"),
        "server-viewer": Shot(server("db-1"), "vera"),
        "server-tags": Shot(server("web-1", "tags/")),
        "server-guard": Shot(server("db-2", "guard/")),
        "server-sealed": Shot(server("build-7"), "rosa"),
        "server-figures": Shot(server("web-1", "figures/")),
        "snapshot": Shot(f"/snapshots/{snapshot('shop', 1)}/"),
        "snapshot-locked": Shot(f"/snapshots/{snapshot('db-1', 1)}/"),
        "lock": Shot(f"/snapshots/{snapshot('wiki')}/lock/", "rosa"),
        "lock-wrong": Shot(
            f"/snapshots/{snapshot('wiki')}/lock/", "rosa", partial(send, words=" ")
        ),
        "unlock": Shot(f"/snapshots/{snapshot('db-1', 1)}/unlock/", "rosa"),
        "known-good": Shot(f"/snapshots/{snapshot('wiki')}/good/", "rosa"),
        "about-snapshot": Shot(f"/snapshots/{snapshot('db-1')}/about/", "oscar"),
        "snapshot-busy": Shot(f"/snapshots/{snapshot('web-2')}/"),
        **{
            f"operation-{key.replace(' ', '-')[:40]}": Shot(
                f"/operations/{one.pk}/", "finn" if one.team_id == labs else "rosa"
            )
            for key, one in operations.items()
        },
        "approval-second": Shot(f"/operations/{awaiting}/", "adam"),
        "approval-wrong": Shot(f"/operations/{awaiting}/", "adam", partial(send, typed="web-1")),
        "approval-viewer": Shot(f"/operations/{awaiting}/", "vera"),
        "restore-guarded": Shot(f"/snapshots/{snapshot('wiki')}/restore/", "rosa"),
        "receipt-awaiting": Shot(f"/operations/{awaiting}/receipt/", "adam"),
        "batch": Shot(f"/batches/{scene.batch.pk}/"),
        # asking
        "take": Shot(server("db-2", "snapshots/new/")),
        "take-ready": Shot(server("shop", "snapshots/new/")),
        "take-full": Shot(server("db-1", "snapshots/new/")),
        "take-wrong": Shot(
            server("sandbox", "snapshots/new/"), "alice", partial(send, name="before update")
        ),
        "take-several": Shot(f"/servers/snapshots/new/?{several}"),
        "restore": Shot(f"/snapshots/{snapshot('shop', 1)}/restore/", "rosa"),
        "restore-open": Shot(f"/snapshots/{snapshot(LONG_NAME)}/restore/", "rosa"),
        "restore-full": Shot(f"/snapshots/{snapshot('db-1', 1)}/restore/", "rosa"),
        "restore-stale": Shot(f"/snapshots/{snapshot('stage-2')}/restore/", "finn"),
        "restore-wrong": Shot(
            f"/snapshots/{snapshot('wiki')}/restore/", "rosa", partial(send, typed="web-2")
        ),
        "delete": Shot(f"/snapshots/{snapshot('wiki')}/delete/", "rosa"),
        "delete-last": Shot(f"/snapshots/{snapshot('stage-2')}/delete/", "finn"),
        "delete-several": Shot(f"/snapshots/delete/?{deletions}", "rosa"),
        # accounts
        "account": Shot(f"/accounts/{live}/"),
        "account-stale": Shot(f"/accounts/{stale}/", "finn"),
        "account-key-lost": Shot(f"/accounts/{scene.accounts['key_lost'].pk}/", "finn"),
        "activity-sign-ins": Shot("/activity/?kind=sign-ins"),
        "account-paused": Shot(f"/accounts/{scene.accounts['paused'].pk}/", "finn"),
        "account-refused": Shot(f"/accounts/{scene.accounts['refused'].pk}/", "finn"),
        "account-viewer": Shot(f"/accounts/{live}/", "vera"),
        "connect": Shot("/accounts/new/"),
        "connect-wrong": Shot("/accounts/new/", "alice", partial(send, token="12")),
        "account-token": Shot(f"/accounts/{live}/token/"),
        "account-change": Shot(f"/accounts/{live}/change/"),
        "account-remove": Shot(f"/accounts/{live}/remove/"),
        "account-remove-free": Shot(f"/accounts/{scene.accounts['paused'].pk}/remove/", "finn"),
        # people
        "team": Shot(f"/team/{northwind}/"),
        "team-viewer": Shot(f"/team/{northwind}/", "vera"),
        "teams": Shot("/team/", "lena"),
        "team-new": Shot("/team/new/"),
        "team-name": Shot(f"/team/{northwind}/name/"),
        "team-rules": Shot(f"/team/{northwind}/rules/"),
        "tag-guard": Shot(f"/tags/{scene.lowering.tag_id}/guard/"),
        "lowering": Shot(f"/lowerings/{scene.lowering.pk}/"),
        "lowering-wrong": Shot(
            f"/lowerings/{scene.lowering.pk}/", "alice", partial(press, button="#reject")
        ),
        "lowering-mine": Shot(f"/lowerings/{scene.lowering.pk}/", "adam"),
        "team-leave": Shot(f"/team/{northwind}/leave/"),
        "team-leave-viewer": Shot(f"/team/{northwind}/leave/", "vera"),
        "member-role": Shot(f"/members/{oscar}/role/"),
        "member-remove": Shot(f"/members/{oscar}/remove/"),
        "member-suspend": Shot(f"/members/{oscar}/suspend/"),
        "invite": Shot(f"/team/{northwind}/invite/"),
        "invited": Shot(
            f"/team/{labs}/invite/", "finn", lambda page: (page.check("[value=viewer]"), send(page))
        ),
        "join": Shot(f"/join/{scene.secret}/", ""),
        "join-as-another": Shot(f"/join/{scene.secret}/", "finn"),
        "join-unknown": Shot("/join/nonsense/", ""),
        # being told, oneself, help
        "first-run-closed": Shot("/first/", ""),
        "settings": Shot("/settings/"),
        "messages": Shot("/settings/messages/", "lena"),
        "webhooks": Shot("/webhooks/"),
        "webhook-new": Shot("/webhooks/new/"),
        "webhook": Shot(f"/webhooks/{scene.webhook.pk}/"),
        "webhook-own-new": Shot("/settings/messages/webhooks/new/", "lena"),
        "webhook-own": Shot(f"/webhooks/{scene.own_webhook.pk}/", "lena"),
        "help": Shot("/help/"),
        # what opens
        "open-tray": Shot("/settings/", "alice", partial(press, button="#tray-button")),
        "open-me": Shot("/settings/", "alice", partial(press, button="#me-button")),
        "open-team": Shot("/settings/", "lena", partial(press, button="#team-button")),
        "open-keys": Shot("/settings/", "alice", lambda page: page.keyboard.press("?")),
        # signing in
        "sign-in": Shot("/auth/login/", ""),
        "sign-in-wrong": Shot("/auth/login/", "", partial(signing, password="wrong")),
        "sign-out": Shot("/auth/logout/"),
        "password-forgotten": Shot("/auth/password/reset/", ""),
        "password-change": Shot("/auth/password/change/"),
        "password-wrong": Shot(
            "/auth/password/change/",
            "alice",
            partial(send, oldpassword="wrong", password1="short", password2="other"),
        ),
        "address-change": Shot("/auth/email/"),
        "address-void": Shot("/auth/email/none/"),
        "proof": Shot(
            f"/snapshots/{snapshot('wiki')}/delete/",
            "rosa",
            partial(unproven, then=partial(send, typed="wiki")),
        ),
        "proof-of-all-kinds": Shot("/settings/", "zoe", partial(unproven, then=proof_page)),
        "signing-in": Shot("/auth/2fa/"),
        "signing-in-full": Shot("/auth/2fa/", "zoe"),
        "sign-on-remove": Shot(f"/auth/oidc/{linked}/remove/", "zoe"),
        "sessions": Shot("/auth/sessions/"),
        "app-on": Shot("/auth/2fa/totp/activate/"),
        "app-wrong": Shot("/auth/2fa/totp/activate/", "alice", partial(send, code="12")),
        "app-off": Shot("/auth/2fa/totp/deactivate/", "zoe"),
        "passkey-add": Shot("/auth/2fa/webauthn/add/"),
        "codes-new": Shot("/auth/2fa/recovery-codes/generate/", "zoe"),
        "codes": Shot("/auth/2fa/recovery-codes/", "zoe"),
        "second-factor": Shot(
            "/auth/login/", "", partial(send, login="zoe@example.com", password=PASSWORD)
        ),
        # no
        "403": Shot(f"/snapshots/{snapshot('shop')}/restore/", "vera"),
        "403-team": Shot(f"/team/{northwind}/invite/", "rosa"),
        "404": Shot("/nowhere/"),
        "429": Shot("/too-many/"),
        "500": Shot("/broken/"),
        "503": Shot("/silent/"),
    }


# The gallery of the documentation: picture, page, theme, width, height and language.
GALLERY = (
    ("overview", "overview", "light", 1280, 1040, "en"),
    ("servers-dark", "servers", "dark", 1280, 760, "en"),
    ("server-light", "server-restored", "light", 1280, 900, "en"),
    ("restore", "restore", "light", 720, 0, "en"),
    ("in-doubt-dark", "operation-in_doubt-create-mail-1", "dark", 1280, 620, "en"),
    ("needs-a-person", "operation-needs_person-restore-db-2", "light", 1280, 760, "en"),
    ("several", "take-several", "light", 1280, 1000, "en"),
    ("figures", "figures", "light", 1280, 1180, "en"),
    ("server-narrow-dark", "server-running", "dark", 360, 780, "en"),
    ("overview-narrow", "overview", "light", 360, 780, "en"),
    ("servers-arabic", "servers", "light", 1280, 700, "ar"),
    ("operation-narrow-arabic", "operation-running-restore-web-2", "light", 360, 780, "ar"),
)
