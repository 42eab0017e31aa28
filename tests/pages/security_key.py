"""A device with a key for somebody, which signs what it is given, as a thief's would too."""

from __future__ import annotations

import json
import secrets
from typing import Any

from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fido2.cose import ES256
from fido2.utils import sha256, websafe_encode
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticatorData,
    CollectedClientData,
)

from snapshots.models import User

HOST, ORIGIN = "localhost", "http://localhost:8000"  # of SITE_URL
FLAG = AuthenticatorData.FLAG


class SecurityKey:
    def __init__(self) -> None:
        self.private, self.name = ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16)

    @classmethod
    def of(cls, user: User) -> SecurityKey:
        """One that `user` has added before."""
        key = cls()
        data = {"name": "Key", "credential": key.credential(b"x" * 16)}
        Authenticator.objects.create(user=user, type="webauthn", data=data)
        return key

    @classmethod
    def born(cls, options: Any) -> str:
        """The answer to the page that adds one."""
        return json.dumps(cls().credential(options["publicKey"]["challenge"]))

    def credential(self, challenge: str | bytes) -> dict[str, Any]:
        public = ES256.from_cryptography_key(self.private.public_key())
        kept = AttestedCredentialData.create(bytes(16), self.name, public)
        data = AuthenticatorData.create(sha256(HOST.encode()), FLAG.UP | FLAG.AT, 0, kept)
        shown = AttestationObject.create("none", data, {})
        client = CollectedClientData.create("webauthn.create", challenge, ORIGIN)
        response = {"clientDataJSON": client.b64, "attestationObject": websafe_encode(shown)}
        return self._names() | {"response": response}

    def _names(self) -> dict[str, Any]:
        name = websafe_encode(self.name)
        return {"id": name, "rawId": name, "type": "public-key", "clientExtensionResults": {}}

    def signs(self, options: Any, user: User, *, asks: bool = False) -> str:
        """The answer to a page's challenge; `asks` its owner for a finger or a PIN before."""
        challenge = options["publicKey"]["challenge"]
        client = CollectedClientData.create("webauthn.get", challenge, ORIGIN)
        flags = FLAG.UP | FLAG.UV if asks else FLAG.UP
        data = AuthenticatorData.create(sha256(HOST.encode()), flags, 1)
        response = {
            "clientDataJSON": client.b64,
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(self.private.sign(data + client.hash, ec.ECDSA(SHA256()))),
            "userHandle": websafe_encode(user_pk_to_url_str(user).encode()),
        }
        return json.dumps(self._names() | {"response": response})
