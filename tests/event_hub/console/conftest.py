from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.event_hub.browser import chromium
from tests.event_hub.console import city
from tests.event_hub.process import Process, hub_process


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Process]:
    with hub_process(tmp_path) as process:
        yield process


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the hub that is shared."""
    return tmp_path_factory.mktemp("city")


@pytest.fixture(scope="package")
def town(folder: Path) -> Iterator[Process]:
    """A hub with a small city, shared; tests that change incidents take different ones."""
    with hub_process(folder) as process:
        city.fill(process, folder)
        with city.beating(process):
            yield process
