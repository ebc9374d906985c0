"""One real Ray with Serve for all tests of this package, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from models.package import ModelPackage
from pipelines.access import TokenFile, known_hosts
from serving.api import ApiAccess
from serving.ray_cluster import ClusterSettings, cluster
from tests.e2e.command import free_ports
from tests.serving.packages import brightness_package


@dataclass(frozen=True, slots=True)
class RunningCluster:
    """A started Ray, the port of its HTTP proxy, and the tokens for the control API behind it."""

    api_port: int
    tokens: TokenFile

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens.first()}"}

    @property
    def token_file(self) -> Path:
        return self.tokens.folder / "first-token"


@pytest.fixture(scope="session")
def running_cluster(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[RunningCluster]:
    """Ray and Serve, started once in each process of the test run."""
    assert "not ray" not in pytestconfig.option.markexpr, "this test starts Ray: mark it `ray`"
    (port,) = free_ports(1)
    tokens = TokenFile(tmp_path_factory.mktemp("cluster") / "access")
    tokens.prepare()
    access = ApiAccess(tokens=tokens.folder, hosts=known_hosts("127.0.0.1"))
    with cluster(ClusterSettings(api_port=port, access=access)):
        yield RunningCluster(port, tokens)


@pytest.fixture(scope="session")
def brightness(tmp_path_factory: pytest.TempPathFactory) -> ModelPackage:
    """The tiny model whose score is the mean brightness."""
    return brightness_package(tmp_path_factory.mktemp("models"))
