"""Logins: Basic (RFC 7617) and Digest (RFC 7616, MD5 and SHA-256, qop=auth) for one connection.

A nonce is good for one connection and a limited time, and each of its counts works once, so a
recorded request cannot be replayed. Passwords are compared in constant time and never printed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping
from enum import Enum, auto

from simulation.rtsp_server.mount import Mount

REALM = "CityEye"

_ALGORITHMS = ("SHA-256", "MD5")
"""In the order of the challenges. Clients that know one kind of challenge only keep the last."""

_PARAMETER = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*(?:"([^"\\]*)"|([^\s,"]+))')
_COUNT = re.compile(r"[0-9a-fA-F]{8}")


class LoginCheck(Enum):
    """What a check of a request's login came to."""

    GRANTED = auto()
    MISSING = auto()
    WRONG = auto()
    STALE = auto()


class Gate:
    """Checks the logins on one connection.

    Args:
        nonce_lifetime_s: How long a nonce may be used; after that the client gets `stale=true`,
            which asks it to repeat the request with a new nonce and the same password.
    """

    def __init__(self, nonce_lifetime_s: float) -> None:
        self._nonce_lifetime_s = nonce_lifetime_s
        self._nonce = ""
        self._issued_s = 0.0
        self._count = 0

    def check(self, mount: Mount, method: str, uri: str, authorization: str) -> LoginCheck:
        """Whether a request with this `Authorization` header may pass.

        Args:
            mount: What is asked for.
            method: The request's method.
            uri: The request's URL.
            authorization: The header; empty where there is none.
        """
        if mount.auth == "none":
            return LoginCheck.GRANTED
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() != mount.auth:
            return LoginCheck.MISSING
        if mount.auth == "basic":
            return _check_basic(mount.users, rest)
        return self._check_digest(mount.users, method, uri, rest)

    def challenges(self, mount: Mount, checked: LoginCheck) -> tuple[tuple[str, str], ...]:
        """`WWW-Authenticate` headers that go with a refusal."""
        if mount.auth == "basic":
            return (("WWW-Authenticate", f'Basic realm="{REALM}"'),)
        self._renew_nonce()
        stale = ", stale=true" if checked is LoginCheck.STALE else ""
        return tuple(
            (
                "WWW-Authenticate",
                f'Digest realm="{REALM}", nonce="{self._nonce}", qop="auth",'
                f" algorithm={algorithm}{stale}",
            )
            for algorithm in _ALGORITHMS
        )

    def _renew_nonce(self) -> None:
        self._nonce = secrets.token_hex(16)
        self._issued_s = time.monotonic()
        self._count = 0

    def _check_digest(
        self, users: Mapping[str, str], method: str, uri: str, rest: str
    ) -> LoginCheck:
        given = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
        password = users.get(given.get("username", ""))
        expected = _digest_response(given, password or secrets.token_hex(), method)
        right = expected is not None and hmac.compare_digest(
            expected.encode(), given.get("response", "").lower().encode()
        )
        if not right or password is None:
            return LoginCheck.WRONG
        if given.get("realm") != REALM or given.get("uri") != uri:
            return LoginCheck.WRONG
        return LoginCheck.GRANTED if self._is_fresh(given) else LoginCheck.STALE

    def _is_fresh(self, given: Mapping[str, str]) -> bool:
        """Whether the nonce is ours and in time, and its count has not been used before."""
        if not self._nonce or given.get("nonce") != self._nonce:
            return False
        if time.monotonic() - self._issued_s > self._nonce_lifetime_s:
            return False
        if "qop" not in given:
            return True
        count = int(given["nc"], 16)
        if count <= self._count:
            return False
        self._count = count
        return True


def _check_basic(users: Mapping[str, str], rest: str) -> LoginCheck:
    try:
        user, colon, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
        name = user.decode()
    except (binascii.Error, UnicodeDecodeError):
        return LoginCheck.WRONG
    expected = users.get(name)
    right = hmac.compare_digest(password, (expected or secrets.token_hex()).encode())
    return LoginCheck.GRANTED if colon and expected is not None and right else LoginCheck.WRONG


def _digest_response(given: Mapping[str, str], password: str, method: str) -> str | None:
    """The right `response` to the parameters given; None where they make no sense.

    A client that leaves out `qop` uses the older formula of RFC 2069; many RTSP clients do.
    """
    algorithm = given.get("algorithm", "MD5").upper()
    if algorithm not in _ALGORITHMS:
        return None
    secret = _hash(algorithm, f"{given.get('username', '')}:{REALM}:{password}")
    target = _hash(algorithm, f"{method}:{given.get('uri', '')}")
    nonce = given.get("nonce", "")
    if "qop" not in given:
        return _hash(algorithm, f"{secret}:{nonce}:{target}")
    count, client_nonce = given.get("nc", ""), given.get("cnonce", "")
    if given["qop"] != "auth" or not _COUNT.fullmatch(count) or not client_nonce:
        return None
    return _hash(algorithm, f"{secret}:{nonce}:{count}:{client_nonce}:auth:{target}")


def _hash(algorithm: str, text: str) -> str:
    if algorithm == "SHA-256":
        return hashlib.sha256(text.encode()).hexdigest()
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
