"""`analyse`: a recording and a configuration in, tracks and incidents out; for programs in Python.

It is `cityeye replay` without a terminal: the path of a frame in this process, as fast as the
machine can, the same every time. No city has to run, and nothing is published.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from camera_adapters import Image, Playback
from cityeye.errors import CommandError
from cityeye.replay_camera import CameraChoice, chosen_camera
from models import WantedProvider
from pipelines import Measurement, Track, Transition
from pipelines.replay import Replay, ReplayStep
from serving import InProcessDetector


@dataclass(frozen=True, slots=True, eq=False)
class AnalysedFrame:
    """One analysed frame of a recording, or its end.

    Attributes:
        at_s: Second of the recording.
        tracks: What is followed in the frame, each with `id`, `label`, `score` and `box`, which is
            x1 y1 x2 y2 in normalised image coordinates.
        transitions: What became of incidents: `phase` is `started`, `updated` or `ended`, and
            `incident` the incident after it.
        measurements: What rules measured over a period that ends here.
        view: What is wrong with what the camera shows, such as `covered`; empty where that is
            nothing, or not asked for.
    """

    at_s: float
    tracks: tuple[Track, ...]
    transitions: tuple[Transition, ...]
    measurements: tuple[Measurement, ...]
    view: str
    _step: ReplayStep = field(repr=False)

    def image(self) -> Image | None:
        """The full image, (H, W, 3) uint8 RGB; None at the end of the recording."""
        return None if self._step.frame is None else self._step.frame.full.rgb()


def analyse(
    clip: str | Path,
    camera: str,
    *,
    fps: float | None = None,
    path: str | None = None,
    begin: datetime | None = None,
    provider: WantedProvider = "cpu",
    threads: int = 1,
) -> Iterator[AnalysedFrame]:
    """Analyses a recording as a camera would see it.

    The recording and the models are opened with the first frame that is asked for, and closed with
    the last one, or when the generator is closed.

    Args:
        clip: A video file.
        camera: `CITY.YAML#NAME`, a camera of a configuration, or `MODEL[:TASK,TASK]`, packages on
            the whole image with the default rules of their tasks; several with `+`.
        fps: Frames per second to analyse, 5 without it; only for packages by name.
        path: Folder of the packages, the built-in ones without it; only for packages by name.
        begin: When the recording began, by the clock of the city: schedules apply then.
        provider: Where models run: `cpu`, `cuda` or `auto`.
        threads: Threads inside one inference.

    Yields:
        Every analysed frame in order, and the end, where incidents that go on end.

    Raises:
        CommandError: The camera is not there, or a model cannot be loaded.
        ConfigurationError: The configuration has mistakes.
        ModelError: A model is missing, unusable or not admitted.
        CameraFault: The recording cannot be read.
        DetectorError: A model failed.
    """
    chosen = chosen_camera(CameraChoice(camera, None, fps, path), os.environ)
    chosen = chosen.running(threads, provider).begun(begin)
    detector = InProcessDetector(chosen.models)
    with contextlib.closing(Playback(chosen.plan.camera, Path(clip))) as playback:
        for model in dict.fromkeys(task.model for task in chosen.plan.tasks):
            if problem := detector.verify(model):
                raise CommandError(problem)
        view = ""
        for step in Replay(chosen.plan, playback, detector).steps():
            if step.signals is not None:
                view = step.signals.view or ""
            yield _analysed(step, view)


def _analysed(step: ReplayStep, view: str) -> AnalysedFrame:
    found = [one.found for one in step.found]
    return AnalysedFrame(
        step.at_s,
        tuple(track for own in step.tracks.values() for track in own),
        step.transitions,
        tuple(one for one in found if isinstance(one, Measurement)),
        view,
        step,
    )
