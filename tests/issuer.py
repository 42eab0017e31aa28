"""A small OpenID Connect issuer over HTTP: discovery, authorize, token, userinfo, keys."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "holdfast", "the client's secret"


@dataclass
class Issuer:
    """Whoever comes is `claims`, and signed in there `ago` seconds before."""

    claims: dict[str, Any] = field(default_factory=dict)
    ago: float = 0
    other_sub: str = ""  # what /userinfo says instead
    asked: list[dict[str, str]] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    server: Any = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> Issuer:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.answer(self, dict(parse_qs(urlsplit(self.path).query)))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                issuer.answer(self, dict(parse_qs(body)))

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, to: BaseHTTPRequestHandler, sent: dict[str, list[str]]) -> None:
        said = {name: values[0] for name, values in sent.items()}
        path = urlsplit(to.path).path
        if path == "/authorize":
            code = secrets.token_urlsafe(8)
            self.asked.append(said)
            self.codes[code] = said
            back = urlencode({"code": code, "state": said["state"]})
            to.send_response(302)
            to.send_header("Location", f"{said['redirect_uri']}?{back}")
            to.end_headers()
            return
        answers = {
            "/.well-known/openid-configuration": self.discovery,
            "/token": lambda: self.token(said),
            "/userinfo": lambda: self.claims | ({"sub": self.other_sub} if self.other_sub else {}),
            "/keys": self.keys,
        }
        status, body = 200, answers[path]()
        if body is None:
            status, body = 400, {"error": "invalid_grant"}
        told = json.dumps(body).encode()
        to.send_response(status)
        to.send_header("Content-Type", "application/json")
        to.send_header("Content-Length", str(len(told)))
        to.end_headers()
        to.wfile.write(told)

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
        }

    def keys(self) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [key | {"kid": "one", "alg": "RS256"}]}

    def token(self, said: dict[str, str]) -> dict[str, Any] | None:
        """For a code that was not used yet, with our secret and the verifier of its challenge."""
        begun = self.codes.pop(said.get("code", ""), None)
        challenge = hashlib.sha256(said.get("code_verifier", "").encode()).digest()
        fits = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
        if begun is None or said["client_secret"] != SECRET or begun["code_challenge"] != fits:
            return None
        now = int(time.time())
        about = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 60}
        if "max_age" in begun:
            about["auth_time"] = now if begun.get("prompt") == "login" else now - int(self.ago)
        token = jwt.encode(self.claims | about, self.key, "RS256", headers={"kid": "one"})
        return {"access_token": "x", "token_type": "Bearer", "id_token": token}
