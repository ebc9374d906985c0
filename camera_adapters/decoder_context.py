"""Decoders for what is to be decoded, of the processor or of a GPU: one thread, no delay."""

from __future__ import annotations

from typing import Final, cast

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from camera_adapters.gpu_decoding import GpuStream
from camera_adapters.sdp import VideoCodec, VideoTrack
from camera_adapters.spec import CameraSpec

CALL_ERRORS = (av.FFmpegError, OSError, ValueError, RuntimeError, LookupError)
"""What PyAV raises for reasons that lie outside of this program."""

DECODERS: Final = {VideoCodec.H264: "h264", VideoCodec.H265: "hevc", VideoCodec.JPEG: "mjpeg"}
"""FFmpeg's names."""

OpenedDecoder = tuple[VideoCodecContext, GpuStream | None]


def track_context(track: VideoTrack, spec: CameraSpec, sets: bytes) -> OpenedDecoder:
    """A decoder for a camera's track; without its parameter sets where they are not accepted.

    Raises:
        UnreadableFault: There is no GPU that is to decode it.
    """
    context, gpu = _new_context(track, spec)
    if sets:
        context.extradata = sets
        try:
            context.open()
        except CALL_ERRORS:
            return _new_context(track, spec)
    return context, gpu


def _new_context(track: VideoTrack, spec: CameraSpec) -> OpenedDecoder:
    codec = DECODERS[track.codec]
    gpu = GpuStream(spec, codec) if spec.decoder == "cuda" else None
    context = (
        cast(VideoCodecContext, av.CodecContext.create(codec, "r")) if gpu is None else gpu.context
    )
    context.flags |= Flags.low_delay
    _prepare(context, spec)
    return context, gpu


def stream_context(stream: VideoStream, spec: CameraSpec) -> OpenedDecoder:
    """A decoder for the video of a file.

    Raises:
        UnreadableFault: There is no GPU that is to decode it.
    """
    context, gpu = stream.codec_context, None
    if spec.decoder == "cuda":
        gpu = GpuStream(spec, context.name)
        gpu.context.extradata = context.extradata
        context = gpu.context
    _prepare(context, spec)
    return context, gpu


def _prepare(context: VideoCodecContext, spec: CameraSpec) -> None:
    # One thread per stream: more of them add whole frames of delay.
    context.thread_count = 1
    context.options = {"max_pixels": str(spec.max_pixels)}


def missing_decoders() -> tuple[str, ...]:
    """FFmpeg's names of decoders that this installation lacks; none where it has all of ours."""
    return tuple(sorted(set(DECODERS.values()) - av.codecs_available))
