"""What comes over HTTP: redirects, hosts, sizes, files, and what every answer says."""

from __future__ import annotations

import re
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.contrib.auth.hashers import make_password
from django.core import mail
from django.core.cache import cache
from django.test import Client

from dashboard import password_links
from tests.conftest import prove
from tests.hardening.visits import digest

HTMX = {"HX-Request": "true"}
HOST = "evil.example"
AWAY = [
    *(
        f"{scheme}://{HOST}{path}"
        for scheme in ("https", "http", "HTTPS", "ftp", "ws")
        for path in ("", "/servers/", ":443/", "?/servers/")
    ),
    *(
        f"{slashes}{HOST}/"
        for slashes in ("//", "///", "////", "\\\\", "/\\", "\\/", "/\\/", "//\\")
    ),
    *(
        f"{before}//{HOST}/"
        for before in ("\t", "\n", "\r", " ", "\x00", "\x0b", "/\t", "/\n", "/\r")
    ),
    *(f"http:{HOST}", f"https:{HOST}/", f"https:/{HOST}/", f"https:///{HOST}/"),
    *(f"https:\\\\{HOST}/", f"http://testserver@{HOST}/", f"http://testserver:80@{HOST}/"),
    *(f"http://testserver.{HOST}/", f"http://{HOST}#@testserver/", f"http://{HOST}\\@testserver/"),
    *(f"http://{HOST}?http://testserver/", f"//testserver@{HOST}/", f"//{HOST}%2f.."),
    *(f"http://testserver%2F@{HOST}/", f"http://testserver\t.{HOST}/", "http://0x7f.1/"),
    *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)"),
    *("\x01javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x"),
    *("blob:http://testserver/x", "http://[::1", "http://[fe80::1%25eth0]/", f"/%5c{HOST}"),
    *(f"/%09/{HOST}", f"/.//{HOST}", f"/..//{HOST}", f"/\u2028/{HOST}", f"\uff0f\uff0f{HOST}/"),
]
CONTROL = re.compile(r"^[\x00-\x20]+|[\t\n\r]")


def leads_away(target: str) -> bool:
    """As a browser reads it: control characters dropped, backslashes taken for slashes."""
    heard = CONTROL.sub("", target).replace("\\", "/")
    try:
        parts = urlsplit(urljoin("http://testserver/somewhere/", heard))
    except ValueError:
        return True
    return parts.scheme not in ("http", "https") or parts.hostname != "testserver"


def targets(answer: Any) -> list[str]:
    names = ("Location", "HX-Redirect", "HX-Location", "HX-Push-Url", "HX-Replace-Url", "Refresh")
    return [answer.headers[name] for name in names if name in answer.headers]


def test_there_are_enough_of_them():
    assert len(AWAY) >= 60
    assert sum(map(leads_away, AWAY)) >= 50
    assert not any(map(leads_away, ("/", "/servers/?a=b", "http://testserver/x", "?next=1")))


def test_no_way_leads_out_of_the_site(alice, client_of, subtests):
    signed_in, nobody = client_of(alice), Client()
    for payload in AWAY:
        names = dict.fromkeys(("next", "redirect_to", "return_to", "url", "continue"), payload)
        here, referer = HTMX | {"HX-Current-URL": payload}, {"Referer": payload}
        with subtests.test(payload):
            asked = [
                signed_in.get("/auth/login/", names),
                signed_in.get("/auth/reauthenticate/", names),
                signed_in.get("/auth/2fa/reauthenticate/", names),
                nobody.get("/auth/login/", names),
                nobody.get("/servers/", names),
                nobody.get("/live/?scope=shell", headers=here),
                signed_in.post("/settings/theme/", names | {"theme": "dark"}, headers=referer),
                signed_in.post("/team/chosen/", names | {"team": ""}, headers=referer),
                nobody.post("/settings/language/", names | {"language": "en"}, headers=referer),
            ]
            for answer in asked:
                assert not [target for target in targets(answer) if leads_away(target)]
                assert f'href="{payload}"' not in answer.content.decode()


def test_nor_does_a_sign_out(alice, client_of):
    for payload in AWAY[::4]:
        answer = client_of(alice).post("/auth/logout/", {"next": payload})
        assert not [target for target in targets(answer) if leads_away(target)], payload


def test_nor_does_a_sign_in(alice, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    alice.password = make_password("a long enough password")
    alice.save()
    words = {"login": alice.email, "password": "a long enough password"}
    for payload in AWAY[::3]:
        cache.clear()
        answer = Client().post("/auth/login/", words | {"next": payload})
        assert answer.status_code == 302, payload
        assert not [target for target in targets(answer) if leads_away(target)], payload


# -- hosts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", [HOST, f"testserver.{HOST}", f"testserver@{HOST}", f"testserver:80@{HOST}", "", "["]
)
def test_another_host_is_no_host_of_ours(alice, host):
    before = digest()
    client = Client()
    for path in ("/", "/auth/login/", "/auth/password/reset/", "/healthz"):
        if path == "/healthz" and host:
            continue  # answers whoever asks, with two letters
        assert client.get(path, headers={"Host": host}).status_code == 400
    sent = client.post("/auth/password/reset/", {"email": alice.email}, headers={"Host": host})
    assert (sent.status_code, mail.outbox) == (400, [])
    assert digest() == before


def test_what_a_stranger_forwards_is_not_believed(alice, settings):
    forged = {"X-Forwarded-Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-Port": "1"}
    forged |= {"Forwarded": f"host={HOST}", "X-Original-URL": "/x", "X-Rewrite-URL": "/x"}
    Client().post("/auth/password/reset/", {"email": alice.email}, headers=forged)
    password_links.send()
    (sent,) = mail.outbox
    assert f"{settings.SITE_URL}/auth/password/reset/key/" in sent.body
    assert HOST not in sent.message().as_string()


# -- sizes and files ------------------------------------------------------------------------------

TABLES = ("snapshots_user", "snapshots_team", "snapshots_membership", "account_emailaddress")
FORMS = ("/auth/login/", "/settings/", "/team/new/", "/auth/password/reset/")


@pytest.mark.parametrize("path", FORMS)
def test_too_much_is_refused_and_nothing_done(alice, client_of, path):
    client = client_of(alice)
    before = digest()
    client.proves = False
    kind = "application/x-www-form-urlencoded"
    for body in (b"name=" + b"x" * 10_000_000, b"&".join(b"f%d=1" % n for n in range(100_000))):
        assert client.post(path, body, content_type=kind).status_code == 400
    assert digest() == before


@pytest.mark.parametrize("path", FORMS)
def test_no_file_is_taken_from_anybody(alice, client_of, path, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    clients = client_of(alice), Client(enforce_csrf_checks=True)
    clients[0].proves = False
    before = digest(TABLES)
    for client in clients:
        file = BytesIO(b"x" * 5_000_000)
        file.name = "../../etc/passwd"
        assert client.post(path, {"name": "Alice", "file": file}).status_code in (400, 403)
    assert list(tmp_path.iterdir()) == []
    assert digest(TABLES) == before


def test_no_form_and_no_model_has_a_file():
    root = Path(__file__).parent.parent.parent
    for place in ("dashboard", "snapshots", "templates", "static/js"):
        for path in (root / place).rglob("*.*"):
            if path.suffix in (".py", ".html", ".js"):
                words = r'FileField|ImageField|request\.FILES|type="file"|multipart/form-data'
                assert not re.search(words, path.read_text()), path


# -- what every answer says -----------------------------------------------------------------------


def test_every_kind_of_answer_carries_the_headers(alice, team, client_of):
    client = client_of(alice)
    prove(client)
    client.raise_request_exception = False
    kinds = {
        200: client.get("/servers/"),
        302: client.get("/team/"),
        303: client.post(f"/team/{team.pk}/name/", {"name": "Northwind"}),
        400: client.get("/", headers={"Host": HOST}),
        401: Client().get("/live/?scope=shell", headers=HTMX),
        403: Client(enforce_csrf_checks=True).post("/auth/login/"),
        404: client.get("/nowhere/"),
        405: client.put("/servers/"),
        422: client.post("/team/new/", {"name": ""}),
    }
    more = [client.get("/servers/?format=csv"), client.get("/static/css/holdfast.css")]
    more += [client.get("/healthz"), client.get("/static/nothing.css"), client.options("/servers/")]
    for status, answer in [*kinds.items(), *((one.status_code, one) for one in more)]:
        assert answer.status_code == status
        assert "default-src 'self'" in answer["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer["Permissions-Policy"]
        assert answer["Cache-Control"]
        assert "Access-Control-Allow-Origin" not in answer
        if answer.content if not answer.streaming else True:
            assert (
                "charset=utf-8" in answer["Content-Type"].replace('"', "")
                or "json" in answer["Content-Type"]
            )
