"""Where a webhook may not lead, however it is spelt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapshots.notices.guard import Forbidden, Target, is_public, read

FORBIDDEN = [
    # other schemes, and none
    ("http://example.com/", "scheme"),
    ("ftp://example.com/", "scheme"),
    ("file:///etc/passwd", "scheme"),
    ("gopher://example.com/", "scheme"),
    ("javascript:alert(1)", "scheme"),
    ("//example.com/", "scheme"),
    ("example.com", "scheme"),
    ("", "form"),
    # no host, or not one
    ("https://", "host"),
    ("https:///path", "host"),
    ("https://.example.com/", "host"),
    ("https://example..com/", "host"),
    ("https://example.com./", "host"),
    ("https://-example.com/", "host"),
    ("https://exa%6dple.com/", "host"),
    ("https://exam!ple.com/", "host"),
    (f"https://{'a' * 64}.example.com/", "host"),
    (f"https://{'a.' * 130}com/", "host"),
    # who signs in with the address
    ("https://user@example.com/", "userinfo"),
    ("https://user:secret@example.com/", "userinfo"),
    ("https://example.com@127.0.0.1/", "userinfo"),
    ("https://@example.com/", "userinfo"),
    # ports
    ("https://example.com:22/", "port"),
    ("https://example.com:80/", "port"),
    ("https://example.com:6379/", "port"),
    ("https://example.com:0/", "port"),
    ("https://example.com:65536/", "form"),
    ("https://example.com:-1/", "form"),
    ("https://example.com:4 43/", "form"),
    ("https://example.com:/", "form"),
    ("https://example.com:443x/", "form"),
    # names of this machine and of what is near
    ("https://localhost/", "private"),
    ("https://LOCALHOST/", "private"),
    ("https://localhost./", "host"),
    ("https://sub.localhost/", "private"),
    ("https://intranet/", "private"),
    ("https://printer.local/", "private"),
    ("https://metadata.google.internal/", "private"),
    ("https://1.0.0.127.in-addr.arpa/", "private"),
    # private addresses, plainly
    ("https://127.0.0.1/", "private"),
    ("https://127.8.8.8/", "private"),
    ("https://0.0.0.0/", "private"),
    ("https://10.1.2.3/", "private"),
    ("https://172.16.0.1/", "private"),
    ("https://192.168.1.1/", "private"),
    ("https://100.64.0.1/", "private"),
    ("https://169.254.169.254/latest/meta-data/", "private"),
    ("https://192.0.2.1/", "private"),
    ("https://198.18.0.1/", "private"),
    ("https://203.0.113.7/", "private"),
    ("https://224.0.0.1/", "private"),
    ("https://240.0.0.1/", "private"),
    ("https://255.255.255.255/", "private"),
    ("https://192.88.99.1/", "private"),
    # numbers that a resolver would take for 127.0.0.1
    ("https://127.1/", "host"),
    ("https://127.0.1/", "host"),
    ("https://2130706433/", "host"),
    ("https://0x7f000001/", "host"),
    ("https://0x7f.0.0.1/", "host"),
    ("https://0x7f.1/", "host"),
    ("https://0177.0.0.1/", "host"),
    ("https://017700000001/", "host"),
    ("https://127.0.0.0x1/", "host"),
    ("https://127.0.0.01/", "host"),
    ("https://127.0.0.1./", "host"),
    ("https://256.256.256.256/", "host"),
    ("https://0/", "host"),
    ("https://0x/", "host"),
    # digits and dots of other alphabets
    ("https://①②⑦.0.0.1/", "form"),
    ("https://127。0。0。1/", "form"),
    ("https://127．0．0．1/", "form"),
    ("https://１２７.0.0.1/", "form"),
    ("https://lⓞcalhost/", "form"),
    ("https://exämple.com/", "form"),
    # IPv6
    ("https://[::1]/", "private"),
    ("https://[::]/", "private"),
    ("https://[fe80::1]/", "private"),
    ("https://[fe80::1%25eth0]/", "host"),
    ("https://[fe80::1%eth0]/", "host"),
    ("https://[2606:4700::1111%25eth0]/", "host"),
    ("https://[fc00::1]/", "private"),
    ("https://[fd00:ec2::254]/", "private"),
    ("https://[ff02::1]/", "private"),
    ("https://[fec0::1]/", "private"),
    ("https://[2001:db8::1]/", "private"),
    ("https://[3fff::1]/", "private"),
    ("https://[100::1]/", "private"),
    ("https://::1/", "form"),
    ("https://[::1/", "form"),
    ("https://[1.2.3.4]/", "form"),
    # IPv4 in IPv6's clothes
    ("https://[::ffff:127.0.0.1]/", "private"),
    ("https://[::ffff:7f00:1]/", "private"),
    ("https://[::ffff:a9fe:a9fe]/", "private"),
    ("https://[::127.0.0.1]/", "private"),
    ("https://[::ffff:0:127.0.0.1]/", "private"),
    ("https://[64:ff9b::127.0.0.1]/", "private"),
    ("https://[64:ff9b::a9fe:a9fe]/", "private"),
    ("https://[64:ff9b:1::8.8.8.8]/", "private"),
    ("https://[2002:7f00:1::]/", "private"),
    ("https://[2002:808:808::1]/", "private"),
    ("https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/", "private"),
    ("https://[64:ff9b::10.0.0.1]/", "private"),
    ("https://[::ffff:100.64.0.1]/", "private"),
    ("https://[2002:a9fe:a9fe::]/", "private"),
    ("https://[2001:20::1]/", "private"),
    ("https://[0:0:0:0:0:ffff:10.0.0.1]/", "private"),
    # the ends of what is private
    ("https://172.31.255.255/", "private"),
    ("https://100.127.255.255/", "private"),
    ("https://169.254.0.1/", "private"),
    ("https://0.255.255.255/", "private"),
    ("https://198.19.255.255/", "private"),
    ("https://239.255.255.255/", "private"),
    ("https://[febf::1]/", "private"),
    ("https://[fdff:ffff::1]/", "private"),
    # numbers once more: octal, hexadecimal, too long
    ("https://0x7F.0x0.0x0.0x1/", "host"),
    ("https://0300.0250.0.1/", "host"),
    ("https://10.0x0.0.1/", "host"),
    ("https://4294967297/", "host"),
    ("https://127.0.0.1.0/", "host"),
    # what splits one parser from another
    ("https://example.com\\@127.0.0.1/", "form"),
    ("https://example.com#@127.0.0.1/", "form"),
    ("https://example.com/#fragment", "form"),
    ("https://example.com /", "form"),
    ("https://example.com\t/", "form"),
    ("https://example.com/\r\nHost: localhost", "form"),
    ("https://exam\x00ple.com/", "form"),
    (" https://example.com/", "form"),
    ("https://example.com/<script>", "form"),
    (f"https://example.com/{'a' * 500}", "form"),
]


def test_there_are_more_than_120_of_them():
    assert len({address for address, _reason in FORBIDDEN}) >= 120


@pytest.mark.parametrize(("address", "reason"), FORBIDDEN, ids=lambda value: repr(value)[:60])
def test_an_address_that_is_no_place_for_a_message_is_refused(address, reason):
    with pytest.raises(Forbidden) as refusal:
        read(address)
    assert str(refusal.value) == reason


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM/Hook?Key=1", "https://example.com/Hook?Key=1"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("https://xn--exmple-cua.com/", "https://xn--exmple-cua.com/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:0:0::1111]/", "https://[2606:4700::1111]/"),
        ("https://[64:ff9b::8.8.8.8]/", "https://[64:ff9b::808:808]/"),
        ("https://a_b.example.com/", "https://a_b.example.com/"),
    ],
)
def test_a_public_https_address_is_taken_and_spelt_one_way(address, url):
    assert read(address).url == url


@pytest.mark.parametrize(
    ("address", "listed"),
    [
        ("http://receiver.internal:8080/x", "receiver.internal:8080"),
        ("http://127.0.0.1:9000/x", "127.0.0.1:9000"),
        ("http://[::1]:9000/x", "[::1]:9000"),
        ("http://receiver/x", "receiver"),
        ("https://receiver:8443/x", "RECEIVER"),
    ],
)
def test_what_the_operator_lists_is_allowed(address, listed):
    target = read(address, [listed])
    assert target.allows("127.0.0.1")
    with pytest.raises(Forbidden):
        read(address, ["other.internal"])


@pytest.mark.parametrize(
    ("address", "listed"),
    [
        ("http://receiver.internal:8081/x", "receiver.internal:8080"),
        ("http://receiver:22/x", "receiver"),
        ("http://sub.receiver.internal:8080/x", "receiver.internal:8080"),
        ("http://127.0.0.1:9001/", "127.0.0.1:9000"),
        ("http://user@receiver.internal:8080/", "receiver.internal:8080"),
    ],
)
def test_and_nothing_beside_it(address, listed):
    with pytest.raises(Forbidden):
        read(address, [listed])


def test_a_listed_host_does_not_make_others_private_addresses_fine():
    assert not read("https://example.com/", ["receiver.internal"]).allows("10.0.0.1")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize("nonsense", ["", "example.com", "1.2.3", "1.2.3.4.5", "::g", "fe80::1%1"])
def test_what_is_no_address_is_not_public(nonsense):
    assert not is_public(nonsense)


@given(st.ip_addresses(v=4))
def test_wrapping_an_address_never_makes_it_more_public(address):
    wrapped = [f"::ffff:{address}", f"64:ff9b::{address}"]
    assert all(is_public(one) == is_public(str(address)) for one in wrapped)


@given(st.text(max_size=40))
def test_what_is_read_is_read_the_same_again(text):
    try:
        target = read(f"https://{text}")
    except Forbidden:
        return
    assert isinstance(target, Target)
    assert read(target.url) == target
