"""Decoding on a GPU: decoders of its video engines, which never fall back to the processor.

Images stay in the GPU's memory; `conversion` fetches those that somebody wants.
"""

from __future__ import annotations

from typing import cast
from weakref import WeakSet

import av
from av.codec.hwaccel import HWAccel
from av.video.codeccontext import VideoCodecContext

from camera_adapters.errors import UnreadableFault
from camera_adapters.spec import CameraSpec

NO_GPU = "check the GPU with nvidia-smi, or write `decoder: cpu`"

MOST_REFUSED = 2
"""How many undamaged key frames a GPU may refuse in a row before it is the kind of video."""

_counted: WeakSet[GpuStream] = WeakSet()


class GpuStream:
    """One stream that a GPU decodes; it counts as long as it is held.

    Attributes:
        context: Its decoder.
    """

    def __init__(self, spec: CameraSpec, codec: str) -> None:
        """Takes a decoder of the GPU.

        Raises:
            UnreadableFault: There is no GPU, or no decoder to be had on it.
        """
        self._camera = spec.id
        self._codec = codec
        self._refused = 0
        found: VideoCodecContext | None = None
        failure = ""
        try:
            # On images that stay there PyAV shares the GPU's primary context among all streams.
            acceleration = HWAccel("cuda", 0, allow_software_fallback=False, is_hw_owned=True)
            found = cast(
                VideoCodecContext, av.CodecContext.create(codec, "r", hwaccel=acceleration)
            )
        except (av.FFmpegError, NotImplementedError) as error:
            text = error.strerror if isinstance(error, av.FFmpegError) else None
            failure = text or "no engine for its codec"
        if found is None:
            # Outside of the handler, so that the fault has no context.
            reason = f"its {codec} video cannot be decoded on a GPU here ({failure.lower()})"
            raise UnreadableFault(spec.id, reason, NO_GPU)
        self.context = found
        _counted.add(self)

    def note(self, *, refused: bool) -> None:
        """Takes whether an undamaged key frame was refused.

        Raises:
            UnreadableFault: Several were, one after the other.
        """
        self._refused = self._refused + 1 if refused else 0
        if self._refused > MOST_REFUSED:
            raise UnreadableFault(
                self._camera,
                f"the GPU refuses its {self._codec} video",
                "set the camera to H.264 or H.265 with 8 bits and 4:2:0, or write `decoder: cpu`",
            )


def gpu_streams() -> int:
    """How many streams this process decodes on a GPU at present."""
    return len(_counted)
