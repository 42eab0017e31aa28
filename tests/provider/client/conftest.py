from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from snapshots.provider.client import Client
from tests.provider.client.peer import Peer, Play

TOKEN = "vps_canary0123456789abcdef"


@pytest.fixture
def listening() -> Iterator[Callable[..., Peer]]:
    """Peers that end with the test."""
    peers: list[Peer] = []

    def listen(*plays: bytes | Play, **options: Any) -> Peer:
        peers.append(Peer(*plays, **options))
        return peers[-1]

    yield listen
    for peer in peers:
        peer.close()


@pytest.fixture
def talking_to() -> Iterator[Callable[..., Client]]:
    """Clients that end with the test. One whose deadline is to end something says a short one."""
    clients: list[Client] = []

    def talk(peer: Peer | str, token: str = TOKEN, **options: Any) -> Client:
        url = peer if isinstance(peer, str) else peer.url
        limits = {"connect_timeout": 30.0, "deadline": 30.0, "read_deadline": 30.0}
        clients.append(Client(url, token, **(limits | options)))
        return clients[-1]

    yield talk
    for client in clients:
        client.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throw-away certificate for 127.0.0.1, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


@pytest.fixture(scope="session")
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
