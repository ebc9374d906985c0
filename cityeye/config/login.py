"""Takes a login out of an address before anything can print it."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import unquote

from cityeye.config.document import Document
from cityeye.config.problem import Key
from cityeye.config.streams import INFERENCE_SOURCE, SOURCE_KEYS
from cityeye.errors import CommandError

PASSWORD_IN_PATH = re.compile(r"(?i)[/?&;_](pass(word|wd)?|pwd|secret|sign|token)=")


def lift_logins(document: Document) -> None:
    """Moves `user:password@` of every camera's addresses to its own keys, with a warning.

    What cannot be moved safely becomes a problem of the document, and so does a login in the path
    of a sink's address.
    """
    for key, section in _sections(document, "cameras"):
        for name in SOURCE_KEYS:
            if isinstance(section.get(name), str):
                _lift(document, section, (*key, name))
    for key, section in _sections(document, "sinks"):
        url = section.get("url")
        if isinstance(url, str) and _hides_login(url.partition("://")[2]):
            what = "the login in the address cannot be told from the path"
            document.report((*key, "url"), what, "Use `token:` or `secret:` instead.")
            section["url"] = "http://hidden/"


def lifted_login(camera: dict[str, Any]) -> dict[str, Any]:
    """A camera whose address holds no login, which is then under keys of its own.

    Raises:
        CommandError: It cannot be told from the rest of the address.
    """
    document = Document({"cameras": [dict(camera)]})
    lift_logins(document)
    if document.problems:
        first = document.problems[0]
        raise CommandError(f"{first.what}. {first.remedy}")
    lifted: dict[str, Any] = document.data["cameras"][0]
    return lifted


def holds_password(source: str) -> bool:
    """Whether the path of an address, which has no login before its host, holds a password.

    A token, as gateways of GB/T 28181 give one, is a password too.
    """
    return PASSWORD_IN_PATH.search(source.partition("://")[2]) is not None


def _sections(document: Document, name: str) -> list[tuple[Key, dict[str, Any]]]:
    """The mappings in a list of the document."""
    listed = document.data.get(name)
    sections = enumerate(listed if isinstance(listed, list) else ())
    return [((name, index), one) for index, one in sections if isinstance(one, dict)]


def _lift(document: Document, camera: dict[str, Any], key: Key) -> None:
    name = str(key[-1])
    scheme, separator, rest = camera[name].strip().partition("://")
    if not separator or scheme.lower() == "file":
        return
    if _hides_login(rest):
        remedy = "Write it under `username:` and `password:`; an `@` of the path is written %40."
        document.report(key, "the login in the address cannot be told from the path", remedy)
        camera[name] = f"{scheme}://{rest.rpartition('@')[2]}"
        return
    authority, slash, path = rest.partition("/")
    login, at, host = authority.rpartition("@")
    camera[name] = f"{scheme}://{host}{slash}{path}"
    if at:
        _move(document, camera, key, login)
    elif PASSWORD_IN_PATH.search(path):
        remedy = "Give this account the right to watch and nothing else; the path may be logged."
        document.warn(key, "the path of the address holds a password or token", remedy)


def _move(document: Document, camera: dict[str, Any], key: Key, login: str) -> None:
    username, _, password = map(unquote, login.partition(":"))
    known = camera.get("username"), camera.get("password")
    if key[-1] == INFERENCE_SOURCE and known == (username, password):
        pass  # Both addresses come out of one box, with one login.
    elif known != (None, None):
        what = "the address holds a login, and so do `username:` and `password:`"
        document.report(key, what, "Remove the login from the address.")
    else:
        camera["username"], camera["password"] = username, password
    remedy = "Move it to `username:` and `password:`, best as `${CAMERA_PASSWORD}`."
    document.warn(key, "the address holds a login", remedy)


def _hides_login(rest: str) -> bool:
    """Whether an `@` after the first slash may end a login whose password holds that slash.

    `rest` is an address without its scheme. A user name and the first digits of a password look
    like any other host and port, and to take a password for a path would put it into logs and
    events; so only an address in numbers is taken for a host.
    """
    authority, _, path = rest.partition("/")
    if "@" not in path:
        return False
    place = authority.rpartition("@")[2]
    host, colon, port = place.rpartition(":")
    host = host if colon and port.isdigit() else place
    return not _is_ip(host.strip("[]"))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
