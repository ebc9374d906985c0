"""How a browser becomes known to the hub: a link that works once, or a token that is pasted.

Both are exchanged for a session, a token of its own that ends after some hours. It is kept in a
cookie that scripts cannot read and that no other site's page can make the browser send.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qs

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse

from event_hub.access import COOKIE, FORM
from pipelines.access import TokenFile

SESSION_NAME: Final = "console session"
SESSION_LASTS: Final = timedelta(hours=12)
SEE_OTHER: Final = 303

_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>CityEye</title>{head}
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 20vh auto; }}
input, button {{ font: inherit; width: 100%; box-sizing: border-box; padding: .5rem; }}
</style></head><body><h1>CityEye</h1>{body}</body></html>
"""
LOGIN_PAGE: Final = _PAGE.format(
    head="",
    body="""
<form method="post" action="/login">
<label for="token">Your token</label>
<input id="token" name="token" type="password" autocomplete="off" required autofocus>
<button>Open the console</button>
</form>
<p><code>cityeye token show</code> prints the first one where the city runs.</p>""",
)
# A redirect would be part of a visit that another page began, and the cookie is not sent on those.
_WELCOME: Final = _PAGE.format(
    head='<meta http-equiv="refresh" content="0;url=/">',
    body='<p><a href="/">Open the console</a></p>',
)


def login_router(tokens: TokenFile) -> APIRouter:
    """The routes of the login; the cookie is for TLS alone where the browser uses TLS."""
    router = APIRouter(tags=["login"])

    async def session(presented: str) -> str:
        """A session for a token. Raises 401 where it is none, or is not for people."""
        text = await run_in_threadpool(tokens.exchange, presented, SESSION_NAME, SESSION_LASTS)
        if text is None:
            raise HTTPException(401, "the token is not valid; a link works only once")
        return text

    def remember(request: Request, response: Response, text: str) -> Response:
        response.set_cookie(
            COOKIE,
            text,
            max_age=int(SESSION_LASTS.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=_is_secure(request),
        )
        return response

    @router.get("/enter", summary="Open the console with a link", response_class=HTMLResponse)
    async def enter(request: Request, token: str = "") -> Response:
        """Exchanges the link's token for a session cookie, and leads to the console."""
        return remember(request, HTMLResponse(_WELCOME), await session(token))

    form: dict[str, Any] = {
        "schema": {"type": "object", "properties": {"token": {"type": "string"}}}
    }

    @router.post(
        "/login",
        summary="Open the console with a token",
        status_code=SEE_OTHER,
        response_class=RedirectResponse,
        openapi_extra={"requestBody": {"required": True, "content": {FORM: form}}},
    )
    async def login(request: Request) -> Response:
        """Exchanges the form's token for a session cookie."""
        fields = parse_qs((await request.body()).decode("utf-8", errors="replace"))
        text = await session(fields.get("token", [""])[0].strip())
        return remember(request, RedirectResponse("/", SEE_OTHER), text)

    @router.post(
        "/logout",
        summary="End the session",
        status_code=SEE_OTHER,
        response_class=RedirectResponse,
    )
    async def logout(request: Request) -> Response:
        """Revokes the session of the cookie."""
        presented = request.cookies.get(COOKIE, "")
        known = tokens.check(presented)
        if known is not None and known.name == SESSION_NAME:
            await run_in_threadpool(tokens.revoke, known.id)
        response = RedirectResponse("/", SEE_OTHER)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=_is_secure(request))
        return response

    return router


def _is_secure(request: Request) -> bool:
    """Whether the browser came by TLS, to us or to a reverse proxy."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
