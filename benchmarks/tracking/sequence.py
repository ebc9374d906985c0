"""Drawn sequences with a noisy detector's boxes, and what a tracker makes of them at some rate."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.tracking.mot import MotFrame
from benchmarks.tracking.noisy_detector import CYCLES, NoisyDetector, rider_of
from models.detections import Detections
from simulation.scenes import Scene

SIZE_PX: Final = (640, 360)
FULL_FPS: Final = 25.0
THRESHOLD: Final = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class SequenceFrame:
    """One frame at the full rate: what is there, and what is detected.

    Attributes:
        at_s: Seconds from the start.
        truth: (N, 4) float32, boxes of the objects that are asked for, pixels.
        truth_ids: (N,) int64.
        optional: (K, 4) float32, boxes of the others, riders included.
        riders: (R, 4) float32, boxes of the persons on cycles.
        detections: What the detector gives.
    """

    at_s: float
    truth: npt.NDArray[np.float32]
    truth_ids: npt.NDArray[np.int64]
    optional: npt.NDArray[np.float32]
    riders: npt.NDArray[np.float32]
    detections: Detections


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """The tracks of one frame: boxes (M, 4) in pixels, ids (M,), and which are persons on foot."""

    boxes: npt.NDArray[np.float32]
    ids: npt.NDArray[np.int64]
    on_foot: npt.NDArray[np.bool_]


class Follower(Protocol):
    """A tracker of one sequence."""

    def follow(self, detections: Detections, at_s: float) -> Followed:
        """The tracks that are seen in the next frame."""


NewFollower = Callable[[float], Follower]
"""Makes a tracker for so many frames per second."""


def recorded(scene: Scene, seed: int, seconds: float) -> list[SequenceFrame]:
    """The start of a scene at the full rate, seen by a detector with the faults of a seed."""
    view = scene.view(SIZE_PX)
    detector = NoisyDetector(seed, SIZE_PX, FULL_FPS)
    frames = []
    for index in range(round(seconds * FULL_FPS)):
        truth = view.truth(scene.states_at(index / FULL_FPS))
        cycles = truth.boxes[np.isin(truth.class_ids, CYCLES)]
        riders = np.array([rider_of(box) for box in cycles], np.float32).reshape(-1, 4)
        optional = np.concatenate((truth.boxes[truth.ignore], riders))
        asked = ~truth.ignore
        frames.append(
            SequenceFrame(
                index / FULL_FPS,
                truth.boxes[asked],
                truth.keys[asked],
                optional,
                riders,
                detector.detect(truth),
            )
        )
    return frames


def at_rate(frames: Sequence[SequenceFrame], fps: float) -> Iterator[SequenceFrame]:
    """Those frames that a camera at a lower rate would show."""
    for count in itertools.count():
        index = round(count * FULL_FPS / fps)
        if index >= len(frames):
            return
        yield frames[index]


def followed(
    frames: Sequence[SequenceFrame], fps: float, new_follower: NewFollower
) -> list[MotFrame]:
    """What a tracker makes of a sequence at some rate."""
    follower = new_follower(fps)
    found = []
    for frame in at_rate(frames, fps):
        tracks = follower.follow(frame.detections, frame.at_s)
        found.append(
            MotFrame(
                frame.at_s, frame.truth, frame.truth_ids, frame.optional,
                tracks.boxes, tracks.ids, frame.riders, tracks.on_foot,
            )
        )  # fmt: skip
    return found
