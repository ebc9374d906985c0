"""Recordings as cameras: a video file, played in real time or read as fast as it is taken.

`clip.mp4`, `file:///data/clip.mp4`, `file:///data/clip.mp4?realtime=1&loop=1`. Without `realtime`
nothing is dropped: reading waits for the consumer. Without `loop` the recording ends, properly.
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
from camera_adapters.source import DecodedImage, SourceTiming, StreamSignal
from camera_adapters.spec import CameraSpec

MAX_STEP_S = 10.0
"""A larger step between two timestamps of a recording is a defect of the recording, not a pause."""

SWITCHES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


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


class MediaStamps:
    """Turns the timestamps of a recording into seconds that always grow, over loops and defects."""

    def __init__(self, frame_s: float) -> None:
        """Starts at zero; `frame_s` is the time from image to image where none is known."""
        self._frame_s = frame_s
        self._media_s: float | None = None
        self._pts_s: float | None = None

    def stamp(self, pts_s: float | None) -> float:
        """Seconds from the first image to this one; `pts_s` is None where nothing is said."""
        expected_s = None if self._pts_s is None else self._pts_s + self._frame_s
        if self._media_s is None:
            self._media_s = 0.0
        else:
            step_s = None if pts_s is None or self._pts_s is None else pts_s - self._pts_s
            known = step_s is not None and 0 < step_s <= MAX_STEP_S
            self._media_s += step_s if step_s is not None and known else self._frame_s
        # Without a timestamp the next known one is measured from the expected one.
        self._pts_s = expected_s if pts_s is None else pts_s
        return self._media_s

    def restart(self) -> None:
        """The recording begins again; time goes on."""
        self._pts_s = None


class FileSource:
    """An open recording."""

    def __init__(self, spec: CameraSpec) -> None:
        """Opens the file that the camera's source names.

        Raises:
            CameraFault: The file is not there or holds no video.
        """
        self._spec = spec
        self._address = check(spec)
        self.timing = SourceTiming.PACED if self._address.realtime else SourceTiming.FAST
        self._container = self._open()
        self.duration_s = self._container.duration_s

    def arrivals(self) -> Iterator[DecodedImage | StreamSignal]:
        """Clean images and signals; ends with the recording, unless it loops.

        Raises:
            UnreadableFault: Nothing in the file can be decoded, or it breaks off.
        """
        stamps = MediaStamps(1.0 / self._container.nominal_fps)
        cut = False
        while True:
            images = 0
            for arrival in self._container.images(
                lambda failure: self._fault(f"breaks off ({failure.text})")
            ):
                if isinstance(arrival, VideoImage):
                    arrival.media_s, arrival.cut = stamps.stamp(arrival.pts_s), cut
                    cut = False
                    images += 1
                yield arrival
            if not images:
                raise self._fault("holds no image that can be decoded, or only larger ones than 8K")
            if not self._address.loop:
                return
            self._container.close()
            self._container = self._open()
            stamps.restart()
            cut = True

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def _open(self) -> VideoContainer:
        self._check_path()
        opened = open_container(self._spec, self._address.path)
        if isinstance(opened, VideoContainer):
            return opened
        no_video = opened.error is NoVideoError
        raise self._fault("has no video in it" if no_video else "is not a video file")

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


open_source = FileSource
