"""The tree of addresses: one list per resource."""

from __future__ import annotations

from allauth.mfa.webauthn.views import add_webauthn
from django.urls import include, path

from dashboard import proof, sign_on
from dashboard.factors import whole
from dashboard.views import (
    accounts,
    activity,
    address,
    approvals,
    batches,
    connecting,
    figures,
    first_run,
    guards,
    health,
    help,
    invitations,
    live,
    marks,
    messages,
    operations,
    overview,
    personal,
    receipts,
    rules,
    server_list,
    servers,
    sessions,
    sign_ons,
    snapshot_list,
    snapshots,
    tags,
    team,
    webhooks,
)

front = [
    path("", overview.page, name="overview"),
    path("help/", help.page, name="help"),
    path("figures/", figures.page, name="figures"),
]
provider_accounts = [
    path("accounts/", accounts.index, name="accounts"),
    path("accounts/new/", connecting.connect, name="connect_account"),
    path("accounts/<int:pk>/", accounts.page, name="account"),
    path("accounts/<int:pk>/look/", accounts.look, name="look_at_account"),
    path("accounts/<int:pk>/token/", connecting.replace, name="replace_token"),
    path("accounts/<int:pk>/change/", accounts.change, name="change_account"),
    path("accounts/<int:pk>/remove/", accounts.remove, name="remove_account"),
    path("accounts/<int:pk>/pause/", accounts.pause, name="pause_account"),
    path("accounts/<int:pk>/resume/", accounts.resume, name="resume_account"),
]
machines = [
    path("servers/", server_list.index, name="servers"),
    path("servers/snapshots/new/", batches.take, name="take_snapshots"),
    path("servers/<int:pk>/", servers.page, name="server"),
    path("servers/<int:pk>/snapshots/new/", servers.take, name="take_snapshot"),
    path("servers/<int:pk>/figures/", figures.of_server, name="server_figures"),
    path("servers/<int:pk>/start/", servers.start, name="start_server"),
    path("servers/<int:pk>/tags/", tags.change, name="server_tags"),
    path("servers/<int:pk>/guard/", guards.of_server, name="server_guard"),
]
copies = [
    path("snapshots/", snapshot_list.index, name="snapshots"),
    path("snapshots/delete/", batches.delete, name="delete_snapshots"),
    path("snapshots/<int:pk>/", snapshots.page, name="snapshot"),
    path("snapshots/<int:pk>/restore/", snapshots.restore, name="restore_snapshot"),
    path("snapshots/<int:pk>/delete/", snapshots.delete, name="delete_snapshot"),
    *(
        path(f"snapshots/<int:pk>/{name}/", marks.mark, {"name": name}, name=f"snapshot_{name}")
        for name in marks.MARKS
    ),
]
changes = [
    path("batches/<int:pk>/", batches.page, name="batch"),
    path("operations/<int:pk>/", operations.page, name="operation"),
    path("operations/<int:pk>/cancel/", operations.cancel, name="cancel_operation"),
    path("operations/<int:pk>/receipt/", receipts.page, name="receipt"),
    path("operations/<int:pk>/receipt.json", receipts.as_json, name="receipt_json"),
    path("operations/<int:pk>/hold/", operations.hold, name="hold_operation"),
    path("operations/<int:pk>/release/", operations.release, name="release_operation"),
    path("operations/<int:pk>/approve/", approvals.approve, name="approve_restore"),
    path("operations/<int:pk>/reject/", approvals.reject, name="reject_restore"),
    path("operations/<int:pk>/emergency/", approvals.break_glass, name="break_glass"),
    path("operations/<int:pk>/verdict/", operations.verdict, name="give_verdict"),
]
history = [
    path("activity/", activity.index, name="activity"),
]
watching = [
    path("live/", live.poll, name="live"),
]
personal_settings = [
    path("settings/", personal.settings, name="settings"),
    path("settings/theme/", personal.theme, name="theme"),
    path("settings/messages/", messages.index, name="messages"),
    path("settings/messages/webhooks/new/", webhooks.add_own, name="add_own_webhook"),
    path("settings/language/", personal.language, name="language"),
]
people = [
    path("team/", team.index, name="team_index"),
    path("team/new/", team.create, name="create_team"),
    path("team/chosen/", team.switch, name="choose_team"),
    path("team/<int:pk>/", team.page, name="team"),
    path("team/<int:pk>/name/", team.rename, name="rename_team"),
    path("team/<int:pk>/rules/", rules.page, name="team_rules"),
    path("team/<int:pk>/guard/", guards.of_team, name="team_guard"),
    path("tags/<int:pk>/guard/", guards.of_tag, name="tag_guard"),
    path("lowerings/<int:pk>/", guards.lowering, name="lowering"),
    path("team/<int:pk>/leave/", team.leave, name="leave_team"),
    path("team/<int:pk>/invite/", invitations.invite, name="invite"),
    path("members/<int:pk>/role/", team.role, name="change_role"),
    path("members/<int:pk>/remove/", team.remove, name="remove_member"),
    path("members/<int:pk>/suspend/", team.suspend, name="suspend_member"),
    path("members/<int:pk>/resume/", team.resume, name="resume_member"),
    path("invitations/<int:pk>/withdraw/", invitations.withdraw, name="withdraw_invitation"),
    path("join/", invitations.join, name="join"),
    path("join/<str:secret>/", invitations.open_link, name="open_invitation"),
    path("auth/reauthenticate/", proof.page, name="account_reauthenticate"),
    path("auth/reauthenticate/approve/", proof.approve, name="approve"),
    path("auth/2fa/reauthenticate/", proof.to_the_page, name="mfa_reauthenticate"),
    path(
        "auth/2fa/webauthn/reauthenticate/",
        proof.to_the_page,
        name="mfa_reauthenticate_webauthn",
    ),
    path("auth/2fa/webauthn/add/", whole(add_webauthn), name="mfa_add_webauthn"),
    path("auth/2fa/", sign_ons.Index.as_view(), name="mfa_index"),
    path("auth/2fa/", include("allauth.mfa.urls")),
    path("auth/sessions/", sessions.index, name="usersessions_list"),
    path("first/", first_run.begin, name="first_run"),
    path("first/<str:secret>/", first_run.open_link, name="open_first_run"),
    path("setup/", first_run.setup, name="setup"),
    path("setup/mail/", first_run.test_mail, name="test_mail"),
    path("setup/done/", first_run.done, name="setup_done"),
    path("auth/oidc/cancelled/", sign_on.failed, name="socialaccount_login_cancelled"),
    path("auth/oidc/error/", sign_on.failed, name="socialaccount_login_error"),
    path("auth/oidc/<int:pk>/remove/", sign_ons.remove, name="remove_sign_on"),
    path("auth/", include("allauth.socialaccount.providers.openid_connect.urls")),
    path("auth/email/", address.page, name="account_email"),  # theirs changes it unproved
    path("auth/email/<str:key>/", address.confirm, name="confirm_address"),
    path("auth/", include("allauth.account.urls")),
]
listeners = [
    path("webhooks/", webhooks.index, name="webhooks"),
    path("webhooks/new/", webhooks.add, name="add_webhook"),
    path("webhooks/<int:pk>/", webhooks.page, name="webhook"),
    path("webhooks/<int:pk>/secret/", webhooks.new_secret, name="new_webhook_secret"),
    path("webhooks/<int:pk>/secret/old/", webhooks.end_old_secret, name="end_old_secret"),
    path("webhooks/<int:pk>/test/", webhooks.test, name="test_webhook"),
    path("webhooks/<int:pk>/on/", webhooks.switch_on, name="switch_webhook_on"),
    path("webhooks/<int:pk>/off/", webhooks.switch_off, name="switch_webhook_off"),
    path("webhooks/<int:pk>/resend/", webhooks.resend, name="resend_message"),
    path("webhooks/<int:pk>/remove/", webhooks.remove, name="remove_webhook"),
]
machinery = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]

urlpatterns = [
    *watching,
    *front,
    *provider_accounts,
    *machines,
    *copies,
    *changes,
    *history,
    *personal_settings,
    *people,
    *listeners,
    *machinery,
]
handler404 = "dashboard.views.errors.not_found"
handler500 = "dashboard.views.errors.server_error"
