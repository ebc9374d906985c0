"""Recordings as cameras: a video file, played at the speed of life or read as fast as it is taken.

`clip.mp4`, `file:///data/clip.mp4`, `file:///data/clip.mp4?realtime=1&loop=1`. Without `realtime`
nothing is dropped: reading waits for the consumer. Without `loop` the recording ends, properly.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from camera_adapters.conversion import AnalysisConverter
from camera_adapters.decoding import CALL_ERRORS, CleanImage, Decoder, Failure, open_container
from camera_adapters.errors import CameraFault, UnreadableFault, UnsupportedSourceError
from camera_adapters.pacing import MediaStamps
from camera_adapters.source import DecodedImage, Sign, Timing
from camera_adapters.spec import CameraSpec

DEFAULT_FPS = 25.0
FASTEST_FPS = 1000.0
SWITCHES = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A recording and how to play it.

    Attributes:
        path: The file.
        realtime: At the speed of life instead of as fast as possible.
        loop: Again from the start at its end.
    """

    path: Path
    realtime: bool = False
    loop: bool = False


def parse_file_address(spec: CameraSpec) -> FileAddress:
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
    """An open recording."""

    def __init__(self, spec: CameraSpec) -> None:
        """Opens the file.

        Args:
            spec: The camera; `source` names the file.

        Raises:
            CameraFault: The file is not there or holds no video.
        """
        self._spec = spec
        self._address = parse_file_address(spec)
        self.timing = Timing.PACED if self._address.realtime else Timing.FAST
        self._converter = AnalysisConverter(spec.id)
        self._container, self._stream = self._open()
        self.duration_s = _duration_s(self._container)

    def arrivals(self) -> Iterator[DecodedImage | Sign]:
        """Clean images and signs; ends with the recording, unless it loops.

        Raises:
            UnreadableFault: Nothing in the file can be decoded, or it breaks off.
        """
        stamps = MediaStamps(1.0 / _fps(self._stream))
        cut = False
        while True:
            images = 0
            for step in self._decoder().steps():
                if isinstance(step, Failure):
                    raise self._fault(f"breaks off ({step.text})")
                if isinstance(step, CleanImage):
                    step.media_s, step.cut = stamps.stamp(step.pts_s), cut
                    cut = False
                    images += 1
                yield step
            if not images:
                raise self._fault("holds no image that can be decoded, or only larger ones than 8K")
            if not self._address.loop:
                return
            self._container.close()
            self._container, self._stream = self._open()
            stamps.restart()
            cut = True

    def close(self) -> None:
        """Closes the file."""
        with suppress(*CALL_ERRORS):
            self._container.close()

    def _decoder(self) -> Decoder:
        return Decoder(
            self._spec.id,
            self._container,
            self._stream,
            self._converter,
            hold_s=self._spec.read_timeout_s / 2,
        )

    def _open(self) -> tuple[InputContainer, VideoStream]:
        self._check_path()
        # "file:" in front keeps FFmpeg from reading a protocol into the name of the file.
        opened = open_container(
            f"file:{self._address.path}",
            {"protocol_whitelist": "file"},
            self._spec.open_timeout_s,
            self._spec.read_timeout_s,
        )
        if isinstance(opened, Failure):
            raise self._fault("is not a video file")
        if not opened.container.streams.video:
            opened.container.close()
            raise self._fault("has no video in it")
        return opened.container, opened.container.streams.video[0]

    def _check_path(self) -> None:
        problem = ""
        try:
            status = self._address.path.stat()
        except FileNotFoundError:
            problem = "does not exist"
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        else:
            # A pipe or a device could block for ever.
            if not stat.S_ISREG(status.st_mode):
                problem = "is not a file"
            elif not status.st_size:
                problem = "is empty"
        if problem:
            raise self._fault(problem)

    def _fault(self, problem: str) -> CameraFault:
        return UnreadableFault(
            self._spec.id,
            f"the file {self._address.path.name} {problem}",
            "give the path of a video file, such as an MP4 with H.264",
        )


def _duration_s(container: InputContainer) -> float:
    return container.duration / av.time_base if container.duration else 0.0


def _fps(stream: VideoStream) -> float:
    rate = stream.average_rate or stream.guessed_rate
    return min(float(rate), FASTEST_FPS) if rate else DEFAULT_FPS
