"""Addresses that a configuration may hold: cameras, video files, the hub's database, listeners.

Every check here takes one value alone and connects to nothing. A check that fails raises through
`mistake` and never repeats a value that may be secret.
"""

from __future__ import annotations

import ipaddress
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from camera_adapters import FILE_SCHEME, SOURCES, CameraFault, CameraSpec, kind_of, scheme_of
from cityeye.config.problem import sentence
from cityeye.config.values import mistake
from pipelines.delivery import base_folder, expand_home
from serving import JOINED_RAY, OWN_RAY

VIDEO_SUFFIXES = frozenset(
    [
        ".avi",
        ".flv",
        ".h264",
        ".h265",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".ts",
        ".webm",
    ]
)

SETTINGS = re.compile(r"\?(\w+=\w*(?:&\w+=\w*)*)$")
"""How a recording is played, after its path; any other `?` belongs to the name of the file."""

HOST_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
SQLITE_FILE = re.compile(r"(sqlite(?:\+pysqlite)?):///([^?#]+)", re.DOTALL)
PUBLIC: Final = re.compile(r"https?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?")
POSTGRES_DRIVERS: Final = ("psycopg", "psycopg2", "pg8000")
MAX_PORT: Final = 65_535


def camera_source(source: str, info: ValidationInfo) -> str:
    """An address that a kind of camera takes; a video file becomes a URL with an absolute path."""
    if scheme_of(source) == FILE_SCHEME:
        source = _video_file(source, info)
    spec = CameraSpec("camera", source)
    try:
        kind_of(spec).adapter.check(spec)
    except CameraFault as fault:
        raise mistake(fault.reason, sentence(fault.remedy)) from fault
    return source


def _video_file(source: str, info: ValidationInfo) -> str:
    """A path as the file is called, or a `file:` URL, in which `%` and `?` have a meaning."""
    if source[:5].lower() == f"{FILE_SCHEME}:":
        parts = urlsplit(source)
        host = "" if parts.netloc == "localhost" else parts.netloc
        text, query = unquote(host + parts.path), parts.query
    else:
        settings = SETTINGS.search(source)
        query = settings[1] if settings else ""
        text = source[: settings.start()] if settings else source
    path = (base_folder(info) / expand_home(Path(text))).absolute()
    # Where the scheme of a camera is misspelled, a login stands in what then looks like a path.
    named, name = ("", "it") if "@" in source else (f" {path}", f"`{path.name}`")
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        remedy = f"Use {SOURCES} whose name ends in {', '.join(sorted(VIDEO_SUFFIXES))}."
        raise mistake(f"{name} is not named like a video file", remedy)
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "it cannot be opened").lower()
        what = f"the video file{named} cannot be read: {reason}"
        raise mistake(what, "Correct the path, it starts from this file.") from error
    if empty:
        raise mistake(f"the video file{named} is empty", "Name a recording.")
    return path.as_uri() + (f"?{query}" if query else "")


def listening_host(host: str) -> str:
    """An IP address or the name of a host, without scheme and port."""
    if re.fullmatch(r"[0-9.]+", host) or ":" in host:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            remedy = "Give an address such as `127.0.0.1`, and the port under `port:`."
            raise mistake("the host is not a valid IP address", remedy) from None
        return host
    if not all(HOST_LABEL.fullmatch(label) for label in host.split(".")):
        remedy = "Give an address such as `127.0.0.1`, without scheme and path."
        raise mistake("the host is neither an address nor the name of a machine", remedy)
    return host


def public_address(address: str) -> str:
    """Scheme, name and port of a server of ours as others reach it, without a path."""
    parsed = PUBLIC.fullmatch(address.rstrip("/"))
    if parsed is None:
        remedy = "Write https://NAME or https://NAME:PORT, without a path and a login."
        raise mistake("the address is not one at which a server can be reached", remedy)
    return address.rstrip("/")


def ray_address(address: str) -> str:
    """`local`, `auto`, or host and port of a cluster's control service, without a scheme."""
    if address in {OWN_RAY, JOINED_RAY}:
        return address
    host, _, port = address.rpartition(":")
    remedy = "Write `local`, `auto` or HOST:PORT, for example `ray-head:6379`."
    if address.startswith("ray://"):
        raise mistake("Ray Client is not used: the city runs on a node of the cluster", remedy)
    if not (host and port.isdecimal() and 0 < int(port) <= MAX_PORT):
        raise mistake("the address of the Ray cluster cannot be read", remedy)
    return f"{listening_host(host)}:{int(port)}"


def database_url(secret: SecretStr, info: ValidationInfo) -> SecretStr:
    """The URL of a database that the hub can use with the drivers that are installed here.

    The path of a SQLite file starts from the configuration file.
    """
    url = secret.get_secret_value()
    scheme, mark, rest = url.partition("://")
    backend, _, driver = scheme.partition("+")
    if not mark:
        raise _database_mistake("the database is not given as a URL")
    if backend == "sqlite":
        return SecretStr(_sqlite_file(url, info))
    if backend != "postgresql":
        raise _database_mistake("the database is of a kind that the hub does not know")
    if driver not in POSTGRES_DRIVERS:
        raise _database_mistake("the URL of the database names no driver that the hub can use")
    if find_spec(driver) is None:
        what = f"the database driver {driver} is not installed"
        raise mistake(what, "Install it: pip install 'cityeye[postgres]' brings psycopg.")
    _check_server(rest)
    return secret


def _sqlite_file(url: str, info: ValidationInfo) -> str:
    match = SQLITE_FILE.fullmatch(url)
    if match is None or match[2].startswith((":memory:", "file:")):
        raise _database_mistake("the hub needs a SQLite file without options")
    path = (base_folder(info) / match[2]).absolute()
    if "?" in str(path):
        what = "the path of the SQLite file holds a `?`, where a database URL ends"
        raise mistake(what, "Name a file in another folder.")
    return f"{match[1]}:///{path}"


def _check_server(rest: str) -> None:
    """Checks host, port and name of a database server, after the scheme of its URL."""
    authority, _, name = rest.partition("/")
    place = authority.rpartition("@")[2]
    # In front of a slash of a password there is no host, and what follows is no name.
    if "@" in name.partition("?")[0]:
        what = "the URL of the database holds a login that cannot be told from the path"
        raise mistake(what, "Write a slash in the password as %2F, an `@` as %40.")
    _, colon, port = place.rpartition(":")
    has_port = bool(colon) and not place.endswith("]")
    if has_port and not (port.isdigit() and 1 <= int(port) <= MAX_PORT):
        what = f"the port of the database is not one from 1 to {MAX_PORT}"
        raise mistake(what, "Write postgresql+psycopg://USER:PASSWORD@HOST:5432/NAME.")


def _database_mistake(what: str) -> PydanticCustomError:
    return mistake(what, "Write sqlite:///hub.db or postgresql+psycopg://USER@HOST/NAME.")
