"""`Playback`: the frames of a recording as a camera's reader gives them, on its own clock alone.

Guarantees that which frames there are, and when they were captured, follows from the file and the
wanted rates: there is no thread, no clock and no mailbox that something could be dropped from. What
can be read is given, and what cannot is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from camera_adapters.errors import CameraFault
from camera_adapters.file import FileSource
from camera_adapters.frame import Frame
from camera_adapters.intake import Intake, Mailbox
from camera_adapters.source import StreamSignal
from camera_adapters.spec import CameraSpec

RECORDING_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)
"""The date of the first image: a recording says how much time passed, and not when."""

LEAST_ABSENT_S = 1.0
"""Headers are not exact."""


class Playback:
    """A recording in place of a camera. Not thread-safe; close it.

    `captured_mono_s` and `arrived_mono_s` of a frame are its second of the recording, and
    `captured_at` lies as long after `RECORDING_BEGIN`.

    Attributes:
        duration_s: Length of what can be read, seconds.
        absent_s: By how much that is shorter than the header of the file states; 0 for little.
        read_s: Up to which second of it was read.
        damaged: Images left out so far, because they are damaged or depend on a damaged one.
        broken_off: Why it could not be read to its end, empty where it could.
    """

    def __init__(self, spec: CameraSpec, recording: Path) -> None:
        """Opens a video file.

        Args:
            spec: The camera whose size limit and rates count; its own source is not opened.
            recording: The file that is read instead.

        Raises:
            CameraFault: The file is not there or holds no video.
        """
        own = CameraSpec(
            spec.id,
            recording.absolute().as_uri(),
            rates=spec.rates,
            open_timeout_s=spec.open_timeout_s,
            read_timeout_s=spec.read_timeout_s,
            max_pixels=spec.max_pixels,
        )
        self._source = FileSource(own)
        self._mailbox = Mailbox()
        # The clock is at the end while the recording begins, so that it begins at 0; from then on
        # images arrive when they were captured.
        end_s = self._now_s = self.duration_s = self._source.duration_s
        absent_s = self._source.stated_s - end_s
        self.absent_s = absent_s if absent_s >= LEAST_ABSENT_S else 0.0
        self._intake = Intake(
            own,
            self._mailbox,
            threading.Event(),
            clock=lambda: self._now_s,
            utc_now=lambda: RECORDING_BEGIN + timedelta(seconds=self._now_s),
        )
        self.read_s = 0.0
        self.damaged = 0
        self.broken_off = ""

    @property
    def decoded(self) -> int:
        """Clean images so far, due or not."""
        return self._intake.decoded

    def frames(self) -> Iterator[Frame]:
        """The frames that are due for a task, in order; once.

        Raises:
            CameraFault: There is not one image that can be decoded.
        """
        self._intake.begin(self._source)
        try:
            for arrival in self._source.arrivals():
                if isinstance(arrival, StreamSignal):
                    self.damaged += arrival is StreamSignal.DAMAGED
                    continue
                self.read_s = self._now_s = arrival.media_s
                self._intake.admit(arrival)
                frame = self._mailbox.take()
                if frame is not None:
                    yield frame
        except CameraFault as fault:
            if not self.decoded:
                raise
            self.broken_off = fault.reason

    def pace(self, rates: Mapping[str, float]) -> None:
        """Changes the rates of all tasks, frames per second, from the next image on."""
        self._intake.pacer.rates = rates

    def close(self) -> None:
        """Closes the file."""
        self._source.close()
