"""Values a configuration may hold: polygons, calibrations, numbers, folders, with their remedies.

Every check here takes one value alone, so that it still runs where the rest of the file is
wrong. A check that fails raises through `mistake` and never repeats a value that may be secret.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from pipelines.rules import (
    ArmedSpan,
    GroundCalibration,
    GroundPlane,
    ImageArrow,
    ImagePoint,
    Line,
    LineShape,
    ScheduleError,
    Zone,
    ZoneError,
    ZoneShape,
)
from pipelines.tracing import TraceSettings, missing_exporter

_Collection = TypeVar("_Collection", tuple[Any, ...], dict[str, Any])

CalibrationPoint = tuple[float, float, float, float]
"""Normalised image x, y and the same point on the ground in metres x, y."""

MOST_OF_ANYTHING: Final = 1024
"""A number of threads or replicas beyond it is a slip of the keyboard."""

LEAST_MIB: Final = 512
"""A worker that does nothing yet holds half of it."""

MOST_MIB: Final = 1024 * 1024


def mistake(what: str, remedy: str) -> PydanticCustomError:
    """A validation error that carries its own remedy."""
    return PydanticCustomError("mistake", "{what}", {"what": what, "remedy": remedy})


def existing_file(path: Path) -> Path:
    """A file that is there."""
    if not path.is_file():
        raise mistake("there is no such file", "Correct the path, it starts from this file.")
    return path


def existing_folder(path: Path) -> Path:
    """A folder that is there."""
    if not path.is_dir():
        raise mistake("there is no such folder", "Correct the path, it starts from this file.")
    return path


def can_be_sent(traces: TraceSettings) -> TraceSettings:
    """Traces for which the library that sends them is installed."""
    if extra := missing_exporter():
        what = "the library that sends traces is not installed"
        raise mistake(what, f"Install it: pip install 'cityeye[{extra}]'.")
    return traces


def not_empty(values: _Collection) -> _Collection:
    """A list or mapping with something in it."""
    if not values:
        raise mistake("nothing is given", "Add one, or remove the key where it may be left out.")
    return values


@contextmanager
def _geometry(remedy: str) -> Iterator[None]:
    """Gives what geometry refuses a remedy."""
    try:
        yield
    except ZoneError as error:
        raise mistake(str(error).removeprefix("zone : ").removeprefix("line : "), remedy) from error


def polygon(points: tuple[ImagePoint, ...]) -> tuple[ImagePoint, ...]:
    """A simple polygon inside the image, of any orientation."""
    _inside_image(points)
    with _geometry("List three or more corners as [x, y], in the order in which one walks around."):
        ZoneShape(Zone("", points))
    return points


ZonePolygon = Annotated[tuple[ImagePoint, ...], AfterValidator(polygon)]


def armed_spans(spans: tuple[str, ...]) -> tuple[str, ...]:
    """Spans of time as `ArmedSpan` reads them, at least one."""
    try:
        for span in not_empty(spans):
            ArmedSpan.parse(span)
    except ScheduleError as error:
        remedy = (
            "Write `DAYS HH:MM-HH:MM`, days as `mon-fri` or `sat,sun` or none for every day, "
            "for example `mon-fri 22:00-06:00`."
        )
        raise mistake(str(error), remedy) from error
    return spans


def known_time_zone(name: str) -> str:
    """A time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        what = f"the time zone `{name[:64]}` is unknown on this machine"
        remedy = "Give an IANA name such as `Asia/Shanghai`; install `tzdata` where there are none."
        raise mistake(what, remedy) from None
    return name


def two_points(points: ImageArrow, info: ValidationInfo) -> ImageArrow:
    """Two points of the image that are far enough apart for a direction, on the ground too."""
    _inside_image(points)
    ground = info.data.get("ground")
    with _geometry("Give two points as [[x, y], [x, y]]."):
        LineShape(Line("", *points, calibration(ground) if ground else None))
    return points


def ground_points(points: tuple[CalibrationPoint, ...]) -> tuple[CalibrationPoint, ...]:
    """Points that fix the ground plane."""
    _inside_image(tuple((x, y) for x, y, _, _ in points))
    with _geometry("List four or more points as [x, y, metres x, metres y]."):
        GroundPlane(calibration(points))
    return points


def calibration(points: tuple[CalibrationPoint, ...]) -> GroundCalibration:
    """The same points as pipelines take them."""
    return GroundCalibration(
        image=tuple((x, y) for x, y, _, _ in points), metres=tuple((x, y) for _, _, x, y in points)
    )


def count_or_auto(value: object) -> int | Literal["auto"]:
    """How many of something, or `auto`."""
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_OF_ANYTHING:
        return value
    raise mistake(
        f"{value!r} is neither `auto` nor a number from 1 to {MOST_OF_ANYTHING}",
        "Give `auto`, or a number such as `2`.",
    )


def memory_or_auto(value: object) -> int | Literal["auto"]:
    """MiB of memory, or `auto`."""
    if value == "auto":
        return "auto"
    if isinstance(value, int) and not isinstance(value, bool) and LEAST_MIB <= value <= MOST_MIB:
        return value
    raise mistake(
        f"{value!r} is neither `auto` nor a number from {LEAST_MIB} to {MOST_MIB}",
        "Give `auto`, or MiB of memory such as `4096`.",
    )


def _inside_image(points: tuple[ImagePoint, ...]) -> None:
    for number, (x, y) in enumerate(points, start=1):
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            what = f"point {number} at [{x:g}, {y:g}] lies outside the image"
            raise mistake(what, "Use shares of width and height in 0..1, not pixels.")
