"""`Token`: a random secret by which a caller is known, of which only a salted digest is kept.

A token reads `cye_ID_SECRET`. The id finds the entry, so that one comparison in constant time is
enough; the secret has 256 random bits, so that no slow hash is needed.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from pipelines.access.scope import Scope

PREFIX = "cye"
SECRET_BYTES = 32
MAX_CHARS = 128
"""A longer text is no token, whatever it holds."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token.

    Attributes:
        id: Names it in lists and when it is revoked.
        name: What people call it.
        salt: Hexadecimal, for the digest.
        digest: HMAC-SHA256 of the secret, hexadecimal.
        expires_at: From then on it is refused; never where it is None.
        once: It opens nothing, and can be exchanged one time for another token.
        parent: Id of the token that it was made with; revoked together with it.
        groups: Names of the camera groups that it is limited to; empty where it has every camera.
    """

    id: str
    name: str
    scope: Scope
    salt: str
    digest: str
    created_at: datetime
    expires_at: datetime | None = None
    once: bool = False
    parent: str = ""
    groups: tuple[str, ...] = ()

    def matches(self, secret: str) -> bool:
        """Whether this is its secret; takes equally long for every wrong one."""
        return hmac.compare_digest(self.digest, _digest(self.salt, secret))

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or moment < self.expires_at


def new_token(
    name: str,
    scope: Scope,
    created_at: datetime,
    expires_at: datetime | None = None,
    once: bool = False,
    parent: str = "",
    groups: tuple[str, ...] = (),
) -> tuple[Token, str]:
    """A token, and the text that its owner presents."""
    token_id, salt = secrets.token_hex(6), secrets.token_hex(16)
    secret = secrets.token_urlsafe(SECRET_BYTES)
    digest = _digest(salt, secret)
    known = (token_id, name, scope, salt, digest, created_at, expires_at, once, parent, groups)
    return Token(*known), f"{PREFIX}_{token_id}_{secret}"


def split_token(presented: str) -> tuple[str, str] | None:
    """Id and secret of a presented text; None where it is no token."""
    if len(presented) > MAX_CHARS or not presented.isascii():
        return None
    prefix, _, rest = presented.partition("_")
    token_id, _, secret = rest.partition("_")
    return (token_id, secret) if prefix == PREFIX and token_id and secret else None


def _digest(salt: str, secret: str) -> str:
    return hmac.new(bytes.fromhex(salt), secret.encode(), hashlib.sha256).hexdigest()
