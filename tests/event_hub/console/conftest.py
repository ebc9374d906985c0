from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.event_hub.browser import chromium
from tests.event_hub.process import Process, hub_process


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Process]:
    with hub_process(tmp_path) as process:
        yield process
