"""Images become evidence: right colours, a key that names the content, no secrets in errors."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone

import cv2
import numpy as np
import pytest

from camera_adapters.geometry import Size
from pipelines.errors import EncodingError
from pipelines.keyframe import encode, keyframe
from tests.pipelines.frames import PlainImage

CHINA = timezone(timedelta(hours=8))


def test_a_red_image_is_red_in_the_file():
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[..., 0] = 220
    image = encode(PlainImage(pixels))
    decoded = cv2.imdecode(np.frombuffer(image.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    blue, green, red = decoded.reshape(-1, 3).mean(axis=0)
    assert red > 200
    assert max(blue, green) < 20
    assert (image.width, image.height) == (64, 48)


def test_a_keyframe_says_what_is_in_the_file():
    image = encode(PlainImage(np.full((48, 64, 3), 9, np.uint8)))
    said = keyframe(image, "peak", "gate", "i", "e", 0, datetime(2026, 1, 1, tzinfo=CHINA))
    assert said.sha256 == hashlib.sha256(image.jpeg).hexdigest()
    assert (said.size_bytes, said.width, said.height) == (len(image.jpeg), 64, 48)
    assert (said.role, said.state, said.media_type) == ("peak", "pending", "image/jpeg")


def test_the_key_is_dated_in_utc_and_ends_in_the_digest():
    image = encode(PlainImage(np.full((48, 64, 3), 9, np.uint8)))
    named = keyframe(
        image, "opening", "gate", "incident", "event", 3, datetime(2026, 1, 1, 7, 30, tzinfo=CHINA)
    )
    tag = hashlib.sha256(b"incident").hexdigest()[:16]
    assert named.key == f"kf-30d/v1/2025/12/31/gate/23/{tag}_event-3-{image.sha256[:16]}.jpg"
    assert named.name == named.key.split("/")[-1]


class LeakyImage:
    """Fails as a decoder does, with the camera's password in the text."""

    size = Size(64, 48)

    def rgb(self):
        raise OSError("rtsp://admin:secret@camera/main: broken")


class StripedImage:
    """Not an image at all."""

    size = Size(64, 48)

    def rgb(self):
        return np.zeros((48, 64), np.float64)


@pytest.mark.parametrize("broken", [LeakyImage(), StripedImage()])
def test_what_cannot_be_encoded_is_named_without_its_source(broken):
    with pytest.raises(EncodingError) as caught:
        encode(broken)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
