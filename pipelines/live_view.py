"""`LiveView`: the newest analysed frame of one camera, for whoever watches it live.

Nothing is held and nothing is encoded while nobody asks. Who asks gets the frame masked as a
keyframe would be; several who ask for the same get one encoding. An old frame is never given away:
the view says how old the newest one is, and what the camera's state was when it was asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Final

import cv2
import numpy as np

from camera_adapters import CameraState, Frame, FullImage, Image
from pipelines.annotation import draw_places, draw_tracks
from pipelines.errors import EncodingError
from pipelines.evidence_frame import Places, outlines
from pipelines.keyframe import jpeg_of
from pipelines.masking import SensitiveImage, masked
from pipelines.plan import CameraPlan, ModelRef, TaskPlan
from pipelines.track import Track

WANTED_FOR_S: Final = 5.0
"""So long after somebody has asked, the newest frame is held."""

TRACKS_HELD_S: Final = 1.0
"""So long the tracks of a model are shown on frames that it did not infer."""

OLDEST_S: Final = 5.0
"""A frame that is older is not the present; three analysis intervals where these are longer."""

QUALITY: Final = 75
LARGEST_WIDTH: Final = 1920


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """How a live image is wanted.

    Attributes:
        width: Pixels at most; a smaller image stays as it is.
        boxes: Whether tracks are drawn in.
        places: Whether zones, lines and masks are drawn in.
        clean: Without the masks over heads and plates.
    """

    width: int = 640
    boxes: bool = False
    places: bool = False
    clean: bool = False


@dataclass(frozen=True, slots=True)
class LivePlaces:
    """What the rules of a camera watch; points in normalised image coordinates.

    Attributes:
        zones: Corners of each zone and ends of each line, by name.
        masks: Corners of each mask.
        directions: Where traffic may go, from one point to another, by name of the zone.
        tasks: Names of the zones and lines of each task.
    """

    zones: Places = field(default_factory=dict)
    masks: Places = field(default_factory=dict)
    directions: Places = field(default_factory=dict)
    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: CameraPlan) -> LivePlaces:
        """Those of all rules of a camera."""
        rules = [rule for task in plan.tasks for rule in task.rules]
        zones = {zone.name: zone for rule in rules for zone in rule.zones}
        lines = {line.name: line for rule in rules for line in rule.lines}
        return cls(
            zones=outlines((*zones.values(), *lines.values())),
            masks=outlines(mask for rule in rules for mask in rule.masks),
            directions={name: one.direction for name, one in zones.items() if one.direction},
            tasks={task.task: _watched(task) for task in plan.tasks},
        )


def _watched(task: TaskPlan) -> tuple[str, ...]:
    places = (outlines((*rule.zones, *rule.lines)) for rule in task.rules)
    return tuple(dict.fromkeys(chain.from_iterable(places)))


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrame:
    """A frame as it is given away.

    Attributes:
        jpeg: The image, bytes.
        index: See `Frame.index`; a later frame has a larger one while its worker lives.
        captured_at: When it was taken, UTC.
        age_s: Seconds since it arrived.
        width: Pixels of the full image.
        height: Pixels of the full image.
        masked: Whether heads and plates of what was found are masked in `jpeg`.
        tracks: What is followed in it.
        places: What rules watched when it was asked for.
    """

    jpeg: bytes
    index: int
    captured_at: datetime
    age_s: float
    width: int
    height: int
    masked: bool
    tracks: tuple[Track, ...]
    places: LivePlaces


@dataclass(frozen=True, slots=True, eq=False)
class LiveAnswer:
    """What a worker knows of a camera that somebody watches.

    Attributes:
        state: The camera's state.
        reason: Why, empty where it is well.
        frame: The newest frame; None where there is none that is recent enough.
        wait_s: Without a frame, in so many seconds one can be expected; None where none can.
    """

    state: CameraState
    reason: str
    frame: LiveFrame | None = None
    wait_s: float | None = None


@dataclass(slots=True, eq=False)
class _Held:
    """The frame that is held, and its encodings so far."""

    index: int
    captured_at: datetime
    arrived_s: float
    image: FullImage
    tracks: tuple[Track, ...]
    encoded: dict[LiveOptions, bytes] = field(default_factory=dict)


class LiveView:
    """Safe for use from several threads.

    Attributes:
        wanted_until_s: Monotonic time until which frames are to be noted.
    """

    def __init__(self, places: LivePlaces, fps: float) -> None:
        """`fps` is how many frames per second are analysed at most."""
        self.wanted_until_s = float("-inf")
        self._places = places
        self._interval_s = 1.0 / fps
        self._oldest_s = max(OLDEST_S, 3 * self._interval_s)
        self._wanted_since_s = float("-inf")
        self._noting = threading.Lock()
        self._encoding = threading.Lock()
        self._held: _Held | None = None
        self._tracks: dict[ModelRef, tuple[float, tuple[Track, ...]]] = {}

    def note(
        self, frame: Frame, image: FullImage, tracks: Mapping[ModelRef, tuple[Track, ...]]
    ) -> None:
        """Takes a frame with what is followed in it; to be called while frames are wanted."""
        now_s = frame.captured_mono_s
        with self._noting:
            self._tracks |= {model: (now_s, own) for model, own in tracks.items()}
            self._tracks = {
                model: one for model, one in self._tracks.items() if now_s - one[0] <= TRACKS_HELD_S
            }
            shown = tuple(track for _, own in self._tracks.values() for track in own)
            self._held = _Held(frame.index, frame.captured_at, frame.arrived_mono_s, image, shown)

    def forget(self) -> None:
        """Lets go of the frame where nobody wants it any more."""
        if time.monotonic() > self.wanted_until_s:
            with self._noting:
                self._held = None
                self._tracks = {}

    def newest(self, options: LiveOptions) -> LiveFrame | None:
        """The newest frame, None where none was noted yet or the last one is too old.

        Raises:
            EncodingError: It cannot be converted or encoded. The text names no source.
        """
        now_s = time.monotonic()
        if now_s > self.wanted_until_s:
            self._wanted_since_s = now_s
        self.wanted_until_s = now_s + max(WANTED_FOR_S, 2 * self._interval_s)
        held = self._held
        if held is None:
            return None
        age_s = max(0.0, now_s - held.arrived_s)
        if age_s > self._oldest_s:
            return None
        with self._encoding:
            jpeg = held.encoded.get(options)
            if jpeg is None:
                jpeg = held.encoded[options] = self._encode(held, options)
        size = held.image.size
        return LiveFrame(
            jpeg,
            held.index,
            held.captured_at,
            round(age_s, 3),
            size.width,
            size.height,
            isinstance(held.image, SensitiveImage) and not options.clean,
            held.tracks,
            self._places,
        )

    @property
    def wait_s(self) -> float | None:
        """See `LiveAnswer.wait_s`; None where one has been awaited for too long."""
        waited_s = time.monotonic() - self._wanted_since_s
        return self._interval_s if waited_s <= self._oldest_s else None

    def _encode(self, held: _Held, options: LiveOptions) -> bytes:
        # Whatever holds the image may fail in its own ways, and say where it is from.
        try:
            return self._drawn(held, options)
        except Exception as error:
            what = f"the frame cannot be encoded: {type(error).__name__}"
            raise EncodingError(what) from None

    def _drawn(self, held: _Held, options: LiveOptions) -> bytes:
        image = _reduced(held.image.rgb(), options.width)
        if isinstance(held.image, SensitiveImage) and not options.clean:
            image = masked(image, held.image.regions)
        if options.places:
            draw_places(image, self._places.zones, self._places.masks)
        if options.boxes:
            draw_tracks(image, held.tracks)
        return jpeg_of(image, QUALITY)


def slate(lines: Iterable[str], width: int = 640) -> bytes:
    """A grey JPEG with some lines of text, for where there is no image to be shown."""
    image = np.full((width * 9 // 16, width, 3), 48, np.uint8)
    scale = width / 1000
    for number, line in enumerate(lines):
        at = (width // 20, round(width * (0.12 + 0.06 * number)))
        cv2.putText(
            image, line, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (230, 230, 230), 1, cv2.LINE_AA
        )
    return jpeg_of(image, QUALITY)


def _reduced(image: Image, width: int) -> Image:
    """The image, or a smaller one of at most `width`; always one that may be drawn into."""
    height, there = image.shape[:2]
    if there <= width:
        return image
    size = (width, max(1, round(height * width / there)))
    reduced: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    return reduced
