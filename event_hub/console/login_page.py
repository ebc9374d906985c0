"""The page on which somebody logs in, in the language of the browser."""

from __future__ import annotations

import re
from http.cookies import CookieError, SimpleCookie
from typing import Final

from markupsafe import Markup

from event_hub.console.language import COOKIE, chosen_language
from event_hub.console.markup import asset, markup
from event_hub.people.outside_login import BEGIN

HOME: Final = "/"
OWN_ADDRESS: Final = re.compile(r"/(?![/\\])[^\\\s]*")
"""Of this server: no other host, and nothing that a browser takes for one."""

NO_PAGES: Final = ("/_", "/api/", "/enter", "/log")
"""Addresses that are no pages begin with one of these."""

ADDRESS_CHARS: Final = 2000


def own_address(address: str) -> str:
    """The address if it is one of this server's pages, else the first page."""
    is_own = len(address) <= ADDRESS_CHARS and OWN_ADDRESS.fullmatch(address)
    return HOME if not is_own or address.startswith(NO_PAGES) else address


def login_page(
    accepted: str,
    cookies: str,
    address: str = HOME,
    *,
    outside: str = "",
    problem: str = "",
    with_token: bool = False,
) -> str:
    """The page with the ways in.

    Args:
        accepted: `Accept-Language` of the request.
        cookies: `Cookie` of the request.
        address: Path and query that the browser asked for; it leads there afterwards.
        outside: What the identity provider is called, where there is one.
        problem: Why the last attempt failed.
        with_token: Whether that was with a token.
    """
    return _rendered(
        accepted,
        cookies,
        address=own_address(address),
        leads_to="",
        outside=outside,
        problem=problem,
        with_token=with_token,
    )


def welcome_page(accepted: str, cookies: str) -> str:
    """The page that leads to the console.

    A redirect would be part of a visit that another page began, and the cookie is not sent on
    those.
    """
    return _rendered(
        accepted, cookies, address=HOME, leads_to=HOME, outside="", problem="", with_token=False
    )


def _rendered(accepted: str, cookies: str, **values: object) -> str:
    try:
        chosen = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        chosen = None
    language = chosen_language(accepted, chosen.value if chosen else "")
    return markup(language).render(
        "login.html",
        style=_asset("base.css") + _asset("login.css"),
        theme=_asset("theme.js"),
        begin=BEGIN,
        token_command=_command("cityeye token show"),
        user_command=_command("cityeye user add"),
        **values,
    )


def _command(text: str) -> Markup:
    return Markup("<code>{}</code>").format(text)


def _asset(name: str) -> Markup:
    return Markup(asset(name))  # noqa: S704 - a file of ours
