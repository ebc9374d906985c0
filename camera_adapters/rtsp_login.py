"""Logins of a client: Digest (RFC 7616, and RFC 2069 without `qop`) and Basic (RFC 7617).

The strongest challenge is answered. Basic, which hands the password over, is answered only where
Digest was never offered by the same address.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from camera_adapters.spec import Credentials

_SCHEME = re.compile(r"\s*(digest|basic)\b", re.IGNORECASE)
_NEXT = re.compile(r",\s*(?=(?:digest|basic)\s)", re.IGNORECASE)
"""Between two challenges in one header."""

_PARAMETER = re.compile(r'([a-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', re.IGNORECASE)

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "MD5-SESS": "md5", "SHA-256-SESS": "sha256"}
_STRENGTH = ("SHA-256", "SHA-256-SESS", "MD5", "MD5-SESS")


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a camera asks for.

    Attributes:
        digest: Whether it is Digest; Basic otherwise.
        algorithm: The hash of a Digest, in capitals.
        stated_algorithm: As the camera wrote it, empty where it did not.
        realm, nonce, opaque: As they stand between the quotes.
        qop: Whether the newer formula with `qop=auth` is asked for.
        stale: Whether only the nonce of the request before was too old.
    """

    digest: bool
    realm: str
    nonce: str = ""
    opaque: str | None = None
    algorithm: str = "MD5"
    stated_algorithm: str = ""
    qop: bool = False
    stale: bool = False


def challenges_of(headers: Iterable[str]) -> list[Challenge]:
    """The challenges of `WWW-Authenticate` headers that can be answered, the strongest first."""
    parts = [part for header in headers for part in _NEXT.split(header)]
    found = [one for part in parts if (one := _parse(part)) is not None]
    digests = [one for one in found if one.digest]
    digests.sort(key=lambda one: _STRENGTH.index(one.algorithm))
    return digests + [one for one in found if not one.digest]


def _parse(header: str) -> Challenge | None:
    scheme = _SCHEME.match(header)
    if scheme is None or not header.isprintable():
        return None
    found = _PARAMETER.findall(header, scheme.end())
    given = {name.lower(): quoted or plain for name, quoted, plain in found}
    if scheme[1].lower() == "basic":
        return Challenge(digest=False, realm=given.get("realm", ""))
    algorithm = given.get("algorithm", "MD5").upper()
    offered = [one.strip().lower() for one in given.get("qop", "").split(",") if one.strip()]
    if algorithm not in _HASHES or "nonce" not in given or (offered and "auth" not in offered):
        return None
    return Challenge(
        digest=True,
        realm=given.get("realm", ""),
        nonce=given["nonce"],
        opaque=given.get("opaque"),
        algorithm=algorithm,
        stated_algorithm=given.get("algorithm", ""),
        qop=bool(offered),
        stale=given.get("stale", "").lower() == "true",
    )


class Authorizer:
    """Writes `Authorization` headers for one login and one challenge."""

    def __init__(self, credentials: Credentials, challenge: Challenge) -> None:
        """Prepares for requests; a new challenge needs a new one."""
        self._credentials = credentials
        self._challenge = challenge
        self._count = 0
        self._client_nonce = secrets.token_hex(8)

    def header(self, method: str, url: str) -> str:
        """The header's value for one request."""
        challenge, login = self._challenge, self._credentials
        if not challenge.digest:
            pair = f"{login.username}:{login.password}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        self._count += 1
        count = f"{self._count:08x}"
        name = login.username.replace("\\", "\\\\").replace('"', '\\"')
        fields = [
            f'username="{name}"',
            f'realm="{challenge.realm}"',
            f'nonce="{challenge.nonce}"',
            f'uri="{url}"',
            f'response="{self._response(method, url, count)}"',
        ]
        if challenge.stated_algorithm:
            fields.append(f"algorithm={challenge.stated_algorithm}")
        if challenge.opaque is not None:
            fields.append(f'opaque="{challenge.opaque}"')
        if challenge.qop:
            fields += ["qop=auth", f"nc={count}"]
        if challenge.qop or challenge.algorithm.endswith("-SESS"):
            fields.append(f'cnonce="{self._client_nonce}"')
        return f"Digest {', '.join(fields)}"

    def _response(self, method: str, url: str, count: str) -> str:
        challenge, login = self._challenge, self._credentials
        realm = re.sub(r"\\(.)", r"\1", challenge.realm)
        secret = self._hash(f"{login.username}:{realm}:{login.password}")
        if challenge.algorithm.endswith("-SESS"):
            secret = self._hash(f"{secret}:{challenge.nonce}:{self._client_nonce}")
        target = self._hash(f"{method}:{url}")
        if not challenge.qop:
            return self._hash(f"{secret}:{challenge.nonce}:{target}")
        middle = f"{challenge.nonce}:{count}:{self._client_nonce}:auth"
        return self._hash(f"{secret}:{middle}:{target}")

    def _hash(self, text: str) -> str:
        name = _HASHES[self._challenge.algorithm]
        return hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()
