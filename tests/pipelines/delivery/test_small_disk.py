"""Real disks that are full or read-only: a clear state, bounded memory, and nothing lost after."""

from __future__ import annotations

import pytest

from tests import small_disk
from tests.pipelines.delivery.disk_scenarios import SCENARIOS


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_delivery_on_a_disk_that_takes_nothing(tmp_path, scenario):
    (tmp_path / "disk").mkdir()
    small_disk.run("tests.pipelines.delivery.disk_scenarios", scenario, tmp_path / "disk")
