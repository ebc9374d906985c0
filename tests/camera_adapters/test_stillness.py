"""Frozen images: equal ones for long are told, a still scene with the noise of a sensor is not."""

from __future__ import annotations

from datetime import UTC, datetime

import av
import numpy as np

from camera_adapters.conversion import VideoImage
from camera_adapters.state import FROZEN_AFTER_S, CameraState, StateMachine
from camera_adapters.stillness import StillnessWatch

RNG = np.random.default_rng(3)


def image(luma) -> VideoImage:
    height, width = luma.shape
    frame = av.VideoFrame.from_ndarray(
        np.vstack([luma, np.full((height // 2, width), 128, np.uint8)]), format="yuv420p"
    )
    return VideoImage("gate-1", frame)


def scene() -> np.ndarray:
    return np.tile(np.linspace(16, 235, 96, dtype=np.uint8), (64, 1))


def noisy(amplitude: int = 1) -> np.ndarray:
    noise = RNG.integers(-amplitude, amplitude + 1, (64, 96))
    return np.clip(scene() + noise, 0, 255).astype(np.uint8)


def watch_for(seconds: int, make, watch: StillnessWatch | None = None) -> float:
    watch = watch or StillnessWatch()
    return [watch.still_s(image(make()), index / 5) for index in range(5 * seconds + 1)][-1]


def test_equal_images_are_still():
    assert watch_for(60, scene) >= 59


def test_the_weakest_noise_is_life():
    assert watch_for(60, noisy) <= 1


def test_a_clock_alone_is_life():
    ticks = iter(range(10_000))

    def with_clock() -> np.ndarray:
        luma = scene()
        luma[8:24, 8:16] = next(ticks) // 5 % 200
        return luma

    assert watch_for(60, with_clock) <= 1


def test_a_change_begins_anew():
    watch = StillnessWatch()
    watch_for(60, scene, watch)
    assert watch.still_s(image(noisy()), 100.0) == 0
    assert watch.still_s(image(scene()), 101.0) == 0


def test_padding_of_the_decoder_does_not_matter():
    """Rows lie apart by more than their width, and what lies between is anything."""
    first, second = image(scene()), image(scene())
    assert first.fingerprint() == second.fingerprint()
    assert image(noisy()).fingerprint() != first.fingerprint()


def machine() -> tuple[StateMachine, list[float]]:
    now = [1000.0]
    made = StateMachine(
        "gate-1",
        wanted_fps=5.0,
        silence_s=8.0,
        clock=lambda: now[0],
        utc_now=lambda: datetime.now(UTC),
    )
    return made, now


def test_a_frozen_camera_is_degraded_and_recovers():
    state, now = machine()
    states = []
    for index in range(5 * 70):
        now[0] = 1000 + index / 5
        frozen_s = index / 5 if index < 5 * 60 else 0.0
        change = state.image(still_s=frozen_s)
        if change is not None:
            states.append((change.state, change.reason, round(now[0] - 1000)))
    assert [one[0] for one in states] == [
        CameraState.ONLINE,
        CameraState.DEGRADED,
        CameraState.ONLINE,
    ]
    assert "frozen" in states[1][1]
    assert states[1][2] == FROZEN_AFTER_S < 60
    assert states[2][2] == 60


def test_a_damaged_image_does_not_thaw_a_frozen_one():
    state, now = machine()
    state.image()
    now[0] += 10
    assert state.image(still_s=FROZEN_AFTER_S).state is CameraState.DEGRADED
    assert state.image(clean=False) is None
    assert state.state is CameraState.DEGRADED
