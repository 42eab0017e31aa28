"""What holds for every request: sign-in by default, headers, refusals in words."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client, override_settings
from django.urls import get_resolver, path

from dashboard.urls import handler500 as handler500
from dashboard.urls import urlpatterns as ours
from snapshots.errors import NotAllowed, Refused

HTMX = {"HX-Request": "true"}


def refuse(request: Any) -> None:
    raise Refused("web-1 is busy <b>")


def forbid(request: Any) -> None:
    raise NotAllowed("You may not restore servers in Northwind. Alice can give you that right.")


def lose_database(request: Any) -> None:
    raise OperationalError("database is locked")


def fail(request: Any) -> None:
    raise RuntimeError("secret detail")


urlpatterns = [
    *ours,
    path("refuse/", refuse),
    path("forbid/", forbid),
    path("lose/", lose_database),
    path("fail/", fail),
]
with_failing_views = override_settings(ROOT_URLCONF="tests.pages.test_middleware")


# -- sign-in --------------------------------------------------------------------------------------

OPEN = {"healthz", "readyz", "account_login", "account_signup", "account_inactive"} | {
    "join",
    "open_invitation",
    "first_run",
    "open_first_run",
    "mfa_login_webauthn",
    "mfa_authenticate",
    "openid_connect_login",
    "openid_connect_callback",
    "socialaccount_login_cancelled",
    "socialaccount_login_error",
}


def test_a_page_leads_to_the_sign_in_and_back(client, db):
    response = client.get("/settings/?a=b")
    assert response.status_code == 302
    assert response["Location"] == "/auth/login/?next=/settings/%3Fa%3Db"


def test_a_fragment_sends_the_whole_page_there_and_back_to_the_page(client, db):
    here = "http://testserver/settings/?tab=2"
    response = client.get("/live/?scope=shell", headers=HTMX | {"HX-Current-URL": here})
    assert response.status_code == 401
    assert response["HX-Redirect"] == "/auth/login/?next=%2Fsettings%2F%3Ftab%3D2"
    assert response.content == b""


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "http://testserver@evil.example/",
        "http://testserver.evil.example/",
        "http:///evil.example/",
        "///evil.example",
        "\\\\evil.example",
        "/\\evil.example",
        "http://testserver//evil.example/",
        "http://testserver/\\evil.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "http://testserver:99999/x",
        "http://[::1/",
        "\thttps://evil.example/",
        "",
    ],
)
def test_no_way_out_through_the_current_address(client, db, elsewhere):
    response = client.get("/live/?scope=shell", headers=HTMX | {"HX-Current-URL": elsewhere})
    assert response.status_code == 401
    target = response["HX-Redirect"]
    assert target.startswith("/auth/login/")
    assert "evil" not in target and "script" not in target


@pytest.mark.parametrize(
    "payload",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)"],
)
def test_no_way_out_through_next(alice, payload):
    alice.set_password("a long enough password")
    alice.save()
    client = Client()
    response = client.post(
        "/auth/login/",
        {"login": alice.email, "password": "a long enough password", "next": payload},
    )
    assert response.status_code == 302
    assert "evil" not in response["Location"] and "script" not in response["Location"]


def test_the_same_sentence_for_an_unknown_person_and_a_wrong_password(alice):
    alice.set_password("a long enough password")
    alice.save()

    def answer(login: str) -> str:
        page = Client().post("/auth/login/", {"login": login, "password": "wrong wrong wrong"})
        return "".join(page.context["form"].non_field_errors())

    assert answer(alice.email) == answer("nobody@example.com") != ""


def test_every_view_but_the_open_ones_asks_for_a_sign_in(client, db):
    asked = 0
    for name in get_resolver().reverse_dict:
        if not isinstance(name, str) or name in OPEN or name.startswith("account_"):
            continue
        for pattern, keys in [(p, k) for p, k in get_resolver().reverse_dict.getlist(name)[0][0]]:
            address = "/" + pattern % dict.fromkeys(keys, 1)
            assert client.get(address).status_code in {302, 405}, address
            assert client.get(address, headers=HTMX).status_code in {401, 405}, address
            asked += 1
    assert asked >= 3


def test_signing_out_empties_the_browser(alice, client_of):
    response = client_of(alice).post("/auth/logout/")
    assert response.status_code == 302
    assert response["Clear-Site-Data"] == '"cache", "storage"'


def test_signing_out_needs_a_post(alice, client_of):
    client = client_of(alice)
    assert client.get("/auth/logout/").status_code == 200
    assert client.get("/settings/").status_code == 200


def test_nobody_signs_up(client, db):
    assert "invitation" in client.get("/auth/signup/").content.decode()


# -- headers --------------------------------------------------------------------------------------


@with_failing_views
@pytest.mark.parametrize(
    "address",
    [
        *("/settings/", "/auth/login/", "/nowhere/", "/fail/", "/forbid/", "/refuse/", "/lose/"),
        *("/healthz", "/static/css/holdfast.css", "/live/?scope=shell"),
    ],
)
@pytest.mark.parametrize("is_fragment", [False, True])
def test_every_answer_carries_the_headers(alice, address, is_fragment, client_of):
    client = client_of(alice) if address != "/auth/login/" else Client()
    client.raise_request_exception = False
    response = client.get(address, headers=HTMX if is_fragment else {})
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]
    if not address.startswith("/static/"):
        assert "no-store" in response["Cache-Control"]
        assert response["X-Frame-Options"] == "DENY"
    if "html" in response.get("Content-Type", ""):
        assert "HX-Request" in response["Vary"]


# -- refusals -------------------------------------------------------------------------------------


@with_failing_views
def test_a_refusal_is_a_page_in_words(alice, client_of):
    response = client_of(alice).get("/refuse/")
    assert response.status_code == 409
    assert "web-1 is busy &lt;b&gt;" in response.content.decode()


@with_failing_views
@pytest.mark.parametrize(("address", "status"), [("/refuse/", 409), ("/forbid/", 403)])
def test_in_a_fragment_it_is_a_flash_and_nothing_is_replaced(alice, client_of, address, status):
    response = client_of(alice).get(address, headers=HTMX)
    html = response.content.decode()
    assert response.status_code == status
    assert response["HX-Reswap"] == "none"
    assert 'hx-swap-oob="beforeend"' in html
    assert "is busy" in html or "You may not" in html
    assert "<html" not in html


@with_failing_views
def test_a_missing_right_says_which_and_who_can_give_it(alice, client_of):
    response = client_of(alice).get("/forbid/")
    assert response.status_code == 403
    assert "Alice can give you that right." in response.content.decode()


@with_failing_views
def test_a_lost_database_is_503_in_words(alice, client_of):
    client = client_of(alice)
    client.raise_request_exception = False
    response = client.get("/lose/")
    assert response.status_code == 503
    assert response["Retry-After"]
    assert "locked" not in response.content.decode()


@with_failing_views
def test_an_error_of_ours_shows_no_detail(alice, client_of):
    client = client_of(alice)
    client.raise_request_exception = False
    response = client.get("/fail/")
    assert response.status_code == 500
    assert "secret" not in response.content.decode()


def test_a_stale_form_is_told_to_go_back(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    response = client.post("/settings/", {"name": "x"})
    assert response.status_code == 403
    assert "nothing was done" in response.content.decode()
    fragment = client.post("/settings/", {"name": "x"}, headers=HTMX)
    assert fragment.status_code == 403
    assert fragment["HX-Reswap"] == "none"


def test_a_foreign_origin_is_refused(alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    token = client.get("/settings/").cookies["csrftoken"].value
    own = {"X-CSRFToken": token}
    evil = client.post(
        "/settings/theme/", {"theme": "dark"}, headers=own | {"Origin": "https://x.example"}
    )
    assert evil.status_code == 403
    fine = client.post(
        "/settings/theme/", {"theme": "dark"}, headers=own | {"Origin": "http://testserver"}
    )
    assert fine.status_code == 302
