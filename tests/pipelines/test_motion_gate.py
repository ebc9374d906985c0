"""What has not moved is not inferred again, and what has moved always is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from camera_adapters.frame import Frame, Luma
from camera_adapters.geometry import Size, ViewSpec
from models.detections import Detections
from pipelines.motion_gate import LUMA_SIZE, MotionGate, has_moved
from pipelines.plan import ModelRef
from pipelines.rules.zone import Zone
from tests.pipelines.frames import SIZE, PlainImage, make_frame
from tests.pipelines.test_batcher import CROWDING, TRAFFIC

LONGEST_S = 2.0


def street(seed: int = 1) -> Luma:
    """A drawn place with structure, (180, 320)."""
    random = np.random.default_rng(seed)
    values = random.integers(30, 220, (LUMA_SIZE.height, LUMA_SIZE.width)).astype(np.float32)
    smooth = cv2.GaussianBlur(values, (0, 0), 5)
    return cv2.normalize(smooth, smooth, 40, 200, cv2.NORM_MINMAX).astype(np.uint8)


def noisy(luma: Luma, sigma: float, seed: int) -> Luma:
    noise = np.random.default_rng(seed).normal(0, sigma, luma.shape)
    return np.clip(luma + noise, 0, 255).astype(np.uint8)


def with_thing(luma: Luma, x: int, width: int = 3, height: int = 6, contrast: int = 25) -> Luma:
    changed = luma.astype(np.int16)
    changed[90 : 90 + height, x : x + width] += contrast
    return np.clip(changed, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sigma", [0.0, 1.0, 3.0, 6.0])
def test_noise_is_no_motion(sigma: float) -> None:
    pairs = [(noisy(street(), sigma, 2 * k), noisy(street(), sigma, 2 * k + 1)) for k in range(60)]
    assert sum(has_moved(*pair) for pair in pairs) == 0


@pytest.mark.parametrize("sigma", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("contrast", [-25, 25])
def test_somebody_far_away_is_motion(sigma: float, contrast: int) -> None:
    before = noisy(with_thing(street(), 100, contrast=contrast), sigma, 1)
    now = noisy(with_thing(street(), 104, contrast=contrast), sigma, 2)
    assert has_moved(before, now)


def test_a_little_light_is_no_motion_and_much_is() -> None:
    before = street()
    assert not has_moved(before, before + np.uint8(8))
    assert has_moved(before, before + np.uint8(30))


def test_what_moves_in_a_mask_is_no_motion() -> None:
    mask = Zone("clock", ((0.25, 0.4), (0.35, 0.4), (0.35, 0.6), (0.25, 0.6)))
    gate = MotionGate(LONGEST_S, [mask])
    inferred(gate, frame(0.0, street()), TRAFFIC)
    assert gate.held(frame(0.2, with_thing(street(), 96)), [TRAFFIC]) is not None
    assert gate.held(frame(0.4, with_thing(street(), 200)), [TRAFFIC]) is None


def test_single_pixels_are_no_motion() -> None:
    now = street()
    now[10, 10] += 40
    now[100, 200] += 40
    assert not has_moved(street(), now)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn(PlainImage):
    """A full image with a brightness of its own."""

    brightness: Luma

    def luma(self, size: Size) -> Luma:
        assert size == LUMA_SIZE
        return self.brightness


def frame(at_s: float, luma: Luma, stream_restarts: int = 0) -> Frame:
    number = int(at_s * 100)
    plain = make_frame(at_s=at_s, index=number, sizes=(), stream_restarts=stream_restarts)
    return replace(plain, full=Drawn(np.zeros((4, 4, 3), np.uint8), luma))


FOUND = Detections(np.zeros((1, 4), np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))


def inferred(gate: MotionGate, one: Frame, *models: ModelRef) -> None:
    """The frame goes the way of one that is inferred."""
    assert gate.held(one, models) is None
    gate.note(one.converted(frozenset({ViewSpec(SIZE)})), dict.fromkeys(models, FOUND))


def test_a_still_image_keeps_what_was_found_until_it_has_to_be_inferred() -> None:
    gate = MotionGate(LONGEST_S)
    inferred(gate, frame(0.0, street()), TRAFFIC)
    for at_s in (0.2, 1.0, 1.8):
        held = gate.held(frame(at_s, street()), [TRAFFIC])
        assert held is not None
        assert held.found == {TRAFFIC: FOUND}
        assert held.frame.captured_mono_s == at_s
        assert held.frame.views.keys() == {TRAFFIC.view}
    inferred(gate, frame(2.0, street()), TRAFFIC)
    assert gate.held(frame(2.2, street()), [TRAFFIC]) is not None


def test_what_moves_slowly_adds_up() -> None:
    gate = MotionGate(30.0)
    inferred(gate, frame(0.0, with_thing(street(), 100)), TRAFFIC)
    still = [
        gate.held(frame(0.2 * k, with_thing(street(), 100, 3, 6, 25 + k)), [TRAFFIC]) is not None
        for k in range(1, 30)
    ]
    assert still[0]
    assert not still[-1]


def test_each_model_has_its_own_image() -> None:
    gate = MotionGate(LONGEST_S)
    inferred(gate, frame(0.0, street()), TRAFFIC)
    assert gate.held(frame(0.2, street()), [TRAFFIC, CROWDING]) is None
    gate.note(frame(0.2, street()).converted(frozenset({CROWDING.view})), {CROWDING: FOUND})
    moved = with_thing(street(), 50)
    inferred(gate, frame(0.4, moved), TRAFFIC)
    assert gate.held(frame(0.6, moved), [TRAFFIC]) is not None
    assert gate.held(frame(0.6, moved), [CROWDING]) is None, "it has not seen that yet"


def test_a_new_stream_and_a_failed_model_are_inferred() -> None:
    gate = MotionGate(LONGEST_S)
    inferred(gate, frame(0.0, street()), TRAFFIC)
    assert gate.held(frame(0.2, street(), stream_restarts=1), [TRAFFIC]) is None
    assert gate.held(frame(0.4, with_thing(street(), 50)), [TRAFFIC]) is None
    gate.note(frame(0.4, with_thing(street(), 50)), {})
    assert gate.held(frame(0.6, with_thing(street(), 50)), [TRAFFIC]) is None
