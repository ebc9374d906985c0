"""What every contestant of the street is asked to do. Needs nothing beside the standard library."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ContestantSpec:
    """What a contestant is asked to do; travels as JSON.

    Attributes:
        cameras: RTSP URLs; a camera's number is its position.
        fps: Frames per second to infer of each camera.
        package: Directory of the model package.
        folder: Where it may write, and notes its results.
        events: URL that takes events.
        api_port: A free port, for whoever needs one.
        options: What only some contestants need.
    """

    cameras: tuple[str, ...]
    fps: float
    package: str
    folder: str
    events: str = ""
    api_port: int = 0
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def results(self) -> Path:
        """The folder for results."""
        return Path(self.folder)

    def as_argument(self) -> str:
        """As the one argument of a contestant's command line."""
        return json.dumps(asdict(self))


def given_spec() -> ContestantSpec:
    """The spec that this program was called with, its only argument."""
    values = json.loads(sys.argv[1])
    return ContestantSpec(**{**values, "cameras": tuple(values["cameras"])})


def each_camera(spec: ContestantSpec, work: Callable[[int, str], None]) -> None:
    """Runs `work(number, url)` on a thread of its own for each camera."""
    for number, url in enumerate(spec.cameras):
        threading.Thread(target=work, args=(number, url), daemon=True).start()


def wait_for_end() -> None:
    """Returns when standard input ends."""
    sys.stdin.read()
