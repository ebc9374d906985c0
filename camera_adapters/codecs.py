"""Which of the decoders that cameras need this installation of FFmpeg has."""

from __future__ import annotations

from av.codec import codecs_available

from camera_adapters.decoder_context import DECODERS


def missing_decoders() -> tuple[str, ...]:
    """FFmpeg's names of those that it lacks; none where every camera can be decoded."""
    return tuple(sorted(set(DECODERS.values()) - codecs_available))
