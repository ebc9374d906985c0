"""The routes of the login at an identity provider: there, and back with a code.

What the hub has to remember meanwhile is in a signed cookie of the browser that left, so that
nobody can finish a login that another browser began.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from event_hub.people.accounts import Accounts
from event_hub.people.identity_provider import (
    IdentityProvider,
    IdentityProviderError,
    PendingLogin,
)
from event_hub.people.outside_users import outside_user
from event_hub.people.routes import refusing

BEGIN: Final = "/login/oidc"
BACK: Final = "/login/oidc/callback"
COOKIE: Final = "cityeye_oidc"
LASTS_S: Final = 600
SEE_OTHER: Final = 303
CODE_CHARS: Final = 4096

RememberLogin = Callable[[Request, str], Response]
"""Makes the answer that puts a session into the browser and leads to the console."""
RefuseLogin = Callable[[Request, HTTPException], Response]
"""Makes the answer that says why somebody is not let in: a page, where a browser asks."""


class _Sealed:
    """Signs what a browser keeps; a hub that is started again knows nothing of before."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def seal(self, pending: PendingLogin) -> str:
        kept = [pending.state, pending.nonce, pending.verifier, int(time.time()) + LASTS_S]
        text = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode()
        return f"{text}.{self._sign(text)}"

    def open(self, sealed: str) -> PendingLogin | None:
        text, _, signature = sealed.partition(".")
        if not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            return None
        state, nonce, verifier, until_s = json.loads(base64.urlsafe_b64decode(text))
        return PendingLogin(state, nonce, verifier) if time.time() < until_s else None

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def add_outside_login(
    router: APIRouter,
    accounts: Accounts,
    provider: IdentityProvider,
    address: str,
    remember: RememberLogin,
    refuse: RefuseLogin,
    where_from: Callable[[Request], str],
) -> None:
    """Adds the routes.

    Args:
        router: Where to.
        accounts: Of the hub.
        provider: Where people log in.
        address: At which people reach the hub; as the browser called it, without one.
        remember: Makes the last answer.
        refuse: Makes the answer where there is no way in.
        where_from: The address of who asks.
    """
    sealed = _Sealed()

    def callback(request: Request) -> str:
        return f"{address.rstrip('/') or str(request.base_url).rstrip('/')}{BACK}"

    @router.get(
        BEGIN,
        summary="Log in at the identity provider",
        response_class=RedirectResponse,
        status_code=SEE_OTHER,
    )
    def begin_outside_login(request: Request) -> Response:
        """Leads there."""
        pending = PendingLogin.new()
        try:
            response = RedirectResponse(provider.address(pending, callback(request)), SEE_OTHER)
        except IdentityProviderError as error:
            return refuse(request, HTTPException(503, str(error)))
        response.set_cookie(
            COOKIE,
            sealed.seal(pending),
            max_age=LASTS_S,
            path=BEGIN,
            httponly=True,
            # The provider leads back, and the cookie has to come along.
            samesite="lax",
            secure=callback(request).startswith("https"),
        )
        return response

    @router.get(BACK, summary="Come back from the identity provider", response_class=HTMLResponse)
    def end_outside_login(
        request: Request, code: str = "", state: str = "", iss: str | None = None, error: str = ""
    ) -> Response:
        """Begins a session for who logged in there."""
        try:
            pending = pending_of(request, code, state, error)
            if iss is not None and iss.rstrip("/") != provider.settings.issuer:
                raise HTTPException(400, "this answer is of another identity provider")
            text = session(request, code, pending)
        except HTTPException as refusal:
            return refuse(request, refusal)
        response = remember(request, text)
        response.delete_cookie(COOKIE, path=BEGIN, httponly=True, samesite="lax")
        return response

    def pending_of(request: Request, code: str, state: str, error: str) -> PendingLogin:
        """The login that comes back. Raises 400 and 403."""
        pending = sealed.open(request.cookies.get(COOKIE, ""))
        if pending is None or not hmac.compare_digest(pending.state.encode(), state.encode()):
            raise HTTPException(400, "this login was not begun here, or is over; begin anew")
        if error or not code or len(code) > CODE_CHARS:
            raise HTTPException(403, "the identity provider did not let you in")
        return pending

    def session(request: Request, code: str, pending: PendingLogin) -> str:
        """A session for who has the code. Raises what `refusing` does, and 503."""
        try:
            claims = provider.claims(code, pending, callback(request))
        except IdentityProviderError as failure:
            raise HTTPException(503, str(failure)) from None
        with refusing():
            known = outside_user(claims, provider.settings)
            return accounts.log_in_outside(known, where_from(request))
