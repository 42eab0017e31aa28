"""Where a webhook may lead: a strict reading of the address, and a judgement on where it resolves.

Both halves are needed. The reading refuses what only looks like a name (`0x7f.1`, `2130706433`);
the judgement is made on the very addresses that the socket then connects to, so a name that
resolves to something else a moment later gains nothing. What is not known to be fine is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

LONGEST = 500
PORTS = frozenset({443, 8443})
LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
PRINTABLE = re.compile(r"[!-~]+")
UNSAFE = re.compile(r'[\\<>"^`{|}]')

_UNICAST = ipaddress.ip_network("2000::/3")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Marked as global by some registries, and still no place for a message: relays of old tunnels.
_RELAYS = tuple(
    ipaddress.ip_network(net) for net in ("192.88.99.0/24", "2001::/32", "2002::/16", "3fff::/20")
)


class Forbidden(ValueError):
    """Not an address that a message may go to. `str()` is one of the codes in `REASONS`."""


REASONS = ("form", "scheme", "userinfo", "host", "port", "private")


@dataclass(frozen=True)
class Target:
    """An address taken apart and put together again from what was understood of it."""

    scheme: str
    host: str
    port: int
    rest: str
    is_listed: bool  # by the operator: may be private, and plain http

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = {"http": 80, "https": 443}[self.scheme]
        port = "" if self.port == usual else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.rest}"

    def allows(self, address: str) -> bool:
        """Whether a connection may be made to `address`, one that the host resolved to."""
        return self.is_listed or is_public(address)


def read(address: str, listed: Iterable[str] = ()) -> Target:
    """Take `address` apart. Raises `Forbidden`. `listed` are the operator's `host[:port]`."""
    if not PRINTABLE.fullmatch(address) or UNSAFE.search(address) or len(address) > LONGEST:
        raise Forbidden("form")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise Forbidden("form") from None
    if parts.scheme not in {"http", "https"}:
        raise Forbidden("scheme")
    if "@" in parts.netloc:
        raise Forbidden("userinfo")
    if parts.fragment or parts.netloc.endswith(":"):
        raise Forbidden("form")
    host = _host(parts.netloc, parts.hostname or "")
    port = port if port is not None else {"http": 80, "https": 443}[parts.scheme]
    is_listed = _is_listed(host, port, listed)
    if not is_listed:
        _must_be_public(parts.scheme, host, port)
    rest = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port, rest, is_listed)


def _must_be_public(scheme: str, host: str, port: int) -> None:
    if scheme != "https":
        raise Forbidden("scheme")
    if port not in PORTS:
        raise Forbidden("port")
    if ":" in host or _looks_like_a_number(host):
        if not is_public(host):
            raise Forbidden("private")
    elif "." not in host or host.endswith((".localhost", ".local", ".internal", ".arpa")):
        raise Forbidden("private")


def _is_listed(host: str, port: int, listed: Iterable[str]) -> bool:
    for entry in listed:
        name, colon, number = entry.lower().rpartition(":")
        if not colon or entry.endswith("]"):
            name, number = entry.lower(), ""
        if name.strip("[]") == host and (number == str(port) if number else port in {80, *PORTS}):
            return True
    return False


def _host(netloc: str, host: str) -> str:
    """The host, if it is a plain name, four decimal numbers, or an IPv6 address in brackets."""
    if netloc.startswith("["):
        try:
            return str(ipaddress.IPv6Address(host)) if "%" not in host else _no("host")
        except ValueError:
            _no("host")
    if _looks_like_a_number(host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            _no("host")
    if len(host) > 253 or not all(LABEL.fullmatch(label) for label in host.split(".")):
        _no("host")
    return host


def _looks_like_a_number(host: str) -> bool:
    """As browsers and resolvers judge: by the last label. 127.1, 0x7f000001 and 1.2.3.0x4 are."""
    last = host.rpartition(".")[2]
    return last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) is not None


def _no(reason: str) -> str:
    raise Forbidden(reason)


def is_public(text: str) -> bool:
    """Whether `text` is an address on the public internet. Wrapped addresses are unwrapped."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            return False
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if address in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)))
        if address not in _UNICAST:
            return False
    if any(address.version == net.version and address in net for net in _RELAYS):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_private
    )
