"""Images made into evidence.

A keyframe's key names its content, so that storing it twice is the same as storing it once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import quote

import cv2

from camera_adapters import ClipFile, FullImage, Image
from pipelines.errors import EncodingError
from pipelines.event_evidence import CleanImageData, ClipData, KeyframeData, Role
from pipelines.event_identity import event_id
from pipelines.incident import Incident
from pipelines.keyframe_key import keyframe_key, restricted_key
from pipelines.masking import SensitiveImage, masked

JPEG_QUALITY = 85
JPEG: Final = "image/jpeg"


@dataclass(frozen=True, slots=True, eq=False)
class EncodedImage:
    """An encoded image.

    Attributes:
        jpeg: The file, bytes.
        width: Pixels.
        height: Pixels.
        sha256: Hex digest of `jpeg`.
        masked: Whether heads and plates of what was found are masked in it.
        clean: The file without the mask, bytes; None where that is the same.
    """

    jpeg: bytes
    width: int
    height: int
    sha256: str
    masked: bool = False
    clean: bytes | None = None


def encode(image: FullImage) -> EncodedImage:
    """Encodes the full-resolution image as JPEG; a `SensitiveImage` masked, and clean besides.

    Raises:
        EncodingError: The image could not be had, masked or encoded. Its text names no source:
            decoder errors carry camera URLs.
    """
    # Whatever holds the image may fail in its own ways; the event must go out all the same.
    try:
        rgb = image.rgb()
        jpeg, clean, is_masked = jpeg_of(rgb), None, isinstance(image, SensitiveImage)
        if isinstance(image, SensitiveImage) and image.regions:
            jpeg, clean = jpeg_of(masked(rgb, image.regions)), jpeg
            clean = None if clean == jpeg else clean
    except Exception as error:
        raise EncodingError(f"the image cannot be encoded: {type(error).__name__}") from None
    height, width = rgb.shape[:2]
    return EncodedImage(jpeg, width, height, hashlib.sha256(jpeg).hexdigest(), is_masked, clean)


def jpeg_of(rgb: Image, quality: int = JPEG_QUALITY) -> bytes:
    """An image (H, W, 3) RGB as a JPEG file; `quality` is that of libjpeg, 1 to 100.

    Raises:
        ValueError: The encoder gives nothing.
    """
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError("the JPEG encoder gave no data")
    return encoded.tobytes()


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
    clean = None
    if image.clean is not None:
        digest = hashlib.sha256(image.clean).hexdigest()
        own = restricted_key(camera, incident, event, number, digest, at, JPEG)
        clean = CleanImageData(key=own, sha256=digest, size_bytes=len(image.clean))
    return KeyframeData(
        role=role,
        at=at,
        key=key,
        sha256=image.sha256,
        size_bytes=len(image.jpeg),
        width=image.width,
        height=image.height,
        masked=image.masked,
        state="pending",
        clean=clean,
        url=address + quote(key, safe="/") if address else None,
    )


def clip_data(clip: ClipFile, incident: Incident, begins_at: datetime) -> ClipData:
    """How events describe a clip whose first image is of `begins_at`, before the store has it."""
    digest = hashlib.sha256(clip.data).hexdigest()
    named = (incident.camera, incident.id, event_id(incident.id, "clip"), 0, digest)
    return ClipData(
        reason=clip.shortened,
        key=restricted_key(*named, begins_at),
        sha256=digest,
        size_bytes=len(clip.data),
        begins_at=begins_at,
        duration_s=clip.duration_s,
        width=clip.width,
        height=clip.height,
        damaged=clip.damaged,
    )
