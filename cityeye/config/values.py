"""Values a configuration may hold: sources, polygons, calibrations, paths, each with its remedy.

Every check here takes one value alone, so that it still runs where the rest of the file is
wrong. A check that fails raises through `mistake` and never repeats a value that may be secret.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from camera_adapters.errors import CameraFault
from camera_adapters.spec import CameraSpec
from pipelines.delivery.settings import base_folder
from pipelines.rules.zone import GroundCalibration, Point, Zone
from pipelines.rules.zone_geometry import GroundPlane, ZoneError, ZoneShape

_Collection = TypeVar("_Collection", tuple[Any, ...], dict[str, Any])

GroundPoint = tuple[float, float, float, float]
"""Normalised image x, y and the same point on the ground in metres x, y."""

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
STREAM_SCHEMES = frozenset({"rtsp", "rtsps"})
SQLITE_FILE = re.compile(r"^(sqlite(?:\+\w+)?):///(?!/)(?!:memory:)(.+)$", re.DOTALL)


def mistake(what: str, remedy: str) -> PydanticCustomError:
    """A validation error that carries its own remedy."""
    return PydanticCustomError("mistake", "{what}", {"what": what, "remedy": remedy})


def existing_folder(path: Path) -> Path:
    """A folder that is there."""
    if not path.is_dir():
        raise mistake("there is no such folder", "Correct the path, it starts from this file.")
    return path


def not_empty(values: _Collection) -> _Collection:
    """A list or mapping with something in it."""
    if not values:
        raise mistake("nothing is given", "Add one, or remove the key where it may be left out.")
    return values


def camera_source(source: str, info: ValidationInfo) -> str:
    """An RTSP URL, or a video file as a `file:` URL with an absolute path."""
    scheme = source.split("://", 1)[0].lower() if "://" in source else ""
    if scheme in STREAM_SCHEMES:
        return _stream(source)
    if scheme not in {"", "file"}:
        raise mistake(
            f"`{scheme}` is not a kind of source", "Use rtsp://, rtsps:// or a video file."
        )
    return _video_file(source, info)


def _stream(source: str) -> str:
    unreadable = mistake(
        "the address cannot be read",
        "Write rtsp://HOST[:PORT]/PATH, and the login under `username:` and `password:`.",
    )
    try:
        parts = urlsplit(source)
        if not parts.hostname or any(character.isspace() for character in source):
            raise unreadable
        _ = parts.port
    except ValueError as error:
        raise unreadable from error
    return source


def _video_file(source: str, info: ValidationInfo) -> str:
    from camera_adapters.file import parse_file_address

    text, _, query = source.removeprefix("file://").partition("?")
    path = (base_folder(info) / Path(unquote(text)).expanduser()).absolute()
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise mistake(
            f"`{path.name}` is not named like a video file",
            f"Use rtsp://, rtsps:// or a file ending in {', '.join(sorted(VIDEO_SUFFIXES))}.",
        )
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        raise mistake(
            f"the video file {path} cannot be read: {reason}",
            "Correct the path, it starts from this file.",
        ) from error
    if empty:
        raise mistake(f"the video file {path} is empty", "Name a recording.")
    url = path.as_uri() + (f"?{query}" if query else "")
    try:
        parse_file_address(CameraSpec("camera", url))
    except CameraFault as fault:
        raise mistake(fault.reason, f"{fault.remedy.capitalize()}.") from fault
    return url


def polygon(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """A simple polygon inside the image, of any orientation."""
    _inside_image(points)
    try:
        ZoneShape(Zone("zone", points))
    except ZoneError as error:
        raise mistake(
            str(error).removeprefix("zone zone: "),
            "List three or more corners as [x, y], in the order in which one walks around.",
        ) from error
    return points


def ground_points(points: tuple[GroundPoint, ...]) -> tuple[GroundPoint, ...]:
    """Points that fix the ground plane."""
    _inside_image(tuple((x, y) for x, y, _, _ in points))
    try:
        GroundPlane(calibration(points))
    except ZoneError as error:
        raise mistake(
            str(error), "List four or more points as [x, y, metres x, metres y]."
        ) from error
    return points


def calibration(points: tuple[GroundPoint, ...]) -> GroundCalibration:
    """The same points as pipelines take them."""
    return GroundCalibration(
        image=tuple((x, y) for x, y, _, _ in points),
        metres=tuple((x, y) for _, _, x, y in points),
    )


def database_url(url: str, info: ValidationInfo) -> str:
    """A database URL; the path of a SQLite file starts from the configuration file."""
    if "://" not in url:
        raise mistake(
            "the database is not given as a URL",
            "Write sqlite:///hub.db or postgresql+psycopg://HOST/NAME.",
        )
    match = SQLITE_FILE.match(url)
    if match is None:
        return url
    return f"{match.group(1)}:///{(base_folder(info) / match.group(2)).absolute()}"


def _inside_image(points: tuple[Point, ...]) -> None:
    for number, (x, y) in enumerate(points, start=1):
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            raise mistake(
                f"point {number} at [{x:g}, {y:g}] lies outside the image",
                "Use shares of width and height in 0..1, not pixels.",
            )
