"""The time of a recording: seconds from its first image, out of stamps that may be wrong.

Time never runs backwards, and no stretch of it counts twice: it is measured from the largest stamp
so far. A pause that the file states is kept. Stamps that are missing, stand still or were set back
cost one usual step per image.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")

SHORTEST_STEP_S = 1 / 240
"""What is said to be faster is a guess, such as the unit that a stream counts time in."""

LONGEST_STEP_S = 10.0
"""A longer step between two images is a pause, unless the recording goes in steps as long."""

PAUSE_STEPS = 4.0
"""A pause is longer than so many usual steps, so that a time lapse has none."""

MAX_PAUSE_S = 30 * 3600.0
"""A longer pause is a defect of the stamps. FFmpeg corrects them from the same length on."""

REORDERED = 16
"""Images may be stamped in another order than they are shown, up to so many: the largest number
of pictures that a decoder of H.264 or H.265 holds back."""

OUT_OF_ORDER = 4
"""So many images that lie too early may follow each other in the right order by chance."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a stream says of the time of one image, in seconds; None where it says nothing.

    Attributes:
        shown_s: When it is shown (pts).
        decoded_s: When the packet that completed it is decoded (dts).
        lasts_s: How long it is shown. Containers guess that, and it is the only word on time that
            a stream without a container has.
    """

    shown_s: float | None
    decoded_s: float | None = None
    lasts_s: float | None = None


@dataclass(frozen=True, slots=True)
class Placed(Generic[Item]):
    """An image on the time line.

    Attributes:
        media_s: Seconds from the first image; never decreasing.
        cut: Whether the images before it lie behind a pause.
    """

    item: Item
    media_s: float
    cut: bool


class StampChoice:
    """Chooses, much as FFmpeg does, the stamps that step back less often; else `shown_s`.

    AVI states no time of display, so what FFmpeg makes of it jumps to and fro with B-frames.
    Source: `guess_correct_pts` in FFmpeg's `libavcodec/decode.c`.
    """

    def __init__(self) -> None:
        """Trusts both."""
        self._shown_s = self._decoded_s = float("-inf")
        self._faulty_shown = self._faulty_decoded = 0
        self._both = False

    def choose(self, stamp: Stamp) -> float | None:
        """The more trustworthy one, in seconds; None where it is missing."""
        shown_s, decoded_s = stamp.shown_s, stamp.decoded_s
        if decoded_s is not None:
            self._both = True
            self._faulty_decoded += decoded_s <= self._decoded_s
            self._decoded_s = decoded_s
        elif shown_s is not None:
            self._decoded_s = shown_s
        if shown_s is not None:
            self._faulty_shown += shown_s <= self._shown_s
            self._shown_s = shown_s
        elif decoded_s is not None:
            self._shown_s = decoded_s
        # The last images that a decoder gives have no `decoded_s`.
        if not self._both or self._faulty_shown <= self._faulty_decoded:
            return decoded_s if shown_s is None else shown_s
        return decoded_s


class RecordingClock:
    """Turns the stamps of successive images into the time of the recording."""

    def __init__(self, step_s: float, *, keeps_pauses: bool = True) -> None:
        """Starts before the first image.

        Args:
            step_s: Seconds from image to image, until the stream says more.
            keeps_pauses: Whether a pause counts; else the image behind it follows at once.
        """
        self._step_s = step_s
        self._measured = False
        self._keeps_pauses = keeps_pauses
        self._growth_s = 0.0
        self._media_s = 0.0
        # The stamp that an image at the beginning would have.
        self._zero_s = 0.0
        self._images = 0
        self._forget()

    def restart(self) -> None:
        """The recording begins again; time goes on."""
        self._forget()

    def is_doubtful(self, stamp_s: float) -> bool:
        """Whether an image with this stamp would lie behind a pause, or before all of the last."""
        return self._is_pause(stamp_s) or stamp_s < min(self._recent, default=(stamp_s, 0))[0]

    def _is_pause(self, stamp_s: float) -> bool:
        if self._largest_s is None:
            return False
        usual_s = max(self._step_s * (1 + self._bridged), self._growth_s)
        return stamp_s - self._largest_s > max(LONGEST_STEP_S, PAUSE_STEPS * usual_s)

    def time(self, stamp_s: float | None, lasts_s: float | None = None) -> tuple[float, bool]:
        """Seconds from the first image to this one, and whether a pause lies before it.

        `lasts_s` says how long such an image is shown, where its stream says that.
        """
        self._images += 1
        cut = False
        if lasts_s is not None and lasts_s >= SHORTEST_STEP_S and not self._measured:
            self._step_s = lasts_s
        if stamp_s is None:
            self._pass_by_steps()
        elif self._largest_s is None:
            self._begin_at(stamp_s)
        elif stamp_s > self._largest_s:
            cut = self._grow(stamp_s, self._largest_s)
        else:
            self._stay(stamp_s, self._largest_s)
        return self._media_s, cut

    def _forget(self) -> None:
        self._largest_s: float | None = None
        # Stamps of the last images, and which images they were; the last one that was the largest.
        self._recent: deque[tuple[float, int]] = deque(maxlen=REORDERED)
        self._grown = 0.0, 0
        # How many images since then have no stamp, or the same one.
        self._bridged = 0
        # How many images in a row are stamped no later than an earlier one; of them, how many rise.
        self._held = self._rising = 0
        self._held_from_s = 0.0

    def _pass_by_steps(self) -> None:
        """The stamp says nothing: as many usual steps lie behind the last one that did."""
        self._bridged += 1
        if self._largest_s is None:
            self._media_s += self._step_s if self._images > 1 else 0.0
        else:
            since_s = self._bridged * self._step_s
            self._media_s = max(self._media_s, self._largest_s - self._zero_s + since_s)

    def _begin_at(self, stamp_s: float, more_s: float = 0.0) -> None:
        """Time goes on by a usual step, and is measured from this stamp from now on."""
        if self._images > 1:
            self._media_s += self._step_s + more_s
        self._forget()
        self._zero_s = stamp_s - self._media_s
        self._note(stamp_s)

    def _grow(self, stamp_s: float, largest_s: float) -> bool:
        paused, growth_s = self._is_pause(stamp_s), stamp_s - largest_s
        if growth_s <= MAX_PAUSE_S:
            # A second step as long is no pause but the way of this recording.
            self._growth_s = growth_s
        if paused and (not self._keeps_pauses or growth_s > MAX_PAUSE_S):
            self._begin_at(stamp_s)
            return True
        if self._rising > OUT_OF_ORDER and growth_s < self._held * self._step_s / 2:
            # The stamps were set back by a few images, and went on from there. That time counts.
            self._zero_s -= stamp_s - self._held_from_s - growth_s
        # Where images without a stamp took more than their time, it waits for the stamps.
        self._media_s = max(self._media_s, stamp_s - self._zero_s)
        since_s, since = min(self._recent[0], self._grown, key=lambda one: one[1])
        if not paused and stamp_s > since_s:
            self._step_s = (stamp_s - since_s) / (self._images - since)
            self._measured = True
        if paused:
            self._recent.clear()
        self._note(stamp_s)
        return paused

    def _stay(self, stamp_s: float, largest_s: float) -> None:
        """The stamp is no later than an earlier one."""
        recent = [one for one, _ in self._recent]
        if stamp_s == largest_s and {*recent[-2:]} == {stamp_s}:
            # The stamps stand still, and may catch up later, such as those of whole seconds.
            self._pass_by_steps()
            self._recent.append((stamp_s, self._images))
        elif stamp_s <= min(recent):
            self._begin_at(stamp_s)
        elif self._held >= REORDERED:
            # That is no other order any more. The time since the step back counts once.
            self._begin_at(stamp_s, max(0.0, stamp_s - self._held_from_s))
        else:
            if not self._held:
                self._held_from_s = stamp_s
            self._rising = self._rising + 1 if stamp_s > self._recent[-1][0] else 1
            self._held += 1
            self._recent.append((stamp_s, self._images))

    def _note(self, stamp_s: float) -> None:
        self._largest_s = stamp_s
        self._grown = stamp_s, self._images
        self._bridged = self._held = self._rising = 0
        self._recent.append((stamp_s, self._images))


class RecordingTimeline(Generic[Item]):
    """Places the images of a recording in time, one after the other.

    After a leap of the stamps, in either direction, an image waits for the next one: where that
    goes on as before the leap, the one stamp was wrong.
    """

    def __init__(self, step_s: float, *, keeps_pauses: bool = True) -> None:
        """See `RecordingClock`."""
        self._clock = RecordingClock(step_s, keeps_pauses=keeps_pauses)
        self._choice = StampChoice()
        self._waiting: tuple[Item, float, float | None] | None = None

    def place(self, item: Item, stamp: Stamp) -> Iterator[Placed[Item]]:
        """The images whose place is known now, in order."""
        stamp_s = self._choice.choose(stamp)
        if self._waiting is not None:
            waiting, waiting_s, lasts_s = self._waiting
            self._waiting = None
            goes_on = stamp_s is not None and not self._clock.is_doubtful(stamp_s)
            yield Placed(waiting, *self._clock.time(None if goes_on else waiting_s, lasts_s))
        if stamp_s is not None and self._clock.is_doubtful(stamp_s):
            self._waiting = item, stamp_s, stamp.lasts_s
        else:
            yield Placed(item, *self._clock.time(stamp_s, stamp.lasts_s))

    def finish(self) -> Iterator[Placed[Item]]:
        """The image that still waits; the recording ended or begins again, and time goes on."""
        if self._waiting is not None:
            waiting, waiting_s, lasts_s = self._waiting
            self._waiting = None
            yield Placed(waiting, *self._clock.time(waiting_s, lasts_s))
        self._clock.restart()
        self._choice = StampChoice()
