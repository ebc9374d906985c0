"""The intake: from decoded images to frames in the mailbox, one slot where the newest wins.

An image that is due for no task costs its decoding and nothing else. Nothing is converted here:
whoever takes a frame converts it, so that a frame that nobody infers never is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from camera_adapters.frame import Frame
from camera_adapters.geometry import Size
from camera_adapters.packet_ring import PacketRing
from camera_adapters.source import DecodedImage, SourceTiming, VideoSource
from camera_adapters.spec import CameraSpec

POLL_S = 0.1
"""How often a wait for the consumer checks whether it should stop."""

EARLY_SHARE = 0.1
"""Share of an interval by which an image may come early and still count; absorbs jitter."""

MAX_LAG_S = 1.0
"""A recording that fell behind by more goes on from where it is instead of hurrying after."""

NO_TASKS: frozenset[str] = frozenset()


class Mailbox:
    """Holds the newest frame of one camera while a task waits for it. One reader puts.

    Guarantees that the reader never waits for a slow consumer, that what is taken is the newest
    image of the camera, and that a task that was due on a frame nobody took is due on the frame
    that replaced it.

    Attributes:
        taken: How many frames were taken.
        dropped: How many due frames were replaced by another due one before anybody took them.
        waiting_tasks: Tasks of the frame in the slot; empty while there is none.
    """

    def __init__(self, on_arrival: Callable[[], None] = lambda: None) -> None:
        """Starts empty; `on_arrival` is called after every `put`, on its thread: no blocking."""
        self._on_arrival = on_arrival
        self._change = threading.Condition()
        # Its own tasks do not count: those of frames that it replaced wait for it too.
        self._frame: Frame | None = None
        self.taken = 0
        self.dropped = 0
        self.waiting_tasks = NO_TASKS

    def put(self, frame: Frame) -> None:
        """Leaves a frame that is due; the tasks of one that is still in the slot carry over."""
        with self._change:
            self.dropped += self._frame is not None
            self._frame = frame
            self.waiting_tasks = self.waiting_tasks | frame.tasks
        self._on_arrival()

    def refresh(self, frame: Frame) -> None:
        """Replaces the frame in the slot by a newer one that no further task is due on."""
        with self._change:
            if self._frame is not None:
                self._frame = frame

    def take(self, tasks: frozenset[str] | None = None) -> Frame | None:
        """The newest frame for some of its tasks, or None where none of them waits.

        Args:
            tasks: Only for these; the frame stays in the slot for its other tasks. None for all.
        """
        with self._change:
            frame = self._frame
            wanted = self.waiting_tasks if tasks is None else self.waiting_tasks & tasks
            if frame is None or not (wanted or tasks is None):
                return None
            self.waiting_tasks = self.waiting_tasks - wanted
            if not self.waiting_tasks:
                self._frame = None
            self.taken += 1
            self._change.notify_all()
            return frame if wanted == frame.tasks else replace(frame, tasks=wanted)

    def wait_empty(self, timeout_s: float) -> bool:
        """Waits until the slot is empty; false when it is still full after `timeout_s`."""
        with self._change:
            return self._change.wait_for(lambda: self._frame is None, timeout_s)


class Pacer:
    """Decides for one camera which tasks are due now.

    The long-run rate of a task is the one it asked for, whatever the camera's own rate; a task that
    asks for more than the camera gives is due on every image.

    Attributes:
        rates: Frames per second of each task; 0 or less is never due. Replaced as a whole.
        asked: How often each task was due, had its rate not been reduced.
        shares: Share of its rate that a task gets; 1 where it is not named. Replaced as a whole.
    """

    def __init__(self, rates: Mapping[str, float]) -> None:
        """Starts with every task due; no other tasks may come later."""
        self.rates = rates
        self._due_s: dict[str, float] = {}
        self._credit = dict.fromkeys(rates, 0.0)
        self.asked = dict.fromkeys(rates, 0)
        self.shares: Mapping[str, float] = {}

    def due(self, now_s: float) -> frozenset[str]:
        """The tasks that are due on an image at `now_s`; they count as served by it."""
        tasks: set[str] = set()
        for task, rate in self.rates.items():
            if rate <= 0:
                continue
            interval_s = 1.0 / rate
            next_s = self._due_s[task] + interval_s if task in self._due_s else now_s
            if now_s + EARLY_SHARE * interval_s >= next_s:
                self.asked[task] += 1
                # A reduced rate leaves out as many as its share asks for.
                self._credit[task] += min(1.0, self.shares.get(task, 1.0))
                if self._credit[task] >= 1.0:
                    self._credit[task] -= 1.0
                    tasks.add(task)
                # The schedule advances by whole intervals, so a late image does not lower the
                # rate; it never stays behind the present, so no burst makes up for a gap.
                self._due_s[task] = max(next_s, now_s - interval_s)
        return frozenset(tasks)


class PlaybackClock:
    """Plays a recording in real time."""

    def __init__(self) -> None:
        self._anchor_s: float | None = None

    def delay_s(self, media_s: float, now_s: float) -> float:
        """How long to wait until the image at `media_s` is to be shown, in seconds."""
        if self._anchor_s is None:
            self._anchor_s = now_s - media_s
        delay_s = self._anchor_s + media_s - now_s
        if delay_s < -MAX_LAG_S:
            self._anchor_s = now_s - media_s
        return max(0.0, delay_s)


class Intake:
    """Takes the images of one camera, source after source. Belongs to the reader's thread.

    Attributes:
        pacer: Decides which tasks are due.
    """

    def __init__(
        self,
        spec: CameraSpec,
        mailbox: Mailbox,
        stopping: threading.Event,
        *,
        clock: Callable[[], float],
        utc_now: Callable[[], datetime],
        packets: PacketRing | None = None,
    ) -> None:
        """Prepares the schedule of every task; `stopping` ends every wait.

        `packets` of a recording get the capture times of their images.
        """
        self._camera = spec.id
        self._mailbox = mailbox
        self._stopping = stopping
        self._clock = clock
        self._utc_now = utc_now
        self._packets = packets
        self.pacer = Pacer(spec.rates)
        self._timing = SourceTiming.LIVE
        self._playback = PlaybackClock()
        self._media_start_s = 0.0
        self._last_s: float | None = None
        self._stream_restarts = -1
        self.decoded = 0
        self.size_changes = 0
        self.image_size: Size | None = None

    def begin(self, source: VideoSource) -> None:
        """Another source starts: trackers have to start anew."""
        self._stream_restarts += 1
        self._timing = source.timing
        self._playback = PlaybackClock()
        # A recording read fast is dated as if it had just been made, so that no frame lies in the
        # future, and never before the frames of an earlier attempt.
        self._media_start_s = self._clock() - source.duration_s
        if self._last_s is not None:
            self._media_start_s = max(self._media_start_s, self._last_s)
        # One that broke off and is read again waits until all of it lies in the past.
        self._stopping.wait(max(0.0, self._media_start_s + source.duration_s - self._clock()))

    def admit(self, image: DecodedImage) -> None:
        """Takes one clean image; waits where the source's timing asks for it."""
        live = self._timing is SourceTiming.LIVE
        captured_s = self._clock() if live else self._playback_time(image)
        if self._stopping.is_set():
            return
        resized = self.image_size is not None and image.size != self.image_size
        self.size_changes += resized
        self._stream_restarts += resized or image.cut
        self.image_size = image.size
        index = self.decoded
        self.decoded += 1
        self._last_s = captured_s
        if self._packets is not None:
            self._packets.date(captured_s)
        tasks = self.pacer.due(captured_s)
        fast = self._timing is SourceTiming.FAST
        if fast and tasks and not self.wait_until_read():
            return
        if not tasks and (fast or not self._mailbox.waiting_tasks):
            return
        now_s = self._clock()
        frame = Frame(
            camera=self._camera,
            index=index,
            stream_restarts=self._stream_restarts,
            captured_at=self._utc_now() + timedelta(seconds=captured_s - now_s),
            captured_mono_s=captured_s,
            arrived_mono_s=now_s,
            tasks=tasks,
            views={},
            full=image,
            decode_s=image.decode_s,
        )
        if tasks:
            self._mailbox.put(frame)
        else:
            self._mailbox.refresh(frame)

    def wait_until_read(self) -> bool:
        """Waits until the last frame was taken; false when it has to stop instead."""
        while not self._stopping.is_set():
            if self._mailbox.wait_empty(POLL_S):
                return True
        return False

    def _playback_time(self, image: DecodedImage) -> float:
        """The capture time of an image of a recording, once it is to be shown."""
        if self._timing is SourceTiming.FAST:
            return self._media_start_s + image.media_s
        self._stopping.wait(self._playback.delay_s(image.media_s, self._clock()))
        return self._clock()
