"""How a browser becomes known to the hub: a name and a password, a link, or a pasted token.

All are exchanged for a session that ends after some hours: one of the user, or a token of its own.
It is kept in a cookie that scripts cannot read and that no other site's page can make the browser
send.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from event_hub.access import COOKIE, FORM
from event_hub.console.login_page import HOME, login_page, own_address, welcome_page
from event_hub.people.accounts import Accounts
from event_hub.people.identity_provider import IdentityProvider
from event_hub.people.noting import refusing_unnoted
from event_hub.people.outside_login import add_outside_login
from event_hub.people.routes import refusing
from event_hub.people.sessions import LASTS as SESSION_LASTS
from event_hub.settings import HubSettings
from pipelines.access import TokenFile

SESSION_NAME: Final = "console session"
ADDRESS_CHARS: Final = 64
SEE_OTHER: Final = 303


def login_router(tokens: TokenFile, accounts: Accounts, settings: HubSettings) -> APIRouter:
    """The routes of the login; the cookie is for TLS alone where the browser uses TLS."""
    router = APIRouter(tags=["login"])
    # Without TLS of its own, every connection comes from a reverse proxy, which says from whom.
    behind_proxy = settings.without_tls
    outside = settings.oidc.label if settings.oidc else ""
    if settings.oidc is not None:
        add_outside_login(
            router,
            accounts,
            IdentityProvider(settings.oidc),
            settings.address,
            lambda request, text: _remembered(request, _welcome(request), text),
            lambda request, refusal: _refused(request, refusal, outside),
            lambda request: _address(request, behind_proxy),
        )

    def token_session(presented: str, address: str) -> str:
        """A session for a token. Raises 401 where it is none, and 503."""
        text = tokens.exchange(presented, SESSION_NAME, SESSION_LASTS)
        with refusing_unnoted():
            accounts.note_token(tokens.caller(text) if text else None, address)
        if text is None:
            raise HTTPException(401, "the token is not valid; a link works only once")
        return text

    @router.get("/enter", summary="Open the console with a link", response_class=HTMLResponse)
    def enter(request: Request, token: str = "") -> Response:
        """Exchanges the link's token for a session cookie, and leads to the console."""
        text = token_session(token, _address(request, behind_proxy))
        return _remembered(request, _welcome(request), text)

    names = ("name", "password", "token", "next")
    form: dict[str, Any] = {
        "schema": {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    }

    @router.post(
        "/login",
        summary="Open the console with a name and a password, or with a token",
        status_code=SEE_OTHER,
        response_class=RedirectResponse,
        openapi_extra={"requestBody": {"required": True, "content": {FORM: form}}},
    )
    async def login(request: Request) -> Response:
        """Begins a session, kept in a cookie. After failures the next attempt has to wait: 429.

        `next` is the page of this server that it leads to.
        """
        fields = parse_qs((await request.body()).decode("utf-8", errors="replace"))
        name, password, token, wanted = (fields.get(one, [""])[0] for one in names)
        try:
            address = _address(request, behind_proxy)
            if token:
                text = await run_in_threadpool(token_session, token.strip(), address)
            else:
                with refusing():
                    text = await run_in_threadpool(accounts.log_in, name, password, address)
        except HTTPException as refusal:
            # One sentence for every wrong name and password.
            refusal.status_code = 401 if refusal.status_code == 403 else refusal.status_code  # noqa: PLR2004
            return _refused(request, refusal, outside, wanted, with_token=bool(token))
        return _remembered(request, RedirectResponse(own_address(wanted), SEE_OTHER), text)

    _add_logout(router, tokens, accounts)
    return router


def _add_logout(router: APIRouter, tokens: TokenFile, accounts: Accounts) -> None:
    @router.post(
        "/logout",
        summary="End the session",
        status_code=SEE_OTHER,
        response_class=RedirectResponse,
    )
    def logout(request: Request) -> Response:
        """Ends the session of the cookie."""
        presented = request.cookies.get(COOKIE, "")
        known = tokens.check(presented)
        if known is not None and known.name == SESSION_NAME:
            caller = tokens.caller(presented)
            tokens.revoke(known.id)
            accounts.note_logout(caller)
        accounts.log_out(presented)
        response = RedirectResponse("/", SEE_OTHER)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_secure(request))
        return response


def _refused(
    request: Request,
    refusal: HTTPException,
    outside: str,
    wanted: str = HOME,
    with_token: bool = False,
) -> Response:
    """Why somebody is not let in: on the page of the login, where a browser asks."""
    if "text/html" not in request.headers.get("accept", ""):
        raise refusal
    page = login_page(
        *_spoken(request),
        wanted,
        outside=outside,
        problem=str(refusal.detail),
        with_token=with_token,
    )
    return HTMLResponse(page, refusal.status_code, refusal.headers)


def _welcome(request: Request) -> Response:
    # The address of this page holds a token or a code.
    return HTMLResponse(welcome_page(*_spoken(request)), headers={"Referrer-Policy": "no-referrer"})


def _spoken(request: Request) -> tuple[str, str]:
    """What says which language a browser wants: `Accept-Language` and `Cookie`."""
    return request.headers.get("accept-language", ""), request.headers.get("cookie", "")


def _remembered(request: Request, response: Response, text: str) -> Response:
    response.set_cookie(
        COOKIE,
        text,
        max_age=int(SESSION_LASTS.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=_is_secure(request),
    )
    return response


def _address(request: Request, behind_proxy: bool) -> str:
    """Where a request comes from. A proxy adds the address that it sees as the last one."""
    seen = request.client.host if request.client else ""
    said = request.headers.get("x-forwarded-for", "") if behind_proxy else ""
    return said.rpartition(",")[2].strip()[:ADDRESS_CHARS] or seen


def _is_secure(request: Request) -> bool:
    """Whether the browser came by TLS, to us or to a reverse proxy."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
