"""What the main process and the city process say to each other, over one pipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cityeye.config import Config
from cityeye.logs import LogFormat

CityPhase = Literal["starting", "watching", "stopping"]


@dataclass(frozen=True, slots=True)
class CityJob:
    """To the city, first: what to run.

    Attributes:
        duration_s: Seconds to watch once the cameras have started; None until told to stop.
        until_s: When to stop, monotonic seconds, where an earlier city process had started them.
        json_path: Where the report goes, if anywhere.
        started_s: When the program was started, monotonic seconds.
        log_format: Format of log lines.
        log_level: From which level on they are written.
        incidents: Those that an earlier city process has seen, by kind.
    """

    config: Config = field(repr=False)
    duration_s: float | None
    until_s: float | None
    json_path: Path | None
    started_s: float
    log_format: LogFormat
    log_level: int
    incidents: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HubAddress:
    """To the city, once: where the embedded hub takes events; None without one."""

    url: str | None


@dataclass(frozen=True, slots=True)
class Notes:
    """To the city: what is wrong with parts that it does not run, by part."""

    notes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stop:
    """To the city: end gently."""


@dataclass(frozen=True, slots=True)
class CityBeat:
    """From the city, once a second.

    Attributes:
        phase: What it is doing.
        idle_s: Seconds since it last came on with that.
        status: One line about the cameras.
        until_s: When it will stop by itself, monotonic seconds; None before the cameras have
            started, or if it will not.
        incidents: Those of the whole run so far, by kind.
    """

    phase: CityPhase
    idle_s: float
    status: str = ""
    until_s: float | None = None
    incidents: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reconfigured:
    """From the city: it has taken this configuration; one that replaces it starts with it."""

    config: Config = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failed:
    """From the city: it cannot go on.

    Attributes:
        reason: The error's text.
        kind: Name of the error's type where it is none of ours, otherwise empty.
        trace: The traceback, without logins.
    """

    reason: str
    kind: str
    trace: str


@dataclass(frozen=True, slots=True)
class Done:
    """From the city, last: it has stopped in good order, and reported."""


Order = HubAddress | Notes | Stop
Answer = CityBeat | Reconfigured | Failed | Done
