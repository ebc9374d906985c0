"""Recordings as cameras: a video file, played in real time or read as fast as it is taken.

`clip.mp4`, `file:///data/clip.mp4`, `file:///data/clip.mp4?realtime=1&loop=1`. Without `realtime`
nothing is dropped: reading waits for the consumer. Without `loop` the recording ends, properly.

A pause of the recording means what an outage means on a live camera: trackers start anew behind it.
Read fast, it keeps its length, because rules count seconds and events carry dates. Played in real
time it is left out.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from camera_adapters.conversion import VideoImage
from camera_adapters.decoding import NoVideoError, VideoContainer, open_container
from camera_adapters.errors import CameraFault, UnreadableFault, UnsupportedSourceError
from camera_adapters.packet_ring import PacketRing
from camera_adapters.recording_time import Placed, RecordingTimeline
from camera_adapters.source import DecodedImage, SourceTiming, StreamSignal
from camera_adapters.spec import CameraSpec

SWITCHES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
BEGINS = "the recording begins there"
BEGAN_AGAIN = "the recording began again"


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A recording and how to play it: in real time or as fast as possible, once or for ever."""

    path: Path
    realtime: bool = False
    loop: bool = False


def check(spec: CameraSpec) -> FileAddress:
    """The file a camera's source names, and how to play it.

    Raises:
        UnsupportedSourceError: The address is malformed.
    """
    if not spec.source.lower().startswith("file:"):
        return FileAddress(Path(spec.source))
    parts = urlsplit(spec.source)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise UnsupportedSourceError(
            spec.id, "the file address has no absolute path", "write file:///folder/clip.mp4"
        )
    switches = {"realtime": False, "loop": False}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in switches or value.lower() not in SWITCHES:
            raise UnsupportedSourceError(
                spec.id,
                f"the file address has an unknown setting {name}={value}",
                "use realtime=0 or 1 and loop=0 or 1",
            )
        switches[name] = SWITCHES[value.lower()]
    return FileAddress(Path(unquote(parts.path)), **switches)


class FileSource:
    """An open recording.

    Attributes:
        stated_s: Its length as its header states it, seconds; 0 where it does not.
    """

    def __init__(self, spec: CameraSpec) -> None:
        """Opens the file that the camera's source names.

        Raises:
            CameraFault: The file is not there or holds no video.
        """
        self._spec = spec
        self._address = check(spec)
        self.timing = SourceTiming.PACED if self._address.realtime else SourceTiming.FAST
        self._packets: PacketRing | None = None
        self._container = self._open()
        self.stated_s = self._container.stated_s
        self.duration_s = 0.0
        if self.timing is SourceTiming.FAST:
            self.duration_s = self._container.length_s()
            self._container.close()
            self._container = self._open()

    def arrivals(self) -> Iterator[DecodedImage | StreamSignal]:
        """Clean images and signals; ends with the recording, unless it loops.

        Raises:
            UnreadableFault: Nothing in the file can be decoded, or it breaks off.
        """
        # Nobody waits for hours in front of a pause that is played.
        played = self.timing is SourceTiming.PACED
        timeline = RecordingTimeline[VideoImage](self._container.step_s, keeps_pauses=not played)
        begins_again = False
        while True:
            images = 0
            for arrival in self._placed(timeline):
                if isinstance(arrival, VideoImage):
                    arrival.cut = arrival.cut or begins_again
                    begins_again = False
                    images += 1
                yield arrival
            if not images:
                raise self._fault("holds no image that can be decoded, or only larger ones than 8K")
            if not self._address.loop:
                return
            self._container.close()
            self._container = self._open()
            if self._packets is not None:
                self._container.keep_packets(self._packets, BEGAN_AGAIN)
            begins_again = True

    def _placed(
        self, timeline: RecordingTimeline[VideoImage]
    ) -> Iterator[VideoImage | StreamSignal]:
        """What comes of the open file, the images with their time."""
        for arrival in self._container.images(
            lambda failure: self._fault(f"breaks off ({failure.text})")
        ):
            if isinstance(arrival, StreamSignal):
                yield arrival
            else:
                yield from map(_dated, timeline.place(arrival, arrival.stamp))
        yield from map(_dated, timeline.finish())

    def keep_packets(self, ring: PacketRing) -> None:
        """See `VideoSource.keep_packets`."""
        self._container.keep_packets(ring, BEGINS)
        self._packets = ring

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def _open(self) -> VideoContainer:
        self._check_path()
        opened = open_container(self._spec, self._address.path)
        if isinstance(opened, VideoContainer):
            return opened
        no_video = opened.error is NoVideoError
        raise self._fault(
            "has no video in it that can be decoded" if no_video else "is not a video file"
        )

    def _check_path(self) -> None:
        try:
            status = self._address.path.stat()
        except FileNotFoundError:
            raise self._fault("does not exist") from None
        except OSError as error:
            raise self._fault(f"cannot be read ({error.strerror})") from None
        # A pipe or a device could block for ever.
        if not stat.S_ISREG(status.st_mode):
            raise self._fault("is not a file")
        if not status.st_size:
            raise self._fault("is empty")

    def _fault(self, problem: str) -> CameraFault:
        return UnreadableFault(
            self._spec.id,
            f"the file {self._address.path.name} {problem}",
            "give the path of a video file, such as an MP4 with H.264",
        )


def _dated(placed: Placed[VideoImage]) -> VideoImage:
    image = placed.item
    image.media_s, image.cut = placed.media_s, placed.cut
    return image


open_source = FileSource
