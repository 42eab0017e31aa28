"""One message to one address: to the very address that was judged, in time, told by its status."""

from __future__ import annotations

import datetime
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from snapshots.models import Delivery
from snapshots.notices import guard, signing
from snapshots.notices.post import Outcome, post
from tests.notices.conftest import OK
from tests.provider.client.peer import Peer, answer

Trouble = Delivery.Trouble
UNREACHED = Outcome(Trouble.UNREACHED)


class Resolver:
    """Answers as `socket.getaddrinfo`; each question gets the next answer, the last for ever."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, host: str, port: int, type: int) -> list[Any]:
        given = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(given, Exception):
            raise given
        return [
            (socket.AF_INET6, type, 6, "", (one, port, 0, 0))
            if ":" in one
            else (socket.AF_INET, type, 6, "", (one, port))
            for one in given
        ]


@pytest.fixture
def peer():
    made = Peer(OK)
    yield made
    made.close()


def at(peer: Peer, *, listed: bool = False, scheme: str = "https") -> guard.Target:
    """`hooks.example.com` on the peer's port, as if that port were one of the usual."""
    return guard.Target(scheme, "hooks.example.com", peer.port, "/hook", listed)


PRIVATE = [
    "127.0.0.1",
    "10.0.0.5",
    "169.254.169.254",
    "192.168.0.1",
    "100.64.0.1",
    "0.0.0.0",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::1",
    "fe80::1",
    "fe80::1%lo",
    "fd00::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_resolves_to_a_private_address_is_never_connected_to(peer, address):
    assert post(at(peer), b"{}", {}, resolve=Resolver([address])) == UNREACHED
    assert peer.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_one_private_address_among_public_ones_is_enough_to_refuse(peer, address):
    resolver = Resolver(["8.8.8.8", address, "2606:4700::1111"])
    assert post(at(peer), b"{}", {}, resolve=resolver, seconds=2) == UNREACHED
    assert peer.connections == 0


def test_a_name_that_is_public_first_and_private_next_is_asked_for_once(peer):
    """Here 127.0.0.2 is a public address, where nobody listens; the peer is at 127.0.0.1."""

    class Rebound(guard.Target):
        def allows(self, address: str) -> bool:
            return address == "127.0.0.2"

    target = Rebound("https", "hooks.example.com", peer.port, "/hook", False)
    rebinding = Resolver(["127.0.0.2"], ["127.0.0.1"])
    assert post(target, b"{}", {}, resolve=rebinding) == UNREACHED
    assert (rebinding.asked, peer.connections) == (1, 0)
    assert post(target, b"{}", {}, resolve=rebinding) == UNREACHED
    assert (rebinding.asked, peer.connections) == (2, 0)


@pytest.mark.parametrize(
    "failure", [socket.gaierror("no such name"), OSError("odd"), ValueError("odder"), []]
)
def test_without_an_answer_from_dns_nothing_is_connected_to(peer, failure):
    assert post(at(peer), b"{}", {}, resolve=Resolver(failure)) == UNREACHED
    assert peer.connections == 0


def test_closed_filtered_and_forbidden_read_the_same():
    closed = guard.Target("http", "hooks.example.com", 1, "/", True)
    said = post(closed, b"{}", {}, resolve=Resolver(["127.0.0.1"]))
    assert said == post(at_port(1), b"{}", {}, resolve=Resolver(["10.0.0.1"])) == UNREACHED


def at_port(port: int) -> guard.Target:
    return guard.Target("https", "hooks.example.com", port, "/", False)


def test_the_host_keeps_its_name(peer):
    outcome = post(at(peer, listed=True, scheme="http"), b"{}", {}, resolve=Resolver(["127.0.0.1"]))
    assert outcome == Outcome(status=204, is_final=True)
    assert f"Host: hooks.example.com:{peer.port}".encode() in peer.heard[0]
    assert b"Authorization" not in peer.heard[0]
    assert b"Cookie" not in peer.heard[0]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For hooks.example.com, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), False)
        .add_extension(x509.BasicConstraints(True, None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "hooks.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_peer(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.names = []
    context.sni_callback = lambda _socket, name, _context: context.names.append(name)
    made = Peer(OK, tls=context)
    made.names = context.names
    yield made
    made.close()


def test_over_tls_the_name_is_asked_for_and_the_certificate_checked_against_it(
    tls_peer, certificate
):
    here = Resolver(["127.0.0.1"])
    target = at(tls_peer, listed=True)
    assert post(target, b"{}", {}, resolve=here, ca_file=str(certificate)).status == 204
    assert tls_peer.names == ["hooks.example.com"]
    other = guard.Target("https", "other.example.com", target.port, "/", True)
    assert post(other, b"{}", {}, resolve=here, ca_file=str(certificate)).trouble == Trouble.TLS


def test_an_unknown_authority_is_not_trusted(tls_peer):
    outcome = post(at(tls_peer, listed=True), b"{}", {}, resolve=Resolver(["127.0.0.1"]))
    assert outcome == Outcome(Trouble.TLS)
    assert tls_peer.heard == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(status):
    elsewhere = Peer(OK)
    peer = Peer(answer(status, Location=f"{elsewhere.url}/admin"))
    outcome = post(guard.read(peer.url, [f"127.0.0.1:{peer.port}"]), b"{}", {})
    assert outcome == Outcome(Trouble.STATUS, status)
    assert elsewhere.connections == 0
    peer.close(), elsewhere.close()


@pytest.mark.parametrize(
    ("status", "trouble", "is_final"),
    [
        (200, Trouble.NONE, True),
        (202, Trouble.NONE, True),
        (400, Trouble.STATUS, False),
        (404, Trouble.STATUS, False),
        (410, Trouble.STATUS, True),
        (429, Trouble.STATUS, False),
        (500, Trouble.STATUS, False),
    ],
)
def test_only_a_status_of_the_two_hundreds_is_success(status, trouble, is_final):
    peer = Peer(answer(status, b"some words"))
    assert post(guard.read(peer.url, [f"127.0.0.1:{peer.port}"]), b"{}", {}) == Outcome(
        trouble, status, is_final
    )
    peer.close()


def endless(conn: socket.socket) -> None:
    conn.recv(65536)
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    try:
        while True:
            conn.sendall(b"x" * 65536)
    except OSError:
        pass


def silent(conn: socket.socket) -> None:
    conn.settimeout(10)
    while conn.recv(65536):
        pass


def test_an_endless_answer_is_cut_off_and_its_status_counts():
    peer = Peer(endless)
    assert post(guard.read(peer.url, [f"127.0.0.1:{peer.port}"]), b"{}", {}).status == 200
    peer.close()


def test_a_receiver_that_says_nothing_is_left_in_time():
    peer = Peer(silent)
    outcome = post(guard.read(peer.url, [f"127.0.0.1:{peer.port}"]), b"{}", {}, seconds=0.5)
    assert outcome == Outcome(Trouble.SILENT)
    peer.close()


def test_signed_as_the_specification_s_own_example():
    headers = signing.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
