"""One real Ray with Serve for all tests of this package, on loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from models.package import ModelPackage
from serving.ray_cluster import ClusterSettings, cluster
from tests.serving.packages import brightness_package


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """A started Ray and the port of its HTTP proxy."""

    api_port: int


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[RunningCluster]:
    """Ray and Serve, started once."""
    assert "PYTEST_XDIST_WORKER" not in os.environ, "this test starts Ray: mark it `ray`"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with cluster(ClusterSettings(api_port=port)):
        yield RunningCluster(port)


@pytest.fixture(scope="session")
def brightness(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    """The tiny model whose score is the mean brightness."""
    return brightness_package(tmp_path_factory.mktemp("models"))
