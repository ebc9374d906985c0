"""Images made into evidence.

A keyframe's key names its content, so that storing it twice is the same as storing it once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

import cv2

from camera_adapters import FullImage
from pipelines.errors import EncodingError
from pipelines.event_evidence import KeyframeData, Role
from pipelines.keyframe_key import keyframe_key

JPEG_QUALITY = 85


@dataclass(frozen=True, slots=True, eq=False)
class EncodedImage:
    """An encoded image.

    Attributes:
        jpeg: The file, bytes.
        width: Pixels.
        height: Pixels.
        sha256: Hex digest of `jpeg`.
    """

    jpeg: bytes
    width: int
    height: int
    sha256: str


def encode(image: FullImage) -> EncodedImage:
    """Encodes the full-resolution image as JPEG.

    Raises:
        EncodingError: The image could not be had or encoded. Its text names no source: decoder
            errors carry camera URLs.
    """
    # Whatever holds the image may fail in its own ways; the event must go out all the same.
    try:
        rgb = image.rgb()
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    except Exception as error:
        raise EncodingError(f"the image cannot be encoded: {type(error).__name__}") from None
    if not done:
        raise EncodingError("the JPEG encoder gave no data")
    jpeg = encoded.tobytes()
    height, width = rgb.shape[:2]
    return EncodedImage(jpeg, width, height, hashlib.sha256(jpeg).hexdigest())


def keyframe(
    image: EncodedImage,
    role: Role,
    camera: str,
    incident: str,
    event: str,
    number: int,
    at: datetime,
    address: str = "",
) -> KeyframeData:
    """How events describe an image before the store has it.

    Args:
        image: The encoded image.
        role: Which moment it shows.
        camera: Camera id.
        incident: Id of the incident.
        event: Id of the event that brings it.
        number: Counts the keyframes of the incident.
        at: When it was taken, with a UTC offset.
        address: What stands before the key in its address; empty where it has none.
    """
    key = keyframe_key(camera, incident, event, number, image.sha256, at)
    return KeyframeData(
        role=role,
        at=at,
        key=key,
        sha256=image.sha256,
        size_bytes=len(image.jpeg),
        width=image.width,
        height=image.height,
        state="pending",
        url=address + quote(key, safe="/") if address else None,
    )
