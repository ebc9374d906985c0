"""`IdentityProvider`: the hub's side of OpenID Connect, authorization code with PKCE.

OpenID Connect Core 1.0 (section 3.1), PKCE (RFC 7636), issuer in the answer (RFC 9207). Signatures
and claims of ID tokens are checked by joserfc. No text of an error holds anything secret.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

import urllib3
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, TypeAdapter, ValidationError

from event_hub.oidc_settings import OidcSettings, ProtectedUrl

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "EdDSA",
)
"""Signatures by a private key alone: whoever checks must not be able to sign."""
TIMEOUT_S: Final = 10.0
ANSWER_BYTES: Final = 1024 * 1024
KNOWN_S: Final = 3600.0
"""How long what the provider says of itself counts."""
ASK_KEYS_EVERY_S: Final = 60.0
LEEWAY_S: Final = 60
TOKEN_S: Final = 600
"""An ID token that was issued longer ago is not from this login."""


class IdentityProviderError(Exception):
    """The provider cannot be used now, or what it answers is not right; the text says why."""


class _Provider(BaseModel):
    """What is used of the provider's metadata (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: ProtectedUrl
    token_endpoint: ProtectedUrl
    jwks_uri: ProtectedUrl
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


_CLAIMS: Final = TypeAdapter(dict[str, Any])


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """What the hub has to remember until the browser comes back."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> PendingLogin:
        """One with fresh secrets."""
        return cls(*(secrets.token_urlsafe(32) for _ in range(3)))


class IdentityProvider:
    """One provider; safe to use from several threads."""

    def __init__(self, settings: OidcSettings, clock: Callable[[], float] = time.monotonic) -> None:
        """Asks nothing yet."""
        self.settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._http = urllib3.PoolManager(timeout=TIMEOUT_S, retries=False)
        self._provider: _Provider | None = None
        self._keys: KeySet | None = None
        self._known_at_s = self._keys_at_s = float("-inf")

    def address(self, pending: PendingLogin, redirect_uri: str) -> str:
        """Where the browser goes to log in.

        Raises:
            IdentityProviderError: The provider does not answer, or is not the one of the settings.
        """
        challenge = hashlib.sha256(pending.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self.settings.scopes),
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        endpoint = self._metadata().authorization_endpoint
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def claims(self, code: str, pending: PendingLogin, redirect_uri: str) -> dict[str, Any]:
        """What the provider says of who logged in, for the code that the browser brought.

        Raises:
            IdentityProviderError: It refuses the code, or its ID token is not right.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self.settings.client_id,
            "code_verifier": pending.verifier,
        }
        answer = self._posted(form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise IdentityProviderError("the identity provider sent no ID token")
        return self._checked(token, pending.nonce)

    def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        wanted = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._metadata().issuer},
            aud={"essential": True, "value": self.settings.client_id},
            nonce={"essential": True, "value": nonce},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        try:
            claims = self._decoded(token).claims
            wanted.validate(claims)
        except (JoseError, ValueError) as error:
            raise IdentityProviderError(
                f"the ID token of the identity provider is not right ({type(error).__name__})"
            ) from None
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1:
            authorized = claims.get("azp")
            if authorized != self.settings.client_id:
                raise IdentityProviderError("the ID token is for another client")
        if claims["iat"] < time.time() - TOKEN_S:
            raise IdentityProviderError("the ID token is from an earlier login; check the clocks")
        return dict(claims)

    def _decoded(self, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, self._key_set(), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            # The provider may have changed its keys since they were read.
            if not self._forget_keys():
                raise
            return jwt.decode(token, self._key_set(), algorithms=ALGORITHMS)

    def _metadata(self) -> _Provider:
        with self._lock:
            if self._provider is None or self._clock() - self._known_at_s > KNOWN_S:
                url = f"{self.settings.issuer}/.well-known/openid-configuration"
                try:
                    found = _Provider.model_validate(self._got(url))
                except ValidationError:
                    raise IdentityProviderError(
                        f"{url} is not what an identity provider says of itself"
                    ) from None
                if found.issuer.rstrip("/") != self.settings.issuer:
                    raise IdentityProviderError(
                        f"{url} is of another issuer; give its address as `issuer`"
                    )
                self._provider, self._known_at_s = found, self._clock()
            return self._provider

    def _key_set(self) -> KeySet:
        address = self._metadata().jwks_uri
        with self._lock:
            if self._keys is None:
                found: Any = self._got(address)
                try:
                    self._keys = KeySet.import_key_set(found)
                except (JoseError, ValueError, KeyError, TypeError):
                    raise IdentityProviderError(f"{address} holds no keys") from None
                self._keys_at_s = self._clock()
            return self._keys

    def _forget_keys(self) -> bool:
        """Whether the keys are read anew; not for every token that somebody made up."""
        with self._lock:
            if self._clock() - self._keys_at_s < ASK_KEYS_EVERY_S:
                return False
            self._keys = None
            return True

    def _got(self, url: str) -> dict[str, Any]:
        return self._answered("GET", url)

    def _posted(self, form: dict[str, str]) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        metadata, secret = self._metadata(), self.settings.secret
        if secret is not None:
            if "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
                pair = ":".join(
                    quote(one, safe="") for one in (form["client_id"], secret.get_secret_value())
                )
                headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                form = form | {"client_secret": secret.get_secret_value()}
        return self._answered("POST", metadata.token_endpoint, urlencode(form), headers)

    def _answered(
        self, method: str, url: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> dict[str, Any]:
        try:
            answer = self._http.request(
                method, url, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                data = answer.read(ANSWER_BYTES + 1)
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            reason = type(error).__name__
            raise IdentityProviderError(
                f"the identity provider does not answer at {url} ({reason})"
            ) from None
        if answer.status != 200 or len(data) > ANSWER_BYTES:  # noqa: PLR2004
            raise IdentityProviderError(f"the identity provider answered {answer.status} at {url}")
        try:
            return _CLAIMS.validate_json(data)
        except ValidationError:
            raise IdentityProviderError(f"what {url} answers is no JSON object") from None
