"""Takes a login out of a camera address before anything can print it."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from cityeye.config.document import Document
from cityeye.config.problem import Key, Problem, dotted

PASSWORD_IN_PATH = re.compile(r"(?i)[/?&;_](pass(word|wd)?|pwd)=")


def lift_logins(document: Document) -> list[Problem]:
    """Moves `user:password@` of every camera's source to its own keys.

    Returns:
        Warnings, one per address that held a login; what cannot be moved safely becomes a problem
        of the document.
    """
    cameras = document.data.get("cameras")
    warnings: list[Problem] = []
    if not isinstance(cameras, list):
        return warnings
    for index, camera in enumerate(cameras):
        if isinstance(camera, dict) and isinstance(camera.get("source"), str):
            warnings += _lift(document, camera, ("cameras", index, "source"))
    return warnings


def _lift(document: Document, camera: dict[str, Any], key: Key) -> list[Problem]:
    scheme, separator, rest = camera["source"].strip().partition("://")
    if not separator or scheme.lower() == "file":
        return []
    authority, slash, path = rest.partition("/")
    login, at, host = authority.rpartition("@")
    if "@" in path and (at or not _is_numeric_host(authority)):
        # A user name and the first digits of a password look like any other host and port.
        remedy = "Write it under `username:` and `password:`, and an @ of the path as %40."
        document.report(key, "the login in the address cannot be told from the path", remedy)
        camera["source"] = f"{scheme}://{path.rpartition('@')[2]}"
        return []
    camera["source"] = f"{scheme}://{host}{slash}{path}"
    if at:
        return [_move(document, camera, key, login)]
    if PASSWORD_IN_PATH.search(path):
        remedy = "Give this account the right to watch and nothing else; the path may be logged."
        what = "the path of the address holds a password"
        return [Problem(document.line(key), dotted(key), what, remedy)]
    return []


def _move(document: Document, camera: dict[str, Any], key: Key, login: str) -> Problem:
    username, _, password = login.partition(":")
    if camera.get("username") is not None or camera.get("password") is not None:
        what = "the address holds a login, and so do `username:` and `password:`"
        document.report(key, what, "Remove the login from the address.")
    else:
        camera["username"], camera["password"] = unquote(username), unquote(password)
    remedy = "Move it to `username:` and `password:`, best as `${CAMERA_PASSWORD}`."
    return Problem(document.line(key), dotted(key), "the address holds a login", remedy)


def _is_numeric_host(authority: str) -> bool:
    """Whether this is an IP address, perhaps with a port, so that an `@` after it is the path's."""
    host = urlsplit(f"//{authority}").hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
