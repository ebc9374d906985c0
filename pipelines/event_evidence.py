"""What events say of stored images and clips; a part of the contract in `pipelines.event`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

Role = Literal["opening", "peak", "closing"]
"""Which moment of an incident a keyframe shows."""


class Contract(BaseModel):
    """Base of every wire model: unknown keys are refused when we write, kept out when we read."""

    model_config = ConfigDict(frozen=True, extra="ignore", from_attributes=True)


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
        at: When the image was taken; None in events of programs that did not say so.
        overlay: What may be drawn over it; None in events of programs that did not say so.
        key: Object key in the keyframe store.
        url: Where the hub or the control API gives it to who has a token; None where neither does.
        state: `stored` once the store has it; `pending` while it is only spooled at the edge.
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

    @property
    def name(self) -> str:
        """File name, unique: the last part of the key."""
        return self.key.rpartition("/")[2]
