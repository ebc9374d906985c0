"""Fixtures that all camera adapter tests share."""

from __future__ import annotations

import pytest

from tests.camera_adapters.clips import TinyClip, write_clip


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> TinyClip:
    """36 numbered frames, 320x180 at 12.5 fps, a key frame every 12; see `clips.read_number`."""
    return write_clip(tmp_path_factory.mktemp("clips") / "tiny.mp4")
