"""The one way from a configured camera to an open source; adapters are loaded lazily."""

from __future__ import annotations

from camera_adapters.errors import UnsupportedSourceError
from camera_adapters.source import Source
from camera_adapters.spec import CameraSpec

RTSP_SCHEMES = ("rtsp", "rtsps")
FILE_SCHEME = "file"
SUPPORTED = (*RTSP_SCHEMES, FILE_SCHEME)


def scheme_of(spec: CameraSpec) -> str:
    """The supported scheme of a camera's source; a bare path is a file.

    Raises:
        UnsupportedSourceError: The scheme is none of ours.
    """
    prefix, mark, _ = spec.source.partition("://")
    scheme = prefix.lower() if mark else FILE_SCHEME
    if scheme not in SUPPORTED:
        raise UnsupportedSourceError(
            spec.id,
            f"the scheme {scheme!r} of its source is not supported",
            f"use one of: {', '.join(SUPPORTED)}, or the path of a video file",
        )
    return scheme


def open_source(spec: CameraSpec) -> Source:
    """Opens a camera; blocks until it is open or has failed.

    Raises:
        CameraFault: It cannot be opened; the subclass says how soon to try again.
    """
    if scheme_of(spec) in RTSP_SCHEMES:
        from camera_adapters.rtsp import RtspSource

        return RtspSource(spec)
    from camera_adapters.file import FileSource

    return FileSource(spec)
