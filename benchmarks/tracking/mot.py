"""MOT figures of one sequence: CLEAR-MOT, identity F1, ghost tracks and riders on foot.

MOTA and switches follow Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking
Performance: The CLEAR MOT Metrics", 2008; IDF1 follows Ristani and others, "Performance Measures
and a Data Set for Multi-Target, Multi-Camera Tracking", 2016; both as the library `trackers`
computes them. Boxes fit when they overlap by half. A track on an object that nobody asks for (too
small, too hidden, a rider whose cycle counts) is neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.detections import matched_pairs, pairwise_iou

FITS_IOU: Final = 0.5
GHOST_IOU: Final = 0.3
"""A track whose box overlaps every object by less is on none."""

GHOST_S: Final = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class MotFrame:
    """Objects and tracks of one frame, boxes (N, 4) x1 y1 x2 y2 in pixels.

    Attributes:
        at_s: Time of the frame, seconds.
        truth: Boxes of the objects that are asked for.
        truth_ids: Their identities, (N,) int64.
        optional: Boxes of the objects that are not asked for.
        tracks: Boxes of the tracks.
        track_ids: Their identities, (M,) int64.
        riders: Boxes of the persons on cycles.
        on_foot: (M,) bool, the tracks that are told as persons on foot.
    """

    at_s: float
    truth: npt.NDArray[np.float32]
    truth_ids: npt.NDArray[np.int64]
    optional: npt.NDArray[np.float32]
    tracks: npt.NDArray[np.float32]
    track_ids: npt.NDArray[np.int64]
    riders: npt.NDArray[np.float32]
    on_foot: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MotFigures:
    """How well one sequence, or several together, were followed.

    Attributes:
        mota: 1 without any fault; below 0 with more faults than objects.
        idf1: Share of boxes with the right identity, 0..1.
        switches: How often an object got another identity.
        ghosts_per_min: Tracks per minute that were on no object for more than a second.
        riders_on_foot: Persons on cycles that were reported as persons on foot, per frame.
    """

    mota: float
    idf1: float
    switches: int
    ghosts_per_min: float
    riders_on_foot: float


def evaluate(sequences: Sequence[Sequence[MotFrame]]) -> MotFigures:
    """The figures of all sequences together; each has at least one frame.

    Raises:
        ImportError: The library `trackers` is not installed.
    """
    from trackers.eval import (
        aggregate_clear_metrics,
        aggregate_identity_metrics,
        compute_clear_metrics,
        compute_identity_metrics,
    )

    clear, identity = [], []
    ghosts, minutes = 0, 0.0
    riders = frames = 0
    for sequence in sequences:
        asked = [_asked(frame) for frame in sequence]
        truth_ids = [frame.truth_ids for frame in sequence]
        ids = [frame.track_ids[kept] for frame, kept in zip(sequence, asked, strict=True)]
        similarity = [
            pairwise_iou(frame.truth, frame.tracks[kept])
            for frame, kept in zip(sequence, asked, strict=True)
        ]
        clear.append(compute_clear_metrics(truth_ids, ids, similarity, FITS_IOU))
        identity.append(compute_identity_metrics(truth_ids, ids, similarity, FITS_IOU))
        ghosts += ghost_tracks(sequence)
        minutes += (sequence[-1].at_s - sequence[0].at_s) / 60
        riders += sum(_riders_on_foot(frame) for frame in sequence)
        frames += len(sequence)
    all_clear = aggregate_clear_metrics(clear)
    return MotFigures(
        float(all_clear["MOTA"]),
        float(aggregate_identity_metrics(identity)["IDF1"]),
        int(all_clear["IDSW"]),
        ghosts / minutes if minutes else 0.0,
        riders / frames,
    )


def ghost_tracks(sequence: Sequence[MotFrame]) -> int:
    """How many spells of more than a second a track spent on no object."""
    since: dict[int, tuple[float, bool]] = {}
    ghosts = 0
    for frame in sequence:
        objects = np.concatenate((frame.truth, frame.optional))
        overlap = pairwise_iou(frame.tracks, objects).max(axis=1, initial=0.0)
        for track, best in zip(frame.track_ids.tolist(), overlap.tolist(), strict=True):
            if best >= GHOST_IOU:
                since.pop(track, None)
                continue
            begun_s, counted = since.get(track, (frame.at_s, False))
            counts = frame.at_s - begun_s > GHOST_S
            ghosts += counts and not counted
            since[track] = (begun_s, counts)
    return ghosts


def _asked(frame: MotFrame) -> npt.NDArray[np.bool_]:
    """The tracks that are right or wrong: all but those that fit an optional object best."""
    objects = np.concatenate((frame.truth, frame.optional))
    rows, columns = matched_pairs(pairwise_iou(objects, frame.tracks), FITS_IOU, optimal=True)
    asked = np.ones(len(frame.tracks), np.bool_)
    asked[columns[rows >= len(frame.truth)]] = False
    return asked


def _riders_on_foot(frame: MotFrame) -> int:
    walkers = frame.tracks[frame.on_foot]
    return len(matched_pairs(pairwise_iou(frame.riders, walkers), FITS_IOU)[0])
