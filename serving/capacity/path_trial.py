"""The path trial: some cameras run for a few seconds, and the clocks of their threads are read.

It is the very path of a city, from a decoder to the outbox, with its threads and their waits, at a
load that leaves room; so what a part costs is what it costs among the others.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from camera_adapters import CameraSpec, TrialClip
from pipelines import AdaptiveFps, CameraGroup, CameraPlan, EvidenceRecorder, Slots
from pipelines.delivery import Outbox, Spool
from serving.capacity.drawn_detector import DrawnDetector
from serving.capacity.errors import CapacityError
from serving.in_process import LoadedModel
from serving.thread_clock import thread_cpu_s

STEADY: Final = AdaptiveFps()
"""A rate that does not follow the scene: each frame of a trial costs the same."""

CAMERAS: Final = 8
"""So many that they take the caches from each other, as those of a city do."""

MOST_LOAD: Final = 0.4
"""Of the cores that inference may take; on a full machine waits would be measured too."""

START_S: Final = 30.0
WARM_S: Final = 0.6
PARTS: Final = 4
PART_S: Final = 0.5

READING, ANALYSING, ALL = "camera-", "slot-", "all"
LOOP: Final = "camera-group"


@dataclass(frozen=True, slots=True)
class PathCost:
    """What the path of a frame costs, seconds of one core.

    Attributes:
        reading_s: Of each decoded image, on the thread of its camera.
        frame_s: Of each analysed frame beside inference, conversion included.
        camera_cores: Cores of each camera beside both.
        inference_s: Of each inference by `name/version`, for those that were run.
        spread: Half the distance between the least and the greatest sample of all that a camera
            costs, as a share of their median.
    """

    reading_s: float
    frame_s: float
    camera_cores: float
    inference_s: Mapping[str, float]
    spread: float


@dataclass(frozen=True, slots=True)
class _Counts:
    """What was done, and which processor time it took, seconds."""

    cpu_s: Mapping[str, float]
    decoded: int
    analysed: int
    images: Mapping[str, int]
    inference_s: Mapping[str, float]

    def since(self, before: _Counts) -> _Counts:
        """What was done in between."""
        return _Counts(
            {name: self.cpu_s[name] - before.cpu_s[name] for name in self.cpu_s},
            self.decoded - before.decoded,
            self.analysed - before.analysed,
            {key: self.images[key] - before.images.get(key, 0) for key in self.images},
            {
                key: self.inference_s[key] - before.inference_s.get(key, 0.0)
                for key in self.inference_s
            },
        )


def path_cost(
    plans: Sequence[CameraPlan],
    models: Mapping[str, LoadedModel],
    clip: TrialClip,
    folder: Path,
    cores: int,
) -> PathCost:
    """Runs cameras with the plans of some, and measures them.

    Args:
        plans: What is done with frames; as many cameras share them in turns as `CAMERAS`.
        models: The versions that are run, by `name/version`; others cost nothing here.
        clip: What the cameras show.
        folder: Where they may write.
        cores: How many of them may be used.

    Raises:
        CapacityError: They have no results.
    """
    detector = DrawnDetector(models)
    outbox = Outbox(folder / "outbox.db")
    recorder = EvidenceRecorder(outbox, Spool(folder / "spool"), "trial")
    group = CameraGroup(
        _trial_plans(plans, models, clip, cores),
        detector,
        recorder,
        "trial",
        folder / "comparisons",
        Slots(max(1, cores), 1),
    )
    loop = threading.Thread(target=group.run, name=LOOP)
    loop.start()
    try:
        _wait_for_frames(group)
        samples = _samples(group, detector)
    finally:
        group.stop()
        loop.join()
        outbox.close()
    return _evaluate(samples)


def _samples(group: CameraGroup, detector: DrawnDetector) -> list[_Counts]:
    samples, before = [], _counts(group, detector)
    for _ in range(PARTS):
        time.sleep(PART_S)
        now = _counts(group, detector)
        samples.append(now.since(before))
        before = now
    return samples


def _evaluate(samples: Sequence[_Counts]) -> PathCost:
    def total(kind: str) -> float:
        return sum(one.cpu_s[kind] for one in samples)

    decoded, analysed = sum(one.decoded for one in samples), sum(one.analysed for one in samples)
    if not decoded or not analysed:
        raise CapacityError("the cameras of the trial had no result; is this machine busy?")
    keys = samples[-1].images.keys()
    images = {key: sum(one.images.get(key, 0) for one in samples) for key in keys}
    inference_s = {key: sum(one.inference_s.get(key, 0.0) for one in samples) for key in keys}
    rest_s = total(ALL) - total(READING) - total(ANALYSING)
    in_all = [one.cpu_s[ALL] for one in samples]
    return PathCost(
        reading_s=total(READING) / decoded,
        frame_s=max(0.0, total(ANALYSING) - sum(inference_s.values())) / analysed,
        camera_cores=max(0.0, rest_s) / CAMERAS / (PARTS * PART_S),
        inference_s={key: inference_s[key] / count for key, count in images.items() if count},
        spread=(max(in_all) - min(in_all)) / 2 / statistics.median(in_all),
    )


def _counts(group: CameraGroup, detector: DrawnDetector) -> _Counts:
    cpu_s = {READING: 0.0, ANALYSING: 0.0}
    for thread in threading.enumerate():
        for kind in (READING, ANALYSING):
            if thread.name.startswith(kind) and thread.name != LOOP and thread.native_id:
                cpu_s[kind] += thread_cpu_s(thread.native_id) or 0.0
    cpu_s[ALL] = time.process_time()
    cameras = group.snapshot().cameras
    metrics = detector.metrics
    return _Counts(
        cpu_s,
        sum(one.reader.decoded for one in cameras),
        sum(one.statistics.analysed for one in cameras),
        {key: one.images for key, one in metrics.items()},
        {key: one.cpu_s for key, one in metrics.items()},
    )


def _wait_for_frames(group: CameraGroup) -> None:
    """Waits until every camera has had a result, and a little longer."""
    deadline_s = time.monotonic() + START_S
    while any(not one.statistics.analysed for one in group.snapshot().cameras):
        if time.monotonic() > deadline_s:
            reasons = {one.reason for one in group.snapshot().cameras}
            raise CapacityError(f"the cameras of the trial have no result: {', '.join(reasons)}")
        time.sleep(0.05)
    time.sleep(WARM_S)


def _trial_plans(
    plans: Sequence[CameraPlan], models: Mapping[str, LoadedModel], clip: TrialClip, cores: int
) -> list[CameraPlan]:
    chosen = [plans[number % len(plans)] for number in range(CAMERAS)]
    one_s = {key: _run_s(model) for key, model in models.items()}
    wanted = sum(task.fps * one_s.get(task.model.key, 0.0) for one in chosen for task in one.tasks)
    share = min(1.0, MOST_LOAD * cores / wanted) if wanted else 1.0
    source = f"{clip.path.absolute().as_uri()}?loop=1&realtime=1"
    found = []
    for number, plan in enumerate(chosen):
        tasks = tuple(
            replace(one, fps=one.fps * share, shadow=None, adaptive=STEADY) for one in plan.tasks
        )
        rates = {task.task: task.fps for task in tasks}
        camera = CameraSpec(f"trial-{number}", source, rates=rates)
        found.append(replace(plan, camera=camera, tasks=tasks, motion_gate_s=None))
    return found


def _run_s(model: LoadedModel) -> float:
    """How long one inference takes, once it is warm."""
    model.infer(model.blank, (0,), time.time())
    begun_s = time.monotonic()
    model.infer(model.blank, (0,), time.time())
    return time.monotonic() - begun_s
