"""A city on a disk that is full: cameras are watched, health says what is wrong, and it passes."""

from __future__ import annotations

import pytest

from tests import small_disk
from tests.serving.disk_scenarios import SCENARIOS


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_what_a_city_keeps_on_a_disk_that_takes_nothing(tmp_path, scenario):
    (tmp_path / "disk").mkdir()
    small_disk.run("tests.serving.disk_scenarios", scenario, tmp_path / "disk")
