"""Checks a camera with two streams: a smaller one for inference, the main one for evidence."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from camera_adapters import DEFAULT_PORTS, scheme_of
from cityeye.config.document import Document
from cityeye.config.problem import Key

INFERENCE_SOURCE: Final = "inference_source"
SOURCE_KEYS: Final = ("source", INFERENCE_SOURCE)
"""The keys of a camera that hold an address."""


def check_streams(document: Document, key: Key, camera: dict[str, Any]) -> None:
    """Adds a problem where the two addresses of a camera cannot be two streams of it."""
    main, smaller = map(camera.get, SOURCE_KEYS)
    if not isinstance(main, str) or not isinstance(smaller, str):
        return
    for name, source in zip(SOURCE_KEYS, (main, smaller), strict=True):
        if scheme_of(source) not in DEFAULT_PORTS:
            what = "two streams of one camera are read over RTSP only"
            remedy = f"Leave `{INFERENCE_SOURCE}:` out for a recording."
            document.report((*key, name), what, remedy)
            return
    if main == smaller:
        what = "it is the same address as `source`"
        document.report((*key, INFERENCE_SOURCE), what, "Name a smaller stream, or leave it out.")
    elif camera.get("username") is not None and _server(main) != _server(smaller):
        what = "it is at another host or port than `source`, and would be given its login"
        remedy = "Name a stream of the same camera, or of the recorder that both come from."
        document.report((*key, INFERENCE_SOURCE), what, remedy)


def _server(source: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address that can be read."""
    try:
        parts = urlsplit(source)
        return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return "", source, None
