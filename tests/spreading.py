"""Marks what may not run beside other tests when `-n` spreads them over several processes.

Tests that start Ray are marked `ray`: they measure rates and ages of frames, so they run in a
second call with nothing beside them. The others are spread by file, as a file shares fixtures.
"""

from __future__ import annotations

import pytest

RAY_FIXTURE = "running_cluster"


# First, because `-m` picks by markers in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if RAY_FIXTURE in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.ray)
