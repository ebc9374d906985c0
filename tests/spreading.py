"""Marks what starts Ray, so that it runs in a call of its own: two at once fill two cores.

`-n` spreads tests over several processes by file, as a file shares fixtures. Each process has a
temporary folder of its own (see `private_folder`), and so a Ray of its own. Those files come in the
order of their names: whole cities of the command line first, then what shares one Ray by process.
"""

from __future__ import annotations

import pytest

RAY_FIXTURE = "running_cluster"
RAY_FOLDERS = ("tests/benchmarks/", "tests/e2e/", "tests/serving/")
"""The second call of `make test` looks nowhere else, as it would take its time."""


# First, because `-m` picks by markers in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if RAY_FIXTURE in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.ray)
        if item.get_closest_marker("ray") and not item.nodeid.startswith(RAY_FOLDERS):
            folders = ", ".join(RAY_FOLDERS)
            raise pytest.UsageError(f"{item.nodeid} starts Ray: put it into one of {folders}")
