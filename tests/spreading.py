"""Which tests may run beside each other when `-n` spreads them over several processes.

Those of one file share a process, as they share module fixtures. Those that start Ray are marked
`ray`: they measure rates and ages of frames, so they run in a second call with nothing beside them.
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
        item.add_marker(pytest.mark.xdist_group(item.location[0]))
