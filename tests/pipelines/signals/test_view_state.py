"""View state: a camera that does not see its place is noticed in time, and weather is no fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
import pytest

from camera_adapters import Luma
from pipelines.signals.signal import ViewFault
from pipelines.signals.view_state import ACCEPT_S, VIEW_REASONS, ViewWatch
from tests.pipelines.signals.luma_street import HEIGHT, WIDTH, Effect, Street, during, light, rain

EVERY_S = 0.5
FAULT_S, WELL_S, END_S = 25.0, 45.0, 60.0
RNG = np.random.default_rng(7)


def flat(level: float) -> Effect:
    cover = np.linspace(level - 15, level + 15, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, 0)
    return lambda _image, _at_s: cover.copy()


def hand(image, _at_s):
    image[:, :220] = 95
    return image


def blurred(image, _at_s):
    return cv2.GaussianBlur(image, (0, 0), 3.0)


def noise(deviation: float) -> Effect:
    return lambda image, _: image + RNG.normal(0, deviation, image.shape)


def bit_errors(image, _at_s):
    for _ in range(200):
        x, y = 8 * RNG.integers(0, WIDTH // 8), 8 * RNG.integers(0, HEIGHT // 8)
        image[y : y + 8, x : x + 8] = RNG.integers(0, 255)
    return image


FAULTS: dict[str, tuple[Effect, ViewFault]] = {
    "cloth": (flat(110), ViewFault.COVERED),
    "lens cap": (flat(15), ViewFault.COVERED),
    "hand": (hand, ViewFault.COVERED),
    "out of focus": (blurred, ViewFault.BLURRED),
    "lamps off": (light(0.08), ViewFault.DARK),
    "fog": (lambda image, _: 0.15 * image + 160, ViewFault.WASHED_OUT),
    "glare": (lambda image, _: image + 190, ViewFault.WASHED_OUT),
    "snow": (noise(20), ViewFault.NOISY),
    "bit errors": (bit_errors, ViewFault.NOISY),
}

WEATHER: dict[str, Effect] = {
    "nothing": lambda image, _: image,
    "clouds": lambda image, at_s: image * (0.75 + 0.25 * np.sin(at_s / 7)),
    "half shade": lambda image, at_s: (
        np.hstack([image[:, :160] * 0.55, image[:, 160:]]) if at_s % 30 < 15 else image
    ),
    # All but a strip is ever another image; the strip is what the place is known by.
    "crowd": lambda image, at_s: np.vstack(
        [image[:30], np.roll(image[30:], int(2 * at_s) * 37, axis=1)]
    ),
    "rain": during(rain(), 20.0, 50.0),
    "lamps on": during(light(0.45), 25.0, 45.0),
    "infrared": during(
        lambda image, _: 255 * (image / 255) ** 0.5 * np.hanning(400)[40:360], 25.0, 45.0
    ),
    "night": lambda image, at_s: image * max(0.3, 1 - at_s / 80),
}


def told(
    frames: Iterator[tuple[float, Luma]], watch: ViewWatch | None = None
) -> list[tuple[float, ViewFault | None]]:
    """What became of the view, with when."""
    watch, said = watch or ViewWatch(), []
    for at_s, luma in frames:
        before = watch.fault
        if watch.observe(luma, at_s) is not before:
            said.append((at_s, watch.fault))
    return said


def seen(street: Street, seconds: float = END_S) -> Iterator[tuple[float, Luma]]:
    return ((at_s, luma) for at_s, luma, _ in street.frames(seconds, EVERY_S))


def test_every_fault_says_what_to_do():
    assert set(VIEW_REASONS) == set(ViewFault)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_noticed_within_fifteen_seconds_and_ends(name):
    effect, fault = FAULTS[name]
    (began_s, first), (ended_s, last) = told(seen(Street([during(effect, FAULT_S, WELL_S)])))
    assert (first, last) == (fault, None)
    assert FAULT_S + 4 <= began_s <= FAULT_S + 12
    assert WELL_S + 2 <= ended_s <= WELL_S + 12


@pytest.mark.parametrize("shift", [(12, 0), (30, 5), (0, 20), (70, 35)])
def test_a_camera_that_is_pushed_is_noticed_until_it_is_back(shift):
    street = Street(shift=lambda at_s: shift if FAULT_S <= at_s < WELL_S else (0, 0))
    (began_s, first), (ended_s, last) = told(seen(street))
    assert (first, last) == (ViewFault.MOVED, None)
    assert began_s <= FAULT_S + 15
    assert ended_s <= WELL_S + 12


@pytest.mark.parametrize("name", WEATHER)
def test_light_and_weather_are_no_faults(name):
    assert told(seen(Street([WEATHER[name]]))) == []


def test_people_and_a_bus_that_stops_in_front_are_no_faults():
    def bus(image, at_s):
        if 25 <= at_s < 45:
            image[30:150, 20:170] = 140
            image[50:80, 30:160:12] = 60
        return image

    walkers = [(begin, 0.6 + 0.02 * (begin % 15)) for begin in range(0, 55, 3)]
    assert told(seen(Street([bus], walkers=walkers))) == []


def test_a_short_fault_is_none():
    assert told(seen(Street([during(flat(110), 25.0, 29.0)]))) == []


@pytest.mark.parametrize("name", ["lamps off", "glare", "snow"])
def test_what_is_always_wrong_is_noticed_without_a_reference(name):
    effect, fault = FAULTS[name]
    ((_, first),) = told(seen(Street([effect]), 30))
    assert first is fault


def test_one_image_after_a_pause_is_no_fault():
    watch = ViewWatch()
    assert told(seen(Street(), 30), watch) == []
    dark = np.zeros((HEIGHT, WIDTH), np.uint8)
    assert watch.observe(dark, 1000.0) is None


def slowly(effect: Callable[[float], Effect]) -> list[ViewFault | None]:
    """What becomes of a view that changes over forty minutes, with an image every ten seconds."""
    street = Street([lambda image, at_s: effect(min(1.0, at_s / 2400))(image, at_s)])
    frames = ((at_s, luma) for at_s, luma, _ in street.frames(2500, 10.0))
    return [fault for _, fault in told(frames)]


def test_a_night_that_comes_slowly_is_learned_and_fog_is_not():
    assert slowly(lambda share: light(1 - 0.6 * share)) == []
    fog = slowly(lambda share: lambda image, _: image * (1 - 0.88 * share) + 150 * share)
    assert fog == [ViewFault.WASHED_OUT]


@pytest.mark.parametrize(("is_shift", "ends"), [(True, False), (False, True)])
def test_another_place_is_accepted_in_time_and_a_shifted_one_never(is_shift, ends):
    here, other = Street(), Street(seed=9)
    pushed = Street(shift=lambda _: (30.0, 5.0))
    watch = ViewWatch()
    assert told(seen(here, 30), watch) == []
    there = pushed if is_shift else other
    # Ten seconds of images, again and again.
    images = [luma for _, luma in seen(there, 10)]
    step_s = 2.0
    steps = range(int((ACCEPT_S + 60) / step_s))
    said = told(((30 + i * step_s, images[i % len(images)]) for i in steps), watch)
    assert [fault for _, fault in said] == [ViewFault.MOVED, None][: 1 + ends]
