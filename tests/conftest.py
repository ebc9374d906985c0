"""Servers that tests of several packages share."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator

import pytest

from benchmarks.chaos.swift_server import SwiftServer
from tests.camera_adapters.clips import TinyClip, write_clip
from tests.pipelines.delivery.moto_server import MotoServer

pytest_plugins = ("tests.levels", "tests.private_folder", "tests.spreading")


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Takes away the log that a command under test set up.

    Its stream is closed with the test: a later record would be reported in the output of another.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwiftServer]:
    """A real S3 server; needs the dependency group `s3server`."""
    if importlib.util.find_spec("swift") is None:
        pytest.skip("uv sync --group s3server brings the S3 server")
    server = SwiftServer(tmp_path_factory.mktemp("s3"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    """A second S3 server of another family, which starts in two seconds."""
    server = MotoServer(tmp_path_factory.mktemp("moto"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> TinyClip:
    """36 numbered frames, 320x180 at 12.5 fps, a key frame every 12; see `clips.read_number`."""
    return write_clip(tmp_path_factory.mktemp("clips") / "tiny.mp4")
