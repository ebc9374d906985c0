"""Who follows: the tracker of a city, and ByteTrack of the library `trackers`."""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.tracking.noisy_detector import PERSON
from benchmarks.tracking.sequence import SIZE_PX, THRESHOLD, Followed
from camera_adapters import Letterbox, Size
from models.detections import Detections
from pipelines import CameraTracker, tracks_on_foot
from simulation.scenes import LABELS

LETTERBOX = Letterbox.fit(Size(*SIZE_PX), Size(*SIZE_PX))


class CityTracker:
    """The tracker of a city."""

    def __init__(self, fps: float) -> None:
        """Starts with nothing, for so many frames per second."""
        self._tracker = CameraTracker(LABELS, itertools.count(1), fps, threshold=THRESHOLD)

    def follow(self, detections: Detections, at_s: float) -> Followed:
        """The tracks that are seen in the next frame."""
        tracks = self._tracker.update(detections, LETTERBOX, at_s)
        walkers = {track.id for track in tracks_on_foot(tracks)}
        return Followed(
            np.array([track.box for track in tracks], np.float32).reshape(-1, 4)
            * np.array([*SIZE_PX, *SIZE_PX], np.float32),
            np.array([track.id for track in tracks], np.int64),
            np.array([track.id in walkers for track in tracks], np.bool_),
        )


class ByteTrack:
    """ByteTrack as its library gives it, told the rate and the threshold of the city."""

    def __init__(self, fps: float) -> None:
        """Starts with nothing, for so many frames per second.

        Raises:
            ImportError: The library `trackers` is not installed.
        """
        from trackers import ByteTrackTracker

        self._tracker = ByteTrackTracker(
            frame_rate=fps,
            track_activation_threshold=THRESHOLD,
            high_conf_det_threshold=THRESHOLD,
            minimum_iou_threshold=0.1,
        )

    def follow(self, detections: Detections, at_s: float) -> Followed:
        """The tracks that are seen in the next frame."""
        import supervision

        found = self._tracker.update(
            supervision.Detections(
                xyxy=detections.boxes,
                confidence=detections.scores,
                class_id=detections.class_ids,
            )
        )
        if not len(found):
            return Followed(np.empty((0, 4), np.float32), np.empty(0, np.int64), np.empty(0, bool))
        ids = np.array(found.tracker_id, np.int64)
        seen = ids >= 0
        return Followed(
            np.array(found.xyxy, np.float32)[seen],
            ids[seen],
            np.array(found.class_id, np.int64)[seen] == PERSON,
        )
