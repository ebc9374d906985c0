"""A stand-in for an identity provider, written from OpenID Connect Core 1.0 and RFC 7636."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from tests.event_hub.stand_in import serving

CLIENT, SECRET = "hub", "canary-client-secret"
ALICE = {"sub": "u-1", "preferred_username": "Alice", "roles": ["dispatch"], "groups": ["north"]}


class Provider(ThreadingHTTPServer):
    """Lets everybody in as `user`; `change` alters what it says in its ID tokens."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key = ECKey.generate_key("P-256", {"kid": "one"})
        self.signing = self.key
        self.made: Callable[[dict[str, str]], str] | None = None
        self.user: dict[str, Any] = dict(ALICE)
        self.change: dict[str, Any] = {}
        self.issuer = self.url
        self.codes: dict[str, dict[str, str]] = {}
        self.refused: list[str] = []

    def authorize(self, address: str) -> tuple[str, str]:
        """What a browser does there: gives the code and the state to bring back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return code, query["state"]

    def id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300,
            "nonce": asked["nonce"], **self.user, **self.change,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "ES256", "kid": self.signing.kid}
        return jwt.encode(header, claims, self.signing, algorithms=["ES256"])

    def exchange(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        asked = self.codes.pop(form.get("code", ""), None)
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if asked is None or authorization != f"Basic {expected}":
            return None
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != asked["code_challenge"]:
            return None
        if form["redirect_uri"] != asked["redirect_uri"]:
            return None
        return {
            "access_token": "x",
            "token_type": "Bearer",
            "id_token": (self.made or self.id_token)(asked),
        }


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        own = self.server
        if self.path == "/.well-known/openid-configuration":
            self._respond(
                {
                    "issuer": own.issuer,
                    "authorization_endpoint": f"{own.url}/authorize",
                    "token_endpoint": f"{own.url}/token",
                    "jwks_uri": f"{own.url}/keys",
                }
            )
        elif self.path == "/keys":
            self._respond(KeySet([own.key]).as_dict(private=False))
        else:
            self._respond(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        self._respond(self.server.exchange(form, self.headers.get("Authorization", "")))

    def _respond(self, said: Any) -> None:
        data = json.dumps(said or {"error": "invalid_grant"}).encode()
        self.send_response(200 if said else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def providing() -> AbstractContextManager[Provider]:
    return serving(Provider())
