"""Replays a clip as its camera, from the encoded images to incidents, as `cityeye replay` does."""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.errors import BenchmarkError
from benchmarks.incident_path.case import IncidentCase
from benchmarks.incident_path.expectation import ReportedIncident
from camera_adapters import RECORDING_BEGIN, Playback
from pipelines import CameraPlan, Transition
from pipelines.replay import Replay, RuleStep
from serving import InProcessDetector, ServedModel
from simulation import scene_clip

LoadedCamera = tuple[CameraPlan, Mapping[str, ServedModel]]
CameraLoader = Callable[[Path, str], LoadedCamera]
"""Takes a configuration with one camera and what messages call it; gives its plan and models."""

CaseVariant = tuple[str, str]
"""What of a case is changed, and to what."""


@dataclass(frozen=True, slots=True)
class CaseFindings:
    """What the rules reported of one case.

    Attributes:
        case: Its name.
        reported: Every incident.
        seconds: Length of the clip.
        drew_s: How long drawing took; 0 where the clip was there.
        watched_s: How long the replay took.
        analysed: Frames that went to the rules.
        held: Of these, frames that were not inferred, as nothing had moved.
        variants: What the rules of each variant of the case reported of the same frames.
    """

    case: str
    reported: tuple[ReportedIncident, ...]
    seconds: float
    drew_s: float
    watched_s: float
    analysed: int
    held: int
    variants: Mapping[CaseVariant, tuple[ReportedIncident, ...]]


def loaded(case: IncidentCase, load: CameraLoader) -> LoadedCamera:
    """The camera of a case, checked as every configuration is."""
    with tempfile.TemporaryDirectory(prefix="cityeye-incidents-") as folder:
        file = Path(folder) / "city.yaml"
        document = case.document(Path(folder))
        file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return load(file, case.source)


def watch(
    case: IncidentCase,
    variants: Mapping[CaseVariant, IncidentCase],
    load: CameraLoader,
    cache: Path,
) -> CaseFindings:
    """Draws the clip of a case if it is not in the cache, and replays it once.

    Args:
        case: The case.
        variants: The same with other parameters of its rules; they get the same detections.
        load: Reads the configuration of a camera.
        cache: Where drawn clips are kept.

    Raises:
        BenchmarkError: A model cannot be used.
        CameraFault: The clip cannot be read.
        DetectorError: A model failed.
    """
    begun_s = time.monotonic()
    if case.scene is not None:
        clip = scene_clip(case.scene.scene, cache)
    elif case.clip is not None:
        clip = case.clip
    else:
        raise BenchmarkError(f"{case.source}: it has neither a clip nor a scene")
    drawn_s = time.monotonic()
    plan, models = loaded(case, load)
    others = [loaded(variant, load)[0] for variant in variants.values()]
    detector = InProcessDetector(models)
    with contextlib.closing(Playback(plan.camera, clip)) as playback:
        for model in dict.fromkeys(task.model for task in plan.tasks):
            if problem := detector.verify(model):
                raise BenchmarkError(f"{case.source}: {problem}")
        seconds = playback.duration_s
        logs = [_IncidentLog() for _ in (plan, *others)]
        replay = Replay(plan, playback, detector, others)
        for step in replay.steps():
            for log, found in zip(logs, (step.found, *step.others), strict=True):
                log.add(step.at_s, found)
    took_s = time.monotonic() - drawn_s
    own, *other = (log.reported for log in logs)
    of_variants = dict(zip(variants, other, strict=True))
    return CaseFindings(
        case=case.name,
        reported=own,
        seconds=seconds,
        drew_s=drawn_s - begun_s,
        watched_s=took_s,
        analysed=replay.analysed,
        held=replay.held,
        variants=of_variants,
    )


class _IncidentLog:
    """Keeps each incident as it was announced and as it ended."""

    def __init__(self) -> None:
        self._by_id: dict[str, ReportedIncident] = {}

    @property
    def reported(self) -> tuple[ReportedIncident, ...]:
        return tuple(self._by_id.values())

    def add(self, at_s: float, found: Iterable[RuleStep]) -> None:
        for one in found:
            if not isinstance(one.found, Transition):
                continue
            incident = one.found.incident
            known = self._by_id.get(incident.id)
            ended = incident.ended_at
            self._by_id[incident.id] = ReportedIncident(
                kind=incident.kind,
                zone=incident.zone,
                announced_s=known.announced_s if known else at_s,
                opened_s=(incident.opened_at - RECORDING_BEGIN).total_seconds(),
                ended_s=(ended - RECORDING_BEGIN).total_seconds() if ended else math.inf,
                severity=str(incident.severity),
            )
