"""Logins: what the RFCs work out by hand, and which challenge is answered."""

from __future__ import annotations

import re

import pytest

from camera_adapters.rtsp_login import Authorizer, challenges_of
from camera_adapters.spec import Credentials

MUFASA = Credentials("Mufasa", "Circle of Life")
OLD = Credentials("Mufasa", "CircleOfLife")
REALM = 'realm="http-auth@example.org"'
NONCE = 'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
OPAQUE = 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
CLIENT_NONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def header(challenge: str, login: Credentials, client_nonce: str = "", url: str = "") -> str:
    (found,) = challenges_of([challenge])
    authorizer = Authorizer(login, found)
    if client_nonce:
        authorizer._client_nonce = client_nonce  # the RFC's own, so that its result comes out
    return authorizer.header("GET", url or "/dir/index.html")


def parameter(text: str, name: str) -> str:
    found = re.search(rf'\b{name}="?([^",]+)', text)
    assert found, text
    return found[1]


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm, response):
    challenge = f'Digest {REALM}, qop="auth, auth-int", algorithm={algorithm}, {NONCE}, {OPAQUE}'
    text = header(challenge, MUFASA, CLIENT_NONCE)
    assert parameter(text, "response") == response
    assert parameter(text, "nc") == "00000001"
    assert OPAQUE in text


def test_the_older_formula_without_qop():
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    text = header(challenge, Credentials("Mufasa", "CircleOfLife"))
    assert parameter(text, "response") == "1949323746fe6a43ef61f9606e7febea"
    assert "qop" not in text
    assert "algorithm" not in text, "some cameras trip over what they did not say themselves"


def test_basic():
    text = header('Basic realm="WallyWorld"', Credentials("Aladdin", "open sesame"))
    assert text == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


def test_the_strongest_challenge_comes_first():
    offered = [
        'Basic realm="c"',
        'Digest realm="c", nonce="1"',
        'Digest realm="c", nonce="2", algorithm=SHA-256',
    ]
    found = challenges_of(offered)
    assert [(one.digest, one.algorithm) for one in found] == [
        (True, "SHA-256"),
        (True, "MD5"),
        (False, "MD5"),
    ]


def test_several_challenges_in_one_header():
    found = challenges_of(['Digest realm="a", nonce="1", Basic realm="b"'])
    assert [(one.digest, one.realm) for one in found] == [(True, "a"), (False, "b")]


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "Bearer token",
        'Digest realm="c"',
        'Digest realm="c", nonce="1", qop="auth-int"',
        'Digest realm="c", nonce="1", algorithm=SHA3-512',
        'Digest realm="c\x07", nonce="1"',
    ],
)
def test_what_cannot_be_answered_is_left_alone(challenge):
    assert challenges_of([challenge]) == []


def test_every_request_has_a_count_of_its_own():
    (found,) = challenges_of(['Digest realm="c", nonce="1", qop="auth"'])
    authorizer = Authorizer(OLD, found)
    counts = [parameter(authorizer.header("PLAY", "rtsp://c/"), "nc") for _ in range(2)]
    assert counts == ["00000001", "00000002"]


def test_a_stale_nonce_is_told_from_a_wrong_password():
    (found,) = challenges_of(['Digest realm="c", nonce="1", stale=TRUE'])
    assert found.stale


def test_neither_name_nor_password_is_in_a_digest_beyond_the_name_itself():
    text = header('Digest realm="c", nonce="1"', Credentials('od"d\\', "secret"))
    assert 'username="od\\"d\\\\"' in text
    assert "secret" not in text
