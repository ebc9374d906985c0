"""The signals of one camera: only what is wanted, at its rate, and none of a view at fault."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from camera_adapters import Luma, Size
from pipelines.signals.camera_signals import LUMA_SIZE, CameraSignals
from pipelines.signals.signal import NO_SIGNALS, Signal, ViewFault
from tests.pipelines.signals.luma_street import HEIGHT, WIDTH, Street, bag, during, light


@dataclass
class Counted:
    """An image that counts how often its brightness is asked for."""

    pixels: Luma
    asked: int = 0

    def luma(self, size: Size) -> Luma:
        assert size == LUMA_SIZE
        self.asked += 1
        return self.pixels


GREY = np.full((HEIGHT, WIDTH), 90, np.uint8)


def test_nothing_is_computed_that_nobody_wants():
    signals, image = CameraSignals(frozenset()), Counted(GREY)
    assert signals.observe(image, 1.0) is NO_SIGNALS
    assert CameraSignals(frozenset({Signal.IMAGE})).observe(image, 1.0) is NO_SIGNALS
    assert image.asked == 0


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        ({Signal.VIEW}, 22),
        ({Signal.MOTION}, 22),
        ({Signal.STATIC_CHANGE}, 11),
        ({Signal.VIEW, Signal.MOTION, Signal.STATIC_CHANGE}, 22),
    ],
)
@pytest.mark.parametrize("fps", [5, 12.5, 25])
def test_a_high_rate_costs_no_more_images(wanted, most, fps):
    signals, image = CameraSignals(frozenset(wanted)), Counted(GREY)
    for number in range(int(10 * fps)):
        signals.observe(image, number / fps)
    assert 0.75 * most <= image.asked <= most


def test_a_low_rate_gets_every_image():
    signals, image = CameraSignals(frozenset({Signal.VIEW})), Counted(GREY)
    for number in range(10):
        signals.observe(image, number * 3.0)
    assert image.asked == 10


def test_motion_is_where_something_moves():
    signals = CameraSignals(frozenset({Signal.MOTION}))
    still, moved = GREY.copy(), GREY.copy()
    moved[60:120, 40:100] = 200
    assert signals.observe(Counted(still), 0.0).motion is None
    motion = signals.observe(Counted(moved), 1.0).motion
    assert motion is not None
    assert motion.share == pytest.approx(60 * 60 / (WIDTH * HEIGHT), rel=0.15)
    rows, columns = np.nonzero(motion.mask)
    assert (rows.min(), rows.max()) == pytest.approx((30, 59), abs=1)
    assert (columns.min(), columns.max()) == pytest.approx((20, 49), abs=1)


def test_light_and_noise_do_not_move():
    signals = CameraSignals(frozenset({Signal.MOTION}))
    for at_s, luma, _ in Street([during(light(1.2), 2.0)], noise=4.0).frames(6, 0.5):
        motion = signals.observe(Counted(luma), at_s).motion
        assert motion is None or motion.share < 0.02


def test_static_changes_are_found_again_after_the_view_was_at_fault():
    signals = CameraSignals(frozenset({Signal.VIEW, Signal.STATIC_CHANGE}))
    street = Street([during(bag(), 20.0), during(light(0.05), 50.0, 70.0)])
    said = {}
    for at_s, luma, covers in street.frames(100, 0.5):
        newest = signals.observe(Counted(luma), at_s, covers)
        said[at_s] = (newest.view, len(newest.static_changes))
        assert newest is signals.newest
    assert said[45.0] == (None, 1)
    assert said[65.0] == (ViewFault.DARK, 0)
    assert all(number == 1 for view, number in list(said.values())[60:] if view is None)
    assert said[99.0] == (None, 1)
