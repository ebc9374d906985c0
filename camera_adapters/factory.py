"""Camera kinds: the registry, and the one way from a configured camera to an open source.

A kind is one module and one entry in `KINDS`. The module is loaded when a camera of its kind is
checked or opened; it offers `check(spec)`, which finds without connecting what can never work, and
`open_source(spec)`. Both raise `CameraFault`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from camera_adapters.errors import UnsupportedSourceError
from camera_adapters.source import VideoSource
from camera_adapters.spec import CameraSpec

FILE_SCHEME = "file"


@dataclass(frozen=True, slots=True)
class CameraKind:
    """A kind of camera.

    Attributes:
        module: Its adapter.
        schemes: The URL schemes of its addresses.
        address: What an address looks like, for people.
    """

    module: str
    schemes: tuple[str, ...]
    address: str

    @property
    def adapter(self) -> ModuleType:
        """The adapter, loaded."""
        return import_module(self.module)


KINDS = (
    CameraKind("camera_adapters.rtsp", ("rtsp", "rtsps"), "rtsp://HOST[:PORT]/PATH"),
    CameraKind("camera_adapters.file", (FILE_SCHEME,), "the path of a video file"),
)


SOURCES = " or ".join(kind.address for kind in KINDS)
"""What the source of a camera may be, for people."""


def scheme_of(source: str) -> str:
    """The scheme of an address in small letters; a bare path is a file."""
    prefix, mark, _ = source.partition("://")
    return prefix.lower() if mark else FILE_SCHEME


def kind_of(spec: CameraSpec) -> CameraKind:
    """The kind of a camera.

    Raises:
        UnsupportedSourceError: No kind has the scheme of its source.
    """
    scheme = scheme_of(spec.source)
    for kind in KINDS:
        if scheme in kind.schemes:
            return kind
    raise UnsupportedSourceError(spec.id, f"`{scheme}` is not a kind of source", f"use {SOURCES}")


def open_source(spec: CameraSpec) -> VideoSource:
    """Opens a camera; blocks until it is open or has failed.

    Raises:
        CameraFault: It cannot be opened; the subclass says how soon to try again.
    """
    source: VideoSource = kind_of(spec).adapter.open_source(spec)
    return source
