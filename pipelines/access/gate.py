"""`AccessGate`: the outermost layer of a server of ours; lets in what is allowed and nothing else.

In this order: the Host is ours, a browser's request comes from our own page, the token or session
is valid, the route is declared and the caller's scope is enough for it, the body is of a declared
type and within its limit. It works for every ASGI application and answers before that has seen
anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from pipelines.access.caller import Caller, SessionCheck, SessionsUnavailableError
from pipelines.access.origin import host_of, is_same_origin
from pipelines.access.problem import PROBLEM_MEDIA_TYPE, ProblemDetails
from pipelines.access.request_body import (
    DRAIN_BYTES,
    HeldBytes,
    Message,
    Receive,
    RequestBody,
    Send,
    drain,
)
from pipelines.access.routes import WEBSOCKET, RouteRule, RouteTable
from pipelines.access.token import split_token
from pipelines.access.token_file import TokenFile, TokenFileError

log = logging.getLogger(__name__)

Application = Callable[[Message, Receive, Send], Awaitable[None]]
Headers = dict[bytes, list[str]]

SAFE_METHODS = frozenset({"GET", "HEAD"})
CALLER = "cityeye.caller"
"""Under this name the scope of a request that was let in has its caller, see `caller_of`."""
STILL = "cityeye.still_admitted"
"""Under this name it has what says whether it still is, see `is_still_admitted`."""
OWN_SITES = frozenset({"same-origin", "none"})
HELD_BYTES = 64 * 1024 * 1024
WEBSOCKET_CHECK_S = 1.0
POLICY_VIOLATION = 1008
"""The code with which a websocket is closed."""
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # With `no-referrer` browsers send `Origin: null` with the forms of our own pages.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}
"""On every answer that does not say otherwise itself."""


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Who is let in to one server.

    Attributes:
        hosts: Names that a Host header may have, see `known_hosts`.
        content_security_policy: For answers that do not bring their own.
        cookie: A cookie that may hold the token instead of the header; none where it is empty.
        sessions: Whose session the cookie is where it holds no token; nobody's without it.
        login_page: Gives the HTML for a browser that asks for a page and is not known yet, from its
            `Accept-Language`, its `Cookie`, and the path and query that it asked for.
        held_bytes: Bytes of bodies that may be waiting for their answer in all.
        in_process: Whether the application is in this process. What another one gets has to be sent
            to it, and `is_still_admitted` cannot be: a gate in front of it there brings its own.
    """

    routes: RouteTable
    tokens: TokenFile
    hosts: frozenset[str]
    content_security_policy: str = SECURITY_HEADERS["Content-Security-Policy"]
    cookie: str = ""
    sessions: SessionCheck | None = None
    login_page: Callable[[str, str, str], str] | None = None
    held_bytes: int = HELD_BYTES
    in_process: bool = True


def caller_of(scope: Message) -> Caller:
    """Whose request it is, on a route that needs a token or a session."""
    caller: Caller = scope[CALLER]
    return caller


async def is_still_admitted(scope: Message) -> bool:
    """Whether a request that was let in would be let in now; for answers that last.

    `caller_of` says then what its caller may do now.
    """
    check: Callable[[], Awaitable[bool]] = scope[STILL]
    return await check()


class _Refused(Exception):
    """A request is not let in."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


class AccessGate:
    """An ASGI application in front of another."""

    def __init__(self, app: Application, policy: AccessPolicy) -> None:
        self._app = app
        self._policy = policy
        self._held = HeldBytes(policy.held_bytes)
        extra = {**SECURITY_HEADERS, "Content-Security-Policy": policy.content_security_policy}
        self._headers = [(k.lower().encode(), v.encode()) for k, v in extra.items()]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """See ASGI 3."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope["headers"])
        try:
            rule = await self._admitted(scope, headers)
        except _Refused as refusal:
            await self._refuse(scope, headers, receive, send, refusal)
            return
        # Applications behind it rewrite the scope, the path of a mounted one for example.
        asked = dict(scope)

        async def still() -> bool:
            admitted = await self._is_admitted(asked, headers)
            if CALLER in asked:
                scope[CALLER] = asked[CALLER]
            return admitted

        if self._policy.in_process:
            scope[STILL] = still
        if scope["type"] == "websocket":
            await self._app(scope, receive, self._watched(still, send))
        else:
            await self._pass(rule, scope, receive, send)

    async def _admitted(self, scope: Message, headers: Headers) -> RouteRule:
        websocket = scope["type"] == "websocket"
        method = WEBSOCKET if websocket else scope["method"]
        rule = self._policy.routes.find(method, scope["path"])
        is_open = rule is not None and rule.scope is None
        if not is_open or method not in SAFE_METHODS:
            # What everybody may see is also asked for by probes, which call us by our address.
            self._check_place(headers, method)
        if rule is None or rule.scope is not None:
            caller = await self._caller(headers)
            if caller is None:
                raise _Refused(401, "this needs a valid token: `Authorization: Bearer TOKEN`")
            rule = _allowed(caller, rule)
            scope[CALLER] = caller
            if method not in SAFE_METHODS:
                _check_own_page(headers)
        if not websocket:
            _check_body(rule, method, headers)
        return rule

    async def _is_admitted(self, scope: Message, headers: Headers) -> bool:
        try:
            await self._admitted(scope, headers)
        except _Refused:
            return False
        return True

    def _check_place(self, headers: Headers, method: str) -> None:
        hosts = headers.get(b"host", [])
        if len(hosts) != 1 or host_of(hosts[0]) not in self._policy.hosts:
            raise _Refused(
                421, "the server is not called by this name; see `hosts` in its settings"
            )
        if method in SAFE_METHODS:
            return
        foreign = any(not is_same_origin(one, hosts[0]) for one in headers.get(b"origin", ()))
        if foreign or not OWN_SITES.issuperset(headers.get(b"sec-fetch-site", ())):
            raise _Refused(403, "pages of other sites may not do this")

    async def _caller(self, headers: Headers) -> Caller | None:
        """Who sent a request; None where nobody is known by what it brings."""
        presented = _presented(headers, self._policy.cookie)
        try:
            if not presented:
                return None
            if (
                split_token(presented) is None
                and self._policy.sessions
                and not _has_header(headers)
            ):
                return await self._policy.sessions(presented)
            return self._policy.tokens.caller(presented)
        except TokenFileError as error:
            log.error("tokens_unreadable", extra={"reason": str(error)})
            raise _Refused(503, "the tokens cannot be read; the log says why") from None
        except SessionsUnavailableError as error:
            log.error("sessions_unreadable", extra={"reason": str(error)})
            raise _Refused(503, "sessions cannot be read now; the log says why") from None

    async def _pass(self, rule: RouteRule, scope: Message, receive: Receive, send: Send) -> None:
        async def refuse(status: int, why: str) -> None:
            await self._answer(send, status, why)

        body = RequestBody(receive, self._with_headers(send), refuse, rule.limit_bytes, rule.body_s)
        try:
            await self._app(scope, lambda: body.receive(self._held), body.send)
        except Exception:
            # The application was told that the caller has gone, and may say so in its own way.
            if not body.refused:
                raise
        finally:
            body.forget(self._held)
        # It may have ended before whoever reads the body for it came to answer.
        await body.answer()

    def _with_headers(self, send: Send) -> Send:
        async def forward(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", ()))
                names = {bytes(name).lower() for name, _ in given}
                given += [(name, value) for name, value in self._headers if name not in names]
                message = {**message, "headers": given}
            await send(message)

        return forward

    def _watched(self, still: Callable[[], Awaitable[bool]], send: Send) -> Send:
        """Closes a websocket when its token is not valid any more and something is to be sent."""
        clock_s = asyncio.get_running_loop().time
        checked_s = clock_s()
        closed = False

        # While one message waits for the check, the next must not pass it.
        in_order = asyncio.Lock()

        async def forward(message: Message) -> None:
            nonlocal checked_s, closed
            async with in_order:
                if closed:
                    return
                if clock_s() - checked_s > WEBSOCKET_CHECK_S:
                    checked_s = clock_s()
                    if not await still():
                        closed = True
                        message = {"type": "websocket.close", "code": POLICY_VIOLATION}
                await send(message)

        return forward

    async def _refuse(
        self, scope: Message, headers: Headers, receive: Receive, send: Send, refusal: _Refused
    ) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        if _is_worth_draining(headers):
            await drain(receive)
        page = self._policy.login_page
        is_page = scope["method"] == "GET" and "text/html" in ",".join(headers.get(b"accept", ()))
        if refusal.status == 401 and page and is_page:  # noqa: PLR2004
            accepted, cookies = (
                ",".join(headers.get(name, ())) for name in (b"accept-language", b"cookie")
            )
            html = page(accepted, cookies, _address(scope))
            await self._write(send, 401, html.encode(), b"text/html; charset=utf-8")
        else:
            await self._answer(send, refusal.status, str(refusal))

    async def _answer(self, send: Send, status: int, why: str) -> None:
        problem = ProblemDetails.of(status, why)
        await self._write(send, status, problem.as_json(), PROBLEM_MEDIA_TYPE.encode())

    async def _write(self, send: Send, status: int, body: bytes, media_type: bytes) -> None:
        headers = [
            (b"content-type", media_type),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if status == 401:  # noqa: PLR2004
            headers.append((b"www-authenticate", b'Bearer realm="cityeye"'))
        if status == 503:  # noqa: PLR2004
            headers.append((b"retry-after", b"2"))
        forward = self._with_headers(send)
        await forward({"type": "http.response.start", "status": status, "headers": headers})
        await forward({"type": "http.response.body", "body": body})


def _address(scope: Message) -> str:
    """Path and query as they were asked for."""
    path = bytes(scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = bytes(scope.get("query_string", b"")).decode("latin-1")
    return f"{path}?{query}" if query else path


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    found: Headers = {}
    for name, value in raw:
        found.setdefault(bytes(name).lower(), []).append(bytes(value).decode("latin-1").strip())
    return found


def _allowed(caller: Caller, rule: RouteRule | None) -> RouteRule:
    """The rule of a route that the caller may use."""
    if rule is None or rule.scope is None:
        raise _Refused(403, "no scope gives access to this path and method")
    if not caller.scope.allows(rule.scope):
        raise _Refused(403, f"this needs a token of scope {rule.scope}")
    if caller.groups and not rule.by_group:
        raise _Refused(403, "this is closed to whoever is limited to camera groups")
    return rule


def _has_header(headers: Headers) -> bool:
    return b"authorization" in headers


def _check_own_page(headers: Headers) -> None:
    """A browser sends its cookie by itself, so it must say that a page of ours made the request.

    All browsers say so with everything but GET and HEAD (Fetch standard, "append a request
    `Origin` header"); what it says was compared with our Host before.
    """
    if not (_has_header(headers) or b"origin" in headers or b"sec-fetch-site" in headers):
        raise _Refused(403, "a request with a cookie must say from which page it comes (`Origin`)")


def _presented(headers: Headers, cookie: str) -> str:
    """The token or session that a request brings; empty where it brings none, or two tokens."""
    given = headers.get(b"authorization")
    if given is not None:
        scheme, _, token = given[0].partition(" ")
        return token.strip() if len(given) == 1 and scheme.lower() == "bearer" else ""
    if not cookie:
        return ""
    try:
        cookies = SimpleCookie("; ".join(headers.get(b"cookie", ())))
    except CookieError:
        return ""
    return cookies[cookie].value if cookie in cookies else ""


def _is_worth_draining(headers: Headers) -> bool:
    """Whether a body is on its way that may end soon; its sender would not read the answer else."""
    length = headers.get(b"content-length", ["0"])[0]
    short = length.isdigit() and 0 < int(length) <= DRAIN_BYTES
    return (short or b"transfer-encoding" in headers) and b"expect" not in headers


def _check_body(rule: RouteRule, method: str, headers: Headers) -> None:
    length = headers.get(b"content-length", ["0"])[0]
    if not length.isdigit():
        raise _Refused(400, "the length of the body is not a number")
    if int(length) > rule.limit_bytes:
        raise _Refused(413, f"the body has more than {rule.limit_bytes} bytes")
    if not rule.media_types or method in SAFE_METHODS:
        return
    media_type = headers.get(b"content-type", [""])[0].partition(";")[0].strip().lower()
    if media_type not in rule.media_types:
        raise _Refused(415, f"send {' or '.join(sorted(rule.media_types))}")
