"""Values a configuration may hold: sources, polygons, calibrations, paths, each with its remedy.

Every check here looks at one value alone, so that it still runs where the rest of the file is
wrong. A check that fails raises through `mistake` and never repeats a value that may be secret.
"""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
from pydantic import ValidationInfo
from pydantic_core import PydanticCustomError

from pipelines.zone import Point

GroundPoint = tuple[float, float, float, float]
"""Normalised picture x, y and the same point on the ground in metres x, y."""

VIDEO_SUFFIXES = frozenset(
    {
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
    }
)
STREAM_SCHEMES = frozenset({"rtsp", "rtsps"})
MIN_POLYGON_POINTS = 3
MIN_GROUND_POINTS = 4
MIN_AREA = 1e-5
"""Smallest zone, as a share of the picture: about 20 pixels of a 1080p picture."""
COLLINEAR = 1e-9
SQLITE_FILE = re.compile(r"^(sqlite(?:\+\w+)?):///(?!/)(?!:memory:)(.+)$", re.DOTALL)


def mistake(what: str, remedy: str) -> PydanticCustomError:
    """A validation error that carries its own remedy."""
    return PydanticCustomError("mistake", "{what}", {"what": what, "remedy": remedy})


def base_folder(info: ValidationInfo) -> Path:
    """The folder that relative paths start from: the configuration file's own."""
    folder = (info.context or {}).get("base")
    return folder if isinstance(folder, Path) else Path.cwd()


def absolute_path(path: Path, info: ValidationInfo) -> Path:
    """A path relative to the configuration file, made absolute."""
    return (base_folder(info) / path.expanduser()).absolute()


def existing_folder(path: Path) -> Path:
    """A folder that is there."""
    if not path.is_dir():
        raise mistake("there is no such folder", "Correct the path, it starts from this file.")
    return path


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
    return path.as_uri() + (f"?{query}" if query else "")


def polygon(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """A simple polygon inside the picture, of any orientation, not closed twice."""
    _inside_picture(points)
    if len(points) > 1 and points[0] == points[-1]:
        points = points[:-1]
    if len(points) < MIN_POLYGON_POINTS:
        raise mistake(
            f"a zone needs at least {MIN_POLYGON_POINTS} corners, this one has {len(points)}",
            "Add corners as [x, y] pairs in 0..1.",
        )
    count = len(points)
    for i, j in combinations(range(count), 2):
        neighbours = j - i == 1 or (i == 0 and j == count - 1)
        if points[i] == points[j]:
            raise mistake(f"corner {i + 1} and corner {j + 1} are the same", "Remove one of them.")
        if not neighbours and _cross(points[i], points[i + 1], points[j], points[(j + 1) % count]):
            raise mistake(
                f"the edge after corner {i + 1} crosses the edge after corner {j + 1}",
                "List the corners in the order in which one walks around the zone.",
            )
    if abs(_area(points)) < MIN_AREA:
        raise mistake("the zone has no area", "Move its corners apart.")
    return points


def ground_points(points: tuple[GroundPoint, ...]) -> tuple[GroundPoint, ...]:
    """Points that fix the ground plane: four or more, not on one line in picture or on ground."""
    _inside_picture(tuple((x, y) for x, y, _, _ in points))
    if len(points) < MIN_GROUND_POINTS:
        raise mistake(
            f"a calibration needs at least {MIN_GROUND_POINTS} points, this one has {len(points)}",
            "Add points as [x, y, metres x, metres y].",
        )
    for columns, where in ((slice(0, 2), "in the picture"), (slice(2, 4), "on the ground")):
        if not _has_frame(np.array([point[columns] for point in points], np.float64)):
            raise mistake(
                f"the calibration points do not span a plane {where}",
                "Use four points of which no three lie on one line.",
            )
    return points


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


def _inside_picture(points: tuple[Point, ...]) -> None:
    for number, (x, y) in enumerate(points, start=1):
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            raise mistake(
                f"point {number} at [{x:g}, {y:g}] lies outside the picture",
                "Use shares of width and height in 0..1, not pixels.",
            )


def _turn(a: Point, b: Point, c: Point) -> int:
    """1 for a left turn a → b → c, -1 for a right turn, 0 for a straight line."""
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
    return 0 if abs(area) < COLLINEAR else (1 if area > 0 else -1)


def _between(a: Point, b: Point, c: Point) -> bool:
    """Whether c, on the line through a and b, lies between them."""
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments a-b and c-d share a point."""
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0 and _between(*end) for turn, end in zip(turns, ends, strict=True))


def _area(points: tuple[Point, ...]) -> float:
    """Signed area of a polygon, as a share of the picture."""
    following = (*points[1:], points[0])
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(points, following, strict=True)) / 2


def _has_frame(points: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> bool:
    """Whether four of the points (N, 2) have no three on one line, so that they fix a plane."""
    extent = float(np.ptp(points, axis=0).max()) or 1.0
    scaled = [(float(x) / extent, float(y) / extent) for x, y in points]
    return any(
        all(_turn(*triple) for triple in combinations(four, 3))
        for four in combinations(scaled, MIN_GROUND_POINTS)
    )
