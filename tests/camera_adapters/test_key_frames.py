"""Key frames alone: only where they come regularly and often enough."""

from __future__ import annotations

import pytest

from camera_adapters.key_frames import MAX_KEPT_BYTES, KeyFrameFilter, KeyFrameWatch
from camera_adapters.rtp import CLOCK_HZ, CodedImage


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


def coded(at_s: float, *, key: bool = False, damaged: bool = False, size: int = 10) -> CodedImage:
    return CodedImage(bytearray(size), round(at_s * CLOCK_HZ), key, damaged)


def choose_all(images: list[CodedImage], wanted_fps: float = 1.0) -> list[list[CodedImage]]:
    chooser = KeyFrameFilter(KeyFrameWatch(wanted_fps, longest_s=4.0))
    return [chooser.choose(one) for one in images]


def stream(seconds: int, *, fps: int = 5, key_every_s: int = 1) -> list[CodedImage]:
    return [
        coded(index / fps, key=index % (fps * key_every_s) == 0) for index in range(fps * seconds)
    ]


def test_after_regular_key_frames_the_rest_is_left_out():
    images = stream(6)
    chosen = [one for batch in choose_all(images) for one in batch]
    assert chosen == [one for one in images if one.key or one.ticks < 2 * CLOCK_HZ]


def test_what_was_left_out_is_decoded_after_all_when_a_key_frame_is_late():
    """As with cameras that stretch the distance of their key frames while nothing moves."""
    images = [*stream(5), *[coded(5 + index / 5) for index in range(20)]]
    images[25] = coded(5.0, key=True)
    chosen = choose_all(images)
    assert [batch for batch in chosen[21:30] if batch] == [[images[25]]]
    late = next(batch for batch in chosen[26:] if batch)
    assert late == images[26 : 26 + len(late)], "in order, and nothing is missing"
    rest = chosen[26 + len(late) :]
    assert rest == [[one] for one in images[26 + len(late) :]], "from then on all is decoded"


def test_a_key_frame_only_at_the_start_means_decoding_everything():
    images = [coded(0, key=True), *[coded(index / 5) for index in range(1, 100)]]
    assert choose_all(images, wanted_fps=0.1) == [[one] for one in images]


def test_a_damaged_image_ends_the_skipping_at_once():
    images = [*stream(5), coded(5.0, key=True), coded(5.2), coded(5.4, damaged=True), coded(5.6)]
    assert choose_all(images)[-3:] == [[], images[-3:-1], [images[-1]]]


def test_what_is_kept_is_bounded():
    large = MAX_KEPT_BYTES // 3
    images = [*stream(5), coded(5.0, key=True), *[coded(5.1, size=large) for _ in range(6)]]
    chosen = choose_all(images)[-6:]
    assert [len(batch) for batch in chosen] == [0, 0, 0, 4, 1, 1]


def test_a_time_stamp_that_leaps_ends_the_skipping():
    images = [*stream(5), coded(5.0, key=True), coded(-3600.0), coded(-3599.8)]
    assert choose_all(images)[-2:] == [[images[-2]], [images[-1]]]
