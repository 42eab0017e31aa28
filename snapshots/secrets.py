"""Tokens at rest: AES-256-GCM, bound to the row they belong to.

A sealed value names the key that sealed it (`key id . nonce+ciphertext`), so keys can be changed
while old values stay readable. The row's identity is authenticated with the value: a ciphertext
copied into another row does not open there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class CannotOpen(Exception):
    """The key is lost, or the value was not sealed for this row."""


class Secret:
    """A string that does not show itself: `str`, `repr` and pickling give nothing away."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not to be pickled")


def seal(value: str, *, owner: str, keys: list[bytes]) -> str:
    """Seal `value` for `owner` (such as "account:7:token") with the first of `keys`."""
    key = keys[0]
    nonce = os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, value.encode(), owner.encode())
    return f"{key_id(key)}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"


def open_sealed(sealed: str, *, owner: str, keys: list[bytes]) -> Secret:
    """The value behind `sealed`. Raises `CannotOpen` for a lost key or another row's value."""
    name, _, body = sealed.partition(".")
    key = next((key for key in keys if key_id(key) == name), None)
    if key is None:
        raise CannotOpen("the key that sealed this token is not configured")
    try:
        raw = base64.urlsafe_b64decode(body)
        return Secret(AESGCM(key).decrypt(raw[:12], raw[12:], owner.encode()).decode())
    except (InvalidTag, binascii.Error, ValueError):
        raise CannotOpen("this sealed token does not belong to this account") from None


def key_id(key: bytes) -> str:
    """Eight characters that name a key without telling it."""
    return hashlib.sha256(b"holdfast key id" + key).hexdigest()[:8]


def key_from(text: str) -> bytes:
    """32 bytes from the configured text: base64 of 32 bytes, as `openssl rand -base64 32` prints.

    Raises ValueError for anything else.
    """
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise ValueError("not base64 of 32 bytes")
    return key
