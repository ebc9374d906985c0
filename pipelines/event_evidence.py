"""What events say of stored images and clips; a part of the contract in `pipelines.event`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Role = Literal["opening", "peak", "closing"]
"""Which moment of an incident a keyframe shows."""

ClipState = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""`pending`, `stored` or `none`. An open list."""


class Contract(BaseModel):
    """Base of every wire model: unknown keys are refused when we write, kept out when we read."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)


TRACEPARENT: Final = r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"


def _traceparent_or_none(given: object) -> object:
    return given if isinstance(given, str) and re.fullmatch(TRACEPARENT, given) else None


TraceParent = Annotated[
    Annotated[str, Field(pattern=TRACEPARENT)] | None,
    BeforeValidator(_traceparent_or_none),
    Field(exclude_if=lambda given: given is None),
]
"""W3C Trace Context of the frame that an event comes of, where that frame is traced; else left out.
What is none is read as none: it says nothing against the event."""


Stream = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
"""`main`, or `inference` for the smaller stream of a camera with two. An open list."""


class CleanImageData(Contract):
    """A keyframe as it was taken. It has no address: who wants to see it says why."""

    key: str
    sha256: str
    size_bytes: int
    media_type: str = "image/jpeg"

    @property
    def name(self) -> str:
        """File name, unique: the last part of the key."""
        return self.key.rpartition("/")[2]


class OverlayTrackData(Contract):
    """An object in a keyframe. Coordinates are shares of the image's width and height.

    Attributes:
        box: x1 y1 x2 y2.
        trail: Where its foot, the middle of the lower edge of its box, was lately, oldest first.
        subject: Whether it takes part in the incident.
    """

    track: int
    label: str
    box: tuple[float, float, float, float]
    trail: tuple[tuple[float, float], ...] = ()
    subject: bool = False


class OverlayData(Contract):
    """What may be drawn over a keyframe, which itself is stored clean.

    Attributes:
        place: The corners of the zone of the incident, or the two ends of its line.
        tracks: The objects in the image, the most important 20.
    """

    place: tuple[tuple[float, float], ...] = ()
    tracks: tuple[OverlayTrackData, ...] = ()


class KeyframeData(Contract):
    """A stored image.

    Attributes:
        masked: Whether heads and plates of what was found in it are unrecognisable.
        clean: The same without a mask, in the same store; None where there is none.
        at: When the image was taken; None in events of programs that did not say so.
        overlay: What may be drawn over it; None in events of programs that did not say so.
        key: Object key in the keyframe store.
        url: Where the hub or the control API gives it to who has a token; None where neither does.
        state: `stored` once the store has it; `pending` while it is only spooled at the edge.
        stream: Which stream of the camera it is of; None where the camera has one.
        stream_reason: Why it is not of the main stream; empty where it is.
    """

    role: Role
    at: datetime | None = None
    overlay: OverlayData | None = None
    key: str
    sha256: str
    size_bytes: int
    width: int
    height: int
    media_type: str = "image/jpeg"
    masked: bool = False
    state: Literal["stored", "pending"] = "stored"
    url: str | None = None
    clean: CleanImageData | None = None
    stream: Stream | None = None
    stream_reason: str = ""

    @property
    def name(self) -> str:
        """File name, unique: the last part of the key."""
        return self.key.rpartition("/")[2]


class ClipData(Contract):
    """A clip of the camera's video around the opening of an incident. It is not masked.

    Attributes:
        state: `pending` until it is in the store, `stored`, or `none` where there is no clip;
            an open list.
        reason: Why there is none, or why it shows less than is configured.
        key: Object key in the keyframe store; empty where there is none. It has no address: who
            wants to see it says why, see docs/events.md.
        begins_at: When its first image was captured.
        duration_s: How much time it shows, seconds.
        damaged: How many of its images are known to be damaged.
    """

    state: ClipState = "pending"
    reason: str = ""
    key: str = ""
    sha256: str = ""
    size_bytes: int = 0
    media_type: str = "video/mp4"
    begins_at: datetime | None = None
    duration_s: float = 0.0
    width: int = 0
    height: int = 0
    damaged: int = 0

    @property
    def name(self) -> str:
        """File name, unique: the last part of the key."""
        return self.key.rpartition("/")[2]
