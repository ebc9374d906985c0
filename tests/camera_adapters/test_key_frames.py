"""Key frames alone: only where they come regularly and often enough."""

from __future__ import annotations

import pytest

from camera_adapters.decoding import KeyFrameWatch


def enough(watch: KeyFrameWatch, times: list[float]) -> list[bool]:
    return [watch.is_enough(at_s) for at_s in times]


def test_regular_key_frames_are_enough_after_a_while():
    watch = KeyFrameWatch(1.0, longest_s=4.0)
    assert enough(watch, [0.0, 1.0, 2.0, 3.0]) == [False, False, True, True]


@pytest.mark.parametrize(("wanted_fps", "gap_s"), [(1.0, 2.0), (5.0, 1.0), (0.1, 5.0), (0.0, 5.0)])
def test_rare_key_frames_are_never_enough(wanted_fps, gap_s):
    watch = KeyFrameWatch(wanted_fps, longest_s=4.0)
    assert not any(enough(watch, [index * gap_s for index in range(10)]))


def test_a_gap_or_a_jump_back_means_decoding_everything_again():
    watch = KeyFrameWatch(1.0, longest_s=4.0)
    assert enough(watch, [0, 1, 2, 4, 5, 6]) == [False, False, True, False, False, True]
    assert enough(watch, [1, 2, 3]) == [False, False, True]
